//! The proof for AWS: a POST of `GetCallerIdentity`, signed and not sent. Infisical sends it on to the STS of the region that
//! the signature names, and believes the answer. It is bound to nobody, so it is made anew for each login and kept nowhere.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{AwsKeys, Context, Error, Request};
use carnet_sigv4::{Scope, sign};
use http::{HeaderValue, Method as Verb, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::proof::fields;

/// The region when nobody says one.
const DEFAULT_REGION: &str = "us-east-1";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// Method, body and headers as the login takes them.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when the region is none, or a key is not visible ASCII.
pub(super) fn proof(context: &Context, keys: &AwsKeys, region: Option<&str>) -> Result<Map<String, Value>, Error> {
    let variable = || context.env("AWS_REGION").or_else(|| context.env("AWS_DEFAULT_REGION"));
    let region = region.map(ToOwned::to_owned).or_else(variable).unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let url = Some(&region).filter(|region| !region.is_empty() && region.bytes().all(plain));
    let url =
        url.and_then(|region| Url::parse(&format!("https://sts.{region}.amazonaws.com/")).ok()).ok_or_else(|| {
            Error::configuration(format!(
                "sign for AWS: {} is not the name of a region",
                carnet_core::safe_text(&region)
            ))
            .hint("set `region` in the exchange, or the variable AWS_REGION")
        })?;
    // With another type of answer than JSON Infisical finds no caller in it.
    let request = Request::new(Verb::POST, url)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"))
        .body(BODY);
    let scope = Scope { time: context.now(), region: &region, service: "sts" };
    let signed = sign(request, keys, &scope)?;
    let mut headers = Map::new();
    for (name, value) in &signed.headers {
        let value = value.to_str().map_err(|_unprintable| Error::internal(format!("convey the header {name}")))?;
        headers.insert(name.as_str().to_owned(), json!(value));
    }
    Ok(fields([
        ("iamHttpRequestMethod", json!("POST")),
        ("iamRequestBody", json!(STANDARD.encode(BODY))),
        ("iamRequestHeaders", json!(STANDARD.encode(Value::Object(headers).to_string()))),
    ]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_core::{ErrorKind, MapEnvironment, Secret, test_context};

    use super::*;

    fn keys() -> AwsKeys {
        AwsKeys {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("secret"),
            session_token: Some(Secret::new("session")),
        }
    }

    fn context(region: &str) -> Context {
        Context { environment: Arc::new(MapEnvironment::of(&[("AWS_REGION", region)])), ..test_context() }
    }

    fn headers(proof: &Map<String, Value>) -> Value {
        serde_json::from_slice(&STANDARD.decode(proof["iamRequestHeaders"].as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn the_signature_is_for_the_region_and_covers_what_is_conveyed() {
        let proof = proof(&context("eu-central-1"), &keys(), None).unwrap();
        assert_eq!(STANDARD.decode(proof["iamRequestBody"].as_str().unwrap()).unwrap(), BODY.as_bytes());
        let headers = headers(&proof);
        assert_eq!(headers["host"], "sts.eu-central-1.amazonaws.com");
        assert_eq!(headers["x-amz-security-token"], "session");
        let authorization = headers["authorization"].as_str().unwrap();
        assert!(authorization.contains("/20261121/eu-central-1/sts/aws4_request"), "{authorization}");
        let signed = "SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token";
        assert!(authorization.contains(signed), "{authorization}");
    }

    #[test]
    fn a_configured_region_goes_before_the_variable() {
        let proof = proof(&context("eu-central-1"), &keys(), Some("us-west-2")).unwrap();
        assert_eq!(headers(&proof)["host"], "sts.us-west-2.amazonaws.com");
    }

    #[test]
    fn rejects_region_that_would_lead_elsewhere() {
        let error = proof(&context("evil.example/"), &keys(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
