//! What can be switched in the emulated tenant, through the sandbox's control API: `GET` and `PUT
//! /emulator/azure/behaviour`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{State as Shared, rejection::JsonRejection},
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::state::State;

/// How the tenant behaves beyond what is configured in it. The default is a tenant without any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// A mismatch is AADSTS70021 and an issuer that does not answer AADSTS90061, as it was and at times still is.
    pub old_codes: bool,
    /// How long federated credentials and role assignments take to act after they were made or changed.
    pub propagation_seconds: u32,
    /// Federation is disabled for the whole tenant (AADSTS700223).
    pub federation_disabled: bool,
    /// Issuers that the tenant's policy does not let in (AADSTS700238).
    pub refused_issuers: Vec<String>,
    /// Client ids that Conditional Access blocks (AADSTS53003).
    pub blocked_clients: Vec<String>,
    /// Storage accounts whose firewall lets nobody in (`AuthorizationFailure`).
    pub firewalled_accounts: Vec<String>,
    /// There is no metadata service, and what stands between says so: 403 with the word `unreachable`.
    pub metadata_unreachable: bool,
    /// What the claim `enterprise` of GitHub's tokens must be (AADSTS7002381).
    pub github_enterprise: Option<String>,
}

impl Behaviour {
    /// How long changes take to act.
    pub(crate) fn propagation(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.propagation_seconds))
    }
}

/// The control API of this emulator.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().route("/behaviour", get(read).put(write)).with_state(state)
}

async fn read(Shared(state): Shared<Arc<State>>) -> Json<Behaviour> {
    let behaviour = state.lock().behaviour.clone();
    Json(behaviour)
}

async fn write(Shared(state): Shared<Arc<State>>, body: Result<Json<Behaviour>, JsonRejection>) -> Response {
    match body {
        Ok(Json(behaviour)) => {
            state.lock().behaviour = behaviour.clone();
            Json(behaviour).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error.body_text() }))).into_response(),
    }
}
