//! What whoever holds the sandbox's control token may do: look at the parties and add trusts.

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use carnet_oauth::trust::{Trust, lint};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{NotTaken, OauthEmulator};

/// `GET /parties` and `POST /trust`.
pub(crate) fn router(emulator: OauthEmulator) -> Router {
    Router::new().route("/parties", get(parties)).route("/trust", post(add)).with_state(emulator)
}

async fn parties() -> Response {
    Json(json!({ "parties": OauthEmulator::parties().collect::<Vec<_>>() })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    party: String,
    trust: Trust,
}

async fn add(State(emulator): State<OauthEmulator>, body: Bytes) -> Response {
    let refuse = |error: String| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let Add { party, trust } = match serde_json::from_slice(&body) {
        Ok(add) => add,
        Err(error) => return refuse(format!("read the trust: {error}")),
    };
    let warnings = lint(&trust);
    match emulator.add_trust(&party, trust) {
        Ok(()) => Json(json!({ "warnings": warnings })).into_response(),
        Err(NotTaken::UnknownParty) => {
            let known = OauthEmulator::parties().collect::<Vec<_>>().join(", ");
            refuse(format!("no party of this name: there are {known}"))
        }
        Err(NotTaken::Full) => refuse("there are as many trusts as a sandbox holds".to_owned()),
    }
}
