//! The signed request in a login, and AWS's answer to it.

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_core::{Request, safe_text};
use carnet_vault::trust::{AwsCaller, AwsProof};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};
use url::{Position, Url};

use crate::reply::ApiError;

/// Reads the four fields of a login.
///
/// # Errors
/// 400, for the first that is missing or no good.
pub(super) fn read(body: &Map<String, Value>) -> Result<AwsProof, ApiError> {
    let method = text(body, "iam_http_request_method")?;
    let url = Url::parse(&decoded(body, "iam_request_url")?);
    let url = url.map_err(|_quotes_it| ApiError::bad("error parsing iam_request_url"))?;
    let form = decoded(body, "iam_request_body")?;
    Ok(AwsProof { method, url, body: form, headers: headers(body)? })
}

fn text(body: &Map<String, Value>, name: &str) -> Result<String, ApiError> {
    let text = body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(ToOwned::to_owned).ok_or_else(|| ApiError::bad(format!("missing {name}")))
}

fn decoded(body: &Map<String, Value>, name: &str) -> Result<String, ApiError> {
    let bytes = STANDARD.decode(text(body, name)?).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| ApiError::bad(format!("failed to base64 decode {name}")))
}

/// An object, as it is or as JSON in base64; each value a text or a list of texts.
fn headers(body: &Map<String, Value>) -> Result<Vec<(String, String)>, ApiError> {
    const NAME: &str = "iam_request_headers";
    let wrong = || ApiError::bad(format!("error parsing {NAME}"));
    let members = match body.get(NAME) {
        None | Some(Value::Null) => return Err(ApiError::bad(format!("missing {NAME}"))),
        Some(Value::Object(members)) => members.clone(),
        Some(_) => {
            let text = decoded(body, NAME)?;
            serde_json::from_str(&text).map_err(|_quotes_it| wrong())?
        }
    };
    let mut headers = Vec::new();
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            headers.push((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned()));
        }
    }
    if headers.is_empty() { Err(ApiError::bad(format!("missing {NAME}"))) } else { Ok(headers) }
}

/// The request for this address, with the headers that were signed. Its length is counted anew. The host is that of the URL
/// that was signed, as in the product: a configured endpoint may be a proxy or one of a private network, which hand the request
/// on as it is. At an endpoint of AWS's own the host is the endpoint's: it takes only what is signed for its region, and the
/// emulated one has no region but its name.
///
/// # Errors
/// A header that is none, in words.
pub(super) fn to_send(proof: &AwsProof, target: Url) -> Result<Request, String> {
    let named = if is_of_aws(&target) { &target } else { &proof.url };
    let host = named[Position::BeforeHost..Position::AfterPort].to_owned();
    let mut request = Request::new(Method::POST, target).body(proof.body.clone());
    for (name, value) in &proof.headers {
        let wrong = || format!("the header {} cannot be sent", safe_text(name));
        let name = HeaderName::try_from(name.as_str()).map_err(|_odd| wrong())?;
        if [header::CONTENT_LENGTH, header::HOST].contains(&name) {
            continue;
        }
        let value = HeaderValue::from_str(value).map_err(|_odd| wrong())?;
        request.headers.append(name, value);
    }
    let host = HeaderValue::from_str(&host).map_err(|_odd| "the signed URL names no host".to_owned())?;
    request.headers.insert(header::HOST, host);
    Ok(request)
}

/// Whether it is a public endpoint of STS ("AWS Security Token Service endpoints and quotas").
fn is_of_aws(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let name = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com");
    name.is_some_and(|name| matches!(name.split('.').next(), Some("sts" | "sts-fips")))
}

/// Reads the answer to `GetCallerIdentity`: XML, or JSON where it was asked for.
pub(super) fn caller(body: &[u8]) -> Option<AwsCaller> {
    let text = std::str::from_utf8(body).ok()?;
    let member = |name: &str| element(text, name).or_else(|| member(text, name)).filter(|value| !value.is_empty());
    Some(AwsCaller { arn: member("Arn")?, user_id: member("UserId")?, account: member("Account")? })
}

