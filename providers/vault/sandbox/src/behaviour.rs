//! What the server is among several, switched through the sandbox's control API: `GET` and `PUT
//! /emulator/vault/behaviour`. It concerns the service `vault`.
//!
//! Statuses and texts are those of `http/handler.go` (`respondStandby`), `http/sys_health.go` and `sdk/logical/error.go` of
//! hashicorp/vault, and of "Vault Enterprise eventual consistency".

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{State as Shared, rejection::JsonRejection},
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::{
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Reply},
    state::State,
};

/// How the server behaves. The default is the one active server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Its part.
    pub node: Node,
    /// Where the active server is, for the redirects of a standby: a URL, of which scheme, host and port count. Empty, and
    /// there is none.
    pub active_address: String,
    /// It lacks what the active server has written last. Reads with a token or with `X-Vault-Index` are answered 412; what
    /// writes is done by the active server.
    pub behind: bool,
}

impl Behaviour {
    /// Scheme, host and port of the active server.
    fn origin(&self) -> Option<String> {
        let url = Url::parse(&self.active_address).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        url.map(|url| url.origin().ascii_serialization())
    }
}

/// The part of a server in its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// Answers.
    #[default]
    Active,
    /// Does not forward to the active server, but names it (307).
    Standby,
    /// Answers too (Enterprise).
    PerformanceStandby,
    /// Of a cluster that stands by for a disaster, and answers nobody (Enterprise).
    DrSecondary,
}

impl Node {
    /// Whether another server of the cluster is the active one.
    pub(crate) fn stands_by(self) -> bool {
        matches!(self, Self::Standby | Self::PerformanceStandby)
    }
}

/// Answers what this server does not do for the part that it plays. `None` means go on.
pub(crate) fn answer(state: &State, call: &Call) -> Option<Answer> {
    let behaviour = state.lock().behaviour.clone();
    match behaviour.node {
        Node::Standby => {
            let none = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, ["no active Vault instance found"]);
            let active = behaviour.origin().ok_or_else(none);
            return Some(active.map(|origin| Reply::Elsewhere(format!("{origin}{}", call.target))));
        }
        Node::DrSecondary => return Some(Err(ApiError::bad("path disabled in replication DR secondary mode"))),
        Node::Active | Node::PerformanceStandby => {}
    }
    let reads = matches!(call.operation, Operation::Read | Operation::List | Operation::Scan);
    let asks_for_a_state = call.token().is_some() || call.headers.contains_key("x-vault-index");
    let lacks = behaviour.behind && reads && asks_for_a_state;
    lacks.then(|| Err(ApiError::new(StatusCode::PRECONDITION_FAILED, ["required index state not present"])))
}

/// The control API of this emulator.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().route("/behaviour", get(read).put(write)).with_state(state)
}

async fn read(Shared(state): Shared<Arc<State>>) -> Json<Behaviour> {
    Json(state.lock().behaviour.clone())
}

async fn write(Shared(state): Shared<Arc<State>>, body: Result<Json<Behaviour>, JsonRejection>) -> Response {
    let refuse = |text: String| (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response();
    match body {
        Ok(Json(behaviour)) if !behaviour.active_address.is_empty() && behaviour.origin().is_none() => {
            refuse("active_address is http://HOST:PORT or https://HOST:PORT".to_owned())
        }
        Ok(Json(behaviour)) => {
            state.lock().behaviour = behaviour.clone();
            Json(behaviour).into_response()
        }
        Err(error) => refuse(error.body_text()),
    }
}
