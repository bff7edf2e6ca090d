//! What stands before the demo's authority, as a proxy that ends TLS stands before one elsewhere: in the sandbox it has the
//! name that its tokens say, and what is asked there is asked of the listener on loopback.

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
use carnet_core::{Destination, Error, HttpSend as _, Request as Asked, chain};
use carnet_net::{Client, Settings};
use carnet_sandbox::{Host, Service, aws};
use http::{StatusCode, header};

/// What the clouds of the sandbox know the authority by.
pub(super) const ISSUER: &str = aws::SVID_ISSUER;
/// The same without its scheme.
const HOST: &str = "authority.demo.test";
/// Largest body that is passed on, in bytes.
const MAX_BODY: usize = 1 << 20;
/// What of a request is for the authority.
const ASKED: [header::HeaderName; 3] = [header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE];
/// What of its answer is for the caller.
const ANSWERED: [header::HeaderName; 2] = [header::CACHE_CONTROL, header::CONTENT_TYPE];

/// The gate. It leads nowhere until the authority is open.
#[derive(Clone)]
pub(super) struct Gate {
    to: Arc<OnceLock<SocketAddr>>,
    client: Arc<Client>,
}

impl Gate {
    /// One that leads nowhere yet.
    pub(super) fn new() -> Self {
        Self { to: Arc::default(), client: Arc::new(Client::new(Settings::default())) }
    }

    /// Lets it lead to this listener.
    pub(super) fn open(&self, to: SocketAddr) {
        // There is one authority, so the first is the only one.
        self.to.get_or_init(|| to);
    }

    /// It as a service of the sandbox.
    pub(super) fn service(&self) -> Service {
        let router = Router::new().fallback(answer).with_state(self.clone());
        Service::new("demo-authority", [Host::Exact(HOST)], router)
    }

    async fn pass(&self, request: Request) -> Result<Response, Error> {
        let to = self.to.get().ok_or_else(|| Error::unreachable("pass the request on: the authority is not open"))?;
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await;
        let body = body.map_err(|error| Error::configuration("read the request").because(error))?;
        let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let url = format!("http://{to}{path}").parse();
        let url = url.map_err(|error| Error::configuration("name the place at the authority").because(error))?;
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

async fn answer(State(gate): State<Gate>, request: Request) -> Response {
    match gate.pass(request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, chain(&error).join(": ")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_has_the_name_that_the_clouds_know() {
        assert_eq!(ISSUER, format!("https://{HOST}"));
    }
}
