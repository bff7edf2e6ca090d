//! Azure DevOps: its issuer, and the endpoint where a job asks for a token ("Oidctoken - Create", REST reference of Azure DevOps).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
    routing::post,
};
use carnet_core::Error;
use carnet_sandbox_kit::{Urls, World};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    CiEmulator,
    github::{pairs, refusal, shows, uuid},
    mint::{Issuer, MintRequest, members},
    oidc, seed,
};

/// Where the key set is. UNCONFIRMED: clients learn it from the discovery document.
pub(crate) const JWKS: &str = "https://vstoken.dev.azure.com/.well-known/jwks";
/// How long a token lives, and how long before its issue it counts, in seconds: the sample in sigstore/fulcio, issue 1803.
const LIFE: i64 = 600;
const EARLIER: i64 = 600;

/// The claims of a pipeline's own token (the same sample).
pub(crate) fn claims(audience: Option<&str>, made: i64, world: &World) -> Map<String, Value> {
    members(json!({
        "jti": uuid(world),
        "sub": seed::AZURE_SUBJECT,
        "aud": audience.unwrap_or(seed::AZURE_AUDIENCE),
        "org_id": seed::AZURE_ORGANIZATION,
        "prj_id": seed::AZURE_PROJECT,
        "def_id": "7",
        "rpo_id": "71000000-0000-4000-8000-00000000e007",
        "rpo_uri": "https://dev.azure.com/carnet-sandbox/app/_git/app",
        "rpo_ver": seed::SHA,
        "rpo_ref": seed::REF,
        "run_id": "42",
        "iss": seed::AZURE_ISSUER,
        "nbf": made.saturating_sub(EARLIER),
        "exp": made.saturating_add(LIFE),
        "iat": made,
    }))
}

pub(crate) fn router(emulator: &CiEmulator) -> Router {
    Router::new()
        .route(
            "/{organization}/{project}/_apis/distributedtask/hubs/build/plans/{plan}/jobs/{job}/oidctoken",
            post(route),
        )
        .with_state(emulator.clone())
        .merge(oidc::router(Arc::clone(&emulator.0), Issuer::AzureDevops, JWKS))
}

async fn route(
    State(emulator): State<CiEmulator>,
    Path((organization, project, plan, job)): Path<(String, String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !shows(&headers, &emulator.0.request_token) {
        // Whoever does not ask for a refusal is sent to a page to log in at.
        let suppressed = headers.get("x-tfs-fedauthredirect").is_some_and(|value| value == "Suppress");
        let status = if suppressed { StatusCode::UNAUTHORIZED } else { StatusCode::NON_AUTHORITATIVE_INFORMATION };
        return refusal(
            status,
            "UnauthorizedRequestException",
            "TF400813: The user is not authorized to access this resource.",
        );
    }
    let query: Vec<(String, String)> =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let parameter = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    if parameter("api-version").is_none() {
        return refusal(StatusCode::BAD_REQUEST, "VssVersionNotSpecifiedException", "No api-version was supplied.");
    }
    let here = organization == seed::OWNER && project == seed::AZURE_PROJECT;
    if !here || plan != seed::AZURE_PLAN || job != seed::AZURE_JOB {
        return refusal(
            StatusCode::NOT_FOUND,
            "TaskOrchestrationPlanNotFoundException",
            "The plan or job was not found.",
        );
    }
    let request = MintRequest::new(Issuer::AzureDevops, seed::AZURE_AUDIENCE);
    let request = match parameter("serviceConnectionId") {
        None => request,
        Some(seed::AZURE_CONNECTION) => of_connection(request),
        Some(seed::AZURE_OTHER_CONNECTION) => {
            return refusal(
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "The pipeline is not authorized to use the service connection.",
            );
        }
        Some(_) => {
            return refusal(
                StatusCode::NOT_FOUND,
                "ServiceEndpointNotFoundException",
                "The service connection was not found.",
            );
        }
    };
    match emulator.mint_for_job(request) {
        Ok(token) => Json(json!({ "oidcToken": token })).into_response(),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalException", &error.to_string()),
    }
}

/// The token of a service connection says nothing of the pipeline. UNCONFIRMED beyond its subject.
fn of_connection(request: MintRequest) -> MintRequest {
    let of_pipeline = ["org_id", "prj_id", "def_id", "rpo_id", "rpo_uri", "rpo_ver", "rpo_ref", "run_id"];
    let request = request.claim("sub", seed::AZURE_CONNECTION_SUBJECT);
    of_pipeline.into_iter().fold(request, |request, name| request.claim(name, Value::Null))
}

pub(crate) fn job_environment(emulator: &CiEmulator, urls: &Urls) -> Result<Vec<(String, String)>, Error> {
    let uri = format!(
        "{}/{}/{}/_apis/distributedtask/hubs/build/plans/{}/jobs/{}/oidctoken",
        oidc::origin(Issuer::AzureDevops, urls)?,
        seed::OWNER,
        seed::AZURE_PROJECT,
        seed::AZURE_PLAN,
        seed::AZURE_JOB
    );
    Ok(pairs(&[
        ("TF_BUILD", "True"),
        ("BUILD_SOURCEBRANCH", seed::REF),
        ("SYSTEM_TEAMPROJECT", "app"),
        ("SYSTEM_OIDCREQUESTURI", &uri),
        ("SYSTEM_ACCESSTOKEN", &emulator.0.request_token),
    ]))
}
