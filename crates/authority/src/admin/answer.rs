//! What is said when something is not done.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use carnet_core::{Error, ErrorKind, Mistake, chain};
use carnet_entries::EntryError;
use carnet_store::{ConflictReason, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every answer with a status of 400 or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorDetail {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// The member of the request that is meant, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// All mistakes, when the request has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<MistakeView>,
    /// Ties it to the audit row and the log.
    pub request_id: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MistakeView {
    /// The member of the request.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What sort of failure it is. More may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request makes no sense; nothing was done.
    Invalid,
    /// Who asks has not been shown, or not so that it is believed.
    Unauthenticated,
    /// Who asks may not.
    Forbidden,
    /// It is not there.
    NotFound,
    /// The path does not know the method.
    MethodNotAllowed,
    /// It is there already.
    Exists,
    /// It does not go together with something else.
    Conflict,
    /// It has changed since it was read.
    Stale,
    /// The revision that is expected must be named.
    PreconditionRequired,
    /// The body is larger than it may be.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// Not now; later perhaps.
    Unavailable,
    /// A mistake in carnet itself, or a store that is damaged.
    Internal,
}

impl From<Mistake> for MistakeView {
    fn from(mistake: Mistake) -> Self {
        Self { field: mistake.field, message: mistake.message, hint: mistake.hint }
    }
}

/// An answer that is an error. The guard writes it out, with the number of the request.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    field: Option<String>,
    hint: Option<String>,
    mistakes: Vec<MistakeView>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { status, code, message, field: None, hint: None, mistakes: Vec::new() }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, "the path does not know this method")
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Exists, message)
    }

    pub(crate) fn stale() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            ErrorCode::Stale,
            "it has changed since: its revision is another one",
        )
        .hint("read it again, and look whether the change still makes sense")
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }

    #[must_use]
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// All mistakes at once; the first is also the message.
    pub(crate) fn mistakes(mistakes: Vec<Mistake>) -> Self {
        let first = mistakes.first();
        let message = first.map_or_else(|| "it has mistakes".to_owned(), |mistake| mistake.message.clone());
        let (field, hint) =
            (first.map(|mistake| mistake.field.clone()), first.and_then(|mistake| mistake.hint.clone()));
        let mut failure = Self::invalid(message);
        failure.0.field = field;
        failure.0.hint = hint;
        failure.0.mistakes = mistakes.into_iter().map(MistakeView::from).collect();
        failure
    }

    /// Why the store did not do it to `what`.
    pub(crate) fn of_conflict(reason: ConflictReason, what: &str) -> Self {
        match reason {
            ConflictReason::NotFound => Self::not_found(format!("there is no such {what}")),
            ConflictReason::Exists => Self::exists(format!("there is such a {what} already")),
            ConflictReason::Stale => Self::stale(),
            other => Self::conflict(format!("the store refuses the {what}: {other:?}")),
        }
    }

    /// The answer to this request.
    pub(crate) fn answer(self, request_id: &str) -> Response {
        let Inner { status, code, message, field, hint, mistakes } = *self.0;
        let error = ErrorDetail { code, message, field, hint, mistakes, request_id: request_id.to_owned() };
        let mut response = (status, axum::Json(ErrorBody { error })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 15.5.2: with 401 goes how to show oneself.
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Waits in the extensions of an empty answer for the guard, which knows the number of the request.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = chain(&error).join(": ");
        let failure = match error.kind() {
            ErrorKind::Configuration | ErrorKind::NotHere if error.failed_clause() == Some("not-found") => {
                Self::not_found(message)
            }
            ErrorKind::Configuration | ErrorKind::NotHere | ErrorKind::Expired => Self::invalid(message),
            ErrorKind::Refused | ErrorKind::Policy => Self::conflict(message),
            ErrorKind::Unreachable => Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message),
            ErrorKind::Internal => Self::internal(message),
        };
        match error.hints().first() {
            Some(hint) => failure.hint(*hint),
            None => failure,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = match &error {
            StoreError::Busy { .. }
            | StoreError::Closed
            | StoreError::Unavailable { .. }
            | StoreError::Unknown { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, error.to_string())
            }
            StoreError::Invalid(_) => Self::invalid(error.to_string()),
            StoreError::TooOld { .. } | StoreError::Unusable { .. } | StoreError::Corrupt { .. } => {
                Self::internal(error.to_string())
            }
        };
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        let message = error.to_string();
        match error {
            EntryError::Mistakes(mistakes) => Self::mistakes(mistakes),
            EntryError::Exists(_) => Self::exists(message).field("id"),
            EntryError::Similar(_) => Self::exists(message)
                .hint("one entry of the same identity, parent and selectors is enough: change that one"),
            EntryError::NotFound(_) => Self::not_found("there is no such entry"),
            EntryError::Stale => Self::stale(),
            EntryError::Foreign(_) => Self::conflict(message),
            EntryError::Store(error) => error.into(),
            EntryError::Other(_) => Self::internal(message),
        }
    }
}
