//! Answers, in the forms of AWS's services.

use axum::response::{IntoResponse, Response};
use carnet_jose::KeyError;
use carnet_trust::Refusal;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::xml;

/// What a service answers.
pub(crate) type Answer = Result<Response, ApiError>;

/// The namespace of STS's answers.
pub(crate) const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// The namespace of IAM's answers.
pub(crate) const IAM_NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// The namespace of S3's answers.
pub(crate) const S3_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// How a service words its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The query protocol, with its namespace.
    Query(&'static str),
    /// S3's XML.
    Storage,
    /// JSON with `message` and the header `X-Amzn-ErrorType`.
    Json,
    /// JSON with `code` and `message` (container endpoint).
    Container,
    /// Plain text.
    Text,
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Further elements of S3's errors.
    pub(crate) details: Vec<(&'static str, String)>,
    /// What the operator of the sandbox may know.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code: code.into(), message: message.into(), details: Vec::new(), refusal: None }
    }

    /// With the reason for the operator.
    pub(crate) fn because(self, refusal: impl Into<Box<Refusal>>) -> Self {
        Self { refusal: Some(refusal.into()), ..self }
    }

    /// With a further element (S3).
    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// A failure of the emulator itself.
    pub(crate) fn internal(error: &KeyError) -> Self {
        Self::new(500, "InternalFailure", format!("The emulator failed: {error}"))
    }

    /// What the sandbox does not do, said openly.
    pub(crate) fn not_emulated(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("{what} is not emulated by the sandbox."))
    }

    /// As this service words it.
    pub(crate) fn render(&self, dialect: Dialect, id: &str) -> Response {
        let (kind, body) = match dialect {
            Dialect::Query(namespace) => ("text/xml", query_error(self, namespace, id)),
            Dialect::Storage => ("application/xml", storage_error(self, id)),
            Dialect::Json => ("application/json", json!({ "message": self.message }).to_string()),
            Dialect::Container => {
                ("application/json", json!({ "code": self.code, "message": self.message }).to_string())
            }
            Dialect::Text => ("text/plain; charset=utf-8", self.message.clone()),
        };
        let response = (self.status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response();
        match dialect {
            Dialect::Json => with_header(response, HeaderName::from_static("x-amzn-errortype"), &self.code),
            _ => response,
        }
    }
}

fn query_error(error: &ApiError, namespace: &str, id: &str) -> String {
    let kind = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    let inner =
        [xml::leaf("Type", kind), xml::leaf("Code", &error.code), xml::leaf("Message", &error.message)].concat();
    let inner = xml::node("Error", &inner) + &xml::leaf("RequestId", id);
    format!("<ErrorResponse xmlns=\"{namespace}\">{inner}</ErrorResponse>\n")
}

fn storage_error(error: &ApiError, id: &str) -> String {
    let details: String = error.details.iter().map(|(name, value)| xml::leaf(name, value)).collect();
    let inner = [
        xml::leaf("Code", &error.code),
        xml::leaf("Message", &error.message),
        details,
        xml::leaf("RequestId", id),
        xml::leaf("HostId", id),
    ];
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", xml::node("Error", &inner.concat()))
}

/// A success of the query protocol. Actions that give nothing have no result.
pub(crate) fn query_ok(namespace: &str, action: &str, result: Option<&str>, id: &str) -> Response {
    let result = result.map(|result| xml::node(&format!("{action}Result"), result)).unwrap_or_default();
    let metadata = xml::node("ResponseMetadata", &xml::leaf("RequestId", id));
    let body = format!("<{action}Response xmlns=\"{namespace}\">{result}{metadata}</{action}Response>\n");
    with_body(StatusCode::OK, "text/xml", body)
}

/// XML of S3, below its declaration.
pub(crate) fn storage_ok(name: &str, inner: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name} xmlns=\"{S3_NAMESPACE}\">{inner}</{name}>");
    with_body(StatusCode::OK, "application/xml", body)
}

/// JSON with a status.
pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Response {
    with_body(status, "application/json", body.to_string())
}

/// Text.
pub(crate) fn text(body: impl Into<String>) -> Response {
    with_body(StatusCode::OK, "text/plain", body.into())
}

/// A body with its type.
pub(crate) fn with_body(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// Adds a header whose value is visible ASCII; anything else is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A time without a fraction: `2026-11-21T12:00:00Z`.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What the fault is called, by services that answer in JSON ("Common error types" of each service's API reference).
const BUSY: (&str, &str) = ("ThrottlingException", "Rate exceeded");
const AWAY: (&str, &str) = ("ServiceUnavailableException", "The service is unavailable. Please try again shortly.");

fn fault(status: StatusCode) -> (&'static str, &'static str) {
    if status == StatusCode::TOO_MANY_REQUESTS { BUSY } else { AWAY }
}

/// The query protocol throttles with 400 ("Common error types", STS API reference).
pub(crate) fn query_error_head(status: StatusCode) -> (StatusCode, Option<(HeaderName, HeaderValue)>) {
    (if status == StatusCode::TOO_MANY_REQUESTS { StatusCode::BAD_REQUEST } else { status }, None)
}

/// How STS words the errors of faults.
pub(crate) fn sts_error_body(status: StatusCode) -> (&'static str, String) {
    query_error_body(status, STS_NAMESPACE)
}

/// How IAM words the errors of faults.
pub(crate) fn iam_error_body(status: StatusCode) -> (&'static str, String) {
    query_error_body(status, IAM_NAMESPACE)
}

/// The query protocol's codes lack `Exception`.
fn query_error_body(status: StatusCode, namespace: &str) -> (&'static str, String) {
    let (code, message) = fault(status);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    let error = ApiError::new(query_error_head(status).0.as_u16(), code, message);
    ("text/xml", query_error(&error, namespace, "00000000-0000-4000-8000-000000000000"))
}

/// S3 is too busy with 503 alone ("List of error codes", S3 API reference).
pub(crate) fn s3_error_head(_status: StatusCode) -> (StatusCode, Option<(HeaderName, HeaderValue)>) {
    (StatusCode::SERVICE_UNAVAILABLE, None)
}

/// How S3 words the errors of faults.
pub(crate) fn s3_error_body(status: StatusCode) -> (&'static str, String) {
    let error = ApiError::new(s3_error_head(status).0.as_u16(), "SlowDown", "Please reduce your request rate.");
    ("application/xml", storage_error(&error, "0000000000000000"))
}

/// The JSON services name the error in a header.
pub(crate) fn json_error_head(status: StatusCode) -> (StatusCode, Option<(HeaderName, HeaderValue)>) {
    (status, Some((HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(fault(status).0))))
}

/// How the JSON services word the errors of faults.
pub(crate) fn json_error_body(status: StatusCode) -> (&'static str, String) {
    ("application/json", json!({ "message": fault(status).1 }).to_string())
}

/// How the container endpoint words the errors of faults.
pub(crate) fn container_error_body(status: StatusCode) -> (&'static str, String) {
    let (code, message) = fault(status);
    ("application/json", json!({ "code": code, "message": message }).to_string())
}

/// How the services that answer in words do so to faults.
pub(crate) fn text_error_body(status: StatusCode) -> (&'static str, String) {
    ("text/plain; charset=utf-8", fault(status).1.to_owned())
}
