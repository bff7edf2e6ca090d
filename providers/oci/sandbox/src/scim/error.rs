//! Error bodies.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Schema of every error (RFC 7644, 3.12).
const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Oracle's extension of it, with the message id.
const EXTENSION_SCHEMA: &str = "urn:ietf:params:scim:api:oracle:idcs:extension:messages:Error";

/// The media type of every SCIM answer (RFC 7644, 3.1).
pub(crate) const MEDIA_TYPE: &str = "application/scim+json";

/// A refusal of the administration API.
///
/// UNCONFIRMED message ids: Oracle publishes `error.common.validation.missingReqAttributes`,
/// `error.common.validation.invalidReferenceResource` and `error.identity.user.primaryEmailNotSpecified`; the others here are
/// formed after them, so nothing should depend on their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScimError {
    pub(crate) status: StatusCode,
    pub(crate) message_id: &'static str,
    pub(crate) detail: String,
}

impl ScimError {
    pub(crate) fn new(status: StatusCode, message_id: &'static str, detail: impl Into<String>) -> Self {
        Self { status, message_id, detail: detail.into() }
    }

    fn bad(message_id: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message_id, detail)
    }

    pub(crate) fn missing(attributes: &[&str]) -> Self {
        let detail = format!("Missing required attribute(s): {}.", attributes.join(", "));
        Self::bad("error.common.validation.missingReqAttributes", detail)
    }

    pub(crate) fn invalid_value(attribute: &str, detail: impl std::fmt::Display) -> Self {
        Self::bad("error.common.validation.invalidValue", format!("Invalid value of attribute {attribute}: {detail}."))
    }

    pub(crate) fn invalid_reference(kind: &str, id: &str) -> Self {
        let detail = format!("{kind} with ID {id} does not exist.");
        Self::bad("error.common.validation.invalidReferenceResource", detail)
    }

    pub(crate) fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad("error.common.validation.invalidSyntax", detail)
    }

    pub(crate) fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::bad("error.common.validation.invalidFilter", detail)
    }

    pub(crate) fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad("error.common.validation.invalidPath", detail)
    }

    pub(crate) fn mutability(attribute: &str) -> Self {
        let detail = format!("Attribute {attribute} cannot be changed.");
        Self::bad("error.common.validation.readOnlyAttribute", detail)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "error.common.common.uniquenessViolation", detail)
    }

    pub(crate) fn not_found(kind: &str, id: &str) -> Self {
        let detail = format!("{kind} with ID {id} not found.");
        Self::new(StatusCode::NOT_FOUND, "error.common.common.resourceNotFound", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "error.common.common.unauthorized", detail)
    }

    pub(crate) fn forbidden() -> Self {
        let detail = "You are not authorized to perform this operation.";
        Self::new(StatusCode::FORBIDDEN, "error.common.common.forbidden", detail)
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "error.common.common.internalError", "Internal error.")
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": [ERROR_SCHEMA, EXTENSION_SCHEMA],
            "detail": self.detail,
            // A string and not a number (RFC 7644, 3.12).
            "status": self.status.as_u16().to_string(),
        });
        if let Some(body) = body.as_object_mut() {
            body.insert(EXTENSION_SCHEMA.to_owned(), json!({"messageId": self.message_id}));
        }
        let mut response = (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
