//! Answers, each in the form of its party.

use axum::response::{IntoResponse, Response};
use carnet_sandbox_kit::ErrorBody;
use carnet_trust::Refusal;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    face::{Face, Reason, Refuse},
    state::State,
};

/// The form of a party's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// RFC 6749, 5.2.
    Oauth,
    /// The same with `error_id`, as Databricks answers.
    OauthWithId,
    /// `{"message": …}`
    Message,
    /// `{"message": …, "errors": [{"code", "description"}]}` (warehouse).
    Pypi,
    /// `{"errors": [{"detail": …}]}` (crates.io).
    Crates,
    /// gRPC's gateway: `{"code", "message", "details"}`.
    Grpc,
    /// `{"reqId", "statusCode", "message", "error"}` (Infisical).
    Infisical,
    /// `{"code", "message"}` (Snowflake's SQL API).
    Snowflake,
}

impl Style {
    /// How the errors of faults look: too many requests, and out of order.
    pub(crate) fn error_body(self) -> ErrorBody {
        match self {
            Self::Oauth => |status| fault(Self::Oauth, status),
            Self::OauthWithId => |status| fault(Self::OauthWithId, status),
            Self::Message => |status| fault(Self::Message, status),
            Self::Pypi => |status| fault(Self::Pypi, status),
            Self::Crates => |status| fault(Self::Crates, status),
            Self::Grpc => |status| fault(Self::Grpc, status),
            Self::Infisical => |status| fault(Self::Infisical, status),
            Self::Snowflake => |status| fault(Self::Snowflake, status),
        }
    }

    fn body(self, status: StatusCode, code: &str, words: &str) -> Value {
        match self {
            Self::Oauth => json!({ "error": code, "error_description": words }),
            Self::OauthWithId => {
                json!({ "error": code, "error_description": words, "error_id": "c0ffee00-0000-4000-8000-000000000000" })
            }
            Self::Message => json!({ "message": words }),
            Self::Pypi => {
                json!({ "message": "Token request failed", "errors": [{ "code": code, "description": words }] })
            }
            Self::Crates => json!({ "errors": [{ "detail": words }] }),
            Self::Grpc => json!({ "code": code.parse::<u8>().unwrap_or(2), "message": words, "details": [] }),
            Self::Infisical if status == StatusCode::UNPROCESSABLE_ENTITY => json!({
                "reqId": "req-sandbox", "statusCode": 422, "error": code,
                "message": [{ "code": "invalid_type", "path": [], "message": words }],
            }),
            Self::Infisical => {
                json!({ "reqId": "req-sandbox", "statusCode": status.as_u16(), "message": words, "error": code })
            }
            Self::Snowflake => json!({ "code": code, "message": words }),
        }
    }
}

fn fault(style: Style, status: StatusCode) -> (&'static str, String) {
    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    let code = match (style, limited) {
        (Style::Grpc, true) => "8",
        (Style::Grpc, false) => "14",
        (Style::Infisical, true) => "RateLimitExceeded",
        (Style::Infisical, false) => "InternalServerError",
        (Style::Snowflake, _) => "390000",
        // OpenRouter answers so; RFC 6749 has no code for it.
        (_, true) => "invalid_request",
        (_, false) => "temporarily_unavailable",
    };
    let words = if limited { "Too many requests. Try again later." } else { "The service is temporarily unavailable." };
    ("application/json", style.body(status, code, words).to_string())
}

/// Why a request is refused, before it is put into a party's words.
#[derive(Debug)]
pub(crate) struct Failure {
    why: Why,
    seen: String,
    wanted: String,
    fix: String,
    held: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    Reason(Reason),
    /// What has nothing to do with tokens.
    Status(StatusCode),
    /// The resource does not know the token.
    Stranger,
}

impl Failure {
    /// A refusal for this reason. What was seen never holds a token.
    pub(crate) fn new(reason: Reason, seen: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self::of(Why::Reason(reason), seen, wanted)
    }

    /// A refusal that has nothing to do with tokens.
    pub(crate) fn status(status: StatusCode, seen: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self::of(Why::Status(status), seen, wanted)
    }

    /// A refusal of the resource.
    pub(crate) fn stranger(seen: &str) -> Self {
        Self::of(Why::Stranger, seen, "a token that this party gave and that has not ended")
    }

    /// What the trust said no to.
    pub(crate) fn decided(reason: Reason, refusal: Refusal) -> Self {
        let Refusal { seen, wanted, fix, held, .. } = refusal;
        Self { why: Why::Reason(reason), seen, wanted, fix, held }
    }

    fn of(why: Why, seen: impl Into<String>, wanted: impl Into<String>) -> Self {
        let fix = "compare what is sent with the party's own documentation".to_owned();
        Self { why, seen: seen.into(), wanted: wanted.into(), fix, held: Vec::new() }
    }
}

/// The party's answer to a failure, which the operator can read about.
pub(crate) fn refusal(state: &State, face: &Face, failure: Failure) -> Response {
    let Failure { why, seen, wanted, fix, held } = failure;
    let (clause, refuse) = match why {
        Why::Reason(reason) => (reason.clause(), (face.refuse)(reason)),
        Why::Status(status) => ("request", other(face.style, status)),
        Why::Stranger => ("token", other(face.style, StatusCode::UNAUTHORIZED)),
    };
    let words = refuse.words.replace("{seen}", &seen).replace("{wanted}", &wanted);
    let status = StatusCode::from_u16(refuse.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = reply(status, &face.style.body(status, refuse.code, &words));
    if matches!(why, Why::Stranger) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let refusal = Refusal { held, ..Refusal::new(clause, seen, wanted, refuse.code, fix) };
    state.world.decisions.refused(face.service, &refusal);
    response
}

/// How a style words what has nothing to do with the exchange.
fn other(style: Style, status: StatusCode) -> Refuse {
    let (grpc, oauth, words) = match status {
        StatusCode::UNAUTHORIZED => ("16", "invalid_token", "Unauthorized"),
        StatusCode::METHOD_NOT_ALLOWED => ("12", "invalid_request", "Method not allowed"),
        _ => ("5", "invalid_request", "Not found"),
    };
    let code = match style {
        Style::Grpc => grpc,
        Style::Infisical if status == StatusCode::UNAUTHORIZED => "UnauthorizedError",
        Style::Infisical => "NotFound",
        Style::Snowflake => "390303",
        _ => oauth,
    };
    Refuse { status: status.as_u16(), code, words }
}

/// JSON with a status. Tokens are not to be kept by anybody in between (RFC 6749, 5.1).
pub(crate) fn reply(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}

/// A document that anybody may read.
pub(crate) fn document(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
