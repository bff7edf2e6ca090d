//! What takes the tokens that a party gave.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_trust::Grant;
use http::{StatusCode, header};
use serde_json::Value;

use crate::{
    call::Call,
    face::{Face, Presented, Resource},
    index::{Index, Release},
    reply::{Failure, reply},
    request::Members,
    state::State,
    tokens::Session,
};

/// A call at a resource with a token that is good.
pub(crate) struct Visit<'a> {
    pub(crate) session: &'a Session,
    pub(crate) call: &'a Call,
    pub(crate) index: &'a Index,
    /// What the path says.
    members: &'a Members,
}

impl Visit<'_> {
    /// What the path says at this place.
    pub(crate) fn member(&self, name: &str) -> &str {
        self.members.get(name).map(String::as_str).unwrap_or_default()
    }

    /// What was said under this name when the token was given.
    pub(crate) fn said(&self, name: &str) -> &str {
        self.session.said.get(name).map(String::as_str).unwrap_or_default()
    }

    /// What the query says.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.call.query(name)
    }
}

/// What a resource does for the holder of a token, or why it does not.
pub(crate) type Serve = fn(&Visit<'_>) -> Result<Served, Failure>;

/// What was done.
pub(crate) struct Served {
    pub(crate) body: Value,
    /// What is in the index from now on.
    pub(crate) release: Option<Release>,
}

impl Served {
    /// Something that only tells.
    pub(crate) const fn body(body: Value) -> Self {
        Self { body, release: None }
    }
}

/// Serves who shows a token of this party.
///
/// # Errors
/// A token that this party did not give or that has ended, and what the resource says no to.
pub(crate) fn visit(
    state: &State,
    face: &'static Face,
    resource: &Resource,
    call: &Call,
    members: &Members,
) -> Result<Response, Failure> {
    let session = session(state, face, resource, call).map_err(|failure| failure.in_style(resource.style))?;
    let mut inner = state.lock();
    let visit = Visit { session: &session, call, index: &inner.index, members };
    let Served { body, release } = (resource.serve)(&visit).map_err(|failure| failure.in_style(resource.style))?;
    if let Some(release) = release {
        inner.index.add(release);
    }
    drop(inner);
    let grant = Grant { principal: session.principal, held: vec!["token"], ..Grant::default() };
    state.world.decisions.allowed(face.service, &grant);
    Ok(reply(StatusCode::OK, &body))
}

/// Whose the token is.
fn session(state: &State, face: &Face, resource: &Resource, call: &Call) -> Result<Session, Failure> {
    let token = presented(resource.presented, call).ok_or_else(|| Failure::stranger("no token"))?;
    let session = state.lock().tokens.find(&token).cloned();
    let session = session.filter(|session| session.party == face.name);
    let session = session.ok_or_else(|| Failure::stranger("an unknown token"))?;
    if session.expires <= state.world.now(face.service) {
        return Err(Failure::stranger("a token that has ended"));
    }
    Ok(session)
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
