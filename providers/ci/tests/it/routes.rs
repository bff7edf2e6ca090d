//! Whole routes: the identity of a job of each system becomes a login at Vault, which trusts the issuer and one id in its tokens.

use carnet_ci_sandbox::{Issuer, seed};
use carnet_core::{ErrorKind, MapEnvironment, Want};
use carnet_route::{Config, Identity, Registry, RouteFailure, RouteRun, find_all};
use serde_json::{Value, json};

use crate::world::Place;

/// What a relying party is told to compare, and what it would be for somebody else.
struct Case {
    job: &'static str,
    source: &'static str,
    issuer: &'static str,
    audience: &'static str,
    bound: Value,
    stranger: Value,
}

fn case(job: &'static str, source: &'static str, issuer: Issuer, bound: &Value, stranger: &Value) -> Case {
    let (bound, stranger) = (bound.clone(), stranger.clone());
    Case { job, source, issuer: issuer.url(), audience: "https://vault.test", bound, stranger }
}

fn cases() -> Vec<Case> {
    let (repository, other) = (json!({"repository_id": seed::REPOSITORY_ID}), json!({"repository_id": "1"}));
    let project = (json!({"project_id": seed::PROJECT_ID, "ref_protected": "true"}), json!({"project_id": "1"}));
    let github = |job, issuer| case(job, "github-actions", issuer, &repository, &other);
    let gitlab = |job, issuer| case(job, "gitlab-ci", issuer, &project.0, &project.1);
    let one = |job, source, issuer, claim: &str, value: &str| {
        case(job, source, issuer, &json!({claim: value}), &json!({claim: "another"}))
    };
    let fixed = |case: Case, audience| Case { audience, ..case };
    vec![
        github("github", Issuer::Github),
        github("github-immutable", Issuer::Github),
        github("github-enterprise", Issuer::GithubEnterprise),
        github("github-residency", Issuer::GithubResidency),
        github("github-server", Issuer::GithubServer),
        gitlab("gitlab", Issuer::Gitlab),
        gitlab("gitlab-self-managed", Issuer::GitlabSelfManaged),
        one("bitbucket", "bitbucket-pipelines", Issuer::Bitbucket, "repositoryUuid", seed::BITBUCKET_REPOSITORY),
        one("circleci", "circleci", Issuer::Circleci, "oidc.circleci.com/project-id", seed::CIRCLECI_PROJECT),
        one("buildkite", "buildkite", Issuer::Buildkite, "pipeline_id", seed::BUILDKITE_PIPELINE),
        fixed(
            one("azure-devops", "azure-devops", Issuer::AzureDevops, "prj_id", seed::AZURE_PROJECT),
            seed::AZURE_AUDIENCE,
        ),
        one("hcp-terraform", "hcp-terraform", Issuer::HcpTerraform, "terraform_workspace_id", seed::HCP_WORKSPACE),
        fixed(one("spacelift", "spacelift", Issuer::Spacelift, "callerId", "app"), seed::SPACELIFT_AUDIENCE),
        one("jenkins", "jenkins", Issuer::Jenkins, "sub", seed::JENKINS_SUBJECT),
        Case {
            issuer: "https://accounts.google.com",
            ..one(
                "google-cloud-build",
                "google-cloud-build",
                Issuer::Github,
                "email",
                carnet_gcp_sandbox::seed::BUILDER,
            )
        },
    ]
}

/// Vault trusts the issuer, for tokens that are bound so.
async fn trust(place: &Place, case: &Case, bound: &Value) {
    place.vault("sys/auth/ci", json!({ "type": "jwt" })).await;
    place.vault("auth/ci/config", json!({ "oidc_discovery_url": case.issuer, "bound_issuer": case.issuer })).await;
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": case.audience, "bound_claims": bound,
        "token_policies": carnet_vault_sandbox::seed::ROLE, "token_ttl": "5m",
    });
    place.vault("auth/ci/role/job", role).await;
}

