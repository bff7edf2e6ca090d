//! A certificate becomes a session of a role (IAM Roles Anywhere, `CreateSession`; "Signing process", user guide).

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig, Kind, Kinds, Material, Mistake, Request, Want,
};
use carnet_sigv4::{CertificateSigner, Scope};
use carnet_x509::Certificate;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::{self, SESSION},
    endpoint::Endpoint,
    error, wire,
};

const SERVICE: &str = "rolesanywhere";

/// Exchanges a certificate, for instance an X.509-SVID, for keys of an AWS role.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsRolesAnywhere {
    /// The trust anchor: `arn:aws:rolesanywhere:REGION:ACCOUNT:trust-anchor/ID`. Its region is the one that is asked.
    pub trust_anchor_arn: String,
    /// The profile: `arn:aws:rolesanywhere:REGION:ACCOUNT:profile/ID`.
    pub profile_arn: String,
    /// The role: `arn:aws:iam::ACCOUNT:role/NAME`.
    pub role_arn: String,
    /// The name of the session; the profile must accept names (`acceptRoleSessionName`). By default the serial number of the
    /// certificate.
    #[serde(default)]
    pub session_name: Option<String>,
    /// Life of the session, from 15 minutes to 12 hours, bounded by the profile. By default one hour.
    #[serde(default)]
    pub lifetime: Option<String>,
    /// The address of the service. By default that of the region.
    #[serde(default)]
    pub endpoint_url: Option<String>,
}

#[derive(Debug)]
struct ByCertificate {
    trust_anchor: String,
    profile: String,
    role: String,
    session: Option<String>,
    seconds: i64,
    endpoint: Endpoint,
}

impl ExchangeConfig for AwsRolesAnywhere {
    const NAME: &'static str = "aws-roles-anywhere";
    const ABOUT: &'static str = "a certificate to the keys of an AWS role (IAM Roles Anywhere)";
    const TAKES: Kinds = Kinds::of(&[Kind::X509]);
    const GIVES: Kinds = Kinds::of(&[Kind::AwsKeys]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let region = region_of("trust_anchor_arn", &self.trust_anchor_arn, "trust-anchor/", &mut mistakes);
        let other = region_of("profile_arn", &self.profile_arn, "profile/", &mut mistakes);
        if region.is_some() && other.is_some() && region != other {
            mistakes.push(Mistake::new("profile_arn", "is of another region than the trust anchor"));
        }
        config::check_role("role_arn", &self.role_arn, &mut mistakes);
        if let Some(name) = &self.session_name {
            config::check_session_name("session_name", name, &mut mistakes);
        }
        let seconds = config::check_duration_of(self.lifetime.as_deref(), &SESSION, &mut mistakes).unwrap_or(3600);
        let endpoint = Endpoint::check(SERVICE, region, self.endpoint_url.as_deref(), &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Arc::new(ByCertificate {
            trust_anchor: self.trust_anchor_arn,
            profile: self.profile_arn,
            role: self.role_arn,
            session: self.session_name,
            seconds,
            endpoint,
        }))
    }
}

fn region_of(field: &str, arn: &str, resource: &str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, SERVICE, region, _, name] if config::is_region(region) && name.starts_with(resource) => {
            Some((*region).to_owned())
        }
        _ => {
            let hint = format!("write it as arn:aws:rolesanywhere:REGION:ACCOUNT:{resource}ID");
            mistakes.push(Mistake::new(field, "is not such an ARN").hint(hint));
            None
        }
    }
}

