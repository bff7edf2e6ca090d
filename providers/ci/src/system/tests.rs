use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn claims(value: Value) -> Claims {
    match value {
        Value::Object(claims) => Claims(claims),
        _ => Claims(Map::new()),
    }
}

#[test]
fn issuers_are_known_and_no_others() {
    for (issuer, system) in [
        ("https://token.actions.githubusercontent.com", "GitHub Actions"),
        ("https://token.actions.githubusercontent.com/octocat-inc", "GitHub Actions"),
        ("https://token.actions.octocorp.ghe.com", "GitHub Actions"),
        ("https://github.example/_services/token", "GitHub Actions"),
        ("https://gitlab.com", "GitLab CI/CD"),
        ("https://api.bitbucket.org/2.0/workspaces/w/pipelines-config/identity/oidc", "Bitbucket Pipelines"),
        ("https://oidc.circleci.com", "CircleCI"),
        ("https://oidc.circleci.com/org/11111111-1111-4111-8111-111111111111", "CircleCI"),
        ("https://agent.buildkite.com", "Buildkite"),
        ("https://vstoken.dev.azure.com/11111111-1111-4111-8111-111111111111", "Azure Pipelines"),
        ("https://app.terraform.io", "HCP Terraform"),
        ("https://demo.app.spacelift.io", "Spacelift"),
        ("https://accounts.google.com", "Google service account"),
    ] {
        assert_eq!(System::of_issuer(issuer).map(|system| system.name), Some(system), "{issuer}");
    }
    for issuer in [
        "",
        "https://token.actions.githubusercontent.com.example",
        "https://token.actions.githubusercontent.com/",
        "https://token.actions.a/b.ghe.com",
        "http://github.example/_services/token",
        "https://vstoken.dev.azure.com",
        "https://a/b.app.spacelift.io",
        "https://jenkins.example/oidc",
        "https://gitlab.example",
    ] {
        assert!(System::of_issuer(issuer).is_none(), "{issuer}");
    }
}

#[test]
fn tokens_of_ones_own_installation_are_known_by_their_claims() {
    for (token, system) in [
        (json!({"iss": "https://gitlab.example", "project_path": "g/p", "pipeline_id": "1"}), Some("GitLab CI/CD")),
        (
            json!({"iss": "https://tfe.example", "terraform_organization_id": "o", "terraform_run_id": "r"}),
            Some("HCP Terraform"),
        ),
        (json!({"iss": "https://ci.example", "sub": "https://ci.example/job/a/", "build_number": 1}), Some("Jenkins")),
        (json!({"iss": "https://ci.example/oidc", "sub": "https://ci.example/job/a/"}), Some("Jenkins")),
        (json!({"iss": "https://ci.example/oidc", "sub": "alice"}), None),
        (json!({"iss": "https://idp.example", "sub": "alice", "build_number": 1}), None),
        (json!({}), None),
    ] {
        assert_eq!(System::of_token(&claims(token.clone())).map(|system| system.name), system, "{token}");
    }
}

#[test]
fn only_what_everybody_has_is_shared() {
    for (issuer, shared) in [
        ("https://token.actions.githubusercontent.com", true),
        ("https://token.actions.githubusercontent.com/octocat-inc", false),
        ("https://oidc.circleci.com", true),
        ("https://oidc.circleci.com/org/o", false),
        ("https://gitlab.com", true),
        ("https://vstoken.dev.azure.com/o", false),
    ] {
        assert_eq!(System::of_issuer(issuer).unwrap().is_shared(issuer), shared, "{issuer}");
    }
}

#[test]
fn subjects_are_taken_apart() {
    let of = |system: &System, subject: &str| {
        subject_claims(system, subject)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (system, subject, expected) in [
        (&GITHUB, "repo:o/r:ref:refs/heads/main", "repository=o/r repository_owner=o ref=refs/heads/main"),
        (
            &GITHUB,
            "repo:o@1/r@2:environment:prod",
            "repository=o/r repository_owner=o repository_owner_id=1 repository_id=2 environment=prod",
        ),
        (&GITHUB, "repo:o/r:pull_request", "repository=o/r repository_owner=o event_name=pull_request"),
        (&GITHUB, "repository_owner_id:1:ref:refs/heads/main", "repository_owner_id=1 ref=refs/heads/main"),
        (&GITHUB, "repo:o*", "repository_owner=o*"),
        (&GITLAB, "project_path:g/p:ref_type:branch:ref:main", "project_path=g/p ref_type=branch ref=main"),
        (&BITBUCKET, "{r}:{s}", "repositoryUuid={r}"),
        (&BITBUCKET, "{r}:{e}:{s}", "repositoryUuid={r} deploymentEnvironmentUuid={e}"),
        (
            &CIRCLECI,
            "org/o/project/p/user/u/vcs-origin/github.com/o/r/vcs-ref/refs/heads/main",
            "oidc.circleci.com/org-id=o oidc.circleci.com/project-id=p oidc.circleci.com/vcs-origin=github.com/o/r \
             oidc.circleci.com/vcs-ref=refs/heads/main",
        ),
        (&CIRCLECI, "org/o/*", "oidc.circleci.com/org-id=o"),
        (&CIRCLECI, "org/o*", "oidc.circleci.com/org-id=o*"),
        (
            &BUILDKITE,
            "organization:o:pipeline:p:ref:refs/heads/main:commit:c:step:s",
            "organization_slug=o pipeline_slug=p build_branch=refs/heads/main step_key=s",
        ),
        (
            &HCP_TERRAFORM,
            "organization:o:project:Default Project:workspace:w:run_phase:apply",
            "terraform_organization_name=o terraform_project_name=Default Project terraform_workspace_name=w \
             terraform_run_phase=apply",
        ),
        (
            &SPACELIFT,
            "space:s:stack:c:run_type:TRACKED:scope:write",
            "spaceId=s callerId=c runType=TRACKED scope=write",
        ),
        (&JENKINS, "https://ci.example/job/a/", "sub=https://ci.example/job/a/"),
        (&AZURE_DEVOPS, "sc://o/p/c", ""),
    ] {
        assert_eq!(of(system, subject), expected, "{subject}");
    }
}

#[test]
fn every_claim_that_binds_is_described() {
    for system in SYSTEMS {
        for name in system.tenant.iter().chain(system.project).filter(|name| **name != "sub") {
            assert!(system.claim(name).is_some(), "{} of {}", name, system.name);
        }
        let facts: Vec<_> = system.claims.iter().filter_map(|claim| claim.fact).collect();
        assert!(facts.iter().all(|fact| facts.iter().filter(|other| *other == fact).count() == 1), "{facts:?}");
    }
}

proptest! {
    #[test]
    fn no_subject_is_too_strange(subject: String) {
        for system in SYSTEMS {
            for (name, value) in subject_claims(system, &subject) {
                prop_assert!(!name.is_empty() && value.len() <= subject.len());
            }
        }
    }
}
