//! Request signatures, version 1: what is signed and how it is written down.
//!
//! Oracle, "Request Signatures" (docs.oracle.com, API/Concepts/signingrequests.htm), which builds on
//! draft-cavage-http-signatures-08. Values are never normalised here: the bytes that are signed are the bytes that
//! are sent.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Error, Request};
use carnet_jose::sha256;
use http::{HeaderName, HeaderValue, Method, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

use crate::trust::login::{AUDIENCE_HEADER, NONCE_HEADER};

/// The header that replaces `date` where an HTTP client cannot set `date`.
pub const X_DATE: HeaderName = HeaderName::from_static("x-date");
/// Base64 of the SHA-256 of the body.
pub const X_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-content-sha256");
/// The pseudo-header: method, path and query.
const REQUEST_TARGET: &str = "(request-target)";

/// Which parts of a request are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The rule: date, target and host, and for POST, PUT and PATCH also length, type and hash of the body.
    Full,
    /// As [`Scope::Full`] with `opc-request-id`, for endpoints that give a credential: a verifier that lets a signature
    /// count only once must not take two requests of one second for a replay. Signing further headers is allowed; Oracle's
    /// Audit reference shows a request that signs this one.
    Once,
    /// The exception of Object Storage's PutObject and UploadPart: the body is not signed.
    HeadersOnly,
    /// Calls to the auth service: as [`Scope::Full`] without the host, as Oracle's Go and Python SDKs sign them.
    WithoutHost,
}

impl Scope {
    /// The scope that fits a request by its method and path: `PUT /n/{namespace}/b/{bucket}/o/{object}` and
    /// `PUT /n/{namespace}/b/{bucket}/u/{object}` are the only calls whose body is not signed.
    pub fn of(request: &Request) -> Self {
        let mut parts = request.url.path().split('/').skip(1);
        let object = request.method == Method::PUT
            && parts.next() == Some("n")
            && parts.next().is_some()
            && parts.next() == Some("b")
            && parts.next().is_some()
            && matches!(parts.next(), Some("o" | "u"))
            && parts.next().is_some_and(|object| !object.is_empty());
        if object { Self::HeadersOnly } else { Self::Full }
    }
}

/// Whether a method's body is signed.
fn has_signed_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// A date as RFC 9110, 5.6.7 wants it, for instance `Tue, 21 Jul 2026 10:00:00 GMT`.
///
/// # Errors
/// [`carnet_core::ErrorKind::Internal`] for a year that the form cannot hold.
pub fn http_date(at: Timestamp) -> Result<String, Error> {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .map_err(|error| Error::internal("write the time as an HTTP date").because(error))
}

/// Base64 of the SHA-256 of a body.
pub fn body_hash(body: &[u8]) -> String {
    STANDARD.encode(sha256(body))
}

