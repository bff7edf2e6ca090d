//! Answers.

use axum::response::{IntoResponse, Response};
use carnet_sandbox_kit::World;
use carnet_trust::Refusal;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

/// What a service answers.
pub(crate) type Answer = Result<Response, ApiError>;

const JSON: &str = "application/json; charset=utf-8";

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    headers: Vec<(HeaderName, String)>,
    /// What the operator of the sandbox may know.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl ApiError {
    /// With a JSON body.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::text(status, JSON, body.to_string())
    }

    /// With a body of another kind.
    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new(), refusal: None }
    }

    /// With another header.
    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the reason for the operator.
    pub(crate) fn because(mut self, refusal: impl Into<Box<Refusal>>) -> Self {
        self.refusal = Some(refusal.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let response = typed(self.status, self.content_type, self.body);
        self.headers.into_iter().fold(response, |response, (name, value)| with_header(response, name, &value))
    }
}

/// 200 with JSON.
pub(crate) fn ok(body: &Value) -> Response {
    json_reply(StatusCode::OK, body)
}

/// JSON with a status.
pub(crate) fn json_reply(status: StatusCode, body: &Value) -> Response {
    typed(status, JSON, body.to_string())
}

/// A status and nothing else.
pub(crate) fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// A body of this kind.
pub(crate) fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
}

/// Adds a header whose value is visible ASCII; anything else is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A random GUID (RFC 9562, 5.4).
pub(crate) fn guid(world: &World) -> String {
    let hex = world.random_hex::<16>();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Whether a text is a GUID of the form 8-4-4-4-12.
pub(crate) fn is_guid(text: &str) -> bool {
    let mut lengths = text.split('-').map(str::len);
    [8, 4, 4, 4, 12].into_iter().all(|length| lengths.next() == Some(length))
        && lengths.next().is_none()
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A time of Resource Manager and Graph: `2026-11-21T12:00:00Z`.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_told_from_other_texts() {
        assert!(is_guid("c0ffee00-0000-4000-8000-00000000a001"));
        for text in ["", "c0ffee00-0000-4000-8000-00000000a00", "c0ffee00-0000-4000-8000-00000000a001-", "x"] {
            assert!(!is_guid(text), "{text}");
        }
        assert!(!is_guid("g0ffee00-0000-4000-8000-00000000a001"));
    }
}
