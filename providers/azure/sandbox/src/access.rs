//! Who calls, and may they?

use carnet_trust::Refusal;
use http::header;
use jiff::Timestamp;

use crate::{
    call::Call,
    roles::{Action, Wish},
    state::{Inner, State},
    tokens::{self, Caller},
};

/// The bearer token of a request.
pub(crate) fn bearer(call: &Call) -> Option<&str> {
    let (scheme, token) = call.header(header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Who calls, by the access token for one of these resources. `None` where there is none.
///
/// # Errors
/// What is wrong with it; `code` is the service's own.
pub(crate) fn caller(
    state: &State,
    call: &Call,
    accepted: &[&str],
    now: Timestamp,
    code: &'static str,
) -> Option<Result<Caller, Box<Refusal>>> {
    bearer(call).map(|token| tokens::verify(state, token, accepted, now, code))
}

/// Whether the roles of the caller let it do that there. Notes the grant.
///
/// # Errors
/// By the clause `role`.
pub(crate) fn permit(
    state: &State,
    service: &'static str,
    inner: &Inner,
    caller: &Caller,
    action: Action<'_>,
    scope: &str,
    code: &'static str,
) -> Result<(), Box<Refusal>> {
    let wish = Wish {
        principal: &caller.object_id,
        action,
        scope,
        now: state.world.now(service),
        delay: inner.behaviour.propagation(),
        code,
    };
    let grant = inner.assignments.permit(&wish)?;
    state.world.decisions.allowed(service, &grant);
    Ok(())
}
