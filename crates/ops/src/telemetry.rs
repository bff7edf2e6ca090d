//! Traces for OpenTelemetry: OTLP over HTTP as JSON, sent by the one HTTP client.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use axum::http;
use bytes::Bytes;
use carnet_core::{Destination, Error, HttpSend, Request};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing_subscriber::Registry;
use url::Url;

/// What turns the spans of `tracing` into those of OpenTelemetry, directly above the registry.
pub type OpenTelemetryLayer = tracing_opentelemetry::OpenTelemetryLayer<Registry, SdkTracer>;

/// Longest time for one batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetrySettings {
    /// The collector, with the path of the signal, for instance `http://127.0.0.1:4318/v1/traces` (OTLP 1.x, OTLP/HTTP).
    pub endpoint: Url,
    /// What the service is called in the traces.
    pub service: &'static str,
    /// Which part of the traces that begin here are kept, 0 to 1. Who sends a `traceparent` decides for itself.
    pub ratio: f64,
}

/// The running export.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Starts it. Must be called within a tokio runtime, which does the sending.
    ///
    /// # Errors
    /// When the exporter cannot be built.
    pub fn start(settings: &TelemetrySettings, http: Arc<dyn HttpSend>) -> Result<Self, Error> {
        let sender = Sender { http, runtime: tokio::runtime::Handle::current() };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(settings.endpoint.as_str())
            .with_timeout(SEND_TIMEOUT)
            .build()
            .map_err(|error| Error::configuration("set up the export of traces").because(error))?;
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", settings.service))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.ratio.clamp(0.0, 1.0))));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .with_sampler(sampler)
            .build();
        Ok(Self { provider })
    }

    /// What turns the spans of `tracing` into those of OpenTelemetry.
    pub fn layer(&self) -> OpenTelemetryLayer {
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("carnet"))
    }

    /// Sends what is left and ends.
    pub async fn shutdown(self) {
        // The provider waits for its own thread, which needs this runtime to send.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "sending the last traces failed");
        }
    }
}

/// The exporter's HTTP client. The exporter has a thread of its own without a runtime, so the request runs here.
struct Sender {
    http: Arc<dyn HttpSend>,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl HttpClient for Sender {
    // What `async_trait` makes of `async fn send_bytes`.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: http::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let http = Arc::clone(&self.http);
        let task = self.runtime.spawn(async move { send(&*http, request).await });
        Box::pin(async move { task.await? })
    }
}

async fn send(http: &dyn HttpSend, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
    let (parts, body) = request.into_parts();
    let mut own = Request::new(parts.method, Url::parse(&parts.uri.to_string())?)
        .body(body)
        .destination(Destination::Configured)
        .timeout(SEND_TIMEOUT);
    own.headers = parts.headers;
    let answer = http.send(own).await?;
    let mut response = http::Response::new(Bytes::copy_from_slice(answer.body.expose()));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}
