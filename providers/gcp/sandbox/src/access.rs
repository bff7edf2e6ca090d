//! Who calls, and may they?

use carnet_gcp::trust::{Caller, Policy, use_resource};
use carnet_trust::{Decision, Refusal};
use http::HeaderMap;

use crate::{
    reply::{self, ApiError},
    state::{Inner, State},
    tokens::Session,
};

/// The scope that covers everything.
pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The scope for service accounts and their credentials.
pub(crate) const IAM: &str = "https://www.googleapis.com/auth/iam";

/// Who calls, as the token of the request says. What a token was given for is looked at on each call: it stops working
/// with its pool or its service account.
///
/// # Errors
/// `UNAUTHENTICATED`.
pub(crate) fn authenticate(state: &State, service: &str, headers: &HeaderMap) -> Result<Session, Box<Refusal>> {
    let no = |seen: &str, fix: &str| {
        let refusal = Refusal::new("token", seen, "an access token of this sandbox", "UNAUTHENTICATED", fix);
        Err(Box::new(refusal))
    };
    let Some(header) = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return no("no access token", "send `Authorization: Bearer TOKEN`");
    };
    let Some((_, token)) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return no("another kind of authorization", "send `Authorization: Bearer TOKEN`");
    };
    let now = state.world.now(service);
    let inner = state.lock();
    let Some(session) = inner.tokens.find(token.trim()) else {
        return no("an unknown token", "take a token that this sandbox issued since it was started");
    };
    if session.expires <= now {
        let refusal = Refusal::new(
            "expired",
            format!("a token that ended at {}", session.expires),
            format!("one that lasts beyond {now}"),
            "UNAUTHENTICATED",
            "take a new token",
        );
        return Err(Box::new(refusal));
    }
    match &session.caller {
        Caller::Federated(who) if !inner.pool_works(&who.pool.pool) => {
            no("a token of a disabled or deleted pool", "enable or undelete the pool")
        }
        Caller::ServiceAccount(email) if !inner.accounts.contains_key(email) => {
            no("a token of a deleted service account", "use another service account")
        }
        _ => Ok(session.clone()),
    }
}

/// Who calls an API of the usual form, with one of these scopes or [`CLOUD_PLATFORM`].
///
/// # Errors
/// `UNAUTHENTICATED`, or `PERMISSION_DENIED` for a scope that does not cover it.
pub(crate) fn caller(state: &State, service: &str, headers: &HeaderMap, scopes: &[&str]) -> Result<Session, ApiError> {
    let session = authenticate(state, service, headers).map_err(reply::refused)?;
    check_scope(&session, scopes).map_err(reply::refused)?;
    Ok(session)
}

/// Whether a token was given for one of these scopes or for [`CLOUD_PLATFORM`].
///
/// # Errors
/// `PERMISSION_DENIED` by the clause `scope`.
pub(crate) fn check_scope(session: &Session, scopes: &[&str]) -> Result<(), Box<Refusal>> {
    let covers = |scope: &String| scope == CLOUD_PLATFORM || scopes.contains(&scope.as_str());
    if session.scopes.iter().any(covers) {
        return Ok(());
    }
    let wanted = [&[CLOUD_PLATFORM], scopes].concat().join(" or ");
    let fix = "ask for a token with that scope";
    Err(Box::new(Refusal::new("scope", session.scopes.join(" "), wanted, "PERMISSION_DENIED", fix)))
}

/// Whether the policies (of the resource and of what is above it) let the caller do it. Notes the grant.
///
/// # Errors
/// `PERMISSION_DENIED` by the clause `permission`.
pub(crate) fn permit(
    state: &State,
    service: &'static str,
    session: &Session,
    permission: &str,
    resource: &str,
    policies: &[&Policy],
) -> Result<(), Box<Refusal>> {
    match use_resource(&session.caller, permission, resource, policies) {
        Decision::Allow(grant) => {
            state.world.decisions.allowed(service, &grant);
            Ok(())
        }
        Decision::Refuse(refusal) => Err(Box::new(refusal)),
    }
}

/// Whether the project lets the caller do it.
///
/// # Errors
/// `PERMISSION_DENIED`, in the form of Google's APIs.
pub(crate) fn permit_in_project(
    state: &State,
    service: &'static str,
    session: &Session,
    permission: &str,
    inner: &Inner,
) -> Result<(), ApiError> {
    let policies = [&inner.project_policy];
    permit(state, service, session, permission, "the project", &policies).map_err(reply::refused)
}
