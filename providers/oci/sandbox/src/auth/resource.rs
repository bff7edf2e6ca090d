//! Resource principals 1.1, 2.1, 2.1.1, 2.1.2 and 3.0: a resource's token, then its session token.

use std::{collections::BTreeMap, sync::Arc};

use axum::response::Response;
use carnet_jose::Claims;
use carnet_oci::trust::{
    Checked, Principal,
    principal::{PTYPE_RESOURCE, Proof},
    signature::{KeyId, Options, Signer},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{NAME, SessionGrant, session_jwk, session_key};
use crate::{
    OciState,
    call::Call,
    compute::{Compute, Resource},
    reply::{ApiError, ok},
    seed,
    state::unknown_key,
};

/// Life of a resource principal's session token. UNCONFIRMED: "platform"; as for instances.
pub(crate) const SESSION_LIFETIME: SignedDuration = SignedDuration::from_secs(1200);

/// Life of the two tokens between the steps. UNCONFIRMED: the steps follow one another at once.
const STEP_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// `aud` of the two tokens between the steps. Their form is Oracle's own business and opaque to clients; another
/// audience than that of session tokens keeps them from being used as one.
const RESOURCE_TOKEN: &str = "resourcePrincipalToken";
const SERVICE_TOKEN: &str = "servicePrincipalSessionToken";

/// Step 1: `GET /20180711/resourcePrincipalToken…/{id}`.
pub(super) fn token(call: &Call, id: &str) -> Result<Response, ApiError> {
    let principal = caller(call)?;
    let resource =
        Compute::resource(id).filter(|resource| may_ask(&principal, *resource)).ok_or_else(ApiError::not_found)?;
    let claims = resource_claims(resource);
    let mint = |audience: &str, mut claims: Map<String, Value>| {
        claims.insert("aud".to_owned(), audience.into());
        call.state.auth().mint(NAME, claims, STEP_LIFETIME).map_err(|error| ApiError::internal(&error))
    };
    let service = Map::from_iter([("sub".to_owned(), Value::from(principal.id.as_str()))]);
    Ok(ok(&json!({
        RESOURCE_TOKEN: mint(RESOURCE_TOKEN, claims)?.expose(),
        SERVICE_TOKEN: mint(SERVICE_TOKEN, service)?.expose(),
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionRequest {
    resource_principal_token: String,
    service_principal_session_token: String,
    session_public_key: String,
}

/// Step 2: `POST /v1/resourcePrincipalSessionToken`.
pub(super) fn session(call: &Call) -> Result<Response, ApiError> {
    let body: SessionRequest = call.json()?;
    let principal = caller(call)?;
    let now = call.state.world().now(NAME);
    let verify = |token: &str, audience: &str| {
        call.state.auth().verify_token(token, audience, now).map_err(ApiError::not_authenticated)
    };
    let Claims(mut claims) = verify(&body.resource_principal_token, RESOURCE_TOKEN)?;
    let service = verify(&body.service_principal_session_token, SERVICE_TOKEN)?;
    if service.str("sub") != Some(principal.id.as_str()) {
        return Err(ApiError::not_authenticated(unknown_key(
            format!("tokens that were given to {}", service.str("sub").unwrap_or("nobody")),
            principal.to_string(),
        )));
    }
    for name in ["iss", "aud", "iat", "exp", "jti"] {
        claims.remove(name);
    }
    let key = session_jwk(&session_key("sessionPublicKey", &body.session_public_key)?, None);
    let grant = SessionGrant { service: NAME, claims, key: &key, lifetime: SESSION_LIFETIME };
    let token = call.state.auth().mint_session(grant).map_err(|error| ApiError::internal(&error))?;
    Ok(ok(&json!({ "token": token.expose() })))
}

/// The claims of a resource's session token. `res_type` and `res_id` exist by convention of Oracle's SDKs, UNCONFIRMED.
pub(crate) fn resource_claims(resource: Resource) -> Map<String, Value> {
    [
        ("sub", resource.id),
        ("ptype", PTYPE_RESOURCE),
        ("opc-certtype", "resource"),
        ("tenant", seed::TENANCY),
        ("res_tenant", seed::TENANCY),
        ("res_compartment", seed::COMPARTMENT),
        ("res_type", resource.kind),
        ("res_id", resource.id),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::from(value)))
    .collect()
}

/// The instance on which it runs, the resource itself with its registered key, or the leaf below it. A session of the
/// resource is not enough for another one: it ends, and what was stolen with it ends too.
fn may_ask(principal: &Principal, resource: Resource) -> bool {
    let itself = principal.id == resource.id && principal.proof == Proof::ResourceKey;
    itself
        || resource.host == Some(principal.id.as_str())
        || Compute::resource(&principal.id).and_then(|leaf| leaf.parent) == Some(resource.id)
}

/// Who calls: an instance or resource by its session token, or a resource by its registered key.
fn caller(call: &Call) -> Result<Arc<Principal>, ApiError> {
    let principal = call
        .state
        .authenticate_with(NAME, &call.parts, &call.body, &Options::AUTH_SERVICE, |key_id, now| {
            resolve(&call.state, key_id, now)
        })
        .map_err(ApiError::not_authenticated)?;
    call.remember(&principal);
    Ok(principal)
}

fn resolve(state: &OciState, key_id: &KeyId<'_>, now: Timestamp) -> Checked<Signer> {
    let KeyId::Resource { tenancy, id, .. } = key_id else { return state.resolve(key_id, now) };
    if tenancy.is_some_and(|tenancy| tenancy != seed::TENANCY) {
        return Err(unknown_key("a tenancy that is not known here", seed::TENANCY));
    }
    let found = Compute::resource(id).and_then(|resource| Some((resource, state.compute().resource_key(resource)?)));
    let Some((resource, key)) = found else {
        return Err(unknown_key("a resource without a registered key", "the OCID of a resource with one"));
    };
    let principal = Principal {
        kind: resource.kind.to_owned(),
        id: resource.id.to_owned(),
        tenancy: seed::TENANCY.to_owned(),
        name: None,
        compartment: Some(seed::COMPARTMENT.to_owned()),
        attributes: BTreeMap::new(),
        proof: Proof::ResourceKey,
        claims: BTreeMap::new(),
    };
    Ok(Signer { principal: Arc::new(principal), key })
}
