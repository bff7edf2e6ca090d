//! One resource for each party that takes what the party gave.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_trust::Grant;
use http::{StatusCode, header};
use serde_json::json;

use crate::{
    call::Call,
    face::{Face, Presented, Resource},
    reply::{Failure, reply},
    state::State,
};

/// Says whose token it is. The real resources answer with their own matters; here the effect is what counts.
///
/// # Errors
/// A token that this party did not give, or that has ended.
pub(crate) fn visit(state: &State, face: &'static Face, resource: &Resource, call: &Call) -> Result<Response, Failure> {
    let token = presented(resource.presented, call).ok_or_else(|| Failure::stranger("no token"))?;
    let now = state.world.now(face.service);
    let session = state.lock().tokens.find(&token).cloned();
    let session = session.filter(|session| session.party == face.name);
    let session = session.ok_or_else(|| Failure::stranger("an unknown token"))?;
    if session.expires <= now {
        return Err(Failure::stranger("a token that has ended"));
    }
    let grant = Grant { principal: session.principal.clone(), held: vec!["token"], ..Grant::default() };
    state.world.decisions.allowed(face.service, &grant);
    let body = json!({ "party": face.name, "principal": session.principal, "expires": session.expires.to_string() });
    Ok(reply(StatusCode::OK, &body))
}

fn presented(presented: Presented, call: &Call) -> Option<String> {
    match presented {
        Presented::Bearer => call.bearer().map(ToOwned::to_owned),
        Presented::Bare => call.header(header::AUTHORIZATION.as_str()).map(|value| value.trim().to_owned()),
        Presented::Password(user) => {
            let (scheme, encoded) = call.header(header::AUTHORIZATION.as_str())?.split_once(' ')?;
            let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
            let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
            (name == user).then(|| password.to_owned())
        }
    }
}
