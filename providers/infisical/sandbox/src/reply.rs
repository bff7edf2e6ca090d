//! Answers: JSON, and the errors.

use axum::response::{IntoResponse, Response};
use carnet_infisical::trust::Refused;
use carnet_trust::Refusal;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a path answers.
pub(crate) type Answer = Result<Value, ApiError>;

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// `error`
    name: &'static str,
    /// `message`: a text, or a list of issues.
    message: Value,
    details: Option<Value>,
    /// What the operator of the sandbox may know.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl ApiError {
    fn new(status: StatusCode, name: &'static str, message: impl Into<Value>) -> Self {
        Self { status, name, message: message.into(), details: None, refusal: None }
    }

    /// 400.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", text.into())
    }

    /// 401.
    pub(crate) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UnauthorizedError", text.into())
    }

    /// 403, of the library for JWTs.
    pub(crate) fn token(text: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "TokenError", text)
    }

    /// 403: who calls has no role that allows it.
    pub(crate) fn denied(action: &str, subject: &str, why: &str) -> Self {
        let text = format!("You are not allowed to {action} on {subject}");
        let error = Self::new(StatusCode::FORBIDDEN, "PermissionDenied", text.as_str());
        let fix = "add the identity to the project, with a role that allows it";
        let refusal = Refusal::new("permission", why, format!("{action} on {subject}"), text, fix);
        Self { details: Some(json!([])), refusal: Some(Box::new(refusal)), ..error }
    }

    /// 404.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", text.into())
    }

    /// 404 of the server itself, for a path that it does not have.
    pub(crate) fn no_route(method: &str, path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found", format!("Route {method}:{path} not found"))
    }

    /// 422: a field that the schema does not take.
    pub(crate) fn issue(path: &[&str], text: &str) -> Self {
        let issue = json!({ "code": "invalid_type", "path": path, "message": text });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "ValidationFailure", json!([issue]))
    }

    /// A refusal of a token of this server, with the reason for the operator.
    pub(crate) fn because(self, clause: &'static str, seen: &str, fix: &str) -> Self {
        let text = self.message.as_str().unwrap_or_default();
        let refusal = Refusal::new(clause, seen, "a token of this server that is good", text, fix);
        Self { refusal: Some(Box::new(refusal)), ..self }
    }
}

impl From<Box<Refused>> for ApiError {
    fn from(refused: Box<Refused>) -> Self {
        let Refused { status, error, refusal } = *refused;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        let text = refusal.code.clone();
        let message = match status {
            StatusCode::UNPROCESSABLE_ENTITY => json!([{ "code": "custom", "path": [], "message": text }]),
            _ => Value::from(text),
        };
        Self { refusal: Some(Box::new(refusal)), ..Self::new(status, error, message) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "reqId": "req-sandbox",
            "statusCode": self.status.as_u16(),
            "message": self.message,
            "error": self.name,
        });
        if let (Some(details), Some(members)) = (self.details, body.as_object_mut()) {
            members.insert("details".to_owned(), details);
        }
        json_reply(self.status, &body)
    }
}

/// JSON with a status.
pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// A time with milliseconds, as JavaScript writes it.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// How Infisical words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (name, text) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("RateLimitExceeded", "Rate limit exceeded. Please try again in 60 seconds"),
        _ => ("InternalServerError", "Something went wrong"),
    };
    let body = json!({ "statusCode": status.as_u16(), "message": text, "error": name });
    ("application/json; charset=utf-8", body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds() {
        assert_eq!(time(Timestamp::from_second(1_795_262_400).unwrap()), "2026-11-21T12:00:00.000Z");
    }
}
