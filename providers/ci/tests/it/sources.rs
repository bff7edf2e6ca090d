//! The sources against the emulated CI systems: each reads the documents for itself.

use carnet_ci::{AzureDevOps, Buildkite, CircleCi, GitHubActions, GitLabCi, GoogleCloudBuild, HcpTerraform};
use carnet_ci_sandbox::{Issuer, seed};
use carnet_core::ErrorKind;
use carnet_sandbox_kit::{Emulator, Fault, FaultKind};

use crate::world::{Place, find, urls};

#[tokio::test]
async fn a_github_job_gets_its_token_for_any_audience() {
    let place = Place::new();
    let found =
        find(GitHubActions::default(), &place.named("github", None), "https://a.example/x?y=z&w=ä").await.unwrap();
    assert_eq!(found.facts["audience"], "https://a.example/x?y=z&w=ä");
    assert_eq!(
        (found.facts["issuer"].as_str(), found.facts["subject"].as_str()),
        (seed::GITHUB_ISSUER, seed::GITHUB_SUBJECT)
    );
    assert_eq!(found.facts["repository_owner_id"], seed::OWNER_ID);
}

#[tokio::test]
async fn jobs_of_enterprises_have_their_own_issuers() {
    let place = Place::new();
    for (job, issuer) in [
        ("github-enterprise", seed::GITHUB_ENTERPRISE_ISSUER),
        ("github-residency", seed::GITHUB_RESIDENCY_ISSUER),
        ("github-server", seed::GITHUB_SERVER_ISSUER),
    ] {
        let found = find(GitHubActions::default(), &place.named(job, None), "https://a").await.unwrap();
        assert_eq!(found.facts["issuer"], issuer);
    }
    let immutable = find(GitHubActions::default(), &place.named("github-immutable", None), "https://a").await.unwrap();
    assert_eq!(immutable.facts["subject"], seed::GITHUB_IMMUTABLE_SUBJECT);
}

/// The variables of a job, with this one in place of what it was.
fn bent(place: &Place, job: &str, name: &str, value: &str) -> carnet_core::Context {
    let mut variables = Emulator::job_environment(&place.ci, job, None, &urls()).unwrap().unwrap();
    for (_, held) in variables.iter_mut().filter(|(found, _)| found == name) {
        value.clone_into(held);
    }
    place.job(variables)
}

#[tokio::test]
async fn rejects_request_tokens_of_another_job() {
    let place = Place::new();
    let github = bent(&place, "github", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "other");
    let error = find(GitHubActions::default(), &github, "https://a").await.unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("401")));
    let azure = bent(&place, "azure-devops", "SYSTEM_ACCESSTOKEN", "other");
    let error = find(AzureDevOps::default(), &azure, seed::AZURE_AUDIENCE).await.unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("401")));
    let buildkite = bent(&place, "buildkite", "BUILDKITE_AGENT_ACCESS_TOKEN", "other");
    let error = find(Buildkite::default(), &buildkite, "https://a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn rejects_service_connections_that_the_pipeline_may_not_use() {
    let place = Place::new();
    let job = place.named("azure-devops", None);
    let of = |id: &str| AzureDevOps { service_connection: Some(id.to_owned()) };
    let found = find(of(seed::AZURE_CONNECTION), &job, seed::AZURE_AUDIENCE).await.unwrap();
    assert_eq!(found.facts["subject"], seed::AZURE_CONNECTION_SUBJECT);
    for (id, code) in [(seed::AZURE_OTHER_CONNECTION, "403"), (seed::AZURE_PLAN, "404")] {
        let error = find(of(id), &job, seed::AZURE_AUDIENCE).await.unwrap_err();
        assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some(code)));
    }
}

#[tokio::test]
async fn rejects_tokens_that_were_given_expired() {
    let place = Place::new();
    for (service, job) in [("ci-github", "github"), ("ci-buildkite", "buildkite"), ("ci-azure-devops", "azure-devops")]
    {
        let job = place.named(job, None);
        place.world.faults.add(Fault::new(FaultKind::Expired).service(service));
        let error = match service {
            "ci-github" => find(GitHubActions::default(), &job, "https://a").await,
            "ci-buildkite" => find(Buildkite::default(), &job, "https://a").await,
            _ => find(AzureDevOps::default(), &job, seed::AZURE_AUDIENCE).await,
        };
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Expired, "{service}");
    }
}

#[tokio::test]
async fn a_gitlab_job_has_its_token_until_its_end() {
    let place = Place::new();
    for issuer in [Issuer::Gitlab, Issuer::GitlabSelfManaged] {
        let job = place.defined(issuer, &[("CARNET_ID_TOKEN", "https://a"), ("GCP_ID_TOKEN", "https://b")]);
        let found = find(GitLabCi::default(), &job, "https://b").await.unwrap();
        assert_eq!(
            (found.facts["audience"].as_str(), found.facts["subject"].as_str()),
            ("https://b", seed::GITLAB_SUBJECT)
        );
        assert_eq!(
            (found.facts["project_path"].as_str(), found.facts["issuer"].as_str()),
            (seed::REPOSITORY, issuer.url())
        );
        place.world.clock.advance(jiff::SignedDuration::from_hours(1));
        assert_eq!(find(GitLabCi::default(), &job, "https://b").await.unwrap_err().kind(), ErrorKind::Expired);
    }
}

#[tokio::test]
async fn rejects_audience_that_no_variable_has() {
    let place = Place::new();
    let gitlab = place.defined(Issuer::Gitlab, &[("CARNET_ID_TOKEN", "https://a")]);
    let error = find(GitLabCi::default(), &gitlab, "https://c").await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("audience"));
    let run = place.defined(Issuer::HcpTerraform, &[("", "https://a"), ("OCI", "https://b")]);
    assert_eq!(find(HcpTerraform::default(), &run, "https://b").await.unwrap().facts["audience"], "https://b");
    assert_eq!(find(HcpTerraform::default(), &run, "https://c").await.unwrap_err().failed_clause(), Some("audience"));
}

#[tokio::test]
async fn circleci_gives_the_organizations_token_and_makes_others() {
    let place = Place::new();
    let job = place.named("circleci", None);
    let found = find(CircleCi::default(), &job, seed::CIRCLECI_ORGANIZATION).await.unwrap();
    assert_eq!(found.facts["subject"], seed::CIRCLECI_SUBJECT);
    let other = find(CircleCi::default(), &job, "https://a").await.unwrap();
    assert_eq!((other.facts["audience"].as_str(), other.facts["ssh_rerun"].as_str()), ("https://a", "false"));
    let root = CircleCi { root_issuer: true, ..CircleCi::default() };
    assert_eq!(find(root, &job, "pypi").await.unwrap().facts["issuer"], seed::CIRCLECI_ROOT_ISSUER);
    place.world.clock.advance(jiff::SignedDuration::from_hours(2));
    let later = find(CircleCi::default(), &job, seed::CIRCLECI_ORGANIZATION).await.unwrap();
    assert!(later.expires_at.unwrap() > carnet_core::Clock::now(&*place.world.clock), "it is made anew");
}

#[tokio::test]
async fn a_build_of_google_has_the_identity_of_its_service_account() {
    let place = Place::new();
    let found = find(GoogleCloudBuild::default(), &place.named("google-cloud-build", None), "https://a").await.unwrap();
    assert_eq!(found.facts["principal"], carnet_gcp_sandbox::seed::BUILDER);
    assert_eq!(found.facts["issuer"], "https://accounts.google.com");
}
