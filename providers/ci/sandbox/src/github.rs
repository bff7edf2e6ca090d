//! GitHub Actions' issuer ("OpenID Connect reference", docs.github.com), and the endpoint that the runner gives to a job.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use carnet_core::Error;
use carnet_sandbox_kit::{FaultKind, Urls, World};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use crate::{
    Inner,
    mint::{Flaw, Issuer, MintRequest, members, mint},
    oidc, seed,
};

/// How long a token lives, in seconds: exp - iat of the sample token in GitHub's reference.
const LIFE: i64 = 300;
/// How long before its issue a token counts, in seconds: iat - nbf of the same sample.
const EARLIER: i64 = 600;

/// The document at `/.well-known/openid-configuration`, member for member.
fn discovery(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "claims_supported": [
            "sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "repository_id",
            "repository_owner", "repository_owner_id", "enterprise", "enterprise_id", "run_id", "run_number",
            "run_attempt", "actor", "actor_id", "workflow", "workflow_ref", "workflow_sha", "head_ref", "base_ref",
            "event_name", "ref_type", "ref_protected", "environment", "environment_node_id", "job_workflow_ref",
            "job_workflow_sha", "repository_visibility", "runner_environment", "issuer_scope", "check_run_id"
        ],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"]
    })
}

/// A job that is played, by its id in the path of its token endpoint: the issuer, and what its token says in place of the usual.
struct Job {
    name: &'static str,
    id: &'static str,
    issuer: Issuer,
    claims: &'static [(&'static str, &'static str)],
}

static JOBS: [Job; 6] = [
    Job { name: "github", id: seed::GITHUB_JOB, issuer: Issuer::Github, claims: &[] },
    Job {
        name: "github-immutable",
        id: "5a4b3c2d-0000-4000-8000-000000000003",
        issuer: Issuer::Github,
        claims: &[("sub", seed::GITHUB_IMMUTABLE_SUBJECT)],
    },
    Job {
        name: "github-pull-request",
        id: "5a4b3c2d-0000-4000-8000-000000000004",
        issuer: Issuer::Github,
        claims: &[
            ("sub", seed::GITHUB_PULL_REQUEST_SUBJECT),
            ("event_name", "pull_request"),
            ("ref", "refs/pull/7/merge"),
            ("base_ref", seed::BRANCH),
            ("head_ref", "patch"),
            ("ref_protected", "false"),
        ],
    },
    Job {
        name: "github-enterprise",
        id: "5a4b3c2d-0000-4000-8000-000000000005",
        issuer: Issuer::GithubEnterprise,
        claims: &[],
    },
    Job {
        name: "github-residency",
        id: "5a4b3c2d-0000-4000-8000-000000000006",
        issuer: Issuer::GithubResidency,
        claims: &[],
    },
    Job {
        name: "github-server",
        id: "5a4b3c2d-0000-4000-8000-000000000007",
        issuer: Issuer::GithubServer,
        claims: &[],
    },
];

/// The faces of these issuers, which are at one host, and the endpoint where their jobs ask.
pub(crate) fn router(inner: Arc<Inner>, issuers: &[Issuer]) -> Router {
    let mut router =
        Router::new().route("/{scope}/_apis/distributedtask/hubs/build/plans/{plan}/jobs/{job}/idtoken", get(id_token));
    for issuer in issuers.iter().copied() {
        let path = oidc::path(issuer.url());
        let jwks = get(move |State(inner): State<Arc<Inner>>| async move { oidc::jwks(&inner, issuer) });
        router = router
            .route(
                &format!("{path}/.well-known/openid-configuration"),
                get(move || async move { Json(discovery(issuer.url())) }),
            )
            .route(&format!("{path}/.well-known/jwks"), jwks);
    }
    router.with_state(inner)
}

/// The claims of a job on a branch, in an environment.
pub(crate) fn claims(issuer: Issuer, audience: Option<&str>, made: i64, world: &World) -> Map<String, Value> {
    let (repository, reference) = (seed::REPOSITORY, seed::REF);
    let workflow = format!("{repository}/.github/workflows/deploy.yml@{reference}");
    let default_audience = format!("https://github.com/{}", seed::OWNER);
    let mut claims = members(json!({
        "jti": uuid(world),
        "sub": seed::GITHUB_SUBJECT,
        "aud": audience.unwrap_or(&default_audience),
        "ref": reference,
        "sha": seed::SHA,
        "repository": repository,
        "repository_owner": seed::OWNER,
        "repository_owner_id": seed::OWNER_ID,
        "run_id": "7100000001",
        "run_number": "42",
        "run_attempt": "1",
        "repository_visibility": "private",
        "repository_id": seed::REPOSITORY_ID,
        "actor_id": "7100001",
        "actor": seed::ACTOR,
        "workflow": "deploy",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
        "ref_protected": "true",
        "ref_type": "branch",
        "workflow_ref": workflow,
        "workflow_sha": seed::SHA,
        "job_workflow_ref": workflow,
        "job_workflow_sha": seed::SHA,
        "environment": "production",
        "runner_environment": "github-hosted",
        "iss": issuer.url(),
        "nbf": made.saturating_sub(EARLIER),
        "exp": made.saturating_add(LIFE),
        "iat": made,
    }));
    // An enterprise is in the tokens of its own alone; the server has no immutable ids in its subjects and none of enterprises.
    if matches!(issuer, Issuer::GithubEnterprise | Issuer::GithubResidency) {
        claims.insert("enterprise".to_owned(), seed::ENTERPRISE.into());
        claims.insert("enterprise_id".to_owned(), seed::ENTERPRISE_ID.into());
    }
    claims
}

