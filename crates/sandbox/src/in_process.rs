//! The emulators' own HTTP client: real host names, answered by the routers of this process.

use std::{
    error::Error as StdError,
    sync::{Arc, OnceLock, Weak},
};

use axum::{body::Body, http};
use carnet_core::{BoxFuture, HttpError, HttpErrorKind, HttpSend, Request, Response, SecretBytes};
use carnet_sandbox_kit::ShownCertificates;
use http::{HeaderValue, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower::ServiceExt as _;
use url::Position;

use crate::routes::Routes;

/// Calls the service that answers for a host, without a socket. Every other host is refused.
///
/// It knows the routes only weakly, because the routes hold the emulators and they hold this.
#[derive(Debug, Default)]
pub(crate) struct InProcess(OnceLock<Weak<Routes>>);

impl InProcess {
    /// Tells it the routes, once they are known.
    pub(crate) fn bind(&self, routes: &Arc<Routes>) {
        // Bound once, by `Sandbox::start`; a second time changes nothing.
        drop(self.0.set(Arc::downgrade(routes)));
    }

    async fn call(&self, request: &Request, label: &str) -> Result<Response, HttpError> {
        let fail = |kind, text: &str| HttpError { kind, message: format!("{label}: {text}"), cause: None };
        let host = request.url.host_str().unwrap_or_default();
        let port = request.url.port_or_known_default().unwrap_or_default();
        let known = self.0.get().and_then(Weak::upgrade);
        let router = known.as_ref().and_then(|routes| {
            let found = routes.find(host, port, request.url.path());
            if found.is_none() {
                routes.refuse(host, port);
            }
            found.map(|route| route.router.clone())
        });
        let router =
            router.ok_or_else(|| fail(HttpErrorKind::Blocked, "no service of the sandbox answers for this host"))?;
        let mut message = http::Request::new(Body::from(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = request.url[Position::BeforePath..Position::AfterQuery]
            .parse()
            .map_err(|_quotes_the_url| fail(HttpErrorKind::Protocol, "the URL cannot be sent"))?;
        *message.headers_mut() = request.headers.clone();
        let authority = &request.url[Position::BeforeHost..Position::AfterPort];
        if let (false, Ok(value)) = (message.headers().contains_key(header::HOST), HeaderValue::from_str(authority)) {
            message.headers_mut().insert(header::HOST, value);
        }
        if let Some(shown) = ShownCertificates::of(request) {
            message.extensions_mut().insert(shown);
        }
        message.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        let answer = match router.oneshot(message).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, request.max_response).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() || error.source().is_some_and(<dyn StdError>::is::<LengthLimitError>) {
                fail(HttpErrorKind::TooLarge, "the answer is larger than allowed")
            } else {
                HttpError { cause: Some(error), ..fail(HttpErrorKind::Protocol, "the answer was cut") }
            }
        })?;
        Ok(Response { status: head.status, headers: head.headers, body: SecretBytes::new(body.to_bytes().to_vec()) })
    }
}

impl HttpSend for InProcess {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let label = format!("{} {} in the sandbox", request.method, request.url.origin().ascii_serialization());
            match tokio::time::timeout(request.timeout, self.call(&request, &label)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(HttpError {
                    kind: HttpErrorKind::Timeout,
                    message: format!("{label}: no whole answer within {} ms", request.timeout.as_millis()),
                    cause: None,
                }),
            }
        })
    }
}
