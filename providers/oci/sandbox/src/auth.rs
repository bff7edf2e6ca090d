//! The auth service: it signs and verifies every session token, and gives one for a certificate, a resource's key or a
//! signed request.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, PublicKey};
use carnet_sandbox_kit::{Host, Service};
use http::Method;

use crate::{
    OciState,
    call::{Call, decode, router},
    reply::ApiError,
};

mod caller;
mod instance;
mod resource;
mod session;
mod user;

pub(crate) use resource::resource_claims;
pub(crate) use session::{AuthService, SessionGrant, session_jwk};

/// The service's name.
pub(crate) const NAME: &str = "oci-auth";

pub(crate) fn service(state: &OciState) -> Service {
    Service::new(NAME, [Host::Between("auth.", ".oraclecloud.com")], router(state, NAME, answer))
        .error_body(crate::reply::error_body)
        .error_body(crate::reply::error_body)
}

fn answer(call: &Call) -> Result<Response, ApiError> {
    let segments = call.segments();
    match (&call.parts.method, segments.as_slice()) {
        (&Method::POST, ["v1", "x509"]) => instance::federate(call),
        (&Method::GET, ["20180711", "resourcePrincipalToken", id]) => resource::token(call, &decode(id)?),
        (&Method::GET, ["20180711", "resourcePrincipalTokenV2" | "resourcePrincipalTokenV212", id]) => {
            resource::token(call, &decode(id)?)
        }
        (&Method::POST, ["v1", "resourcePrincipalSessionToken"]) => resource::session(call),
        (&Method::POST, ["v1", "authentication", "refresh"]) => user::refresh(call),
        (&Method::POST, ["v1", "token", "upst", "actions", "GenerateUpst"]) => user::generate(call),
        (&Method::POST, ["v1", "oauth2", "scoped"]) => user::scoped(call),
        (&Method::POST, ["v1", "actions", "generateScopedAccessToken"]) => user::database(call),
        (&Method::POST, ["v1", "authentication", "authenticateClient"]) => caller::authenticate(call),
        (&Method::POST, ["v1", "filterGroupMembership"] | ["v1", "authentication", "filterGroupMembership"]) => {
            caller::filter_groups(call)
        }
        _ => Err(ApiError::not_found()),
    }
}

/// The session key that a body offers: a public RSA key of at least 2048 bits, base64 of DER.
pub(crate) fn session_key(field: &str, text: &str) -> Result<PublicKey, ApiError> {
    let der = STANDARD.decode(text).map_err(|_ignored| {
        ApiError::invalid(format!("{field} must be base64 of a DER public key, without PEM armour"))
    })?;
    rsa_key(field, &der)
}

/// As [`session_key`], from PEM.
pub(crate) fn session_key_pem(field: &str, pem: &str) -> Result<PublicKey, ApiError> {
    let bad = || ApiError::invalid(format!("{field} must be a public key in PEM"));
    let body: String = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or_else(bad)?
        .split_whitespace()
        .collect();
    rsa_key(field, &STANDARD.decode(body).map_err(|_ignored| bad())?)
}

fn rsa_key(field: &str, der: &[u8]) -> Result<PublicKey, ApiError> {
    PublicKey::from_spki(der)
        .ok()
        .filter(|key| key.allows(Algorithm::Rs256))
        .ok_or_else(|| ApiError::invalid(format!("{field} must be an RSA key of at least 2048 bits")))
}
