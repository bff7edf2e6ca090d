//! Services in memory, for tests of one emulator with its client.

use std::{fmt, sync::OnceLock};

use axum::body::{Body, to_bytes};
use carnet_core::{BoxFuture, HttpError, HttpErrorKind, HttpSend, Request, Response, SecretBytes};
use tower::ServiceExt as _;

use crate::Service;

/// A network of emulated services and nothing else. A request goes to the service that answers for its host; a service
/// without a host name of its own is at `NAME.test` (a domain that is nobody's: RFC 6761, 6.2).
///
/// A service is known only after the world that it is made of, and the world wants a network: so the network comes
/// first, and its services follow with [`Internet::open`].
#[derive(Default)]
pub struct Internet(OnceLock<Vec<Service>>);

impl Internet {
    /// Opens it. The services of the first call stay.
    pub fn open(&self, services: Vec<Service>) {
        self.0.get_or_init(|| services);
    }

    fn find(&self, host: &str) -> Option<&Service> {
        let named = |service: &&Service| {
            service.hosts.iter().any(|name| name.matches(host))
                || (service.hosts.is_empty() && host.strip_suffix(".test") == Some(service.name))
        };
        self.0.get()?.iter().find(named)
    }
}

impl HttpSend for Internet {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let host = request.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let failed = |kind, what: &str| HttpError { kind, message: format!("{request:?}: {what}"), cause: None };
            let service = self.find(&host).ok_or_else(|| failed(HttpErrorKind::Connect, "nobody is there"))?;
            let mut message = http::Request::builder().method(request.method.clone()).uri(request.url.as_str());
            if let Some(headers) = message.headers_mut() {
                headers.clone_from(&request.headers);
                let named = headers.contains_key(http::header::HOST);
                // With the port unless it is the scheme's own, as on the wire.
                let authority = &request.url[url::Position::BeforeHost..url::Position::AfterPort];
                if let Some(value) = authority.parse().ok().filter(|_| !named) {
                    headers.insert(http::header::HOST, value);
                }
            }
            let message = message
                .body(Body::from(request.body.clone()))
                .map_err(|_unsendable| failed(HttpErrorKind::Protocol, "HTTP cannot carry it"))?;
            let Ok(answer) = service.router.clone().oneshot(message).await;
            let (head, body) = answer.into_parts();
            let body = to_bytes(body, request.max_response)
                .await
                .map_err(|_longer| failed(HttpErrorKind::TooLarge, "the answer is larger than allowed"))?;
            Ok(Response { status: head.status, headers: head.headers, body: SecretBytes::new(body) })
        })
    }
}

impl fmt::Debug for Internet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Internet")
    }
}
