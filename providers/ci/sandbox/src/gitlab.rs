//! GitLab's issuer ("OpenID Connect (OIDC) Authentication Using ID Tokens", docs.gitlab.com).

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use carnet_core::Error;
use carnet_sandbox_kit::World;
use serde_json::{Map, Value, json};

use crate::{
    CiEmulator, Inner,
    github::{pairs, uuid},
    mint::{Issuer, MintRequest, members},
    oidc, seed,
};

/// How long a token lives, in seconds: the job's timeout, whose default is an hour.
const LIFE: i64 = 3_600;
/// How long before its issue a token counts, in seconds.
const EARLIER: i64 = 5;

/// The document at `/.well-known/openid-configuration`.
fn discovery(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "jwks_uri": format!("{issuer}/oauth/discovery/keys"),
        "scopes_supported": ["api", "read_api", "read_user", "openid", "profile", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "password", "client_credentials", "device_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "sub_legacy", "name", "nickname", "preferred_username", "email",
            "email_verified", "website", "profile", "picture", "groups", "groups_direct"
        ],
        "code_challenge_methods_supported": ["plain", "S256"]
    })
}

pub(crate) fn router(inner: Arc<Inner>, issuer: Issuer) -> Router {
    let jwks = get(move |State(inner): State<Arc<Inner>>| async move { oidc::jwks(&inner, issuer) });
    Router::new()
        .route("/.well-known/openid-configuration", get(move || async move { Json(discovery(issuer.url())) }))
        .route("/oauth/discovery/keys", jwks)
        .with_state(inner)
}

/// The claims of a job on a protected branch, in an environment. Ids are texts, as GitLab writes them.
pub(crate) fn claims(issuer: Issuer, audience: Option<&str>, made: i64, world: &World) -> Map<String, Value> {
    let host = issuer.url().trim_start_matches("https://");
    let configuration = format!("{host}/{}//.gitlab-ci.yml@{}", seed::REPOSITORY, seed::REF);
    let runner = if issuer == Issuer::Gitlab { "gitlab-hosted" } else { "self-hosted" };
    members(json!({
        "namespace_id": seed::NAMESPACE_ID,
        "namespace_path": seed::OWNER,
        "project_id": seed::PROJECT_ID,
        "project_path": seed::REPOSITORY,
        "user_id": "7100004",
        "user_login": seed::ACTOR,
        "user_email": "deployer@carnet-sandbox.example",
        "user_access_level": "maintainer",
        "pipeline_id": "7100000005",
        "pipeline_source": "push",
        "job_id": "7100000006",
        "ref": seed::BRANCH,
        "ref_type": "branch",
        "ref_path": seed::REF,
        "ref_protected": "true",
        "environment": "production",
        "environment_protected": "true",
        "deployment_tier": "production",
        "environment_action": "start",
        "groups_direct": [seed::OWNER],
        "runner_id": 7_100_007,
        "runner_environment": runner,
        "sha": seed::SHA,
        "project_visibility": "private",
        "ci_config_ref_uri": configuration,
        "ci_config_sha": seed::SHA,
        "jti": uuid(world),
        "iss": issuer.url(),
        "iat": made,
        "nbf": made.saturating_sub(EARLIER),
        "exp": made.saturating_add(LIFE),
        "sub": seed::GITLAB_SUBJECT,
        "aud": audience.unwrap_or(issuer.url()),
    }))
}

pub(crate) fn job_environment(
    emulator: &CiEmulator,
    issuer: Issuer,
    id_tokens: &[(&str, &str)],
) -> Result<Vec<(String, String)>, Error> {
    let mut variables = pairs(&[
        ("CI", "true"),
        ("GITLAB_CI", "true"),
        ("CI_COMMIT_REF_NAME", seed::BRANCH),
        ("CI_COMMIT_SHA", seed::SHA),
        ("CI_PIPELINE_SOURCE", "push"),
        ("CI_PROJECT_ID", seed::PROJECT_ID),
        ("CI_PROJECT_NAMESPACE", seed::OWNER),
        ("CI_PROJECT_PATH", seed::REPOSITORY),
        ("CI_SERVER_URL", issuer.url()),
    ]);
    for (name, audience) in id_tokens {
        variables.push(((*name).to_owned(), emulator.mint_for_job(MintRequest::new(issuer, *audience))?));
    }
    Ok(variables)
}