/// Runs the route from this source to Vault, in the job.
async fn run(place: &Place, case: &Case, source: &str) -> Result<RouteRun, Box<RouteFailure>> {
    let text = format!(
        "version = 1\n[route.job]\nsource = {source}\nthrough = [{{ vault = {{ address = \"https://vault.test\", mount = \"ci\", \
         role = \"job\", audience = \"{}\" }} }}]\n",
        case.audience
    );
    let config = Config::parse(&text, None, &Registry::standard(), &MapEnvironment::default()).unwrap();
    config.route("job").unwrap().run(&place.named(case.job, Some(case.audience))).await
}

#[tokio::test]
async fn a_job_of_each_system_logs_in() {
    for case in cases() {
        let place = Place::new();
        trust(&place, &case, &case.bound).await;
        let named = run(&place, &case, &format!("{{ {} = {{}} }}", case.source)).await;
        let named = named.unwrap_or_else(|failure| panic!("{}: {:?}", case.job, failure.error));
        assert_eq!(named.hops[1].facts["role"], "job", "{}", case.job);
    }
}

#[tokio::test]
async fn auto_finds_the_identity_of_each_job() {
    for case in cases() {
        let place = Place::new();
        trust(&place, &case, &case.bound).await;
        let run = run(&place, &case, "\"auto\"").await;
        let run = run.unwrap_or_else(|failure| panic!("{}: {:?}", case.job, failure.error));
        assert_eq!((run.hops[0].step.name, run.hops[0].chosen), (case.source, true));
    }
}

#[tokio::test]
async fn rejects_the_jobs_of_strangers() {
    for case in cases() {
        let place = Place::new();
        trust(&place, &case, &case.stranger).await;
        let failure = run(&place, &case, &format!("{{ {} = {{}} }}", case.source)).await.unwrap_err();
        assert_eq!(failure.error.kind(), ErrorKind::Policy, "{}: {:?}", case.job, failure.error);
        assert_eq!(failure.error.failed_clause(), Some("bound-claims"), "{}", case.job);
    }
}

#[tokio::test]
async fn a_fixed_audience_is_refused_before_anything_is_sent() {
    for (job, source) in [("spacelift", "spacelift"), ("azure-devops", "azure-devops")] {
        let place = Place::new();
        let case =
            Case { audience: "https://vault.test", ..case(job, source, Issuer::Spacelift, &json!({}), &json!({})) };
        let failure = run(&place, &case, &format!("{{ {source} = {{}} }}")).await.unwrap_err();
        assert_eq!((failure.error.kind(), failure.error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
        assert!(failure.hops.is_empty(), "{job}");
    }
}

#[tokio::test]
async fn who_is_no_job_is_told_why_by_each_source() {
    let place = Place::new();
    let looked = find_all(&Registry::standard(), &place.job(Vec::new()), &Want::default()).await;
    for case in cases() {
        let one = looked.iter().find(|one| one.source == case.source).unwrap();
        match &one.identity {
            Identity::NotHere { reason } => assert!(reason.starts_with("not a"), "{}: {reason}", case.source),
            other => panic!("{}: {other:?}", case.source),
        }
    }
}

#[tokio::test]
async fn whoami_in_a_job_shows_its_ids() {
    let place = Place::new();
    let fact = async |job: &str, source: &str, name: &str| {
        let want = Want { audience: Some("https://vault.test".to_owned()) };
        let looked = find_all(&Registry::standard(), &place.named(job, Some("https://vault.test")), &want).await;
        match &looked.iter().find(|one| one.source == source).unwrap().identity {
            Identity::Found { facts, .. } => facts.get(name).cloned().unwrap(),
            other => panic!("{source}: {other:?}"),
        }
    };
    assert_eq!(fact("github-enterprise", "github-actions", "enterprise_id").await, seed::ENTERPRISE_ID);
    assert_eq!(fact("bitbucket", "bitbucket-pipelines", "workspaceUuid").await, seed::BITBUCKET_WORKSPACE);
    assert_eq!(fact("buildkite", "buildkite", "organization_id").await, seed::BUILDKITE_ORGANIZATION);
    assert_eq!(fact("hcp-terraform", "hcp-terraform", "terraform_run_phase").await, "apply");
}