/// What an error of AWS says.
pub(super) fn said(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let said: Vec<String> = ["Code", "Message"].iter().filter_map(|name| element(text, name)).collect();
    safe_text(&said.join(": "))
}

fn member(text: &str, name: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    let result = body.get("GetCallerIdentityResponse")?.get("GetCallerIdentityResult")?;
    result.get(name)?.as_str().map(ToOwned::to_owned)
}

/// The text of an element that is there once, has no attributes and nothing but text in it.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, rest) = rest.split_once(&format!("</{name}>"))?;
    if rest.contains(&format!("<{name}>")) || inside.contains('<') {
        return None;
    }
    // Ampersands last, or what they make would be read again.
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(inside.to_owned(), |text, (entity, sign)| text.replace(entity, sign)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANSWER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/a&amp;b</Arn>\
                          <UserId>AIDA</UserId><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

    #[test]
    fn the_signed_host_is_kept_but_at_endpoints_of_aws() {
        let proof = AwsProof {
            method: "POST".to_owned(),
            url: "https://sts.eu-central-1.amazonaws.com/".parse().unwrap(),
            body: String::new(),
            headers: vec![("Host".to_owned(), "elsewhere.example".to_owned()), ("X-A".to_owned(), "b".to_owned())],
        };
        for (target, host) in [
            ("https://proxy.example:8443/", "sts.eu-central-1.amazonaws.com"),
            ("https://vpce-1.sts.eu-central-1.vpce.amazonaws.com/", "sts.eu-central-1.amazonaws.com"),
            ("https://sts.eu-central-1.amazonaws.com/", "sts.eu-central-1.amazonaws.com"),
            ("https://sts.amazonaws.com/", "sts.amazonaws.com"),
            ("https://sts.cn-north-1.amazonaws.com.cn/", "sts.cn-north-1.amazonaws.com.cn"),
        ] {
            let request = to_send(&proof, target.parse().unwrap()).unwrap();
            assert_eq!((request.headers["host"].as_bytes(), request.url.as_str()), (host.as_bytes(), target));
            assert_eq!(request.headers.get_all("host").iter().count(), 1);
            assert_eq!(request.headers["x-a"], "b");
        }
    }

    #[test]
    fn both_forms_of_the_answer_are_read() {
        let caller = caller(ANSWER.as_bytes()).unwrap();
        assert_eq!((caller.arn.as_str(), caller.user_id.as_str()), ("arn:aws:iam::1:user/a&b", "AIDA"));
        let result = json!({ "Arn": "a", "UserId": "u", "Account": "1" });
        let body = json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": result } }).to_string();
        assert_eq!(super::caller(body.as_bytes()).unwrap().arn, "a");
    }

    #[test]
    fn rejects_answers_that_name_nobody_or_two() {
        for (from, to) in [("<Arn>", "<arn>"), ("AIDA", ""), ("</Arn>", "</Arn><Arn>x</Arn>"), ("AIDA", "<x/>")] {
            assert_eq!(caller(ANSWER.replace(from, to).as_bytes()), None, "{from} {to}");
        }
    }

    #[test]
    fn headers_are_an_object_or_its_base64() {
        let object = json!({ "Host": ["sts.amazonaws.com"], "X-Amz-Date": "1" });
        let encoded = Value::from(STANDARD.encode(object.to_string()));
        for value in [object, encoded] {
            let body = Map::from_iter([("iam_request_headers".to_owned(), value)]);
            assert_eq!(headers(&body).unwrap().len(), 2);
        }
    }

    #[test]
    fn rejects_headers_that_are_none() {
        for value in [json!({}), json!({ "a": [] }), json!({ "a": 1 }), json!("x"), json!("e30="), json!([])] {
            let body = Map::from_iter([("iam_request_headers".to_owned(), value.clone())]);
            assert!(headers(&body).is_err(), "{value}");
        }
    }
}
