//! Answers, each in the form of its party.

use axum::response::{IntoResponse, Response};
use carnet_core::safe_text;
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
    /// `{"error": …}` (npm's registry, beside the exchange).
    Registry,
    /// `{"message", "code", "title"}`, WebOb's exceptions as JSON (PyPI's uploads).
    Upload,
    /// `{"message", "documentation_url", "status"}` (GitHub).
    Github,
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
            Self::Registry => |status| fault(Self::Registry, status),
            Self::Upload => |status| fault(Self::Upload, status),
            Self::Github => |status| fault(Self::Github, status),
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
            Self::Registry => json!({ "error": words }),
            Self::Upload => json!({
                "message": format!("The server could not comply with the request.\n\n\n{words}\n\n"),
                "code": format!("{} {words}", status.as_u16()),
                "title": status.canonical_reason().unwrap_or_default(),
            }),
            Self::Github => json!({
                "message": words, "documentation_url": "https://docs.github.com/rest", "status": status.as_str(),
            }),
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
    /// Another form than that of the party.
    style: Option<Style>,
}

#[derive(Debug)]
enum Why {
    Reason(Reason),
    /// The resource says no: the clause, and how.
    Resource(Box<(&'static str, Refuse)>),
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

    /// The token is good, and not for this.
    pub(crate) fn policy(refuse: Refuse, seen: &str, wanted: &str) -> Self {
        Self::of(Why::Resource(Box::new(("policy", refuse))), safe_text(seen), safe_text(wanted))
    }

    /// The token is good, and what is asked for cannot be read.
    pub(crate) fn request(refuse: Refuse, seen: impl Into<String>, wanted: &str) -> Self {
        Self::of(Why::Resource(Box::new(("request", refuse))), seen, wanted)
    }

    /// The same in the form of a resource.
    pub(crate) fn in_style(self, style: Style) -> Self {
        Self { style: Some(style), ..self }
    }

    /// What the trust said no to.
    pub(crate) fn decided(reason: Reason, refusal: Refusal) -> Self {
        let Refusal { seen, wanted, fix, held, .. } = refusal;
        Self { why: Why::Reason(reason), seen, wanted, fix, held, style: None }
    }

    fn of(why: Why, seen: impl Into<String>, wanted: impl Into<String>) -> Self {
        let fix = "compare what is sent with the party's own documentation".to_owned();
        Self { why, seen: seen.into(), wanted: wanted.into(), fix, held: Vec::new(), style: None }
    }
}

/// The party's answer to a failure, which the operator can read about.
pub(crate) fn refusal(state: &State, face: &Face, failure: Failure) -> Response {
    let Failure { why, seen, wanted, fix, held, style } = failure;
    let style = style.unwrap_or(face.style);
    let challenged = matches!(why, Why::Stranger);
    let (clause, refuse) = match why {
        Why::Reason(reason) => (reason.clause(), (face.refuse)(reason)),
        Why::Resource(refused) => *refused,
        Why::Status(status) => ("request", other(style, status)),
        Why::Stranger => ("token", stranger(style)),
    };
    let words = refuse.words.replace("{seen}", &seen).replace("{wanted}", &wanted);
    let status = StatusCode::from_u16(refuse.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = reply(status, &style.body(status, refuse.code, &words));
    if challenged && status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let refusal = Refusal { held, ..Refusal::new(clause, seen, wanted, refuse.code, fix) };
    state.world.decisions.refused(face.service, &refusal);
    response
}

/// How a resource of this style words that it does not know the token.
fn stranger(style: Style) -> Refuse {
    const UPLOAD: &str = "Invalid or non-existent authentication information. See https://pypi.org/help/#invalid-auth for more \
                          information.";
    match style {
        Style::Crates => Refuse { status: 403, code: "", words: "Invalid authentication token" },
        Style::Upload => Refuse { status: 403, code: "", words: UPLOAD },
        Style::Github => Refuse { status: 401, code: "", words: "Bad credentials" },
        _ => other(style, StatusCode::UNAUTHORIZED),
    }
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

/// What anybody may read.
pub(crate) fn public(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
