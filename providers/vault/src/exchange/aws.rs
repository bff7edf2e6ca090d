//! The proof for the auth method `aws`: a `GetCallerIdentity`, signed and not sent. The server sends it on, and AWS says who
//! signed it ("AWS auth method (API), Login").

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{AwsKeys, Error, Request};
use carnet_sigv4::{Scope, sign};
use http::{HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

/// What is signed: nothing but the question who signs.
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// Says which server the proof is for.
const SERVER_ID: HeaderName = HeaderName::from_static("x-vault-aws-iam-server-id");
/// The region of the global endpoint, at which servers ask unless they are configured otherwise.
const GLOBAL_REGION: &str = "us-east-1";

/// The fields of a login.
pub(super) fn proof(
    keys: &AwsKeys,
    region: Option<&str>,
    server_id: Option<&str>,
    now: Timestamp,
) -> Result<[(&'static str, Value); 4], Error> {
    let host = region.map_or_else(|| "sts.amazonaws.com".to_owned(), |region| format!("sts.{region}.amazonaws.com"));
    let url = Url::parse(&format!("https://{host}/"))
        .map_err(|error| Error::configuration("make the URL of AWS STS").because(error))?;
    let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    let mut request = Request::new(Method::POST, url).header(header::CONTENT_TYPE, form).body(BODY);
    if let Some(server_id) = server_id {
        let value = HeaderValue::from_str(server_id)
            .map_err(|error| Error::configuration("sign `server_id` for AWS").because(error))?;
        request = request.header(SERVER_ID, value);
    }
    let region = region.unwrap_or(GLOBAL_REGION);
    let request = sign(request, keys, &Scope { time: now, region, service: "sts" })?;
    let headers: Map<String, Value> = request
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), json!([value.to_str().ok()?]))))
        .collect();
    Ok([
        ("iam_http_request_method", json!("POST")),
        ("iam_request_url", json!(STANDARD.encode(request.url.as_str()))),
        ("iam_request_body", json!(STANDARD.encode(BODY))),
        ("iam_request_headers", json!(STANDARD.encode(Value::Object(headers).to_string()))),
    ])
}

#[cfg(test)]
mod tests {
    use carnet_core::Secret;

    use super::*;

    fn decoded(value: &Value) -> String {
        String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn the_question_is_signed_with_the_server_s_name_and_without_the_secret() {
        let keys = AwsKeys {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("hush"),
            session_token: Some(Secret::new("session")),
        };
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let [(_, method), (_, url), (_, body), (_, headers)] =
            proof(&keys, Some("eu-central-1"), Some("vault.example"), now).unwrap();
        assert_eq!((method, decoded(&url).as_str()), (json!("POST"), "https://sts.eu-central-1.amazonaws.com/"));
        assert_eq!(decoded(&body), BODY);
        let headers = decoded(&headers);
        assert!(!headers.contains("hush"));
        let headers: Value = serde_json::from_str(&headers).unwrap();
        assert_eq!(headers["x-vault-aws-iam-server-id"][0], "vault.example");
        assert_eq!(headers["x-amz-security-token"][0], "session");
        let authorization = headers["authorization"][0].as_str().unwrap();
        assert!(authorization.contains("/20261121/eu-central-1/sts/aws4_request"), "{authorization}");
        assert!(authorization.contains("x-vault-aws-iam-server-id"), "the name of the server is signed");
        let [_, (_, url), ..] = proof(&keys, None, None, now).unwrap();
        assert_eq!(decoded(&url), "https://sts.amazonaws.com/");
    }
}
