//! What of an owner's own runs gets in that should not: code that nobody has looked at.

use carnet_jose::Claims;
use carnet_trust::Warning;
use serde_json::Value;

use super::{CiTrust, lint::Pins, warning};
use crate::system::System;

/// When tokens of service connections with the issuer of Azure DevOps end ("Convert service connections to use the Microsoft Entra
/// issuer", learn.microsoft.com).
const AZURE_ISSUER_ENDS: &str = "2027-07-01";

/// What is dangerous about a trust that lets in its owner only.
pub(super) fn of_trust(trust: &CiTrust<'_>, system: &System, pins: &Pins) -> Vec<Warning> {
    match system.source {
        "github-actions" => github(pins),
        "gitlab-ci" => gitlab(pins),
        "bitbucket-pipelines" => bitbucket(pins),
        "circleci" => circleci(pins),
        "buildkite" => buildkite(pins),
        "azure-devops" => azure_devops(trust, pins),
        "hcp-terraform" => hcp_terraform(pins),
        "spacelift" => spacelift(pins),
        "jenkins" => jenkins(trust),
        _ => google(pins),
    }
}

fn github(pins: &Pins) -> Vec<Warning> {
    if pins.may_be("event_name", "pull_request") {
        return vec![warning(
            "subject",
            "it is for pull requests: their code runs before anybody has looked at it",
            "compare a branch or an environment; what pull requests need should be able to do nothing",
        )];
    }
    let vouched = pins.has("environment") || pins.is("ref_protected", "true");
    let by_ref = pins.has("ref") || pins.is_pattern("ref");
    if !vouched && !by_ref && !pins.any(&["workflow_ref", "job_workflow_ref", "event_name"]) {
        return vec![warning(
            "subject",
            "every branch and every pull request of the repository gets in: their code runs before anybody has looked at it",
            "compare an environment with rules, or a branch: `environment`, or `ref` with `ref_protected`",
        )];
    }
    if !vouched && pins.is_pattern("ref") {
        return vec![warning(
            "subject",
            "whoever can push makes a branch or tag that the pattern for `ref` matches",
            "compare `ref_protected` with \"true\" as well, or an environment with rules",
        )];
    }
    Vec::new()
}

fn gitlab(pins: &Pins) -> Vec<Warning> {
    if pins.is("ref_protected", "true") || pins.is("environment_protected", "true") {
        return Vec::new();
    }
    vec![warning(
        "subject",
        "branches that are not protected get in: every developer of the project can push one, also under a name that was protected once",
        "compare `ref_protected` with \"true\", or `environment_protected`",
    )]
}

fn bitbucket(pins: &Pins) -> Vec<Warning> {
    if pins.any(&["deploymentEnvironmentUuid", "branchName"]) {
        return Vec::new();
    }
    vec![warning(
        "subject",
        "every branch of the repository gets in, and every step that has `oidc`",
        "compare `deploymentEnvironmentUuid`, of an environment that only some branches may deploy to",
    )]
}

fn circleci(pins: &Pins) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !pins.has("oidc.circleci.com/vcs-origin") {
        warnings.push(warning(
            "subject",
            "builds of forks get in where the project passes secrets to them",
            "compare `oidc.circleci.com/vcs-origin` with the repository",
        ));
    }
    if !pins.any(&["oidc.circleci.com/vcs-ref", "oidc.circleci.com/context-ids"]) {
        warnings.push(warning(
            "subject",
            "every branch gets in",
            "compare `oidc.circleci.com/context-ids`, of a context with restrictions, or `oidc.circleci.com/vcs-ref`",
        ));
    }
    if !pins.is("oidc.circleci.com/ssh-rerun", "false") {
        warnings.push(warning(
            "subject",
            "a job that was started again with SSH gets in, and whoever is logged in to it",
            "compare `oidc.circleci.com/ssh-rerun` with false",
        ));
    }
    warnings
}

