//! Answers in the form of Oracle's services: `{"code","message"}`, request ids, pages.

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_jose::sha256;
use carnet_trust::Refusal;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

/// The header that carries a request's id, either way.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("opc-request-id");
/// The header that names the next page of a list.
pub(crate) const NEXT_PAGE: HeaderName = HeaderName::from_static("opc-next-page");

/// Most entries of one page, and how many without `limit`. Oracle's own limits lie between 100 and 1000.
const PAGE: usize = 1000;

/// An error as it goes out. What is behind it stays in the audit.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Why, for the audit and the operator. Never sent.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), refusal: None }
    }

    /// 401, the same words whatever is wrong.
    pub(crate) fn not_authenticated(refusal: Box<Refusal>) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "NotAuthenticated",
                "The required information to complete authentication was not provided or was incorrect.",
            )
        }
    }

    /// 404, the same words whether it is denied or absent.
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotAuthorizedOrNotFound",
            "Authorization failed or requested resource not found.",
        )
    }

    /// As [`Self::not_found`], because a policy denies it.
    pub(crate) fn denied(refusal: Box<Refusal>) -> Self {
        Self { refusal: Some(refusal), ..Self::not_found() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", message)
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MissingParameter", format!("{name} is required"))
    }

    pub(crate) fn internal(why: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %why, "an emulated service failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal error.")
    }

    /// Puts the reason behind it, for the audit.
    #[must_use]
    pub(crate) fn because(mut self, refusal: Option<Box<Refusal>>) -> Self {
        self.refusal = refusal;
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_reply(self.status, &json!({ "code": self.code, "message": self.message }));
        if let Some(refusal) = self.refusal {
            response.extensions_mut().insert(Reason(refusal));
        }
        response
    }
}

/// Why a request was refused; travels beside the answer to the audit.
#[derive(Clone, Debug)]
pub(crate) struct Reason(pub(crate) Box<Refusal>);

/// How the services word the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (code, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "User-rate limit exceeded."),
        StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "The service is currently unavailable."),
        _ => ("InternalServerError", "Internal error."),
    };
    ("application/json", json!({ "code": code, "message": message }).to_string())
}

/// 200 with JSON.
pub(crate) fn ok(body: &impl Serialize) -> Response {
    json_reply(StatusCode::OK, body)
}

/// 200 with JSON and its etag, for single reads.
pub(crate) fn ok_tagged(body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).unwrap_or_default();
    let tag = URL_SAFE_NO_PAD.encode(sha256(&text));
    with_header(json_reply(StatusCode::OK, body), header::ETAG, tag.get(..24).unwrap_or(&tag))
}

/// JSON with a status.
pub(crate) fn json_reply(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Adds a header whose value is visible ASCII; anything else is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// One page of a list, with the token of the next one in `opc-next-page`.
pub(crate) fn page<T: Serialize>(items: Vec<T>, limit: Option<&str>, page: Option<&str>) -> Result<Response, ApiError> {
    let limit = match limit {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=PAGE).contains(limit))
            .ok_or_else(|| ApiError::invalid(format!("limit must be between 1 and {PAGE}")))?,
    };
    let start = match page {
        None | Some("") => 0,
        Some(token) => parse_page(token).ok_or_else(|| ApiError::invalid("page is not a page of this list"))?,
    };
    let end = start.saturating_add(limit);
    let more = items.len() > end;
    let shown: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let reply = ok(&shown);
    Ok(if more { with_header(reply, NEXT_PAGE, &URL_SAFE_NO_PAD.encode(format!("from:{end}"))) } else { reply })
}

fn parse_page(token: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("from:")?.parse().ok()
}
