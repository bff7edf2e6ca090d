//! The identity that AWS gives to a machine, a container or a pod.

mod container;
mod imds;
mod web_identity;

use std::sync::Arc;

use carnet_core::{
    AwsKeys, BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Material, Mistake, Source, SourceConfig, Want,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Keys of this place: the environment, the role of a web identity token file, the container endpoint (ECS, EKS pod identity), the instance metadata service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsIdentity {
    /// Where to look. By default everywhere, in the order of AWS's SDKs.
    #[serde(default)]
    pub place: Place,
}

/// Where keys may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Environment, then web identity, then container, then instance.
    #[default]
    Any,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    Environment,
    /// The role `AWS_ROLE_ARN`, assumed with the token in `AWS_WEB_IDENTITY_TOKEN_FILE`: EKS service accounts (IRSA).
    WebIdentity,
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI`: ECS, Fargate, EKS pod identity.
    Container,
    /// The instance metadata service, version 2.
    Instance,
}

impl SourceConfig for AwsIdentity {
    const NAME: &'static str = "aws-identity";
    const ABOUT: &'static str = "the keys that AWS gives to a machine, a container or a pod";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Source for AwsIdentity {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::AwsKeys])
    }

    fn find<'a>(&'a self, context: &'a Context, _want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let places: &[Place] = match self.place {
                Place::Any => &[Place::Environment, Place::WebIdentity, Place::Container, Place::Instance],
                Place::Environment => &[Place::Environment],
                Place::WebIdentity => &[Place::WebIdentity],
                Place::Container => &[Place::Container],
                Place::Instance => &[Place::Instance],
            };
            let mut reasons = Vec::new();
            for place in places {
                let found = match place {
                    Place::WebIdentity => web_identity::find(context).await?,
                    Place::Container => container::find(context).await?,
                    Place::Instance => imds::find(context).await?,
                    Place::Environment | Place::Any => environment(context)?,
                };
                match found {
                    Found::Credential(credential) => return Ok(Found::Credential(credential)),
                    Found::NotHere(reason) => reasons.push(reason),
                }
            }
            Ok(Found::not_here(reasons.join("; ")))
        })
    }
}

fn environment(context: &Context) -> Result<Found, Error> {
    let secret = context.environment.secret("AWS_SECRET_ACCESS_KEY");
    let (access_key_id, secret_access_key) = match (context.env("AWS_ACCESS_KEY_ID"), secret) {
        (Some(id), Some(secret)) => (id, secret),
        (None, None) => return Ok(Found::not_here("AWS_ACCESS_KEY_ID is not set")),
        _ => {
            return Err(Error::configuration("read AWS keys from the environment: one of two is missing")
                .hint("set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither"));
        }
    };
    let session_token = context.environment.secret("AWS_SESSION_TOKEN");
    Ok(Found::credential(Credential::new(Material::AwsKeys(AwsKeys {
        access_key_id,
        secret_access_key,
        session_token,
    }))))
}

#[cfg(test)]
mod tests {
    use carnet_core::{Destination, ErrorKind, HttpErrorKind, ScriptedHttp};
    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::testing::{World, forms, world};

    const KEYS: &str = r#"{"Code":"Success","AccessKeyId":"ASIAX","SecretAccessKey":"x","Token":"y","Expiration":"2026-11-21T13:00:00Z"}"#;
    const IMDS: (&str, &str) = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:7");

    fn find(place: &str, world: &World) -> Result<Found, Error> {
        let source = serde_json::from_value::<AwsIdentity>(json!({ "place": place })).unwrap().build().unwrap();
        source.find(&world.context, &Want::default()).now_or_never().expect("nothing here waits")
    }

    fn is_here(found: Result<Found, Error>) -> bool {
        matches!(found.unwrap(), Found::Credential(_))
    }

    #[test]
    fn keys_of_the_environment_come_first() {
        let world = world(ScriptedHttp::default(), &[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s"), IMDS]);
        assert!(is_here(find("any", &world)));
        assert!(world.http.requests().is_empty());
    }

    #[test]
    fn rejects_half_a_key() {
        let world = world(ScriptedHttp::default(), &[("AWS_ACCESS_KEY_ID", "A")]);
        assert_eq!(find("environment", &world).unwrap_err().kind(), ErrorKind::Configuration);
    }

    #[test]
    fn the_container_endpoint_gets_the_token_of_the_file_as_it_is() {
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t"),
        ];
        let world = world(ScriptedHttp::default().answer(200, KEYS), &variables);
        world.files.put("/t", "tok");
        assert!(is_here(find("container", &world)));
        let request = world.http.requests().remove(0);
        assert_eq!(
            (&request.headers["authorization"], request.destination),
            (&"tok".parse().unwrap(), Destination::Metadata)
        );
    }

    #[test]
    fn rejects_container_address_elsewhere_and_token_of_two_lines() {
        for (uri, token) in [("http://10.0.0.1/c", "tok"), ("http://127.0.0.1/c", "tok\n")] {
            let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)];
            let world = world(ScriptedHttp::default().answer(200, KEYS), &variables);
            assert_eq!(find("container", &world).unwrap_err().kind(), ErrorKind::Configuration);
            assert!(world.http.requests().is_empty());
        }
    }

    #[test]
    fn each_refusal_of_the_container_endpoint_has_its_clause() {
        use ErrorKind::{Expired, Policy, Refused, Unreachable};
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-token"),
        ];
        for (status, body, kind, clause, code) in [
            (400, "Service account token cannot be empty", Refused, "authorization", "400"),
            (400, "Service account token is expired", Expired, "expired", "400"),
            (400, "(ExpiredTokenException): over, fault: client", Expired, "expired", "ExpiredTokenException"),
            (400, "(InvalidTokenException): no, fault: client", Refused, "authorization", "InvalidTokenException"),
            (400, "(AccessDeniedException): no, fault: client", Policy, "policy", "AccessDeniedException"),
            (
                404,
                "(ResourceNotFoundException): no, fault: client",
                Refused,
                "association",
                "ResourceNotFoundException",
            ),
            (403, r#"{"code":"InvalidToken","message":"not valid"}"#, Refused, "authorization", "InvalidToken"),
            (401, "", Refused, "authorization", "401"),
            (404, "404 page not found", Refused, "request", "404"),
            (429, "slow down", Unreachable, "unavailable", "429"),
            (503, "<html>", Unreachable, "unavailable", "503"),
        ] {
            let error =
                find("container", &world(ScriptedHttp::default().answer(status, body), &variables)).unwrap_err();
            let seen = (error.kind(), error.failed_clause(), error.provider_code());
            assert_eq!(seen, (kind, Some(clause), Some(code)), "{body}: {error:?}");
            assert!(!error.hints().is_empty(), "{body}");
        }
        for body in ["cannot read the-token", r#"{"message":"cannot read the-token"}"#] {
            let error = find("container", &world(ScriptedHttp::default().answer(400, body), &variables)).unwrap_err();
            assert!(!format!("{error:?}").contains("the-token"), "{error:?}");
        }
    }

    /// Long enough for pieces of it to count.
    const SENT: &str = "opaque-0123456789abcdefghijklmnopqrstuvwxyz-token";

    fn tells_nothing(error: &Error) {
        let told = format!("{error:?} {:?}", error.provider_code());
        assert!(!told.contains("6789abcdef") && !told.contains("mnopqr"), "{told}");
    }

    #[test]
    fn no_refusal_of_the_container_endpoint_repeats_its_token() {
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", SENT),
        ];
        for form in forms(SENT) {
            let mut bodies =
                ["__type", "code", "Code", "message"].map(|name| json!({ name: form }).to_string()).to_vec();
            bodies.extend([form.clone(), format!("({form}): no"), format!("(Code): {form}"), json!(form).to_string()]);
            for body in bodies {
                tells_nothing(
                    &find("container", &world(ScriptedHttp::default().answer(400, body), &variables)).unwrap_err(),
                );
            }
        }
    }

    #[test]
    fn no_refusal_of_the_instance_repeats_its_session_token() {
        for form in forms(SENT) {
            for said in [json!({ "Code": "Failed", "Message": form }), json!({ "Code": form, "Message": "m" })] {
                let http = ScriptedHttp::default().answer(200, SENT).answer(200, "R").answer(200, said.to_string());
                tells_nothing(&find("instance", &world(http, &[IMDS])).unwrap_err());
            }
        }
    }

    #[test]
    fn an_instance_that_is_throttled_or_out_of_order_is_there() {
        for status in [429, 500, 503] {
            let error = find("any", &world(ScriptedHttp::default().answer(status, "no"), &[IMDS])).unwrap_err();
            assert_eq!(
                (error.kind(), error.failed_clause()),
                (ErrorKind::Unreachable, Some("unavailable")),
                "{status}"
            );
            assert!(!error.hints().is_empty());
        }
    }

    #[test]
    fn the_instance_is_asked_with_a_session_token() {
        let http = ScriptedHttp::default().answer(200, "imds-token").answer(200, "R\n").answer(200, KEYS);
        let world = world(http, &[IMDS]);
        assert!(is_here(find("instance", &world)));
        let requests = world.http.requests();
        assert_eq!(requests[0].method, http::Method::PUT);
        assert_eq!(requests[2].headers["x-aws-ec2-metadata-token"], "imds-token");
        assert_eq!(requests[2].url.path(), "/latest/meta-data/iam/security-credentials/R");
    }

    #[test]
    fn rejects_what_the_instance_says_instead_of_keys() {
        for (code, kind) in [("AssumeRoleUnauthorizedAccess", ErrorKind::Policy), ("Failed", ErrorKind::Refused)] {
            let said =
                json!({ "Code": code, "LastUpdated": "2026-11-21T12:00:00Z", "Message": "EC2 cannot" }).to_string();
            let http = ScriptedHttp::default().answer(200, "t").answer(200, "R").answer(200, said);
            let error = find("instance", &world(http, &[IMDS])).unwrap_err();
            let seen = (error.kind(), error.failed_clause(), error.provider_code());
            assert_eq!(seen, (kind, Some("policy"), Some(code)), "{error:?}");
            assert!(error.to_string().contains("EC2 cannot") && !error.hints().is_empty(), "{error:?}");
        }
    }

    #[test]
    fn an_instance_without_role_and_a_place_without_instance_are_not_here() {
        let http = ScriptedHttp::default().answer(200, "t").answer(404, "");
        assert!(!is_here(find("instance", &world(http, &[IMDS]))));
        for status in [400, 403, 404] {
            let http = ScriptedHttp::default().answer(status, "{}");
            assert!(!is_here(find("instance", &world(http, &[IMDS]))), "another cloud's, {status}");
        }
        let http = ScriptedHttp::default().fail(HttpErrorKind::Timeout);
        assert!(!is_here(find("instance", &world(http, &[]))));
        assert!(!is_here(find("instance", &world(ScriptedHttp::default(), &[("AWS_EC2_METADATA_DISABLED", "true")]))));
    }
}
