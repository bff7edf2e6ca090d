//! Who calls, and may they?

use std::collections::BTreeSet;

use carnet_trust::Refusal;

use crate::{
    auth::PEER,
    call::Call,
    identity,
    policy::{Acl, Operation, Policy, Question},
    reply::ApiError,
    state::{Inner, State},
    tokens::{self, Id, Token},
};

/// Where a request goes, once the namespace is known.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Empty, or with a slash at the end.
    pub(crate) namespace: String,
    /// Below the namespace.
    pub(crate) path: String,
    /// With creations told from updates.
    pub(crate) operation: Operation,
}

/// Who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) id: Id,
    pub(crate) token: Token,
    pub(crate) acl: Acl,
    /// Whether the policies grant `sudo` on the path of the request.
    pub(crate) sudo: bool,
}

/// Lets the caller in, if its token is good and its policies allow the request. Each request uses the token once, a refused
/// one too.
///
/// # Errors
/// 403.
pub(crate) fn authorize(state: &State, call: &Call, place: &Place) -> Result<Caller, ApiError> {
    let mut inner = state.lock();
    let mut caller = authenticate(state, &mut inner, call, &place.namespace)?;
    // Policies speak of paths below the namespace that they are in.
    let below = place.namespace.strip_prefix(caller.token.namespace.as_str()).unwrap_or_default();
    let path = format!("{below}{}", place.path);
    let question = Question {
        operation: place.operation,
        path: &path,
        body: &call.body,
        wrap_ttl: call.wrap_ttl,
        needs_sudo: needs_sudo(&place.path, place.operation),
    };
    caller.acl.check(&question).map_err(|denied| {
        let pattern = denied.pattern.as_deref().unwrap_or("no pattern");
        let refusal = Refusal::new(
            "policy",
            format!("{:?} of {path}: {pattern} ({})", place.operation, denied.rule),
            "a policy that allows it",
            "permission denied",
            "add the path and the capability to a policy of the token; KV v2 wants `MOUNT/data/PATH`",
        );
        ApiError::denied(refusal)
    })?;
    caller.sudo = caller.acl.has_sudo(&path);
    Ok(caller)
}

/// Whose token it is.
///
/// # Errors
/// 403.
pub(crate) fn authenticate(state: &State, inner: &mut Inner, call: &Call, namespace: &str) -> Result<Caller, ApiError> {
    let no = |seen: &str, fix: &str| {
        ApiError::denied(Refusal::new("token", seen, "a token of this server", "permission denied", fix))
    };
    let text = call.token().ok_or_else(|| no("no token", "send `X-Vault-Token`"))?;
    let id = tokens::id(text);
    let token = inner.tokens.find(id, state.now()).cloned().filter(|token| is_at_home(inner, token));
    let token = token.ok_or_else(|| no("an unknown or expired token", "log in again"))?;
    inner.tokens.use_once(id);
    if !namespace.starts_with(&token.namespace) {
        return Err(no("a token of another namespace", "log in in this namespace or in one above it"));
    }
    if !token.bound.is_empty() && !token.bound.iter().any(|network| network.contains(&PEER)) {
        return Err(no("an address that the token is not bound to", "call from one of `bound_cidrs` of the token"));
    }
    let identities = inner.namespaces.get(&token.namespace).map(|namespace| &namespace.identities);
    if identities.is_some_and(|identities| identities.is_disabled(&token.entity_id)) {
        return Err(identity::disabled());
    }
    let acl = acl(inner, &token);
    Ok(Caller { id, token, acl, sudo: false })
}

/// Whether the namespace that a token was made in is the one that has its path now.
fn is_at_home(inner: &Inner, token: &Token) -> bool {
    inner.namespaces.get(&token.namespace).is_some_and(|namespace| namespace.id == token.namespace_id)
}

/// What a token may do. Policies that do not exist grant nothing.
pub(crate) fn acl(inner: &Inner, token: &Token) -> Acl {
    if token.policies.contains("root") {
        return Acl::root();
    }
    let Some(namespace) = inner.namespaces.get(&token.namespace) else { return Acl::default() };
    let identity = namespace.identities.policies(&token.entity_id);
    let policies = token.policies.union(&identity).filter_map(|name| namespace.policies.get(name));
    let policies: Vec<&Policy> = policies.map(|entry| &entry.policy).collect();
    Acl::new(policies, namespace.identities.entity(&token.entity_id))
}

/// The policies that a token has by its entity and by that entity's groups.
pub(crate) fn identity_policies(inner: &Inner, token: &Token) -> BTreeSet<String> {
    let namespace = inner.namespaces.get(&token.namespace);
    namespace.map(|namespace| namespace.identities.policies(&token.entity_id)).unwrap_or_default()
}

/// Root paths, which want `sudo` beside the ordinary capability (sheet: `sys/raw`, `sys/audit`, accessors, …).
fn needs_sudo(path: &str, operation: Operation) -> bool {
    let writes = !matches!(operation, Operation::Read | Operation::List | Operation::Help);
    path == "sys/seal"
        || path == "auth/token/revoke-orphan"
        || path == "auth/token/create-orphan"
        || path.starts_with("auth/token/accessors")
        || path.starts_with("sys/raw")
        || path.starts_with("sys/audit")
        || path.starts_with("sys/leases/revoke-prefix/")
        || path.starts_with("sys/leases/revoke-force/")
        || path.starts_with("sys/leases/lookup/")
        || (path.starts_with("sys/auth/") && writes)
}