fn buildkite(pins: &Pins) -> Vec<Warning> {
    if pins.has("build_branch") {
        return Vec::new();
    }
    vec![warning(
        "subject",
        "every branch gets in, and pull requests of forks where the pipeline builds them",
        "compare `build_branch`, or `ref:refs/heads/BRANCH` in the subject",
    )]
}

fn azure_devops(trust: &CiTrust<'_>, pins: &Pins) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let subject = trust.subject.unwrap_or_default();
    if subject.starts_with("p://") && !pins.has("rpo_ref") {
        warnings.push(warning(
            "subject",
            "every branch gets in that the pipeline is run for: the subject of a pipeline does not name one",
            "use a service connection, whose checks decide who may use it, or compare `rpo_ref`",
        ));
    }
    if subject.starts_with("sc://") {
        warnings.push(warning(
            "issuer",
            format!("the issuer of Azure DevOps ends for most service connections on {AZURE_ISSUER_ENDS}"),
            "convert the service connection: its issuer is then the Entra tenant, and its subject holds ids in place of names",
        ));
    }
    if (subject.starts_with("sc://") || subject.starts_with("p://")) && !pins.any(&["prj_id", "def_id"]) {
        warnings.push(warning(
            "subject",
            "the subject is made of names: whoever may rename or make one in the project can have it",
            "restrict who may manage service connections and pipelines; the organization's id in the issuer keeps others out",
        ));
    }
    warnings
}

fn hcp_terraform(pins: &Pins) -> Vec<Warning> {
    if pins.any(&["terraform_run_phase", "terraform_operation"]) {
        return Vec::new();
    }
    vec![warning(
        "subject",
        "plans get in as applies do: a plan runs for every pull request, before anybody has looked at it",
        "compare `terraform_run_phase`: \"apply\" for what may change things, \"plan\" for what may only read",
    )]
}

fn spacelift(pins: &Pins) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !pins.any(&["runType", "scope"]) {
        warnings.push(warning(
            "subject",
            "proposed runs get in as tracked ones do: they run for every pull request, before anybody has looked at it",
            "compare `runType` or `scope`, or write them out in the subject",
        ));
    }
    if !pins.has("spacePath") {
        warnings.push(warning(
            "subject",
            "spaces in different places may have the same id in the subject, and a stack's can be taken when it is gone",
            "put `{spacePath}` into the subject's template, and compare that",
        ));
    }
    warnings
}

fn jenkins(trust: &CiTrust<'_>) -> Vec<Warning> {
    if trust.subject.is_some_and(|subject| !subject.contains('*')) {
        return Vec::new();
    }
    vec![warning(
        "subject",
        "whoever may make a job below that folder gets in; in a multibranch project every branch and pull request is such a job",
        "write the URL of one job out, with the slash at its end",
    )]
}

fn google(pins: &Pins) -> Vec<Warning> {
    if pins.any(&["sub", "azp"]) || !pins.has("email") {
        return Vec::new();
    }
    vec![warning(
        "subject",
        "an address can be given to a new service account when the old one is gone",
        "compare `sub`, the account's unique id",
    )]
}

/// What one run's token says of the run that is no reason to trust it.
pub(super) fn of_run(system: &System, claims: &Claims) -> Vec<Warning> {
    let text = |name: &str| claims.str(name).unwrap_or_default();
    let is_false = |name: &str| text(name) == "false" || claims.get(name) == Some(&Value::Bool(false));
    let is_true = |name: &str| text(name) == "true" || claims.get(name) == Some(&Value::Bool(true));
    let found = match system.source {
        "github-actions" if text("event_name").starts_with("pull_request") => "it is of a pull request",
        "gitlab-ci" if is_false("ref_protected") => "it is of a branch or tag that is not protected",
        "circleci" if is_true("oidc.circleci.com/ssh-rerun") => "somebody may be logged in to the job that it is of",
        "hcp-terraform" if text("terraform_run_phase") == "plan" => "it is of a plan",
        "spacelift" if text("runType") == "PROPOSED" => "it is of a proposed run",
        _ => return Vec::new(),
    };
    vec![warning("run", found, "expect less of it than of a run of what was reviewed")]
}
