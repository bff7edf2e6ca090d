//! From a path to what answers it.

use serde_json::json;

use crate::{
    call::Call,
    identities, login, projects,
    reply::{Answer, ApiError},
    secrets,
    state::State,
    tokens,
};

/// Answers a request: logins and tokens need nothing but themselves, all else a token of this server.
pub(crate) async fn answer(state: &State, call: &Call) -> Answer {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["api", "status"]) => Ok(json!({ "message": "Ok", "date": crate::reply::time(state.now()) })),
        ("POST", ["api", "v1", "auth", "token", "renew"]) => tokens::renew(state, call),
        ("POST", ["api", "v1", "auth", "token", "revoke"]) => tokens::revoke(state, call),
        ("POST", ["api", "v1", "auth", method, "login"]) if identities::is_method(method) => {
            login::login(state, call, method).await
        }
        (verb, ["api", "v1", "auth", method, "identities", identity, rest @ ..]) if identities::is_method(method) => {
            identities::configure(state, call, verb, method, identity, rest)
        }
        ("POST", ["api", "v1", "identities"]) => identities::create(state, call),
        ("POST", ["api", "v2", "workspace"]) => projects::create(state, call),
        ("POST", ["api", "v1", "workspace", project, "environments"]) => {
            projects::add_environment(state, call, project)
        }
        ("POST", ["api", "v2", "workspace", project, "identity-memberships", identity]) => {
            projects::add_member(state, call, project, identity)
        }
        ("POST", ["api", "v1" | "v2", "folders"]) => projects::add_folder(state, call),
        ("POST", ["api", "v1" | "v2", "secret-imports"]) => projects::add_import(state, call),
        ("GET", ["api", "v3", "secrets", "raw"] | ["api", "v4", "secrets"]) => secrets::list(state, call),
        (verb, ["api", "v3", "secrets", "raw", name] | ["api", "v4", "secrets", name]) => match verb {
            "GET" => secrets::one(state, call, name),
            "POST" | "PATCH" => secrets::write(state, call, name, verb == "POST"),
            "DELETE" => secrets::delete(state, call, name),
            _ => Err(no_route(call)),
        },
        _ => Err(no_route(call)),
    }
}

/// 404: the server does not have this path.
pub(crate) fn no_route(call: &Call) -> ApiError {
    ApiError::no_route(call.method.as_str(), &format!("/{}", call.path.join("/")))
}
