//! The token endpoint.
//!
//! RFC 6749, RFC 8693 and Oracle's own (documentation, "Token Exchange Grant Type", "Client Credentials Grant Type",
//! "Client Assertion").

mod access;
mod client;
mod federation;
mod form;
mod scope;
mod session_key;
mod state;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use carnet_trust::Refusal;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Domain, SERVICE,
    wire::{self, Unreadable},
};

pub(super) use federation::{certificate_key, issuer_keys};
pub use form::{Form, FormError};
pub(super) use state::TokenState;

/// Where it is.
pub(super) const PATH: &str = "/oauth2/v1/token";

const FORM: &str = "application/x-www-form-urlencoded";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const REFRESH_TOKEN: &str = "refresh_token";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPE_ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TYPE_RPST: &str = "urn:oci:token-type:oci-rpst";
const TYPE_UPST: &str = "urn:oci:token-type:oci-upst";

/// A refusal of the token endpoint (RFC 6749, 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenError {
    status: StatusCode,
    error: String,
    description: String,
    /// Why, for the operator. Never sent.
    refusal: Option<Box<Refusal>>,
}

impl TokenError {
    pub(super) fn new(error: &str, description: impl Into<String>) -> Self {
        // 401 only for the client (RFC 6749, 5.2); Oracle's sample of an error body names no status.
        let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { status, error: error.to_owned(), description: description.into(), refusal: None }
    }

    /// The published text, whatever is wrong with the client.
    pub(super) fn client(refusal: impl Into<Box<Refusal>>) -> Self {
        Self::new("invalid_client", "Client authentication failed.").because(refusal)
    }

    /// Keeps what the operator should know.
    pub(super) fn because(mut self, refusal: impl Into<Box<Refusal>>) -> Self {
        self.refusal = Some(refusal.into());
        self
    }

    pub(super) fn request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// `seen` is what was asked for.
    pub(super) fn scope(seen: &str) -> Self {
        let error = Self::new("invalid_scope", "The requested scope is invalid, unknown or not granted.");
        error.because(Refusal::new(
            "scope",
            seen,
            "urn:opc:idm:__myscopes__, a role that is granted, or a scope of an active resource server",
            "invalid_scope",
            "grant the role to the client, or add the scope to its allowed scopes",
        ))
    }

    pub(super) fn server() -> Self {
        let mut error = Self::new("server_error", "Internal error.");
        error.status = StatusCode::INTERNAL_SERVER_ERROR;
        error
    }

    fn reason(&self) -> Refusal {
        let fix = "send the request as the documentation of the grant type has it";
        match &self.refusal {
            Some(refusal) => (**refusal).clone(),
            None => Refusal::new("request", &self.description, "a request that can be read", &self.error, fix),
        }
    }
}

/// `POST /oauth2/v1/token`.
pub(super) async fn endpoint(State(domain): State<Domain>, request: Request<Body>) -> Response {
    // The trace id of Oracle's platform: in the error body and in a header of every answer.
    let ecid = format!("{}^{}", domain.state().world().random_hex::<8>(), domain.state().world().random_hex::<8>());
    let answer = match answer(&domain, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            domain.state().world().decisions.refused(SERVICE, &error.reason());
            let body = json!({"error": error.error, "error_description": error.description, "ecid": ecid});
            (error.status, body)
        }
    };
    let (status, body) = answer;
    let mut response =
        (status, [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if let Ok(ecid) = HeaderValue::from_str(&ecid) {
        headers.insert("x-oracle-dms-ecid", ecid);
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"OAuth\""));
    }
    response
}

async fn answer(domain: &Domain, request: Request<Body>) -> Result<Value, TokenError> {
    if request.method() != Method::POST {
        let mut error = TokenError::request("The method must be POST.");
        error.status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(error);
    }
    let (parts, body) = wire::read(request).await.map_err(|unreadable| {
        let mut error = TokenError::request("The body cannot be read.");
        if unreadable == Unreadable::TooLarge {
            error.status = StatusCode::PAYLOAD_TOO_LARGE;
        }
        error
    })?;
    if wire::media_type(&parts.headers) != FORM {
        return Err(TokenError::request(format!("The body must be {FORM}.")));
    }
    let form = Form::parse(&body).map_err(|error| TokenError::request(error.to_string()))?;
    let grant_type = form.required("grant_type")?;
    if grant_type == REFRESH_TOKEN {
        return domain.refresh(&form);
    }
    let client = domain.authenticate_client(&parts, &body, &form)?;
    match grant_type {
        CLIENT_CREDENTIALS => domain.client_credentials(&client, &form),
        TOKEN_EXCHANGE => match form.required("requested_token_type")? {
            TYPE_ACCESS_TOKEN => domain.exchange_for_access_token(&client, &form),
            TYPE_RPST | TYPE_UPST => domain.exchange_for_session(&client, &form).await,
            _ => Err(TokenError::request("The requested token type is not supported.")),
        },
        // `tls_client_auth` among them: there is no mutual TLS here.
        _ => Err(TokenError::new("unsupported_grant_type", "The grant type is not supported.")),
    }
}
