//! The one text that both sides make of a request.

use std::collections::BTreeMap;

use carnet_core::{Error, Request, hex};
use carnet_jose::sha256;
use http::{HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Position, Url};

/// Everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The service whose paths are taken as they are: object names may hold anything.
const STORAGE: &str = "s3";
/// Headers that are not signed, because something on the way may change them.
const UNSIGNED: [&str; 3] = ["authorization", "user-agent", "x-amzn-trace-id"];

/// A canonical request, and the names of the headers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalRequest {
    /// Method, path, query, headers, names of headers, digest of the body, a line each.
    pub text: String,
    /// Lower-case names joined by `;`.
    pub signed_headers: String,
}

/// Makes the canonical request. Every header of the request is signed but `Authorization`, `User-Agent` and
/// `X-Amzn-Trace-Id`; a header that is to stay outside is added after signing.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when a header is not visible ASCII.
pub fn canonicalize(request: &Request, service: &str) -> Result<CanonicalRequest, Error> {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &request.headers {
        if UNSIGNED.contains(&name.as_str()) {
            continue;
        }
        let value = value.to_str().map_err(|error| {
            Error::configuration(format!("sign the header {name}: it is not visible ASCII")).because(error)
        })?;
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        // One name several times: the values in their order, joined by commas.
        headers.entry(name.as_str()).and_modify(|all| all.extend([",", value.as_str()])).or_insert(value);
    }
    let signed_headers = headers.keys().copied().collect::<Vec<_>>().join(";");
    let lines = headers.iter().flat_map(|(name, value)| [*name, ":", value, "\n"]).collect::<String>();
    let path = canonical_path(&request.url, service);
    let query = canonical_query(&request.url);
    let body = hex(&sha256(&request.body));
    let text = format!("{}\n{path}\n{query}\n{lines}\n{signed_headers}\n{body}", request.method);
    Ok(CanonicalRequest { text, signed_headers })
}

/// The path. A URL holds it encoded once; every service but storage wants each part encoded again, without empty parts.
fn canonical_path(url: &Url, service: &str) -> String {
    if service == STORAGE {
        return url.path().to_owned();
    }
    let mut path = String::new();
    for part in url.path().split('/').filter(|part| !part.is_empty()) {
        path.push('/');
        path.extend(utf8_percent_encode(part, RESERVED));
    }
    if path.is_empty() || url.path().ends_with('/') {
        path.push('/');
    }
    path
}

/// The parameters, encoded and then sorted.
fn canonical_query(url: &Url) -> String {
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Puts the headers that every signature covers into the request, and writes its query as it is signed, so that a blank
/// is `%20` on the wire too.
pub(crate) fn prepare(mut request: Request, date_time: &str, service: &str) -> Result<Request, Error> {
    if request.url.query().is_some_and(|query| !query.is_empty()) {
        let query = canonical_query(&request.url);
        request.url.set_query(Some(&query));
    }
    // The port is there unless it is the scheme's own, as clients send it.
    let host = request.url[Position::BeforeHost..Position::AfterPort].to_owned();
    let request = request
        .header(header::HOST, value("host", &host)?)
        .header(HeaderName::from_static("x-amz-date"), value("x-amz-date", date_time)?);
    if service == STORAGE {
        // Storage wants the digest said ("Signature calculations: transferring payload in a single chunk").
        let digest = hex(&sha256(&request.body));
        return Ok(request.header(HeaderName::from_static("x-amz-content-sha256"), value("digest", &digest)?));
    }
    Ok(request)
}

/// A header's value, marked as sensitive.
pub(crate) fn value(name: &str, text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_unprintable| Error::configuration(format!("send {name}: it is not one line of visible ASCII")))?;
    value.set_sensitive(!matches!(name, "host" | "x-amz-date" | "digest"));
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(url: &str) -> Request {
        prepare(Request::get(url.parse().unwrap()), "20150830T123600Z", "service").unwrap()
    }

    #[test]
    fn parameters_are_sorted_by_their_encoded_names() {
        let request = get("https://example.amazonaws.com/?b=2&a=z&a=a&%C3%A9=x+y");
        assert_eq!(request.url.query(), Some("%C3%A9=x%20y&a=a&a=z&b=2"));
        assert!(canonicalize(&request, "service").unwrap().text.starts_with("GET\n/\n%C3%A9=x%20y&a=a&a=z&b=2\n"));
    }

    #[test]
    fn paths_are_encoded_twice_but_for_storage() {
        let request = get("https://example.amazonaws.com/a%20b//c/");
        let path = |service| canonicalize(&request, service).unwrap().text.lines().nth(1).unwrap().to_owned();
        assert_eq!(path("service"), "/a%2520b/c/");
        assert_eq!(path("s3"), "/a%20b//c/");
    }

    #[test]
    fn blanks_in_values_are_folded_and_some_headers_left_out() {
        let request = get("https://example.amazonaws.com:8443/")
            .header(HeaderName::from_static("x-a"), HeaderValue::from_static("  a   b "))
            .header(header::USER_AGENT, HeaderValue::from_static("carnet"));
        let canonical = canonicalize(&request, "service").unwrap();
        assert_eq!(canonical.signed_headers, "host;x-a;x-amz-date");
        assert!(canonical.text.contains("\nhost:example.amazonaws.com:8443\nx-a:a b\nx-amz-date:20150830T123600Z\n\n"));
    }

    #[test]
    fn rejects_header_outside_ascii() {
        let request = get("https://example.amazonaws.com/")
            .header(HeaderName::from_static("x-a"), HeaderValue::from_bytes(b"\xc3\xa9").unwrap());
        let error = canonicalize(&request, "service").unwrap_err();
        assert!(error.to_string().contains("x-a"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_signed(name in "[a-z+ &=%é]{1,8}", value in "[a-z+ &=%é]{0,8}") {
            let mut url: Url = "https://example.amazonaws.com/".parse().unwrap();
            url.query_pairs_mut().append_pair(&name, &value);
            let request = get(url.as_str());
            prop_assert_eq!(request.url.query().unwrap(), canonical_query(&request.url));
        }
    }
}
