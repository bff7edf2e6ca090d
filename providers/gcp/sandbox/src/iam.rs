//! `iam.googleapis.com`: pools, providers, service accounts and their policies.

mod accounts;
pub(crate) mod policies;
mod pools;
mod providers;

use std::sync::Arc;

use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    access,
    call::Call,
    reply::{Answer, ApiError, ok, rpc},
    seed,
    state::{Inner, MAX_ENTRIES, State},
    tokens::Session,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-iam";

/// Pages hold so many entries unless the caller says otherwise.
const PAGE: usize = 50;
/// And never more.
const MAX_PAGE: usize = 1000;

/// What a path of the IAM API names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A service account, by e-mail or unique id.
    Account(String),
    /// All service accounts.
    Accounts,
    /// An operation, by its whole name.
    Operation(String),
    /// A pool.
    Pool(String),
    /// All pools.
    Pools,
    /// A provider of a pool.
    Provider(String, String),
    /// All providers of a pool.
    Providers(String),
}

/// The project that a path names, and what of it. The path is without `/v1/` and without a verb.
pub fn parse_resource(parts: &[&str]) -> Option<(String, Resource)> {
    let ["projects", project, rest @ ..] = parts else { return None };
    let own = |text: &&str| (*text).to_owned();
    let resource = match rest {
        ["serviceAccounts"] => Resource::Accounts,
        ["serviceAccounts", account] => Resource::Account(own(account)),
        ["locations", "global", "workloadIdentityPools", rest @ ..] => match rest {
            [] => Resource::Pools,
            [pool] => Resource::Pool(own(pool)),
            [pool, "providers"] => Resource::Providers(own(pool)),
            [pool, "providers", provider] => Resource::Provider(own(pool), own(provider)),
            [_, "operations", _] | [_, "providers", _, "operations", _] => Resource::Operation(parts.join("/")),
            _ => return None,
        },
        _ => return None,
    };
    let mut named = parts.iter();
    named.all(|part| !part.is_empty()).then(|| (own(project), resource))
}

/// A call that is let in to the IAM API.
struct Admin<'a> {
    state: &'a State,
    call: &'a Call,
    session: Session,
    body: Value,
    now: Timestamp,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    let Some((project, resource)) = parts.strip_prefix(&["v1"]).and_then(parse_resource) else {
        return Err(rpc("NOT_FOUND", "The requested URL was not found on this server."));
    };
    let session = access::caller(state, SERVICE, &call.headers, &[access::IAM])?;
    let wildcard = project == "-" && matches!(resource, Resource::Account(_));
    if !wildcard && ![seed::PROJECT, seed::PROJECT_NUMBER].contains(&project.as_str()) {
        let message = format!("Permission denied on resource project {project}.");
        return Err(rpc("PERMISSION_DENIED", message));
    }
    let now = state.world.now(SERVICE);
    let admin = Admin { state, call, session, body: call.json()?, now };
    admin.state.lock().purge(now);
    let verb = call.verb.as_deref();
    match (&call.method, verb, resource) {
        (&Method::POST, None, Resource::Pools) => pools::create(&admin),
        (&Method::GET, None, Resource::Pools) => pools::list(&admin),
        (&Method::GET, None, Resource::Pool(id)) => pools::get(&admin, &id),
        (&Method::PATCH, None, Resource::Pool(id)) => pools::patch(&admin, &id),
        (&Method::DELETE, None, Resource::Pool(id)) => pools::delete(&admin, &id),
        (&Method::POST, Some("undelete"), Resource::Pool(id)) => pools::undelete(&admin, &id),
        (&Method::POST, Some(verb), Resource::Pool(id)) => pools::policy(&admin, &id, verb),
        (&Method::POST, None, Resource::Providers(pool)) => providers::create(&admin, &pool),
        (&Method::GET, None, Resource::Providers(pool)) => providers::list(&admin, &pool),
        (&Method::GET, None, Resource::Provider(pool, id)) => providers::get(&admin, &pool, &id),
        (&Method::PATCH, None, Resource::Provider(pool, id)) => providers::patch(&admin, &pool, &id),
        (&Method::DELETE, None, Resource::Provider(pool, id)) => providers::delete(&admin, &pool, &id),
        (&Method::POST, Some("undelete"), Resource::Provider(pool, id)) => providers::undelete(&admin, &pool, &id),
        (&Method::GET, None, Resource::Operation(name)) => operation(&admin, &name),
        (&Method::POST, None, Resource::Accounts) => accounts::create(&admin),
        (&Method::GET, None, Resource::Accounts) => accounts::list(&admin),
        (&Method::GET, None, Resource::Account(name)) => accounts::get(&admin, &name),
        (&Method::DELETE, None, Resource::Account(name)) => accounts::delete(&admin, &name),
        (&Method::POST, Some(verb), Resource::Account(name)) => accounts::policy(&admin, &name, verb),
        _ => Err(rpc("NOT_FOUND", "The requested URL was not found on this server.")),
    }
}

