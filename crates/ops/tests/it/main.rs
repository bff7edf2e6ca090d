//! Traces, from a request to a collector that listens on loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails panics")]

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use carnet_core::MapEnvironment;
use carnet_ops::{Telemetry, TelemetrySettings, trace_requests};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// A collector that passes on what it gets.
async fn collector() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Value)>) {
    async fn take(
        State(sender): State<mpsc::UnboundedSender<(HeaderMap, Value)>>,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Json<Value> {
        sender.send((headers, body)).unwrap();
        Json(serde_json::json!({}))
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/traces", post(take)).with_state(sender);
    tokio::spawn(carnet_net::serve(listener, router, None, CancellationToken::new()));
    (format!("http://{address}/v1/traces"), receiver)
}

#[tokio::test]
async fn a_request_becomes_a_span_below_that_of_its_caller() {
    let (endpoint, mut received) = collector().await;
    let settings = TelemetrySettings { endpoint: endpoint.parse().unwrap(), service: "carnet-authority", ratio: 1.0 };
    let client = carnet_net::Client::new(carnet_net::Settings::from_environment(&MapEnvironment::default()));
    let telemetry = Telemetry::start(&settings, Arc::new(client)).unwrap();
    let subscriber = tracing_subscriber::registry().with(telemetry.layer());

    let router = trace_requests(Router::new().route("/oauth2/token/{name}", post(|| async { "done" })));
    let request = axum::http::Request::post("/oauth2/token/a?subject_token=eyJsecret")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("authorization", "Bearer eyJsecret")
        .body(axum::body::Body::empty())
        .unwrap();
    let guard = tracing::subscriber::set_default(subscriber);
    assert_eq!(router.oneshot(request).await.unwrap().status(), 200);
    drop(guard);
    telemetry.shutdown().await;

    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(headers["content-type"], "application/json");
    let resource = &body["resourceSpans"][0];
    let service =
        resource["resource"]["attributes"].as_array().unwrap().iter().find(|one| one["key"] == "service.name");
    assert_eq!(service.unwrap()["value"]["stringValue"], "carnet-authority");
    let span = &resource["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "request");
    assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span["parentSpanId"], "b7ad6b7169203331");
    let attributes = span["attributes"].as_array().unwrap();
    let value = |key: &str| &attributes.iter().find(|one| one["key"] == key).unwrap()["value"];
    assert_eq!(value("http.route")["stringValue"], "/oauth2/token/{name}");
    assert_eq!(value("http.request.method")["stringValue"], "POST");
    assert_eq!(value("http.response.status_code"), &serde_json::json!({ "intValue": "200" }));
    assert!(!body.to_string().contains("eyJsecret"), "{body}");
}
