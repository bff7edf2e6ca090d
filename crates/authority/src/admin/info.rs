//! What this authority is.

use std::sync::Arc;

use axum::{Json, extract::State, http::Method, routing::get};
use carnet_ops::State as Health;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Admin,
    answer::Failure,
    openapi,
    route::{Answer, Route},
};

/// What this authority is, and how it is doing.
#[derive(Debug, Serialize, JsonSchema)]
struct Info {
    /// Version of carnet.
    version: String,
    /// The trust domain.
    trust_domain: String,
    /// `iss` of what is issued.
    issuer: String,
    /// `sqlite` or `postgres`.
    store: String,
    /// Whether all components are ready.
    ready: bool,
    /// Whether it is about to end.
    stopping: bool,
    /// What each component says.
    components: Vec<ComponentView>,
    /// Registration entries.
    entries: usize,
    /// Trust rules that count, those of files too.
    rules: usize,
    /// Length of the audit log.
    audit_seq: u64,
    /// Digest of its last row, hexadecimal. Note it elsewhere: then nothing before it can be changed unseen.
    audit_hash: String,
}

/// What a component says.
#[derive(Debug, Serialize, JsonSchema)]
struct ComponentView {
    /// Its name.
    name: String,
    /// How it is doing.
    state: ComponentState,
    /// Why it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How a component is doing.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ComponentState {
    /// It has not started to work.
    Starting,
    /// It works.
    Ready,
    /// It works, but not as it should.
    Degraded,
    /// It does not work.
    Failing,
}

pub(crate) fn routes() -> Vec<Route> {
    let document = Route::new::<Info>(
        Method::GET,
        "/v1/openapi.json",
        "getOpenApi",
        "This document.",
        get(|| async { Json(openapi::document()) }),
    );
    vec![
        Route::new::<Info>(
            Method::GET,
            "/v1/info",
            "getInfo",
            "What this authority is, and how it is doing.",
            get(info),
        ),
        document.answers(Answer::Any),
    ]
}

async fn info(State(admin): State<Arc<Admin>>) -> Result<Json<Info>, Failure> {
    let parts = &admin.parts;
    let head = parts.store.audit_head().await?;
    let report = parts.health.report();
    let components = report.components.into_iter().map(|(name, state)| {
        let (state, message) = match state {
            Health::Starting => (ComponentState::Starting, None),
            Health::Ready => (ComponentState::Ready, None),
            Health::Degraded(why) => (ComponentState::Degraded, Some(why)),
            Health::Failing(why) => (ComponentState::Failing, Some(why)),
        };
        ComponentView { name: name.to_owned(), state, message }
    });
    Ok(Json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trust_domain: parts.trust_domain.to_string(),
        issuer: parts.issuer_url.clone(),
        store: parts.store_kind.clone(),
        ready: report.ready,
        stopping: report.stopping,
        components: components.collect(),
        entries: parts.entries.len(),
        rules: parts.rules.watch().borrow().len(),
        audit_seq: head.seq,
        audit_hash: carnet_core::hex(&head.hash),
    }))
}
