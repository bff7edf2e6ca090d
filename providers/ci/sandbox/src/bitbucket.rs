//! Bitbucket's issuer ("Integrate Pipelines with resource servers using OIDC", support.atlassian.com).

use carnet_core::Error;
use serde_json::{Map, Value, json};

use crate::{
    CiEmulator,
    github::pairs,
    mint::{Issuer, MintRequest, members},
    seed,
};

/// Where the key set is. UNCONFIRMED: clients learn it from the discovery document.
pub(crate) const JWKS: &str =
    "https://api.bitbucket.org/2.0/workspaces/carnet-sandbox/pipelines-config/identity/oidc/keys.json";
/// How long a token lives, in seconds. UNCONFIRMED; the tools that stand in for Bitbucket use an hour.
const LIFE: i64 = 3_600;
/// Most audiences of a step, and the longest of them ("Bitbucket Pipelines OIDC now supports multiple audiences", atlassian.com).
const MOST_AUDIENCES: usize = 10;
const LONGEST_AUDIENCE: usize = 150;

/// The claims of a step that deploys to an environment.
pub(crate) fn claims(audience: Option<&str>, made: i64) -> Map<String, Value> {
    members(json!({
        "iss": seed::BITBUCKET_ISSUER,
        "aud": audience.unwrap_or(seed::BITBUCKET_AUDIENCE),
        "sub": format!("{}:{}:{}", seed::BITBUCKET_REPOSITORY, seed::BITBUCKET_ENVIRONMENT, seed::BITBUCKET_STEP),
        "iat": made,
        "exp": made.saturating_add(LIFE),
        "accountUuid": seed::BITBUCKET_WORKSPACE,
        "workspaceUuid": seed::BITBUCKET_WORKSPACE,
        "repositoryUuid": seed::BITBUCKET_REPOSITORY,
        "deploymentEnvironmentUuid": seed::BITBUCKET_ENVIRONMENT,
        "pipelineUuid": "{71000000-0000-4000-8000-00000000b005}",
        "stepUuid": seed::BITBUCKET_STEP,
        "branchName": seed::BRANCH,
    }))
}

/// The variables of a step whose definition names these audiences; none for that of the workspace.
pub(crate) fn job_environment(emulator: &CiEmulator, audiences: &[&str]) -> Result<Vec<(String, String)>, Error> {
    if audiences.len() > MOST_AUDIENCES || audiences.iter().any(|audience| audience.len() > LONGEST_AUDIENCE) {
        return Err(Error::configuration("define a step: at most ten audiences, of at most 150 characters each"));
    }
    let mut request = MintRequest::new(Issuer::Bitbucket, seed::BITBUCKET_AUDIENCE);
    if !audiences.is_empty() {
        request = request.claim("aud", audiences.to_vec());
    }
    let token = emulator.mint_for_job(request)?;
    Ok(pairs(&[
        ("CI", "true"),
        ("BITBUCKET_BUILD_NUMBER", "42"),
        ("BITBUCKET_WORKSPACE", seed::OWNER),
        ("BITBUCKET_REPO_FULL_NAME", seed::REPOSITORY),
        ("BITBUCKET_REPO_UUID", seed::BITBUCKET_REPOSITORY),
        ("BITBUCKET_BRANCH", seed::BRANCH),
        ("BITBUCKET_STEP_UUID", seed::BITBUCKET_STEP),
        ("BITBUCKET_STEP_OIDC_TOKEN", &token),
    ]))
}
