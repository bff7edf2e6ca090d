//! From a path to what answers it.

use http::StatusCode;

use crate::{
    access::{self, Place},
    auth,
    call::Call,
    identity,
    policy::Operation,
    reply::{Answer, ApiError, Data},
    state::{Inner, State},
    sys, wrapping,
};

/// Answers a request, in the order of the server: what works while sealed, the namespace, what needs no token, the token
/// and its policies, the path.
pub(crate) async fn answer(state: &State, call: &Call) -> Answer {
    if let Some(answer) = sys::sealed(state, call) {
        return answer;
    }
    let place = place(state, call)?;
    if let Some(answer) = wrapping::answer(state, call, &place) {
        return answer;
    }
    let method = auth_method(state, &place);
    if let Some((mount, rest)) = &method
        && let Some(answer) = auth::login(state, call, &place, mount, rest).await
    {
        return answer;
    }
    let caller = access::authorize(state, call, &place)?;
    if place.operation == Operation::Help {
        return Data::of([("help", "See the sandbox's README.".into()), ("see_also", Vec::<String>::new().into())])
            .flat();
    }
    if let Some((mount, rest)) = method {
        return auth::answer(state, call, &place, &mount, &rest).await;
    }
    if let Some(rest) = place.path.strip_prefix("auth/token/") {
        return auth::tokens(state, call, &place, &caller, rest);
    }
    if let Some(rest) = place.path.strip_prefix("sys/") {
        return sys::answer(state, call, &place, &caller, rest);
    }
    if let Some(rest) = place.path.strip_prefix("identity/") {
        return identity::answer(state, call, &place, rest);
    }
    if let Some(rest) = place.path.strip_prefix("cubbyhole/") {
        let mut inner = state.lock();
        let room = inner.room();
        return inner.cubbyholes.answer(&caller, call, place.operation, rest, room);
    }
    secrets(state, call, &place)
}

fn secrets(state: &State, call: &Call, place: &Place) -> Answer {
    let mut inner = state.lock();
    let room = inner.room();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let found = namespace.mount(&place.path).map(|(mount, rest)| (mount.to_owned(), rest.to_owned()));
    let (mount, rest) = found.ok_or_else(|| ApiError::no_route(&place.path))?;
    let mount = namespace.mounts.get_mut(&mount).ok_or_else(|| ApiError::no_route(&place.path))?;
    mount.kv.answer(state, call, place.operation, &rest, room)
}

fn place(state: &State, call: &Call) -> Result<Place, ApiError> {
    let inner = state.lock();
    let (namespace, mut path) = inner.resolve(&call.namespace, &call.path).ok_or_else(no_namespace)?;
    // There a slash at the end means nothing but in a list. It goes here: after the policies it would lead around them.
    if call.operation != Operation::List && path.starts_with("sys/") && path.ends_with('/') {
        path.pop();
    }
    let operation = match call.operation {
        Operation::Update if creates(&inner, &namespace, &path) => Operation::Create,
        operation => operation,
    };
    Ok(Place { namespace, path, operation })
}

/// Whether a write makes something: only secrets and roles tell the two apart.
fn creates(inner: &Inner, namespace: &str, path: &str) -> bool {
    let Some(namespace) = inner.namespaces.get(namespace) else { return false };
    if let Some(role) = path.strip_prefix("auth/token/roles/") {
        return !namespace.token_roles.contains_key(role);
    }
    if let Some((mount, rest)) = path.strip_prefix("auth/").and_then(|path| namespace.auth(path)) {
        let role = rest.strip_prefix("role/").or_else(|| rest.strip_prefix("certs/"));
        let Some(role) = role.map(str::to_ascii_lowercase) else { return false };
        return namespace.auths.get(mount).is_some_and(|mount| !mount.method.has_role(&role));
    }
    let Some((mount, rest)) = namespace.mount(path).filter(|_| !path.starts_with("sys/")) else { return false };
    namespace.mounts.get(mount).is_some_and(|mount| !mount.kv.exists(rest))
}

fn auth_method(state: &State, place: &Place) -> Option<(String, String)> {
    let inner = state.lock();
    let namespace = inner.namespaces.get(&place.namespace)?;
    let (mount, rest) = namespace.auth(place.path.strip_prefix("auth/")?)?;
    Some((mount.to_owned(), rest.to_owned()))
}

/// 404: there is no such namespace.
pub(crate) fn no_namespace() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, ["namespace not found"])
}
