//! The text of a request that is signed.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::call::Call;

/// Everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The canonical request, or the name of a signed header that the request does not have.
pub(crate) fn canonical_request(
    call: &Call,
    service: &str,
    signed_headers: &[String],
    payload: &str,
    presigned: bool,
) -> Result<String, String> {
    let mut headers = String::new();
    for name in signed_headers {
        let values: Vec<String> =
            call.headers.get_all(name.as_str()).iter().map(|value| value_of(value.as_bytes())).collect();
        if values.is_empty() {
            return Err(name.clone());
        }
        headers.push_str(name);
        headers.push(':');
        headers.push_str(&values.join(","));
        headers.push('\n');
    }
    let path = if service == "s3" { storage_path(&call.path) } else { usual_path(&call.path) };
    let query = query(&call.query, presigned);
    let names = signed_headers.join(";");
    Ok(format!("{}\n{path}\n{query}\n{headers}\n{names}\n{payload}", call.method))
}

/// A header's value without blanks around it, and with one blank for several.
fn value_of(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// S3 takes object names as they are: each part encoded once, nothing normalised.
fn storage_path(raw: &str) -> String {
    raw.split('/').map(once).collect::<Vec<_>>().join("/")
}

fn once(part: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(part).collect();
    percent_encode(&bytes, RESERVED).to_string()
}

/// Every other service: normalised (RFC 3986, 6.2.2.3), and what came encoded is encoded again.
fn usual_path(raw: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for part in raw.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(percent_encode(part.as_bytes(), RESERVED).to_string()),
        }
    }
    let mut path = format!("/{}", kept.join("/"));
    if !kept.is_empty() && raw.ends_with('/') {
        path.push('/');
    }
    path
}

/// Parameters by encoded name and then value. The signature of a presigned request is not part of what it signs.
fn query(raw: &str, presigned: bool) -> String {
    let again = |text: &str| once(&text.replace('+', "%20"));
    let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<(String, String)> = pairs
        .map(|(name, value)| (again(name), again(value)))
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
