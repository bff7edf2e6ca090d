//! What Entra answers when it refuses ("Microsoft Entra authentication error codes").
//!
//! The texts of the trust model's refusals are its own; here are those of what stands outside of it.

use axum::response::IntoResponse;
use carnet_azure::trust::{Presented, Stamp, TokenError, old_mismatch, token_error};
use carnet_jose::KeyError;
use carnet_trust::Refusal;
use http::{HeaderName, StatusCode, header};
use serde_json::json;

use super::{HOST, RequestMistake, SERVICE};
use crate::{
    call::Call,
    reply::{ApiError, is_guid, with_header},
    state::State,
    tokens::trace_id,
};

/// A refusal that the trust model does not know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) code: u32,
    /// `invalid_client` and so on.
    pub(super) error: &'static str,
    pub(super) clause: &'static str,
    pub(super) wanted: &'static str,
    pub(super) fix: &'static str,
}

/// The tenant does not allow federation at all. UNCONFIRMED wording.
pub(super) const FEDERATION: Own = Own {
    code: 700_223,
    error: "invalid_client",
    clause: "policy",
    wanted: "a tenant that allows federation",
    fix: "let the tenant's administrator allow federated identity credentials",
};
/// The tenant's policy does not let this issuer in. UNCONFIRMED wording.
pub(super) const ISSUER_POLICY: Own = Own {
    code: 700_238,
    error: "invalid_client",
    clause: "policy",
    wanted: "an issuer that the tenant's policy lets in",
    fix: "use another issuer, or let the tenant's administrator change the policy",
};
/// Conditional Access for workload identities.
pub(super) const BLOCKED: Own = Own {
    code: 53_003,
    error: "invalid_grant",
    clause: "policy",
    wanted: "a client that Conditional Access lets in",
    fix: "come from a place that the policy allows, or change the policy",
};
/// A secret where the client has none.
pub(super) const SECRET: Own = Own {
    code: 7_000_215,
    error: "invalid_client",
    clause: "secret",
    wanted: "a client assertion",
    fix: "send `client_assertion`: clients of the sandbox have no secrets",
};
/// Neither secret nor assertion.
pub(super) const NOTHING: Own = Own {
    code: 7_000_218,
    error: "invalid_client",
    clause: "assertion",
    wanted: "a client assertion",
    fix: "send `client_assertion` and `client_assertion_type`",
};
/// An assertion that some other client signed about itself.
pub(super) const OTHER_CLIENT: Own = Own {
    code: 700_021,
    error: "invalid_client",
    clause: "client",
    wanted: "the client itself",
    fix: "send the issuer's token and no assertion of another client",
};
/// An assertion that the client signed itself, with a key that it does not have.
pub(super) const OWN_KEY: Own = Own {
    code: 700_027,
    error: "invalid_client",
    clause: "key",
    wanted: "a certificate of the client",
    fix: "send the issuer's token: clients of the sandbox have no certificates",
};
/// A subject of the form in which Entra writes managed identities, where no credential names it. UNCONFIRMED wording.
pub(super) const IDENTITY_SUBJECT: Own = Own {
    code: 7_002_137,
    error: "invalid_client",
    clause: "subject",
    wanted: "the object id of the managed identity",
    fix: "name the object id of the managed identity in the credential",
};
/// A key that cannot have made a signature of this kind. UNCONFIRMED wording.
pub(super) const KEY_TYPE: Own = Own {
    code: 5_002_730,
    error: "invalid_request",
    clause: "key",
    wanted: "an RSA key",
    fix: "let the issuer publish the RSA key that it signs with under this id",
};
/// The older number of a failed fetch.
pub(super) const OLD_FETCH: Own = Own {
    code: 90_061,
    error: "invalid_request",
    clause: "keys",
    wanted: "its key set",
    fix: "make discovery document and key set of the issuer public",
};
/// A scope that names a permission.
pub(super) const SCOPE: Own = Own {
    code: 1_002_012,
    error: "invalid_scope",
    clause: "scope",
    wanted: "RESOURCE/.default",
    fix: "ask for one resource, with `/.default` at its end",
};

