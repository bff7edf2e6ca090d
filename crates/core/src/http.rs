//! Requests and responses as providers see them. The only client is in the crate `net`.

use std::{fmt, sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use url::{Host, Url};

use crate::{BoxFuture, Error, SecretBytes, X509Identity};

/// Largest answer that is read unless a request says otherwise. Token answers are a few kilobytes; key sets of large
/// issuers some tens. More than this is an attack or the wrong server.
const DEFAULT_MAX_RESPONSE: usize = 1 << 20;

/// Longest time for one request, connection included, unless a request says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Who chose the address, and so which addresses may be dialled. The guard in `net` enforces it when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The user named this URL in configuration or environment: any address, through the user's proxy.
    Configured,
    /// A metadata service: loopback, link-local or unique-local addresses only, never through a proxy.
    Metadata,
    /// The URL was learnt from a token or a document: `https` on public addresses only.
    Untrusted,
}

/// A request with its whole body.
#[derive(Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL, `http` or `https`.
    pub url: Url,
    /// Headers. `host` and `content-length` are set by the client unless they are here.
    pub headers: HeaderMap,
    /// The whole body; may hold secrets.
    pub body: Bytes,
    /// Which addresses may be dialled.
    pub destination: Destination,
    /// Largest body that is read from the answer, in bytes.
    pub max_response: usize,
    /// Longest time until the whole answer is there.
    pub timeout: Duration,
    /// PEM certificates that are trusted for this request in place of the system's. For endpoints with an authority
    /// of their own, such as a Kubernetes API server.
    pub ca_pem: Option<Bytes>,
    /// The certificate that is shown to a server that asks for one, in place of the client's own. Only with `https`.
    pub identity: Option<Arc<X509Identity>>,
    /// The name that TLS asks for and the server's certificate must have, where it is not the host of the URL: for a
    /// server that stands behind an address of another. Only with `https`.
    pub server_name: Option<String>,
}