/// A random UUID, version 4 (RFC 9562, 5.4).
pub(crate) fn uuid(world: &World) -> String {
    let hex = world.random_hex::<16>();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}

/// `ACTIONS_ID_TOKEN_REQUEST_URL`: bearer token, `audience` in the query.
async fn id_token(
    State(inner): State<Arc<Inner>>,
    Path((_scope, plan, job)): Path<(String, String, String)>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !shows(&headers, &inner.request_token) {
        return refusal(StatusCode::UNAUTHORIZED, "UnauthorizedRequestException", "The request is not authorized.");
    }
    let Some(job) = JOBS.iter().find(|known| known.id == job && plan == seed::GITHUB_PLAN) else {
        return refusal(
            StatusCode::NOT_FOUND,
            "TaskOrchestrationPlanNotFoundException",
            "The plan or job was not found.",
        );
    };
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let audience = pairs.into_iter().find(|(name, _)| name == "audience").map(|(_, value)| value);
    let service = job.issuer.service();
    let expired = inner.world.faults.hits(FaultKind::Expired, service, uri.path());
    let request = MintRequest {
        issuer: job.issuer,
        audience: audience.filter(|audience| !audience.is_empty()),
        claims: job.claims.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect(),
        flaw: expired.then_some(Flaw::Expired),
    };
    match mint(inner.keys(job.issuer), &request, inner.world.now(service), &inner.world) {
        Ok(token) => {
            let body = json!({ "count": token.len(), "value": token }).to_string();
            ([(header::CONTENT_TYPE, "application/json; charset=utf-8; api-version=2.0")], body).into_response()
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalException", &error.to_string()),
    }
}

pub(crate) fn shows(headers: &HeaderMap, token: &str) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return false };
    value.split_once(' ').is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && bool::from(shown.as_bytes().ct_eq(token.as_bytes()))
    })
}

/// The error shape of the Azure DevOps services that the endpoint belongs to. UNCONFIRMED for this endpoint; clients look
/// at the status.
pub(crate) fn refusal(status: StatusCode, key: &str, message: &str) -> Response {
    let body = json!({ "$id": "1", "innerException": null, "message": message, "typeKey": key, "errorCode": 0, "eventId": 3000 });
    (status, Json(body)).into_response()
}

/// The variables of a job by its name, if there is one of that name.
pub(crate) fn named_job(inner: &Inner, name: &str, urls: &Urls) -> Option<Result<Vec<(String, String)>, Error>> {
    JOBS.iter().find(|job| job.name == name).map(|job| environment(inner, job, urls))
}

/// The variables of the first job of this issuer.
pub(crate) fn job_environment(inner: &Inner, issuer: Issuer, urls: &Urls) -> Result<Vec<(String, String)>, Error> {
    let job = JOBS.iter().find(|job| job.issuer == issuer).ok_or_else(|| Error::internal("find the job to play"))?;
    environment(inner, job, urls)
}

fn environment(inner: &Inner, job: &Job, urls: &Urls) -> Result<Vec<(String, String)>, Error> {
    let origin = oidc::origin(job.issuer, urls)?;
    let server = match job.issuer {
        Issuer::GithubServer => "https://github.carnet-sandbox.example",
        Issuer::GithubResidency => "https://carnet-sandbox.ghe.com",
        _ => "https://github.com",
    };
    let url = format!(
        "{origin}/{}/_apis/distributedtask/hubs/build/plans/{}/jobs/{}/idtoken?api-version=2.0",
        seed::OWNER,
        seed::GITHUB_PLAN,
        job.id
    );
    Ok(pairs(&[
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_ACTOR", seed::ACTOR),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_REF", seed::REF),
        ("GITHUB_REF_NAME", seed::BRANCH),
        ("GITHUB_REF_TYPE", "branch"),
        ("GITHUB_REPOSITORY", seed::REPOSITORY),
        ("GITHUB_REPOSITORY_ID", seed::REPOSITORY_ID),
        ("GITHUB_REPOSITORY_OWNER", seed::OWNER),
        ("GITHUB_REPOSITORY_OWNER_ID", seed::OWNER_ID),
        ("GITHUB_SERVER_URL", server),
        ("GITHUB_SHA", seed::SHA),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", inner.request_token.as_str()),
    ]))
}

/// Variables, owned.
pub(crate) fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