impl Admin<'_> {
    fn permit(&self, permission: &str, inner: &Inner) -> Result<(), ApiError> {
        access::permit_in_project(self.state, SERVICE, &self.session, permission, inner)
    }

    /// Refuses members of the body that the resource does not have.
    fn only(&self, known: &[&str]) -> Result<&Map<String, Value>, ApiError> {
        let members = self.body.as_object().ok_or_else(|| rpc("INVALID_ARGUMENT", "Invalid JSON payload received."))?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let message = format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.");
                Err(rpc("INVALID_ARGUMENT", message))
            }
            None => Ok(members),
        }
    }

    /// The fields that a change names, in camel case; without a mask, those of the body.
    fn mask(&self) -> Vec<String> {
        match self.call.parameter("updateMask").or(self.call.parameter("update_mask")) {
            Some(mask) => mask.split(',').map(camel_case).filter(|field| !field.is_empty()).collect(),
            None => self.body.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default(),
        }
    }

    /// One page of entries that are sorted by id.
    fn page<'a, T>(&self, entries: impl Iterator<Item = (&'a String, T)>) -> (Vec<(&'a String, T)>, Option<String>) {
        let size = self.call.parameter("pageSize").and_then(|size| size.parse().ok()).filter(|size| *size > 0);
        let size = size.unwrap_or(PAGE).min(MAX_PAGE);
        let after = self.call.parameter("pageToken").and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        let after = after.and_then(|after| String::from_utf8(after).ok()).unwrap_or_default();
        let mut page: Vec<_> = entries.filter(|(id, _)| **id > after).take(size.saturating_add(1)).collect();
        let more = page.len() > size;
        page.truncate(size);
        let next = more.then(|| page.last().map(|(id, _)| URL_SAFE_NO_PAD.encode(id))).flatten();
        (page, next)
    }

    fn shows_deleted(&self) -> bool {
        self.call.parameter("showDeleted") == Some("true")
    }

    /// The answer to a change: an operation that is not done yet. It is, whenever it is asked for.
    fn started(&self, inner: &mut Inner, kind: &str, name: &str, mut resource: Value) -> Response {
        let operation = format!("{name}/operations/{}", self.state.world.random_hex::<8>());
        if let Some(resource) = resource.as_object_mut() {
            let kind = format!("type.googleapis.com/google.iam.v1.{kind}");
            resource.insert("@type".to_owned(), kind.into());
        }
        if inner.operations.len() >= MAX_ENTRIES {
            inner.operations.pop_first();
        }
        let done = json!({ "name": operation, "metadata": {}, "done": true, "response": resource });
        inner.operations.insert(operation.clone(), done);
        ok(&json!({ "name": operation, "metadata": {}, "done": false }))
    }
}

fn operation(admin: &Admin<'_>, name: &str) -> Answer {
    let inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.get", &inner)?;
    // Names are stored with the number of the project; both are taken.
    let name =
        name.replacen(&format!("projects/{}/", seed::PROJECT), &format!("projects/{}/", seed::PROJECT_NUMBER), 1);
    inner.operations.get(&name).map(ok).ok_or_else(not_found)
}

/// A list with its name, and the token of the next page if there is one.
fn listed(name: &str, entries: Vec<Value>, next: Option<String>) -> Response {
    let mut body = Map::new();
    if !entries.is_empty() {
        body.insert(name.to_owned(), entries.into());
    }
    if let Some(next) = next {
        body.insert("nextPageToken".to_owned(), next.into());
    }
    ok(&body.into())
}

fn not_found() -> ApiError {
    rpc("NOT_FOUND", "Requested entity was not found.")
}

fn exists() -> ApiError {
    rpc("ALREADY_EXISTS", "Requested entity already exists")
}

fn full() -> ApiError {
    rpc("RESOURCE_EXHAUSTED", "The sandbox holds no more of these.")
}

fn wrong_state(message: &str) -> ApiError {
    rpc("FAILED_PRECONDITION", message)
}

/// Field masks come in either case: `oidc.jwks_json`, `oidc.jwksJson`.
fn camel_case(field: &str) -> String {
    let mut upper = false;
    field.trim().chars().fold(String::with_capacity(field.len()), |mut camel, character| {
        if character == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            camel.push(character.to_ascii_uppercase());
        } else {
            camel.push(character);
        }
        camel
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_name_resources() {
        let parse = |path: &str| parse_resource(&path.split('/').collect::<Vec<_>>());
        let pools = "projects/p/locations/global/workloadIdentityPools";
        let some = |resource| Some(("p".to_owned(), resource));
        assert_eq!(parse(pools), some(Resource::Pools));
        assert_eq!(parse(&format!("{pools}/a")), some(Resource::Pool("a".to_owned())));
        assert_eq!(parse(&format!("{pools}/a/providers/b")), some(Resource::Provider("a".to_owned(), "b".to_owned())));
        let operation = format!("{pools}/a/providers/b/operations/c");
        assert_eq!(parse(&operation), some(Resource::Operation(operation.clone())));
        for wrong in ["", "projects", "projects//serviceAccounts", &format!("{pools}/"), "projects/p/other"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn masks_come_in_either_case() {
        assert_eq!(camel_case("oidc.jwks_json"), "oidc.jwksJson");
        assert_eq!(camel_case(" attributeMapping"), "attributeMapping");
    }

    proptest! {
        #[test]
        fn any_path_is_answered(parts in prop::collection::vec("[a-zA-Z]{0,12}", 0..9)) {
            drop(parse_resource(&parts.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }
}