/// The `host` header: the authority with its port when the port is explicit.
fn authority(request: &Request) -> Result<String, Error> {
    let host = request
        .url
        .host_str()
        .ok_or_else(|| Error::configuration(format!("sign {request:?}: the URL names no host")))?;
    Ok(match request.url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Sets the headers that are about to be signed, as far as the request does not carry them. A `date` or `x-date`
/// that is there is kept, so that a signature can be made for another moment.
pub(crate) fn complete(request: &mut Request, scope: Scope, now: Timestamp) -> Result<(), Error> {
    if !request.headers.contains_key(header::DATE) && !request.headers.contains_key(&X_DATE) {
        request.headers.insert(header::DATE, value(http_date(now)?)?);
    }
    // Always written, so that no layer below can send another host than the one that was signed.
    let authority = authority(request)?;
    request.headers.insert(header::HOST, value(authority)?);
    if has_signed_body(&request.method) {
        request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        if scope != Scope::HeadersOnly {
            if !request.headers.contains_key(header::CONTENT_TYPE) {
                request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            request.headers.insert(X_CONTENT_SHA256, value(body_hash(&request.body))?);
        }
    }
    Ok(())
}

/// The names of the signed headers, separated by spaces, and the signing string over them: one line for each,
/// `name: value`, no newline at the end.
pub(crate) fn signing_string(request: &Request, scope: Scope) -> Result<(String, String), Error> {
    let date = if request.headers.contains_key(&X_DATE) { "x-date" } else { "date" };
    // The order of Oracle's Go and Python SDKs; a server takes the order from the header.
    let mut names = vec![date, REQUEST_TARGET];
    if scope != Scope::WithoutHost {
        names.push("host");
    }
    if has_signed_body(&request.method) && scope != Scope::HeadersOnly {
        names.extend(["content-length", "content-type", "x-content-sha256"]);
    }
    if scope == Scope::Once {
        names.push("opc-request-id");
    }
    // What a login to somebody else says beside; nobody else sets them.
    names.extend([AUDIENCE_HEADER, NONCE_HEADER].into_iter().filter(|name| request.headers.contains_key(*name)));
    let mut text = String::with_capacity(256);
    for name in &names {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(name);
        text.push_str(": ");
        if *name == REQUEST_TARGET {
            text.push_str(&request.method.as_str().to_ascii_lowercase());
            text.push(' ');
            text.push_str(request.url.path());
            if let Some(query) = request.url.query() {
                text.push('?');
                text.push_str(query);
            }
        } else {
            let header = request.headers.get(*name).and_then(|value| value.to_str().ok());
            text.push_str(header.ok_or_else(|| {
                Error::configuration(format!("sign the header {name}: it is missing or not visible ASCII"))
            })?);
        }
    }
    Ok((names.join(" "), text))
}

/// The `Authorization` header in the order of Oracle's Go SDK. Marked as sensitive: the key id holds the token.
pub(crate) fn authorization(names: &str, key_id: &str, signature: &[u8]) -> Result<HeaderValue, Error> {
    let mut text =
        format!(r#"Signature version="1",headers="{names}",keyId="{key_id}",algorithm="rsa-sha256",signature=""#);
    STANDARD.encode_string(signature, &mut text);
    text.push('"');
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn value(text: String) -> Result<HeaderValue, Error> {
    // The cause would not say more, and must not quote the value.
    HeaderValue::try_from(text)
        .map_err(|_silent| Error::configuration("write a header value that is not visible ASCII"))
}

#[cfg(test)]
mod tests {
    use carnet_core::hex;
    use carnet_jose::sha256;
    use url::Url;

    use super::*;

    fn at() -> Timestamp {
        "2026-07-21T10:00:00Z".parse().unwrap()
    }

    fn request(method: Method, path: &str, body: &'static str) -> Request {
        let url = Url::parse(&format!("https://objectstorage.us-ashburn-1.oraclecloud.com{path}")).unwrap();
        Request::new(method, url).body(body)
    }

    fn signed(mut request: Request, scope: Scope) -> (String, String) {
        complete(&mut request, scope, at()).unwrap();
        signing_string(&request, scope).unwrap()
    }

    // The two digests were computed outside of this project, and Oracle's Python SDK signs exactly these strings.
    #[test]
    fn a_get_is_signed_as_oracles_sdk_signs_it() {
        let (names, text) = signed(
            request(Method::GET, "/n/ns1/b?compartmentId=ocid1.compartment.oc1..aaaa&limit=10", ""),
            Scope::Full,
        );
        assert_eq!(names, "date (request-target) host");
        assert_eq!(text.len(), 166);
        assert_eq!(hex(&sha256(text.as_bytes())), "42024329841c2fb84946e866907211ab11883a76c0161eaca3c153a112bdd49b");
    }

    #[test]
    fn a_post_is_signed_as_oracles_sdk_signs_it() {
        let body = r#"{"name":"b1","compartmentId":"ocid1.compartment.oc1..aaaa"}"#;
        let (names, text) = signed(request(Method::POST, "/n/ns1/b", body), Scope::Full);
        assert_eq!(names, "date (request-target) host content-length content-type x-content-sha256");
        assert!(text.ends_with("x-content-sha256: FgDQ4tPtGYPR0wvj0q6LZfSKDCnzWJ1WReqolatEph0="));
        assert_eq!(text.len(), 229);
        assert_eq!(hex(&sha256(text.as_bytes())), "5bb9bc096d8681060a238f79b03de2a75b02114de218f36d887c12539d39620a");
    }

    #[test]
    fn the_form_of_the_published_sample_has_this_hash() {
        let form = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&scope=urn:opc:idm:__myscopes__&requested_token_type=urn:ietf:params:oauth:token-type:access_token";
        assert_eq!(form.len(), 156);
        assert_eq!(body_hash(form.as_bytes()), "Q6XaImVmBXHKPQBBHTy5r3/FODAP+sWXPbHKxZt5BKo=");
        assert_eq!(body_hash(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn an_empty_post_still_signs_length_type_and_hash() {
        let (_, text) = signed(request(Method::POST, "/x", ""), Scope::Full);
        assert!(text.contains("content-length: 0\ncontent-type: application/json\nx-content-sha256: 47DEQpj8"));
    }

    #[test]
    fn putting_an_object_leaves_the_body_unsigned() {
        for (path, scope) in [
            ("/n/ns/b/bucket/o/a/b%20c", Scope::HeadersOnly),
            ("/n/ns/b/bucket/u/a?uploadId=1", Scope::HeadersOnly),
            ("/n/ns/b/bucket/o/", Scope::Full),
            ("/n/ns/b/bucket", Scope::Full),
            ("/20160918/n/ns/b/bucket/o/a", Scope::Full),
        ] {
            assert_eq!(Scope::of(&request(Method::PUT, path, "x")), scope, "{path}");
        }
        assert_eq!(Scope::of(&request(Method::POST, "/n/ns/b/bucket/o/a", "x")), Scope::Full);
        let (names, _) = signed(request(Method::PUT, "/n/ns/b/bucket/o/a", "x"), Scope::HeadersOnly);
        assert_eq!(names, "date (request-target) host");
    }

    #[test]
    fn path_and_query_are_signed_as_they_are_sent() {
        let (_, text) = signed(request(Method::GET, "/a%2Fb/%7Ec?x=%20+&b=2&a=1", ""), Scope::Full);
        assert!(text.contains("(request-target): get /a%2Fb/%7Ec?x=%20+&b=2&a=1\n"));
    }

    #[test]
    fn an_explicit_port_is_part_of_the_host() {
        let request = Request::get(Url::parse("http://127.0.0.1:8080/n/").unwrap());
        let (_, text) = signed(request, Scope::Full);
        assert!(text.ends_with("host: 127.0.0.1:8080"));
    }

    #[test]
    fn calls_to_the_auth_service_leave_the_host_out() {
        let (names, text) = signed(request(Method::POST, "/v1/x509", "{}"), Scope::WithoutHost);
        assert_eq!(names, "date (request-target) content-length content-type x-content-sha256");
        assert!(!text.contains("host: "));
    }

    #[test]
    fn a_request_that_counts_once_signs_its_id() {
        let id = HeaderName::from_static("opc-request-id");
        let request = request(Method::POST, "/oauth2/v1/token", "a=b").header(id, HeaderValue::from_static("one"));
        let (names, text) = signed(request.clone(), Scope::Once);
        assert!(names.ends_with(" x-content-sha256 opc-request-id"));
        assert!(text.ends_with("\nopc-request-id: one"));
        assert!(!signed(request, Scope::Full).1.contains("opc-request-id"));
    }

    #[test]
    fn x_date_takes_the_place_of_date() {
        let request =
            request(Method::GET, "/", "").header(X_DATE, HeaderValue::from_static("Tue, 21 Jul 2026 10:00:00 GMT"));
        let (names, text) = signed(request, Scope::Full);
        assert_eq!(names, "x-date (request-target) host");
        assert!(text.starts_with("x-date: Tue, 21 Jul 2026 10:00:00 GMT\n"));
    }

    #[test]
    fn a_content_type_that_is_there_is_signed_as_it_is() {
        let request = request(Method::POST, "/", "a=b")
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let (_, text) = signed(request, Scope::Full);
        assert!(text.contains("content-type: application/x-www-form-urlencoded\n"));
    }
}
