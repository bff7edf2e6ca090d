//! AWS as an issuer: keys become a JWT ("Outbound identity federation", `GetWebIdentityToken`).

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig, Kind, Kinds, Material, Mistake, Want,
};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call;
use crate::{
    config::{self, Tag},
    endpoint::Endpoint,
    error, wire,
};

/// Life of a token in seconds, and its default ("GetWebIdentityToken").
const LIFETIME: std::ops::RangeInclusive<i64> = 60..=3600;
const DEFAULT_LIFETIME: i64 = 300;

/// How the token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TokenAlgorithm {
    /// Taken by everybody; Google and Entra take no other of the two.
    #[default]
    RS256,
    /// Shorter.
    ES384,
}

/// Exchanges AWS keys for a JWT that others can verify.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsWebIdentityToken {
    /// The token's audience. By default what the next step needs.
    #[serde(default)]
    pub audience: Option<String>,
    /// `RS256` (default) or `ES384`.
    #[serde(default)]
    pub algorithm: TokenAlgorithm,
    /// Life of the token, from 1 minute to 1 hour. By default 5 minutes.
    #[serde(default)]
    pub lifetime: Option<String>,
    /// Tags that are put into the token.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// The region of the token service; the global one does not issue tokens. By default `AWS_REGION`.
    #[serde(default)]
    pub region: Option<String>,
    /// The address of the token service. By default that of the region.
    #[serde(default)]
    pub endpoint_url: Option<String>,
}

#[derive(Debug)]
struct Issue {
    audience: Option<String>,
    algorithm: &'static str,
    seconds: i64,
    tags: Vec<Tag>,
    endpoint: Endpoint,
}

impl ExchangeConfig for AwsWebIdentityToken {
    const NAME: &'static str = "aws-web-identity-token";
    const ABOUT: &'static str = "AWS keys to a JWT that other parties can verify";
    const TAKES: Kinds = Kinds::of(&[Kind::AwsKeys]);
    const GIVES: Kinds = Kinds::of(&[Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.audience.as_deref().is_some_and(str::is_empty) {
            mistakes
                .push(Mistake::new("audience", "is empty").hint("leave it out to ask for what the next step needs"));
        }
        let seconds = config::check_duration_of(self.lifetime.as_deref(), &LIFETIME, &mut mistakes);
        config::check_tags("tags", &self.tags, &mut mistakes);
        if self.tags.iter().any(|tag| tag.transitive) {
            mistakes.push(Mistake::new("tags", "has `transitive`, which tokens do not know").hint("leave it out"));
        }
        let endpoint = Endpoint::check("sts", self.region, self.endpoint_url.as_deref(), &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let algorithm = match self.algorithm {
            TokenAlgorithm::RS256 => "RS256",
            TokenAlgorithm::ES384 => "ES384",
        };
        let seconds = seconds.unwrap_or(DEFAULT_LIFETIME);
        Ok(Arc::new(Issue { audience: self.audience, algorithm, seconds, tags: self.tags, endpoint }))
    }
}

impl Exchange for Issue {
    fn name(&self) -> &'static str {
        AwsWebIdentityToken::NAME
    }

    fn takes(&self) -> Kinds {
        AwsWebIdentityToken::TAKES
    }

    fn gives(&self) -> Kinds {
        AwsWebIdentityToken::GIVES
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let Material::AwsKeys(keys) = &credential.material else {
                return Err(Error::internal(format!(
                    "ask AWS for a token with a credential of kind {}",
                    credential.kind()
                )));
            };
            let Some(audience) = self.audience.as_ref().or(want.audience.as_ref()) else {
                return Err(Error::configuration("ask AWS for a token: no audience").hint("set `audience`"));
            };
            let what = format!("ask AWS for a token for {}", carnet_core::safe_text(audience));
            let fields = wire::identity_token(std::slice::from_ref(audience), self.algorithm, self.seconds, &self.tags);
            let response = call(context, &self.endpoint, keys, &fields, &what, credential).await?;
            let token = wire::parse_web_identity_token(response.body.expose())
                .map_err(|wrong| error::malformed(&what, &response, wrong))?;
            let token = SubjectToken::parse(token)
                .map_err(|error| Error::unreachable(format!("{what}: it is not a JWT")).because(error))?;
            token.refuse_other_audience("the token from AWS", Some(audience))?;
            Ok(token.into_credential())
        })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, ScriptedHttp};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{REGION, exchange, form_of, keys, token_for, world};

    fn answer(audience: &str) -> String {
        format!(
            "<GetWebIdentityTokenResponse><GetWebIdentityTokenResult><WebIdentityToken>{}</WebIdentityToken></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>",
            token_for(audience).expose()
        )
    }

    fn ask(section: Value, status: u16, body: String) -> (Result<Credential, Error>, Vec<carnet_core::Request>) {
        let world = world(ScriptedHttp::default().answer(status, body), &[REGION]);
        let made = exchange::<AwsWebIdentityToken>(section, &keys(), &world);
        (made, world.http.requests())
    }

    #[test]
    fn keys_become_a_token_for_the_audience() {
        let (made, requests) = ask(json!({"audience": "api://x"}), 200, answer("api://x"));
        assert_eq!(made.unwrap().facts["audience"], "api://x");
        let form = form_of(&requests[0]);
        assert_eq!(form[0].1, "GetWebIdentityToken");
        assert!(form.contains(&("SigningAlgorithm".to_owned(), "RS256".to_owned())));
        assert!(requests[0].headers.contains_key("authorization"));
    }

    #[test]
    fn rejects_token_for_another_audience() {
        let (made, _) = ask(json!({"audience": "api://x"}), 200, answer("api://y"));
        assert_eq!(made.unwrap_err().failed_clause(), Some("audience"));
    }

    #[test]
    fn rejects_request_without_audience() {
        assert_eq!(ask(json!({}), 200, String::new()).0.unwrap_err().kind(), ErrorKind::Configuration);
    }

    #[test]
    fn a_switch_that_is_off_is_named() {
        let body = "<ErrorResponse><Error><Code>OutboundWebIdentityFederationDisabledException</Code><Message>m</Message></Error></ErrorResponse>";
        let error = ask(json!({"audience": "a"}), 403, body.to_owned()).0.unwrap_err();
        assert!(error.hints()[0].contains("enable-outbound-web-identity-federation"));
    }
}