impl Exchange for ByCertificate {
    fn name(&self) -> &'static str {
        AwsRolesAnywhere::NAME
    }

    fn takes(&self) -> Kinds {
        AwsRolesAnywhere::TAKES
    }

    fn gives(&self) -> Kinds {
        AwsRolesAnywhere::GIVES
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let Material::X509(identity) = &credential.material else {
                return Err(Error::internal(format!(
                    "exchange a credential of kind {} by certificate",
                    credential.kind()
                )));
            };
            let leaf = identity.chain.first().map(Vec::as_slice).unwrap_or_default();
            let leaf = Certificate::from_der(leaf)
                .map_err(|error| Error::configuration("read the certificate for Roles Anywhere").because(error))?;
            let signer = CertificateSigner::new(identity, leaf.serial())?;
            let what = format!("assume {} with the certificate", self.role);
            let region = self.endpoint.region(context)?;
            let mut url = self.endpoint.url(context, &region)?;
            url.set_path("/sessions");
            url.query_pairs_mut()
                .append_pair("profileArn", &self.profile)
                .append_pair("roleArn", &self.role)
                .append_pair("trustAnchorArn", &self.trust_anchor);
            let mut body = json!({ "durationSeconds": self.seconds });
            if let (Some(name), Some(members)) = (&self.session, body.as_object_mut()) {
                members.insert("roleSessionName".to_owned(), json!(name));
            }
            let scope = Scope { time: context.now(), region: &region, service: SERVICE };
            let request = signer.sign(Request::post_json(url, &body), &scope)?;
            let response = error::send(context, request, &what).await?;
            if !response.status.is_success() {
                return Err(error::refusal(&what, &response, Some(credential), context.now()));
            }
            let session = wire::parse_roles_anywhere(response.body.expose())
                .map_err(|wrong| error::malformed(&what, &response, wrong))?;
            Ok(session.into_credential().fact("region", region))
        })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ScriptedHttp, X509Identity};
    use carnet_jose::Algorithm;
    use carnet_x509::{Authority, LeafProfile};

    use super::*;
    use crate::testing::{ROLE, exchange, world};

    fn section() -> serde_json::Value {
        json!({"trust_anchor_arn": "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/t",
            "profile_arn": "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/p", "role_arn": ROLE})
    }

    fn svid() -> Credential {
        let now = jiff::Timestamp::from_second(crate::testing::NOW).unwrap();
        let later = jiff::Timestamp::from_second(crate::testing::NOW + 3600).unwrap();
        let root = Authority::root("Root", Algorithm::Es256, now, later).unwrap();
        let profile = LeafProfile {
            subject: Vec::new(),
            dns: Vec::new(),
            ip: Vec::new(),
            uri: vec!["spiffe://td/w".to_owned()],
            server: false,
            client: true,
            not_before: now,
            not_after: later,
            key: Algorithm::Es256,
        };
        let issued = root.issue(&profile).unwrap();
        let private_key = issued.private_key.clone();
        Credential::new(Material::X509(X509Identity {
            chain: vec![issued.certificate],
            private_key,
            bundle: Vec::new(),
        }))
    }

    #[test]
    fn a_certificate_becomes_keys() {
        let answer = r#"{"credentialSet":[{"assumedRoleUser":{"arn":"arn:aws:sts::123456789012:assumed-role/R/7","assumedRoleId":"A"},"credentials":{"accessKeyId":"ASIAX","secretAccessKey":"x","sessionToken":"y","expiration":"2026-11-21T13:00:00Z"}}]}"#;
        let world = world(ScriptedHttp::default().answer(201, answer), &[]);
        let keys = exchange::<AwsRolesAnywhere>(section(), &svid(), &world).unwrap();
        assert_eq!(keys.facts["region"], "eu-central-1");
        let request = world.http.requests().remove(0);
        assert!(
            request
                .url
                .as_str()
                .starts_with("https://rolesanywhere.eu-central-1.amazonaws.com/sessions?profileArn=arn%3Aaws")
        );
        assert!(request.headers["authorization"].to_str().unwrap().starts_with("AWS4-X509-ECDSA-SHA256 Credential="));
    }

    #[test]
    fn a_refusal_has_the_code_of_its_header() {
        let http = ScriptedHttp::default().answer_with(
            403,
            &[("x-amzn-errortype", "AccessDeniedException")],
            r#"{"message":"no"}"#,
        );
        let error = exchange::<AwsRolesAnywhere>(section(), &svid(), &world(http, &[])).unwrap_err();
        assert_eq!((error.provider_code(), error.failed_clause()), (Some("AccessDeniedException"), Some("policy")));
    }

    #[test]
    fn rejects_profile_of_another_region() {
        let mut section = section();
        section["profile_arn"] = json!("arn:aws:rolesanywhere:us-east-1:123456789012:profile/p");
        let mistakes = serde_json::from_value::<AwsRolesAnywhere>(section).unwrap().build().unwrap_err();
        assert_eq!(mistakes[0].field, "profile_arn");
    }
}
