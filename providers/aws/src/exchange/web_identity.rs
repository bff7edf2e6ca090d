//! A JWT becomes a session of a role, and that a session of the next role.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig, Kind, Kinds, Material, Mistake, Want,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{call, form};
use crate::{
    config::{self, Hop, SESSION, SESSION_NAME, SessionPolicy},
    endpoint::Endpoint,
    error, wire,
};

/// What AWS's own actions and SDKs ask for.
const AUDIENCE: &str = "sts.amazonaws.com";

/// Exchanges a JWT for keys of an AWS role, then perhaps for those of further roles.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// The role: `arn:aws:iam::ACCOUNT:role/NAME`.
    pub role_arn: String,
    /// The name of the session, which stands in its ARN and in logs. By default `carnet`.
    #[serde(default)]
    pub session_name: Option<String>,
    /// Life of the session, for instance `1h`; from 15 minutes to what the role allows, at most 12 hours. AWS's default is one
    /// hour.
    #[serde(default)]
    pub lifetime: Option<String>,
    /// The audience that the token must name: a client id of the OpenID Connect provider. By default `sts.amazonaws.com`.
    #[serde(default)]
    pub audience: Option<String>,
    /// A policy document (JSON as text) that makes the session smaller than its role.
    #[serde(default)]
    pub policy: Option<String>,
    /// ARNs of policies that do the same, at most 10.
    #[serde(default)]
    pub policy_arns: Vec<String>,
    /// Roles behind this one, each assumed with the keys of the one before.
    #[serde(default)]
    pub then: Vec<Hop>,
    /// The region of the token service. By default `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    #[serde(default)]
    pub region: Option<String>,
    /// The address of the token service. By default that of the region, or what `AWS_ENDPOINT_URL_STS` or `AWS_ENDPOINT_URL` say.
    #[serde(default)]
    pub endpoint_url: Option<String>,
}

impl Aws {
    /// A role, and all else by default.
    pub(crate) fn of(role_arn: String, session_name: Option<String>) -> Self {
        Self {
            role_arn,
            session_name,
            lifetime: None,
            audience: None,
            policy: None,
            policy_arns: Vec::new(),
            then: Vec::new(),
            region: None,
            endpoint_url: None,
        }
    }
}

/// The exchange `aws`, checked.
#[derive(Debug)]
struct WebIdentity {
    role: String,
    session: String,
    seconds: Option<i64>,
    audience: String,
    policy: SessionPolicy,
    then: Vec<Hop>,
    endpoint: Endpoint,
}

impl ExchangeConfig for Aws {
    const NAME: &'static str = "aws";
    const ABOUT: &'static str = "a JWT to the keys of an AWS role (web identity), and on to further roles";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);
    const GIVES: Kinds = Kinds::of(&[Kind::AwsKeys]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        config::check_role("role_arn", &self.role_arn, &mut mistakes);
        let session = self.session_name.unwrap_or_else(|| SESSION_NAME.to_owned());
        config::check_session_name("session_name", &session, &mut mistakes);
        let seconds = config::check_duration_of(self.lifetime.as_deref(), &SESSION, &mut mistakes);
        if self.audience.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("audience", "is empty").hint("leave it out for `sts.amazonaws.com`"));
        }
        let policy = SessionPolicy::check(self.policy, self.policy_arns, &mut mistakes);
        config::check_hops(&self.then, &mut mistakes);
        let endpoint = Endpoint::check("sts", self.region, self.endpoint_url.as_deref(), &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Arc::new(WebIdentity {
            role: self.role_arn,
            session,
            seconds,
            audience: self.audience.unwrap_or_else(|| AUDIENCE.to_owned()),
            policy,
            then: self.then,
            endpoint,
        }))
    }
}

impl Exchange for WebIdentity {
    fn name(&self) -> &'static str {
        Aws::NAME
    }

    fn takes(&self) -> Kinds {
        Aws::TAKES
    }

    fn gives(&self) -> Kinds {
        Aws::GIVES
    }

    fn audience(&self) -> Option<String> {
        Some(self.audience.clone())
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let mut current = self.first(context, credential).await?;
            for hop in &self.then {
                current = self.hop(context, &current, hop).await?;
            }
            let region = self.endpoint.region(context)?;
            Ok(current.fact("region", region))
        })
    }
}