impl Own {
    /// The answer, with what was seen and Entra's text.
    pub(super) fn answer(self, state: &State, call: &Call, seen: &str, text: &str) -> ApiError {
        let Self { code, error, clause, wanted, fix } = self;
        let refusal = Refusal::new(clause, carnet_core::safe_text(seen), wanted, format!("AADSTS{code}"), fix);
        let stamp = stamp(state, call);
        let mut own = body(code, error, text, &stamp);
        if let (53_003, Some(members)) = (code, own.as_object_mut()) {
            members.insert("suberror".to_owned(), "message_only".into());
        }
        respond(status(error), &own, &stamp).because(refusal)
    }
}

/// A refusal of the trust model.
pub(super) fn trust(state: &State, call: &Call, refusal: Box<Refusal>) -> ApiError {
    let stamp = stamp(state, call);
    let TokenError { status, body } = token_error(&refusal, &stamp);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    respond(status, &body, &stamp).because(refusal)
}

/// A mismatch as it was answered once for issuer, subject and audience alike.
pub(super) fn old(state: &State, call: &Call, refusal: Box<Refusal>, presented: Presented<'_>) -> ApiError {
    let stamp = stamp(state, call);
    let TokenError { status, body } = old_mismatch(presented, &stamp);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    respond(status, &body, &stamp).because(refusal)
}

/// A request that is none.
pub(super) fn mistake(state: &State, call: &Call, mistake: &RequestMistake) -> ApiError {
    let stamp = stamp(state, call);
    let body = body(mistake.code, mistake.error, &mistake.text, &stamp);
    let code = format!("AADSTS{}", mistake.code);
    let refusal = Refusal::new("request", mistake.text.clone(), "a token request", code, "send it as documented");
    respond(status(mistake.error), &body, &stamp).because(refusal)
}

/// A failure of the emulator itself.
pub(super) fn internal(state: &State, call: &Call, error: &KeyError) -> ApiError {
    let stamp = stamp(state, call);
    let body = body(90_033, "temporarily_unavailable", &format!("A transient error has occurred. {error}"), &stamp);
    respond(StatusCode::SERVICE_UNAVAILABLE, &body, &stamp)
}

fn status(error: &str) -> StatusCode {
    if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST }
}

fn stamp(state: &State, call: &Call) -> Stamp {
    let trace_id = trace_id(state);
    // The caller's id comes back, where it is one; libraries send it as header or parameter.
    let asked = call.header("client-request-id").or(call.parameter("client-request-id"));
    let correlation_id = asked.filter(|id| is_guid(id)).map_or_else(|| trace_id.clone(), ToOwned::to_owned);
    Stamp { trace_id, correlation_id, now: state.world.now(SERVICE), authority: call.authority(HOST) }
}

fn body(code: u32, error: &str, text: &str, stamp: &Stamp) -> serde_json::Value {
    let Stamp { trace_id, correlation_id, now, authority } = stamp;
    let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let trail = format!("Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {time}");
    json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {text} {trail}"),
        "error_codes": [code],
        "timestamp": time,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": format!("{authority}/error?code={code}"),
    })
}

fn respond(status: StatusCode, body: &serde_json::Value, stamp: &Stamp) -> ApiError {
    let error = ApiError::json(status, body).header(HeaderName::from_static("x-ms-request-id"), &stamp.trace_id);
    error.header(header::CACHE_CONTROL, "no-store, no-cache")
}

/// Adds what every answer of the token endpoint carries.
pub(super) fn stamped(state: &State, call: &Call, response: impl IntoResponse) -> axum::response::Response {
    let stamp = stamp(state, call);
    let response = with_header(response.into_response(), header::CACHE_CONTROL, "no-store, no-cache");
    let response = with_header(response, HeaderName::from_static("x-ms-request-id"), &stamp.trace_id);
    with_header(response, HeaderName::from_static("client-request-id"), &stamp.correlation_id)
}
