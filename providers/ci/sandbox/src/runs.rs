//! Systems that put a token into each run and have no endpoint for jobs: HCP Terraform, Spacelift, Jenkins.

use carnet_core::Error;
use carnet_sandbox_kit::World;
use serde_json::{Map, Value, json};

use crate::{
    CiEmulator,
    github::{pairs, uuid},
    mint::{Issuer, MintRequest, members},
    seed,
};

/// Where the key sets are: "Workload identity in HCP Terraform", developer.hashicorp.com; "OpenID Connect (OIDC)", docs.spacelift.io;
/// `Keys.java` of jenkinsci/oidc-provider-plugin.
pub(crate) const HCP_JWKS: &str = "https://app.terraform.io/.well-known/jwks";
pub(crate) const SPACELIFT_JWKS: &str = "https://carnet-sandbox.app.spacelift.io/.well-known/jwks";
pub(crate) const JENKINS_JWKS: &str = "https://jenkins.carnet-sandbox.example/oidc/jwks";

/// How long tokens live, in seconds: the sample of HCP Terraform (the timeout of a phase), the documentation of Spacelift, the default
/// of the plugin of Jenkins.
const HCP_LIFE: i64 = 300;
const LIFE: i64 = 3_600;

/// The claims of an apply.
pub(crate) fn hcp_terraform(audience: Option<&str>, made: i64, world: &World) -> Map<String, Value> {
    members(json!({
        "jti": uuid(world),
        "iss": seed::HCP_ISSUER,
        "aud": audience.unwrap_or("carnet"),
        "iat": made,
        "nbf": made,
        "exp": made.saturating_add(HCP_LIFE),
        "sub": seed::HCP_SUBJECT,
        "terraform_organization_id": seed::HCP_ORGANIZATION,
        "terraform_organization_name": seed::OWNER,
        "terraform_project_id": "prj-carnetSandbox001",
        "terraform_project_name": "Default Project",
        "terraform_workspace_id": seed::HCP_WORKSPACE,
        "terraform_workspace_name": "app",
        "terraform_full_workspace": "organization:carnet-sandbox:project:Default Project:workspace:app",
        "terraform_run_id": "run-carnetSandbox001",
        "terraform_run_phase": "apply",
    }))
}

/// The claims of a tracked run of a stack.
pub(crate) fn spacelift(audience: Option<&str>, made: i64, world: &World) -> Map<String, Value> {
    members(json!({
        "iss": seed::SPACELIFT_ISSUER,
        "sub": seed::SPACELIFT_SUBJECT,
        "aud": audience.unwrap_or(seed::SPACELIFT_AUDIENCE),
        "iat": made,
        "nbf": made,
        "exp": made.saturating_add(LIFE),
        "jti": uuid(world),
        "spaceId": "production",
        "callerType": "stack",
        "callerId": "app",
        "runType": "TRACKED",
        "runId": "01HXXCARNETSANDBOX00000001",
        "scope": "write",
    }))
}

/// The claims of a build, as the plugin's templates are when nobody has changed them. Without an audience there is no `aud`.
pub(crate) fn jenkins(audience: Option<&str>, made: i64) -> Map<String, Value> {
    let mut claims = members(json!({
        "iss": seed::JENKINS_ISSUER,
        "sub": seed::JENKINS_SUBJECT,
        "iat": made,
        "exp": made.saturating_add(LIFE),
        "build_number": 42,
    }));
    claims.extend(audience.map(|audience| ("aud".to_owned(), Value::from(audience))));
    claims
}

/// The variables of a run whose workspace names these audiences by tags; the empty tag is that without one.
pub(crate) fn hcp_environment(emulator: &CiEmulator, tags: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
    let mut variables = pairs(&[("TFC_RUN_ID", "run-carnetSandbox001"), ("TFC_WORKSPACE_NAME", "app")]);
    for (tag, audience) in tags {
        let suffix = if tag.is_empty() { String::new() } else { format!("_{tag}") };
        let token = emulator.mint_for_job(MintRequest::new(Issuer::HcpTerraform, *audience))?;
        variables.push((format!("TFC_WORKLOAD_IDENTITY_AUDIENCE{suffix}"), (*audience).to_owned()));
        variables.push((format!("TFC_WORKLOAD_IDENTITY_TOKEN{suffix}"), token));
    }
    Ok(variables)
}

pub(crate) fn spacelift_environment(emulator: &CiEmulator) -> Result<Vec<(String, String)>, Error> {
    let token = emulator.mint_for_job(MintRequest::new(Issuer::Spacelift, seed::SPACELIFT_AUDIENCE))?;
    Ok(pairs(&[("TF_VAR_spacelift_stack_id", "app"), ("SPACELIFT_OIDC_TOKEN", &token)]))
}

/// The variables of a build that has bound these credentials: a variable, and the audience of its credential.
pub(crate) fn jenkins_environment(
    emulator: &CiEmulator,
    bound: &[(&str, &str)],
) -> Result<Vec<(String, String)>, Error> {
    let mut variables = pairs(&[
        ("JENKINS_URL", "https://jenkins.carnet-sandbox.example/"),
        ("JOB_URL", seed::JENKINS_SUBJECT),
        ("BUILD_NUMBER", "42"),
    ]);
    for (variable, audience) in bound {
        variables.push(((*variable).to_owned(), emulator.mint_for_job(MintRequest::new(Issuer::Jenkins, *audience))?));
    }
    Ok(variables)
}
