//! `sys/…`: the server itself.

mod leases;
mod mounts;
mod policies;
mod seal;

use serde_json::Value;

use crate::{
    access::{self, Caller, Place},
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{MAX_ENTRIES, Namespace, State},
    tokens,
};

pub(crate) use mounts::{enable_auth, enable_secrets};
pub(crate) use seal::{Seal, sealed};

/// The policy `default` (sheet, 7.4; Vault, "Default policy"), as far as the sandbox has the paths.
pub(crate) const DEFAULT_POLICY: &str = r#"path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/internal/ui/mounts/*" { capabilities = ["read"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"#;

/// Answers a request that the caller's policies have let in.
pub(crate) fn answer(state: &State, call: &Call, place: &Place, caller: &Caller, rest: &str) -> Answer {
    let parts: Vec<&str> = rest.split('/').collect();
    let writes = matches!(place.operation, Operation::Create | Operation::Update);
    match parts.as_slice() {
        ["seal"] if writes => {
            state.lock().seal.close();
            Ok(Reply::Nothing)
        }
        ["policy" | "policies", ..] => policies::answer(state, call, place, rest),
        ["mounts", ..] => mounts::secrets(state, call, place, rest),
        ["auth", ..] => mounts::auths(state, call, place, rest),
        ["internal", "ui", "mounts", mount @ ..] => mounts::preflight(state, place, caller, &mount.join("/")),
        ["capabilities-self" | "capabilities"] if writes => capabilities(state, call, place, caller, rest),
        ["wrapping", "wrap"] if writes => match call.wrap_ttl {
            Some(_) => Data(call.body.clone()).answer(),
            None => Err(ApiError::bad("endpoint requires response wrapping to be used")),
        },
        ["leases", which, below @ ..] => leases::answer(state, call, place, which, &below.join("/")),
        ["namespaces", ..] => namespaces(state, place, rest),
        _ => Err(ApiError::no_route(&place.path)),
    }
}

fn capabilities(state: &State, call: &Call, place: &Place, caller: &Caller, which: &str) -> Answer {
    let acl = if which == "capabilities" {
        let inner = state.lock();
        let token = inner.tokens.find_within(tokens::id(call.text("token")), &place.namespace, state.now());
        access::acl(&inner, token.ok_or_else(|| ApiError::bad("invalid token"))?)
    } else {
        caller.acl.clone()
    };
    let paths: Vec<&str> = match call.body.get("paths").or_else(|| call.body.get("path")) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.split(',').map(str::trim).collect(),
        _ => Vec::new(),
    };
    if paths.is_empty() {
        return Err(ApiError::bad("paths must be supplied"));
    }
    let mut data = Data::default();
    for path in &paths {
        data.0.insert((*path).to_owned(), acl.capabilities(path.trim_start_matches('/')).into());
    }
    if let [path] = paths.as_slice() {
        data.0.insert("capabilities".to_owned(), acl.capabilities(path.trim_start_matches('/')).into());
    }
    data.flat()
}

fn namespaces(state: &State, place: &Place, rest: &str) -> Answer {
    let mut inner = state.lock();
    let name = rest.strip_prefix("namespaces").unwrap_or_default();
    let name = name.strip_prefix('/').unwrap_or(name);
    let path = format!("{}{name}/", place.namespace);
    match place.operation {
        Operation::List if name.is_empty() => {
            let below = inner.namespaces.keys().filter_map(|path| path.strip_prefix(&place.namespace));
            Data::keys(below.filter(|name| name.matches('/').count() == 1))
        }
        _ if name.is_empty() || name.contains('/') => Err(ApiError::unsupported()),
        Operation::Read => {
            let namespace = inner.namespaces.get(&path).ok_or_else(ApiError::nothing)?;
            Data::of([("id", namespace.id.as_str().into()), ("path", path.as_str().into())]).answer()
        }
        Operation::Create | Operation::Update => {
            if ["root", "sys", "audit", "auth", "cubbyhole", "identity"].contains(&name) {
                return Err(ApiError::bad(format!("{name:?} is a reserved path and cannot be used as a namespace")));
            }
            if inner.namespaces.len() >= MAX_ENTRIES {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} namespaces")));
            }
            let id = state.world.random_hex::<3>();
            let namespace = inner.namespaces.entry(path.clone()).or_insert_with(|| Namespace::new(&id));
            Data::of([("id", namespace.id.as_str().into()), ("path", path.as_str().into())]).answer()
        }
        Operation::Delete => {
            if inner.namespaces.keys().any(|other| other.starts_with(&path) && *other != path) {
                return Err(ApiError::bad("namespace contains child namespaces"));
            }
            inner.namespaces.remove(&path).ok_or_else(no_namespace)?;
            inner.tokens.forget_namespace(&path);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}
