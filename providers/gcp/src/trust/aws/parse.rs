//! The form of a signed request.

use http::{HeaderName, HeaderValue};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::Url;

use super::SignedRequest;

/// Longest token, in bytes. Session tokens have some kilobytes at most, and each byte may be three.
const MAX_TOKEN: usize = 64 << 10;
/// Most headers.
const MAX_HEADERS: usize = 16;
/// What may be asked of AWS, and nothing else.
const PARAMETERS: [(&str, &str); 2] = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
/// Headers that may be sent on, lower-case. UNCONFIRMED which others Google takes; libraries send none.
const HEADERS: [&str; 8] = [
    "authorization",
    "content-length",
    "content-type",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    TARGET,
];
/// The header with the provider that the request is meant for.
const TARGET: &str = "x-goog-cloud-target-resource";
const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";

pub(super) fn parse(token: &str) -> Result<SignedRequest, &'static str> {
    let request = read(token)?;
    if request.get("method").and_then(Value::as_str) != Some("POST") {
        return Err("the method is not POST");
    }
    // An action in the body would count as well as that in the URL.
    match request.get("body") {
        None | Some(Value::Null) => {}
        Some(Value::String(body)) if body.is_empty() => {}
        Some(_) => return Err("the body is not empty"),
    }
    let url = url(request.get("url").and_then(Value::as_str).ok_or("there is no URL")?)?;
    let headers = headers(request.get("headers"))?;
    let find = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if Some(find("host").ok_or("there is no header `host`")?) != url.host_str() {
        return Err("the header `host` is not that of the URL");
    }
    if find("content-length").is_some_and(|length| length != "0") {
        return Err("the body is not empty");
    }
    check_authorization(find("authorization").ok_or("there is no header `authorization`")?)?;
    let date =
        date(find("x-amz-date").ok_or("there is no header `x-amz-date`")?).ok_or("`x-amz-date` is not a time")?;
    let target = find(TARGET).ok_or("there is no header `x-goog-cloud-target-resource`")?.to_owned();
    let headers = headers
        .into_iter()
        // Who sends it counts the body.
        .filter(|(name, _)| name != "content-length")
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).map_err(|_quotes_it| "a header has no name")?;
            let mut value = HeaderValue::try_from(value).map_err(|_quotes_it| "a header has no value")?;
            value.set_sensitive(matches!(name.as_str(), "authorization" | "x-amz-security-token"));
            Ok((name, value))
        })
        .collect::<Result<_, &'static str>>()?;
    Ok(SignedRequest { url, headers, target, date })
}

/// Libraries percent-encode the JSON before the form does it again; Google's own sample writes blanks as `+`.
fn read(token: &str) -> Result<Map<String, Value>, &'static str> {
    if token.len() > MAX_TOKEN {
        return Err("it is longer than 64 KB");
    }
    let decoded = || {
        let text = token.replace('+', " ");
        let text = percent_decode_str(&text).decode_utf8().ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    match serde_json::from_str(token).ok().or_else(decoded) {
        Some(Value::Object(request)) => Ok(request),
        _ => Err("it is not a JSON object, percent-encoded or not"),
    }
}

/// A URL that asks AWS STS who the caller is, and nothing else.
fn url(url: &str) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_quotes_it| "the URL cannot be read")?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err("the URL is not https and a host alone");
    }
    if !url.host_str().is_some_and(is_sts) {
        return Err("the host is not AWS STS");
    }
    if url.path() != "/" || url.fragment().is_some() {
        return Err("the URL has a path or a fragment");
    }
    let parameters: Vec<_> = url.query_pairs().collect();
    let asks = |(name, value): &(&str, &str)| parameters.iter().any(|(n, v)| n == name && v == value);
    if parameters.len() != PARAMETERS.len() || !PARAMETERS.iter().all(asks) {
        return Err("the URL asks for something else than GetCallerIdentity of the version 2011-06-15");
    }
    Ok(url)
}

/// `sts.amazonaws.com` and `sts.REGION.amazonaws.com`. A region begins with two letters and ends with a number: anybody may
/// own `sts.s3.amazonaws.com`, which is a bucket.
fn is_sts(host: &str) -> bool {
    let Some(between) = host.strip_prefix("sts.").and_then(|rest| rest.strip_suffix("amazonaws.com")) else {
        return false;
    };
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match between.strip_suffix('.').map(|region| region.split('-').collect::<Vec<_>>()).as_deref() {
        None => between.is_empty(),
        Some([area, places @ .., number]) => {
            area.len() == 2
                && letters(area)
                && !places.is_empty()
                && places.iter().all(letters)
                && (1..=2).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        Some(_) => false,
    }
}

/// Names in lower case and values. The one header that libraries add after signing may be there twice, the same each time.
fn headers(headers: Option<&Value>) -> Result<Vec<(String, String)>, &'static str> {
    let headers = headers.and_then(Value::as_array).ok_or("there is no list of headers")?;
    if headers.len() > MAX_HEADERS {
        return Err("there are more than 16 headers");
    }
    let mut read: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for header in headers {
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let (Some(name), Some(value)) = (text("key"), text("value")) else {
            return Err("a header is not a key with a value");
        };
        let name = name.to_ascii_lowercase();
        if !HEADERS.contains(&name.as_str()) {
            return Err("there is a header that such a request does not have");
        }
        match read.iter().find(|(known, _)| *known == name) {
            None => read.push((name, value.to_owned())),
            Some((_, known)) if name == TARGET && known == value => {}
            Some(_) => return Err("a header is there twice"),
        }
    }
    Ok(read)
}

/// A signature for STS that covers host and time; whether it is right is for AWS to say.
fn check_authorization(authorization: &str) -> Result<(), &'static str> {
    const WRONG: &str = "the header `authorization` is not a signature of version 4 for the service `sts`";
    let parts = authorization.strip_prefix(ALGORITHM).ok_or(WRONG)?;
    let parts: Vec<(&str, &str)> = parts.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let find = |name: &str| parts.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let (Some(credential), Some(signed), Some(_)) = (find("Credential"), find("SignedHeaders"), find("Signature"))
    else {
        return Err(WRONG);
    };
    if parts.len() != 3 || !credential.ends_with("/sts/aws4_request") {
        return Err(WRONG);
    }
    let signed: Vec<&str> = signed.split(';').collect();
    if ["host", "x-amz-date"].iter().all(|name| signed.contains(name)) {
        Ok(())
    } else {
        Err("host or time are not signed")
    }
}

/// `YYYYMMDD'T'HHMMSS'Z'`.
fn date(text: &str) -> Option<Timestamp> {
    let shape = text.len() == 16
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| matches!((at, byte), (8, b'T') | (15, b'Z')) || byte.is_ascii_digit());
    shape.then_some(())?;
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