impl Request {
    /// A request without a body to a URL that the user named.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            destination: Destination::Configured,
            max_response: DEFAULT_MAX_RESPONSE,
            timeout: DEFAULT_TIMEOUT,
            ca_pem: None,
            identity: None,
            server_name: None,
        }
    }

    /// `GET url`.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// `POST url` with `application/x-www-form-urlencoded` fields, everything but unreserved characters escaped.
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        Self::new(Method::POST, url)
            .header(::http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(form.finish())
    }

    /// `POST url` with a JSON body.
    pub fn post_json(url: Url, body: &serde_json::Value) -> Self {
        Self::new(Method::POST, url)
            .header(::http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_string())
    }

    /// Sets a header, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets `Authorization: Bearer TOKEN`, marked as sensitive.
    ///
    /// # Errors
    /// When the token holds a character that a header cannot carry.
    pub fn bearer(mut self, token: &crate::Secret) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_unprintable| {
            Error::configuration("send a bearer token that is not one line of visible ASCII")
        })?;
        value.set_sensitive(true);
        self.headers.insert(::http::header::AUTHORIZATION, value);
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets which addresses may be dialled.
    #[must_use]
    pub fn destination(mut self, destination: Destination) -> Self {
        self.destination = destination;
        self
    }

    /// Sets the certificate that is shown to a server that asks for one.
    #[must_use]
    pub fn identity(mut self, identity: Arc<X509Identity>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the longest time for the whole request.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the largest answer, in bytes.
    #[must_use]
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.max_response = bytes;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// An answer, read whole.
#[derive(Clone)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body; may hold secrets, so it is wiped when dropped.
    pub body: SecretBytes,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unreachable`] when it is not JSON of that shape. The body itself is not in the error.
    pub fn json<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        serde_json::from_slice(self.body.expose()).map_err(|error| {
            // serde_json's message can quote a value, so only the place is kept.
            Error::unreachable(format!(
                "read {what}: the answer (HTTP {}, {} bytes) is not the JSON expected, line {} column {}",
                self.status.as_u16(),
                self.body.len(),
                error.line(),
                error.column()
            ))
            .hint("this is not what the service answers: check the address, and what stands between here and there")
        })
    }

    /// The body as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.body.expose()).ok()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {} ({} bytes)", self.status.as_u16(), self.body.len())
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// The guard does not allow this address, scheme or proxy.
    Blocked,
    /// The name does not resolve, nothing listens, or the connection broke.
    Connect,
    /// What answers does not speak HTTP.
    NotHttp,
    /// What answers does not speak TLS.
    NotTls,
    /// The other side stopped in mid-answer, or the request cannot be written as HTTP.
    Protocol,
    /// It took longer than the request allows.
    Timeout,
    /// The certificate or the handshake failed.
    Tls,
    /// What TLS is to trust on this side cannot be read, so nothing was said to the other side. The cause is an [`Error`].
    TlsSettings,
    /// The answer is larger than the request allows.
    TooLarge,
}

/// A request without an answer.
#[derive(Debug)]
pub struct HttpError {
    /// What sort of failure.
    pub kind: HttpErrorKind,
    /// What was attempted: method, host, port. No query, no body.
    pub message: String,
    /// The cause, if the layer below gave one.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HttpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        match error.kind {
            HttpErrorKind::TlsSettings => of_this_side(error),
            HttpErrorKind::Blocked => {
                let what = "send a request to an address that is not allowed";
                Self::configuration(what).because(error).hint("correct the address; what is allowed depends on who named it")
            }
            HttpErrorKind::Tls => Self::unreachable("set up TLS")
                .because(error)
                .hint("if the server has an authority of its own, name its certificate file in SSL_CERT_FILE"),
            HttpErrorKind::Timeout => Self::unreachable("wait for an answer")
                .because(error)
                .hint("something between here and there drops it, or the service is overloaded; the same request may succeed later"),
            HttpErrorKind::Connect => Self::unreachable("send a request")
                .because(error)
                .hint("check the address, and that this place may reach it; a proxy is taken from HTTPS_PROXY and NO_PROXY"),
            HttpErrorKind::TooLarge => Self::unreachable("read the answer")
                .because(error)
                .hint("this is not what the service answers: check the address, and what stands between here and there"),
            HttpErrorKind::NotHttp => Self::unreachable("send a request")
                .because(error)
                .hint("what answers there does not speak HTTP: check address, port and scheme"),
            HttpErrorKind::NotTls => Self::unreachable("send a request")
                .because(error)
                .hint("what answers there does not speak TLS: check scheme and port"),
            HttpErrorKind::Protocol => Self::unreachable("send a request")
                .because(error)
                .hint("the connection broke in mid-answer; the same request may succeed later"),
        }
    }
}

/// The cause knows what sort of mistake it is and what to do about it.
fn of_this_side(error: HttpError) -> Error {
    let HttpError { message, cause, .. } = error;
    let Some(cause) = cause else { return Error::configuration(message) };
    match cause.downcast::<Error>() {
        Ok(own) => Error::new(own.kind(), message).because(*own),
        Err(other) => Error::configuration(message).because(other),
    }
}

/// Whether a URL can only mean this machine, so that tokens may go there without TLS: a loopback address, or `localhost`.
/// Not the names below `localhost`: not every resolver keeps them here (RFC 6761, 6.3).
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Sends one request and reads the whole answer. Redirects are never followed.
pub trait HttpSend: Send + Sync + fmt::Debug {
    /// Sends it.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_speak_http_is_not_called_a_broken_connection() {
        let hint = |kind| Error::from(HttpError { kind, message: String::new(), cause: None }).hints().join(" ");
        assert!(hint(HttpErrorKind::NotHttp).contains("check address, port and scheme"));
        assert_eq!(hint(HttpErrorKind::NotTls), "what answers there does not speak TLS: check scheme and port");
        assert!(!hint(HttpErrorKind::NotHttp).contains("later") && hint(HttpErrorKind::Protocol).contains("later"));
    }

    #[test]
    fn what_cannot_be_read_here_is_not_called_unreachable() {
        let cause = Error::configuration("read the certificates").hint("correct the file");
        let message = "GET https://a.example: TLS cannot be set up".to_owned();
        let failed = HttpError { kind: HttpErrorKind::TlsSettings, message, cause: Some(Box::new(cause)) };
        let error = Error::from(failed);
        assert_eq!((error.kind().exit_code(), error.is_retryable()), (2, false));
        assert_eq!(error.hints(), ["correct the file"]);
        assert_eq!(crate::chain(&error), ["GET https://a.example: TLS cannot be set up", "read the certificates"]);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:9/a", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:80", true),
            ("http://LOCALHOST", true),
            ("http://a.localhost", false),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("http://169.254.169.254", false),
            ("data:text/plain,localhost", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
