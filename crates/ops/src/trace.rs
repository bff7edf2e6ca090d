//! One span for each request.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::HeaderMap,
    middleware::{self, Next},
    response::Response,
};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Instrument as _, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Gives each request a span with its method, route and status, below the span that the caller named in `traceparent`
/// (W3C Trace Context, 3.2). Never a query, a header or a body: they hold tokens.
pub fn trace_requests(router: Router) -> Router {
    router.layer(middleware::from_fn(traced))
}

async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = field::Empty,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        // It fails without a layer for OpenTelemetry; then there is no trace to join.
        drop(span.set_parent(parent));
    }
    async move {
        let response = next.run(request).await;
        Span::current().record("http.response.status_code", i64::from(response.status().as_u16()));
        response
    }
    .instrument(span)
    .await
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}
