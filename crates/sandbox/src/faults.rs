//! The faults that are the same for every service, put around its router.

use std::{future::pending, io, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_sandbox_kit::{ErrorBody, ErrorHead, FaultKind, Faults, Service, World};
use futures_util::stream;
use jiff::fmt::rfc2822::DateTimePrinter;

/// What `Retry-After` says under [`FaultKind::TooManyRequests`], in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Largest request body that is read before a fault is answered, so that the client is not cut off while sending.
const MAX_DRAIN: usize = 1 << 20;

/// What [`FaultKind::Huge`] is made of: white space, so that a JSON parser reads on.
static CHUNK: [u8; 64 << 10] = [b' '; 64 << 10];

/// The service's router with faults around it.
pub(crate) fn around(service: &Service, world: World, slow: Duration) -> Router {
    let state =
        Layer { name: service.name, error_body: service.error_body, error_head: service.error_head, world, slow };
    service.router.clone().layer(from_fn_with_state(state, apply))
}

#[derive(Clone)]
struct Layer {
    name: &'static str,
    error_body: ErrorBody,
    error_head: ErrorHead,
    world: World,
    slow: Duration,
}

async fn apply(State(layer): State<Layer>, request: Request, next: Next) -> Response {
    let world = layer.world.clone();
    let mut answer = answer(&layer, request, next).await;
    // The service's own clock, moved or wrong as it may be: clients learn of a skew by it (RFC 9110, 6.6.1).
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&world.now(layer.name));
    if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

async fn answer(layer: &Layer, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let hits = |kind| layer.world.faults.hits(kind, layer.name, &path);
    if hits(FaultKind::Hang) {
        return pending().await;
    }
    if hits(FaultKind::Slow) {
        tokio::time::sleep(layer.slow).await;
    }
    let answer = if hits(FaultKind::Cut) {
        cut()
    } else if hits(FaultKind::Huge) {
        huge()
    } else if hits(FaultKind::Unavailable) {
        layer.error(StatusCode::SERVICE_UNAVAILABLE)
    } else if hits(FaultKind::TooManyRequests) {
        let mut answer = layer.error(StatusCode::TOO_MANY_REQUESTS);
        answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        answer
    } else {
        return next.run(request).await;
    };
    // A body that is too large to be read costs the client its answer, which is a fault as well.
    drop(to_bytes(request.into_body(), MAX_DRAIN).await);
    answer
}

impl Layer {
    fn error(&self, status: StatusCode) -> Response {
        let (content_type, body) = (self.error_body)(status);
        let (status, more) = (self.error_head)(status);
        let mut answer = (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        answer.headers_mut().extend(more);
        answer
    }
}

/// The head of an answer, the beginning of its body, and then nothing.
fn cut() -> Response {
    let pieces = stream::unfold(0, |step| async move {
        match step {
            0 => Some((Ok(Bytes::from_static(b"{\"")), 1)),
            1 => {
                // Lets what came before leave, so that the cut is in mid-answer and not before it.
                tokio::task::yield_now().await;
                Some((Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the sandbox")), 2))
            }
            _ => None,
        }
    });
    json_stream(Body::from_stream(pieces))
}

fn huge() -> Response {
    let count = Faults::HUGE.div_ceil(CHUNK.len());
    json_stream(Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, io::Error>(Bytes::from_static(&CHUNK))))))
}

fn json_stream(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