impl WebIdentity {
    /// `AssumeRoleWithWebIdentity`: not signed, the token is the proof.
    async fn first(&self, context: &Context, credential: &Credential) -> Result<Credential, Error> {
        let Material::Jwt(token) = &credential.material else {
            return Err(Error::internal(format!("exchange a credential of kind {} at AWS", credential.kind())));
        };
        let what = format!("assume {} with the token", self.role);
        let region = self.endpoint.region(context)?;
        let fields = wire::web_identity(&self.role, &self.session, self.seconds, &self.policy);
        let url = self.endpoint.url(context, &region)?;
        let request = form(url, &fields, Some(("WebIdentityToken", token.expose())));
        let response = error::send(context, request, &what).await?;
        if !response.status.is_success() {
            return Err(error::refusal(&what, &response, Some(credential), context.now()));
        }
        let session = wire::parse_session(response.body.expose(), "AssumeRoleWithWebIdentity")
            .map_err(|wrong| error::malformed(&what, &response, wrong))?;
        Ok(session.into_credential())
    }

    async fn hop(&self, context: &Context, from: &Credential, hop: &Hop) -> Result<Credential, Error> {
        let Material::AwsKeys(keys) = &from.material else {
            return Err(Error::internal("assume a role without keys"));
        };
        let what = format!("assume {}", hop.role_arn);
        let fields = wire::assume_role(hop, hop.session_name.as_deref().unwrap_or(&self.session));
        let response = call(context, &self.endpoint, keys, &fields, &what, from).await?;
        let session = wire::parse_session(response.body.expose(), "AssumeRole")
            .map_err(|wrong| error::malformed(&what, &response, wrong))?;
        Ok(session.into_credential())
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, ScriptedHttp};
    use serde_json::json;

    use super::*;
    use crate::testing::{REGION, ROLE, exchange, form_of, jwt, session_answer, world};

    #[test]
    fn the_token_is_sent_unsigned_and_the_hop_signed() {
        let http = ScriptedHttp::default()
            .answer(200, session_answer("AssumeRoleWithWebIdentity"))
            .answer(200, session_answer("AssumeRole"));
        let world = world(http, &[REGION]);
        let section = json!({"role_arn": ROLE, "lifetime": "15m",
            "then": [{"role_arn": ROLE, "external_id": "e", "tags": [{"key": "k", "value": "v", "transitive": true}]}]});
        let keys = exchange::<Aws>(section, &jwt(), &world).unwrap();
        assert_eq!(keys.facts["principal"], "arn:aws:sts::123456789012:assumed-role/R/s");
        assert_eq!(keys.facts["region"], "eu-central-1");
        let requests = world.http.requests();
        assert!(!requests[0].headers.contains_key("authorization"));
        let first = form_of(&requests[0]);
        assert_eq!(first[4], ("DurationSeconds".to_owned(), "900".to_owned()));
        assert_eq!(first[5].0, "WebIdentityToken");
        let authorization = requests[1].headers["authorization"].to_str().unwrap();
        assert!(authorization.contains("/eu-central-1/sts/aws4_request"), "{authorization}");
        assert!(authorization.contains("x-amz-security-token"), "{authorization}");
        assert!(form_of(&requests[1]).contains(&("TransitiveTagKeys.member.1".to_owned(), "k".to_owned())));
    }

    #[test]
    fn a_denial_tells_what_the_token_said() {
        let body =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>";
        let world = world(ScriptedHttp::default().answer(403, body), &[REGION]);
        let error = exchange::<Aws>(json!({"role_arn": ROLE}), &jwt(), &world).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("policy")));
        assert!(error.hints()[1].contains("issuer https://issuer.example"), "{:?}", error.hints());
    }

    #[test]
    fn rejects_sections_bent_in_one_place() {
        for (field, value) in [
            ("role_arn", json!("deploy")),
            ("session_name", json!("a")),
            ("lifetime", json!("1m")),
            ("audience", json!("")),
            ("policy", json!("[]")),
            ("policy_arns", json!(["x"])),
            ("region", json!("evil.example")),
            ("endpoint_url", json!("http://sts.example")),
        ] {
            let mut section = json!({"role_arn": ROLE});
            section[field] = value;
            let mistakes = serde_json::from_value::<Aws>(section).unwrap().build().unwrap_err();
            assert_eq!(mistakes[0].field, field);
        }
    }
}
