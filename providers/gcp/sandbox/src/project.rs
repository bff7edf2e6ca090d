//! `cloudresourcemanager.googleapis.com`: the project and its policy.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::{
    access,
    call::Call,
    iam::policies::{self, PolicyCall},
    reply::{Answer, ok, rpc},
    seed,
    state::State,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-resourcemanager";

/// When the project was made.
const CREATED: &str = "2026-11-01T00:00:00Z";

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    let [version @ ("v1" | "v3"), "projects", project] = parts.as_slice() else {
        return Err(rpc("NOT_FOUND", "The requested URL was not found on this server."));
    };
    let session = access::caller(state, SERVICE, &call.headers, &[])?;
    if ![seed::PROJECT, seed::PROJECT_NUMBER].contains(project) {
        // What may not be seen is refused like what is not there.
        return Err(rpc("PERMISSION_DENIED", "The caller does not have permission"));
    }
    let mut guard = state.lock();
    match (&call.method, call.verb.as_deref()) {
        (&Method::GET, None) => {
            access::permit_in_project(state, SERVICE, &session, "resourcemanager.projects.get", &guard)?;
            Ok(ok(&match *version {
                "v1" => json!({
                    "projectNumber": seed::PROJECT_NUMBER,
                    "projectId": seed::PROJECT,
                    "lifecycleState": "ACTIVE",
                    "name": seed::PROJECT,
                    "createTime": CREATED,
                }),
                _ => json!({
                    "name": format!("projects/{}", seed::PROJECT_NUMBER),
                    "projectId": seed::PROJECT,
                    "state": "ACTIVE",
                    "displayName": seed::PROJECT,
                    "createTime": CREATED,
                    "etag": "W/\"carnet\"",
                }),
            }))
        }
        (&Method::POST, Some(verb)) => {
            let body = call.json()?;
            let inner = &mut *guard;
            let etag = policies::etag(inner.next());
            let held = [inner.project_policy.clone()];
            let exists = |email: &str| inner.accounts.contains_key(email);
            let call = PolicyCall { session: &session, body: &body, etag, held: &held.each_ref(), exists: &exists };
            call.answer(state, SERVICE, "resourcemanager.projects", verb, &mut inner.project_policy)
        }
        _ => Err(rpc("NOT_FOUND", "The requested URL was not found on this server.")),
    }
}
