//! Buildkite's issuer, the interface of its agents where tokens are asked for, and the agent's program ("buildkite-agent oidc
//! request-token", buildkite.com/docs; `api/oidc.go` and `clicommand/oidc_request_token.go` of buildkite/agent).

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use carnet_core::Error;
use carnet_sandbox_kit::Urls;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use crate::{
    CiEmulator,
    github::pairs,
    mint::{Issuer, MintRequest, members},
    oidc, seed,
};

/// Where the key set is.
pub(crate) const JWKS: &str = "https://agent.buildkite.com/.well-known/jwks";
/// How long a token lives that nobody has asked another life for, in seconds.
const LIFE: i64 = 300;
/// Longest life that can be asked for, in seconds. UNCONFIRMED.
const LONGEST: i64 = 86_400;
/// Claims that are there for who asks.
const OPTIONAL: [(&str, &str); 2] =
    [("organization_id", seed::BUILDKITE_ORGANIZATION), ("pipeline_id", seed::BUILDKITE_PIPELINE)];

/// The claims of a job on a branch.
pub(crate) fn claims(audience: Option<&str>, made: i64) -> Map<String, Value> {
    let default_audience = format!("https://buildkite.com/{}", seed::OWNER);
    members(json!({
        "iss": seed::BUILDKITE_ISSUER,
        "sub": seed::BUILDKITE_SUBJECT,
        "aud": audience.unwrap_or(&default_audience),
        "iat": made,
        "nbf": made,
        "exp": made.saturating_add(LIFE),
        "organization_slug": seed::OWNER,
        "pipeline_slug": "app",
        "build_number": 42,
        "build_branch": seed::BRANCH,
        "build_commit": seed::SHA,
        "step_key": "deploy",
        "job_id": seed::BUILDKITE_JOB,
        "agent_id": "71000000-0000-4000-8000-00000000d004",
        "build_source": "webhook",
        "runner_environment": "self-hosted",
    }))
}

pub(crate) fn router(emulator: &CiEmulator) -> Router {
    Router::new().route("/v3/jobs/{job}/oidc/tokens", post(route)).with_state(emulator.clone()).merge(oidc::router(
        Arc::clone(&emulator.0),
        Issuer::Buildkite,
        JWKS,
    ))
}

/// What an agent asks for.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    audience: String,
    #[serde(default)]
    lifetime: i64,
    #[serde(default)]
    claims: Vec<String>,
}

async fn route(
    State(emulator): State<CiEmulator>,
    Path(job): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = shown.strip_prefix("Token ").unwrap_or_default();
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "message": "Invalid JSON" }))).into_response();
    };
    match issue(&emulator, token, &job, &asked) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err((status, message)) => (status, Json(json!({ "message": message }))).into_response(),
    }
}

/// The bodies of refusals are UNCONFIRMED; the agent looks at the status.
fn issue(emulator: &CiEmulator, token: &str, job: &str, asked: &Asked) -> Result<String, (StatusCode, String)> {
    if !bool::from(token.as_bytes().ct_eq(emulator.0.request_token.as_bytes())) {
        return Err((StatusCode::UNAUTHORIZED, "Please supply a valid agent access token".to_owned()));
    }
    if job != seed::BUILDKITE_JOB {
        return Err((StatusCode::NOT_FOUND, "No job found".to_owned()));
    }
    if !(0..=LONGEST).contains(&asked.lifetime) {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, "Invalid lifetime".to_owned()));
    }
    let mut request = MintRequest::new(Issuer::Buildkite, asked.audience.clone());
    request.audience = request.audience.filter(|audience| !audience.is_empty());
    for name in &asked.claims {
        let (name, value) = OPTIONAL
            .into_iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| (StatusCode::UNPROCESSABLE_ENTITY, "Invalid claim".to_owned()))?;
        request = request.claim(name, value);
    }
    if asked.lifetime > 0 {
        let now = emulator.0.world.now(Issuer::Buildkite.service()).as_second();
        request = request.claim("exp", now.saturating_add(asked.lifetime));
    }
    emulator.mint_for_job(request).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

pub(crate) fn job_environment(emulator: &CiEmulator, urls: &Urls) -> Result<Vec<(String, String)>, Error> {
    let endpoint = format!("{}/v3", oidc::origin(Issuer::Buildkite, urls)?);
    Ok(pairs(&[
        ("CI", "true"),
        ("BUILDKITE", "true"),
        ("BUILDKITE_BRANCH", seed::BRANCH),
        ("BUILDKITE_ORGANIZATION_SLUG", seed::OWNER),
        ("BUILDKITE_PIPELINE_SLUG", "app"),
        ("BUILDKITE_JOB_ID", seed::BUILDKITE_JOB),
        ("BUILDKITE_AGENT_ENDPOINT", &endpoint),
        ("BUILDKITE_AGENT_ACCESS_TOKEN", &emulator.0.request_token),
    ]))
}

/// `buildkite-agent oidc request-token [--audience A] [--lifetime S] [--claim C]…`, with the variables of its job.
///
/// # Errors
/// What the program says when it ends with status 1.
pub(crate) fn program(
    emulator: &CiEmulator,
    arguments: &[&str],
    variable: impl Fn(&str) -> String,
) -> Result<String, String> {
    let ["oidc", "request-token", options @ ..] = arguments else {
        return Err(format!("No help topic for '{}'", arguments.join(" ")));
    };
    let mut asked = Asked::default();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or_else(|| format!("flag needs an argument: {option}"))?;
        match *option {
            "--audience" => (*value).clone_into(&mut asked.audience),
            "--lifetime" => {
                asked.lifetime = value.parse().map_err(|_other| "invalid value for --lifetime".to_owned())?;
            }
            "--claim" => asked.claims.extend(value.split(',').map(ToOwned::to_owned)),
            other => return Err(format!("flag provided but not defined: {other}")),
        }
    }
    let (token, job) = (variable("BUILDKITE_AGENT_ACCESS_TOKEN"), variable("BUILDKITE_JOB_ID"));
    issue(emulator, &token, &job, &asked).map_err(|(status, message)| {
        format!("Could not obtain OIDC token for audience {}: {status}: {message}", asked.audience)
    })
}
