//! Where a request goes, checked before anything is resolved or dialled.

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use bytes::Bytes;
use carnet_core::{Destination, HttpError, HttpErrorKind, Request};
use http::{HeaderValue, Method, Uri, header};
use http_body_util::Full;
use url::{Host, Position, Url};

use super::Message;
use crate::{Proxy, Settings, TlsCertificate, guard};

/// What carnet calls itself to servers.
const USER_AGENT: &str = concat!("carnet/", env!("CARGO_PKG_VERSION"));

/// Where a request goes and by which way.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) key: Key,
    pub(super) proxy: Option<Proxy>,
    /// The Unix socket that is connected to in place of the host.
    pub(super) socket: Option<Arc<Path>>,
    /// Who the client is in TLS.
    pub(super) identity: Option<TlsCertificate>,
    /// Whether the identity is the request's own, so that no other request may use the connection.
    pub(super) once: bool,
    method: Method,
}

/// What a connection is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) tls: bool,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) destination: Destination,
    pub(super) ca_pem: Option<Bytes>,
    /// The name for TLS, when it is not the host.
    pub(super) server_name: Option<String>,
    /// The number of the client's own certificate.
    pub(super) identity: Option<u64>,
}

impl Target {
    /// Checks the URL against what its destination allows and chooses the way.
    pub(super) fn new(request: &Request, settings: &Settings) -> Result<Self, HttpError> {
        let Request { method, url, destination, .. } = request;
        let host = url.host().map(|host| host.to_owned());
        let (tls, host, port) = match (url.scheme(), host, url.port_or_known_default()) {
            ("http", Some(host), Some(port)) => (false, host, port),
            ("https", Some(host), Some(port)) => (true, host, port),
            _ => return Err(blocked(format!("{method} a {} URL: only http and https are spoken", url.scheme()))),
        };
        let key = Key {
            tls,
            host,
            port,
            destination: *destination,
            ca_pem: request.ca_pem.clone(),
            server_name: request.server_name.clone(),
            identity: None,
        };
        let mut target = Self { key, proxy: None, socket: None, identity: None, once: false, method: method.clone() };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                target.blocked("the URL holds credentials; put them where the configuration has a field for them")
            );
        }
        if *destination == Destination::Untrusted && !tls {
            return Err(target.blocked("a URL that was learnt from a token or a document must be https"));
        }
        if !tls && (request.identity.is_some() || request.server_name.is_some()) {
            return Err(target.blocked("the request brings a certificate or a name for TLS, and the URL is not https"));
        }
        // A host that is an address can be judged now; a name is judged when its addresses are known.
        if let Some(address) = target.address().filter(|address| !guard::allows(*destination, *address)) {
            return Err(target.address_blocked(address));
        }
        target.proxy = target.choose_proxy(settings)?;
        if target.proxy.is_some()
            && *destination == Destination::Untrusted
            && !guard::allows_through_proxy(&target.key.host)
        {
            return Err(target.blocked("a URL that was learnt from a token or a document names a local host"));
        }
        Ok(target)
    }

    /// The same by way of a Unix socket, where the host only names the server.
    pub(super) fn on_socket(mut self, socket: Arc<Path>) -> Result<Self, HttpError> {
        self.socket = Some(socket);
        if self.key.tls {
            return Err(self.blocked("only http is spoken on a Unix socket"));
        }
        Ok(self)
    }

    /// The same as somebody.
    pub(super) fn with_identity(mut self, identity: Option<TlsCertificate>) -> Self {
        self.key.identity = identity.as_ref().map(TlsCertificate::number);
        self.identity = identity;
        self
    }

    fn choose_proxy(&self, settings: &Settings) -> Result<Option<Proxy>, HttpError> {
        if self.key.destination == Destination::Metadata || settings.no_proxy.covers(&self.key.host, self.key.port) {
            return Ok(None);
        }
        let setting = if self.key.tls { &settings.https_proxy } else { &settings.http_proxy };
        match setting {
            None => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy.clone())),
            Some(Err(error)) => Err(HttpError {
                cause: Some(Box::new(*error)),
                ..self.blocked("the proxy of the environment cannot be used")
            }),
        }
    }

    /// The message for this way: origin form, or absolute form for a proxy of plain HTTP (RFC 9112, 3.2).
    pub(super) fn message(&self, request: &Request) -> Result<Message, HttpError> {
        let url = &request.url;
        let absolute = self.proxy.as_ref().filter(|_| !self.key.tls);
        let text = match absolute {
            Some(_) => &url[..Position::AfterQuery],
            None => &url[Position::BeforePath..Position::AfterQuery],
        };
        let uri: Uri = text.parse().map_err(|_quotes_the_url| self.unsendable("URL"))?;
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = uri;
        let headers = message.headers_mut();
        headers.clone_from(&request.headers);
        // The length is the length of the body, whatever a caller wrote: two lengths are how requests are smuggled.
        headers.remove(header::TRANSFER_ENCODING);
        if !request.body.is_empty() || matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        } else {
            headers.remove(header::CONTENT_LENGTH);
        }
        if !headers.contains_key(header::HOST) {
            let host = HeaderValue::from_str(&host_header(url)).map_err(|_no_more_to_say| self.unsendable("host"))?;
            headers.insert(header::HOST, host);
        }
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        if let Some(authorization) = absolute.and_then(|proxy| proxy.authorization.clone()) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        Ok(message)
    }

    /// The host, when it is written as an address.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.key.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// An error about this target.
    pub(super) fn error(&self, kind: HttpErrorKind, text: fmt::Arguments<'_>) -> HttpError {
        HttpError { kind, message: format!("{self}: {text}"), cause: None }
    }

    pub(super) fn address_blocked(&self, address: IpAddr) -> HttpError {
        let allowed = match self.key.destination {
            Destination::Configured => "any",
            Destination::Metadata => "a loopback, link-local or unique-local",
            Destination::Untrusted => "a public",
        };
        self.error(HttpErrorKind::Blocked, format_args!("{address} is not {allowed} address"))
    }

    fn unsendable(&self, part: &str) -> HttpError {
        self.error(HttpErrorKind::Protocol, format_args!("the {part} has characters that HTTP cannot carry"))
    }

    fn blocked(&self, text: &str) -> HttpError {
        self.error(HttpErrorKind::Blocked, format_args!("{text}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.key.tls { "https" } else { "http" };
        write!(f, "{} {scheme}://{}:{}", self.method, self.key.host, self.key.port)?;
        match (&self.proxy, &self.socket) {
            (_, Some(socket)) => write!(f, " on the socket {}", socket.display()),
            (Some(proxy), None) => write!(f, " through {proxy}"),
            (None, None) => Ok(()),
        }
    }
}

fn blocked(message: String) -> HttpError {
    HttpError { kind: HttpErrorKind::Blocked, message, cause: None }
}

/// Host and, unless it is the scheme's own, port (RFC 9112, 3.2).
fn host_header(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, destination: Destination, settings: &Settings) -> Target {
        Target::new(&Request::get(url.parse().unwrap()).destination(destination), settings).unwrap()
    }

    #[test]
    fn metadata_never_goes_through_a_proxy() {
        let proxy = Some(Proxy::parse("http://proxy.example:3128"));
        let settings = Settings { http_proxy: proxy.clone(), https_proxy: proxy, ..Settings::default() };
        for url in ["http://169.254.169.254/opc/v2/", "http://metadata.google.internal/", "https://10.example/"] {
            assert!(target(url, Destination::Metadata, &settings).proxy.is_none(), "{url}");
        }
        let configured = target("http://169.254.169.254/", Destination::Configured, &settings);
        assert_eq!(configured.to_string(), "GET http://169.254.169.254:80 through http://proxy.example:3128");
    }

    #[test]
    fn hosts_of_no_proxy_go_past_the_proxy() {
        let proxy = Some(Proxy::parse("proxy.example:3128"));
        let no_proxy = crate::NoProxy::parse(".corp.example,10.0.0.0/8");
        let settings = Settings { http_proxy: proxy, no_proxy, ..Settings::default() };
        assert!(target("http://a.corp.example/", Destination::Configured, &settings).proxy.is_none());
        assert!(target("http://10.1.2.3/", Destination::Configured, &settings).proxy.is_none());
        assert!(target("http://corp.example.org/", Destination::Configured, &settings).proxy.is_some());
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let settings = Settings { https_proxy: Some(Proxy::parse("proxy:1")), ..Settings::default() };
        assert!(target("https://a.example/", Destination::Configured, &settings).proxy.is_some());
        assert!(target("http://a.example/", Destination::Configured, &settings).proxy.is_none());
    }
}
