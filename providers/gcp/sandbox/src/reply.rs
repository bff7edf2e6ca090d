//! Answers, in the forms of Google's services.

use axum::response::{IntoResponse, Response};
use carnet_gcp::trust::{rpc_error, rpc_status};
use carnet_trust::Refusal;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a service answers.
pub(crate) type Answer = Result<Response, ApiError>;

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// What the operator of the sandbox may know.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_reply(self.status, &self.body);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// 200 with JSON.
pub(crate) fn ok(body: &Value) -> Response {
    json_reply(StatusCode::OK, body)
}

/// JSON with a status.
pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json; charset=UTF-8");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// Adds a header whose value is visible ASCII; anything else is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// An error of a Google API: a `google.rpc.Code` name and a text.
pub(crate) fn rpc(code: &str, message: impl Into<String>) -> ApiError {
    let status = rpc_status(code);
    let body = json!({ "error": { "code": status, "message": message.into(), "status": code } });
    ApiError { status: to_status(status), body, refusal: None }
}

/// An invalid argument, with the fields that are wrong.
pub(crate) fn invalid(mistakes: &[carnet_core::Mistake]) -> ApiError {
    let first = mistakes.first().map(|mistake| mistake.message.clone()).unwrap_or_default();
    let violations: Vec<Value> =
        mistakes.iter().map(|mistake| json!({ "field": mistake.field, "description": mistake.message })).collect();
    let mut error = rpc("INVALID_ARGUMENT", first);
    if let Some(inner) = error.body.get_mut("error").and_then(Value::as_object_mut) {
        let details = json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations }]);
        inner.insert("details".to_owned(), details);
    }
    error
}

/// A refusal as Google's APIs word it.
pub(crate) fn refused(refusal: Box<Refusal>) -> ApiError {
    let body = rpc_error(&refusal);
    ApiError { status: to_status(rpc_status(&refusal.code)), body, refusal: Some(refusal) }
}

/// What the sandbox does not do, said openly.
pub(crate) fn not_emulated(what: &str) -> ApiError {
    let body = json!({ "error": { "code": 501, "message": format!("{what} not emulated by the sandbox."),
        "status": "UNIMPLEMENTED" } });
    ApiError { status: StatusCode::NOT_IMPLEMENTED, body, refusal: None }
}

/// A failure of the emulator itself.
pub(crate) fn internal(error: &carnet_jose::KeyError) -> ApiError {
    rpc("INTERNAL", format!("Internal error encountered: {error}"))
}

/// A time without a fraction: `2026-11-21T12:00:00Z`. Google's Python library refuses one with a fraction.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn to_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// How Google's APIs word the errors of faults.
pub(crate) fn rpc_error_body(status: StatusCode) -> (&'static str, String) {
    let (code, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Requests'."),
        _ => ("UNAVAILABLE", "The service is currently unavailable."),
    };
    let body = json!({ "error": { "code": status.as_u16(), "message": message, "status": code } });
    ("application/json", body.to_string())
}

/// How the token service words the errors of faults.
pub(crate) fn sts_error_body(status: StatusCode) -> (&'static str, String) {
    let code = if status == StatusCode::TOO_MANY_REQUESTS { "quota_exceeded" } else { "temporarily_unavailable" };
    let text = status.canonical_reason().unwrap_or_default();
    ("application/json", json!({ "error": code, "error_description": text }).to_string())
}

/// How storage words the errors of faults.
pub(crate) fn storage_error_body(status: StatusCode) -> (&'static str, String) {
    let (reason, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("rateLimitExceeded", "The rate of requests is too high."),
        _ => ("backendError", "Backend Error"),
    };
    let errors = json!([{ "message": message, "domain": "global", "reason": reason }]);
    let body = json!({ "error": { "code": status.as_u16(), "message": message, "errors": errors } });
    ("application/json", body.to_string())
}
