//! The routes that probes and Prometheus ask.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{Health, Metrics, health};

/// `/livez`, `/readyz`, `/readyz/{component}` and `/metrics`. They tell what runs here and must listen where only the
/// operator can ask: on a listener of their own, loopback unless configured otherwise.
pub fn diagnostics(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(all))
        .route("/readyz/{component}", get(one))
        .with_state(health)
        .route("/metrics", get(text))
        .with_state(metrics)
}

/// [`diagnostics`] of a service that keeps nothing up for them: `look` puts what it knows anyway into components and gauges
/// whenever somebody asks.
pub fn diagnostics_at_sight(health: Health, metrics: Metrics, look: impl Fn() + Send + Sync + 'static) -> Router {
    let look: Arc<dyn Fn() + Send + Sync> = Arc::new(look);
    diagnostics(health, metrics).layer(from_fn_with_state(look, looked))
}

async fn looked(State(look): State<Arc<dyn Fn() + Send + Sync>>, request: Request, next: Next) -> Response {
    look();
    next.run(request).await
}

/// One line for each component, and 503 unless all are ready.
async fn all(State(health): State<Health>) -> (StatusCode, String) {
    let report = health.report();
    let mut text: String = report.components.iter().map(|(name, state)| line(name, state)).collect();
    text.push_str(match (report.stopping, report.ready) {
        (true, _) => "stopping\n",
        (false, true) => "ready\n",
        (false, false) => "not ready\n",
    });
    (status(report.ready), text)
}

async fn one(State(health): State<Health>, Path(component): Path<String>) -> (StatusCode, String) {
    match health.of(&component) {
        Some(state) => (status(state.is_ready()), line(&component, &state)),
        None => (StatusCode::NOT_FOUND, "there is no such component; /readyz lists them\n".to_owned()),
    }
}

fn line(name: &str, state: &health::State) -> String {
    match state {
        health::State::Starting => format!("{name}: starting\n"),
        health::State::Ready => format!("{name}: ok\n"),
        health::State::Degraded(why) => format!("{name}: degraded: {}\n", carnet_core::safe_text(why)),
        health::State::Failing(why) => format!("{name}: failing: {}\n", carnet_core::safe_text(why)),
    }
}

fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn text(State(metrics): State<Metrics>) -> Response {
    // OpenMetrics 1.0, "Protocol Negotiation".
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], metrics.text()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(health: &Health, path: &str) -> (u16, String) {
        let router = diagnostics(health.clone(), Metrics::new("carnet"));
        let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn probes_are_told_what_works_and_why_not() {
        let health = Health::new();
        let store = health.component("store");
        assert_eq!(ask(&health, "/livez").await, (200, "ok\n".to_owned()));
        assert_eq!(ask(&health, "/readyz").await, (503, "store: starting\nnot ready\n".to_owned()));
        store.ready();
        assert_eq!(ask(&health, "/readyz").await, (200, "store: ok\nready\n".to_owned()));
        store.failing("the disk\u{1b}[2J is full");
        let (status, text) = ask(&health, "/readyz/store").await;
        assert_eq!(status, 503);
        assert!(text.starts_with("store: failing: the disk") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(ask(&health, "/readyz/stoer").await.0, 404);
        assert_eq!(ask(&health, "/livez").await.0, 200);
    }

    #[tokio::test]
    async fn what_is_stopping_wants_no_more_work() {
        let health = Health::new();
        health.stopping();
        assert_eq!(ask(&health, "/readyz").await, (503, "stopping\n".to_owned()));
    }

    #[tokio::test]
    async fn metrics_end_as_the_format_wants() {
        let (status, text) = ask(&Health::new(), "/metrics").await;
        assert_eq!((status, text.as_str()), (200, "# EOF\n"));
    }
}
