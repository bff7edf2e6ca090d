//! A server of one's own among the emulated clouds: what they ask under its name is asked of a listener on loopback, as a
//! proxy that ends TLS stands before one elsewhere.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use carnet_core::{Destination, Error, HttpSend as _, Request as Asked, chain, safe_text};
use carnet_net::{Client, Settings};
use carnet_sandbox::{Host, Service};
use http::{StatusCode, header};

/// Largest body that is passed on, in bytes.
const MAX_BODY: usize = 1 << 20;
/// What of a request is for the server.
const ASKED: [header::HeaderName; 3] = [header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE];
/// What of its answer is for the caller.
const ANSWERED: [header::HeaderName; 2] = [header::CACHE_CONTROL, header::CONTENT_TYPE];

/// The way to the server. It leads nowhere until it is open.
#[derive(Clone)]
pub(super) struct Guest {
    to: Arc<OnceLock<SocketAddr>>,
    client: Arc<Client>,
}

impl Guest {
    /// One that leads nowhere yet.
    pub(super) fn new() -> Self {
        Self { to: Arc::default(), client: Arc::new(Client::new(Settings::default())) }
    }

    /// Lets it lead to this listener.
    pub(super) fn open(&self, to: SocketAddr) {
        // There is one server, so the first is the only one.
        self.to.get_or_init(|| to);
    }

    /// It as a service of the sandbox, which has this host name.
    pub(super) fn service(&self, name: &'static str, host: &'static str) -> Service {
        let router = Router::new().fallback(answer).with_state(self.clone());
        Service::new(name, [Host::Exact(host)], router)
    }

    async fn pass(&self, request: Request) -> Result<Response, Error> {
        let to = self.to.get().ok_or_else(|| Error::unreachable("pass the request on: the server is not open"))?;
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await;
        let body = body.map_err(|error| Error::configuration("read the request").because(error))?;
        let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let url = format!("http://{to}{path}").parse();
        let url = url.map_err(|error| Error::configuration("name the place at the server").because(error))?;
        let mut asked = Asked::new(head.method, url).destination(Destination::Configured).body(body);
        for name in ASKED {
            if let Some(value) = head.headers.get(&name) {
                asked = asked.header(name, value.clone());
            }
        }
        let answer = self.client.send(asked).await?;
        let mut response = Response::new(Body::from(answer.body.expose().to_vec()));
        *response.status_mut() = answer.status;
        for name in ANSWERED {
            if let Some(value) = answer.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }
}

async fn answer(State(guest): State<Guest>, request: Request) -> Response {
    match guest.pass(request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, chain(&error).join(": ")).into_response(),
    }
}

/// Reads `NAME=ADDRESS`: a host name, and the address of this machine where its server listens without TLS.
///
/// # Errors
/// When it is neither, or the address is another machine's: the sandbox never leaves this one.
pub(super) fn parse(text: &str) -> Result<Service, Error> {
    let wrong = |what: &str| {
        Error::configuration(format!("read the guest `{}`: {what}", safe_text(text)))
            .hint("name a host and where its server listens: `--guest authority.example=127.0.0.1:8080`")
    };
    let (host, address) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
    let host = host.to_ascii_lowercase();
    let of_names = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let mut labels = host.split('.');
    let is_name = labels.all(|label| !label.is_empty() && label.bytes().all(of_names));
    // Addresses, and names without a dot, are this machine's own or its network's.
    let is_public = host.rsplit_once('.').is_some_and(|(_, last)| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    if !is_name || !is_public || host.len() > 253 {
        return Err(wrong("what stands before `=` is no host name with a dot in it"));
    }
    let to: SocketAddr =
        address.parse().map_err(|error| wrong("what stands after `=` is no address with a port").because(error))?;
    if !to.ip().to_canonical().is_loopback() {
        return Err(wrong("the address is not this machine's own"));
    }
    let guest = Guest::new();
    guest.open(to);
    // There are as many as the command line names, and they stay as long as the process.
    let host: &'static str = host.leak();
    Ok(guest.service(host, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_and_an_address_of_this_machine() {
        for (text, host) in [
            ("authority.example=127.0.0.1:8080", "authority.example"),
            ("Authority.Example=[::1]:8080", "authority.example"),
            ("a-1.b.example=127.9.9.9:1", "a-1.b.example"),
        ] {
            let service = parse(text).unwrap();
            assert_eq!((service.name, service.hosts), (host, vec![Host::Exact(host)]), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_no_name_and_address_of_this_machine() {
        for (text, says) in [
            ("authority.example", "no `=`"),
            ("=127.0.0.1:8080", "no host name"),
            ("authority=127.0.0.1:8080", "no host name"),
            ("https://authority.example=127.0.0.1:8080", "no host name"),
            ("authority..example=127.0.0.1:8080", "no host name"),
            ("10.0.0.1=127.0.0.1:8080", "no host name"),
            ("authority.example=127.0.0.1", "no address"),
            ("authority.example=localhost:8080", "no address"),
            ("authority.example=10.0.0.1:8080", "not this machine's"),
            ("authority.example=0.0.0.0:8080", "not this machine's"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(chain(&error).join(": ").contains(says), "{text}: {error}");
            assert!(error.hints().first().is_some_and(|hint| hint.contains("--guest")), "{text}");
        }
    }
}
