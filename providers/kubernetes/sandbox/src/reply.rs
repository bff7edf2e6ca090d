//! Answers: objects, lists, and the object `Status` for everything that is refused (`k8s.io/apimachinery/pkg/api/errors`).

use axum::response::{IntoResponse, Response};
use carnet_trust::Refusal;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

/// What a path answers.
pub(crate) type Answer = Result<Response, ApiError>;

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    reason: &'static str,
    message: String,
    /// What the operator of the sandbox may know.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl ApiError {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), refusal: None }
    }

    /// 401: the same words whatever is wrong.
    pub(crate) fn unauthorized(refusal: Box<Refusal>) -> Self {
        Self { refusal: Some(refusal), ..Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized") }
    }

    /// 403.
    pub(crate) fn forbidden(message: impl Into<String>, refusal: Box<Refusal>) -> Self {
        Self { refusal: Some(refusal), ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message) }
    }

    /// 404 of an object.
    pub(crate) fn no_object(plural: &str, name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("{plural} \"{}\" not found", carnet_core::safe_text(name)))
    }

    /// 404 of a path.
    pub(crate) fn no_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    /// 405.
    pub(crate) fn no_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 400.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 409 of a name.
    pub(crate) fn taken(plural: &str, name: &str) -> Self {
        let message = format!("{plural} \"{}\" already exists", carnet_core::safe_text(name));
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message)
    }

    /// 409 of a change.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// 422.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// 410: what is asked for is older than what is remembered.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// 415.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// As the object that an event of the kind `ERROR` holds.
    pub(crate) fn to_json(&self) -> Value {
        status_object(self.status, self.reason, &self.message)
    }

    /// 413.
    pub(crate) fn too_large() -> Self {
        let message = "the request is too large";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// 500.
    pub(crate) fn internal(why: &impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", format!("Internal error occurred: {why}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json_reply(self.status, &self.to_json())
    }
}

fn status_object(status: StatusCode, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": message, "reason": reason, "code": status.as_u16(),
    })
}

/// 200.
pub(crate) fn ok(body: &Value) -> Response {
    json_reply(StatusCode::OK, body)
}

/// JSON with a status.
pub(crate) fn json_reply(status: StatusCode, body: &impl Serialize) -> Response {
    let kind = HeaderValue::from_static("application/json");
    let cache = HeaderValue::from_static("no-cache, private");
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], body).into_response(),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// How an API server words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (reason, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "Too many requests, please try again later."),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("ServiceUnavailable", "the server is currently unable to handle the request")
        }
        _ => ("InternalError", "Internal error occurred"),
    };
    ("application/json", status_object(status, reason, message).to_string())
}
