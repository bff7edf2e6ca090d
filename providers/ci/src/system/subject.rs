//! Subjects taken apart: which claims are in them.

use super::{AZURE_DEVOPS, BITBUCKET, BUILDKITE, CIRCLECI, GITHUB, GITLAB, HCP_TERRAFORM, SPACELIFT, System};

/// Words in subjects and the claims that they stand for.
type Words = &'static [(&'static str, &'static str)];

/// "Example subject claims" and "Customizing the subject claims", docs.github.com; `repo` is taken apart further.
const GITHUB_WORDS: Words = &[
    ("ref", "ref"),
    ("environment", "environment"),
    ("job_workflow_ref", "job_workflow_ref"),
    ("workflow_ref", "workflow_ref"),
    ("workflow", "workflow"),
    ("repository", "repository"),
    ("repository_id", "repository_id"),
    ("repository_owner", "repository_owner"),
    ("repository_owner_id", "repository_owner_id"),
    ("repository_visibility", "repository_visibility"),
    ("enterprise", "enterprise"),
    ("enterprise_id", "enterprise_id"),
    ("event_name", "event_name"),
    ("ref_protected", "ref_protected"),
    ("ref_type", "ref_type"),
    ("base_ref", "base_ref"),
    ("head_ref", "head_ref"),
    ("actor", "actor"),
    ("actor_id", "actor_id"),
    ("runner_environment", "runner_environment"),
];
const GITLAB_WORDS: Words = &[("project_path", "project_path"), ("ref_type", "ref_type"), ("ref", "ref")];
const BUILDKITE_WORDS: Words = &[
    ("organization", "organization_slug"),
    ("pipeline", "pipeline_slug"),
    ("ref", "build_branch"),
    ("step", "step_key"),
];
const HCP_WORDS: Words = &[
    ("organization", "terraform_organization_name"),
    ("project", "terraform_project_name"),
    ("workspace", "terraform_workspace_name"),
    ("stack", "terraform_stack_name"),
    ("run_phase", "terraform_run_phase"),
    ("operation", "terraform_operation"),
];
const SPACELIFT_WORDS: Words = &[
    ("space", "spaceId"),
    ("space_path", "spacePath"),
    ("stack", "callerId"),
    ("module", "callerId"),
    ("run_type", "runType"),
    ("scope", "scope"),
];
/// In this order; each reaches up to the next.
const CIRCLECI_PARTS: Words = &[
    ("org/", "oidc.circleci.com/org-id"),
    ("/project/", "oidc.circleci.com/project-id"),
    ("/user/", ""),
    ("/vcs-origin/", "oidc.circleci.com/vcs-origin"),
    ("/vcs-ref/", "oidc.circleci.com/vcs-ref"),
];

/// The claims that are in a subject of this system, or in a pattern for its subjects, with what they are there: a text, in which `*`
/// stands for anything. What cannot be read says nothing.
pub fn subject_claims(system: &System, subject: &str) -> Vec<(&'static str, String)> {
    let is = |other: &System| std::ptr::eq(system, other);
    if is(&GITHUB) {
        github(subject)
    } else if is(&GITLAB) {
        words(GITLAB_WORDS, subject)
    } else if is(&BITBUCKET) {
        bitbucket(subject)
    } else if is(&CIRCLECI) {
        circleci(subject)
    } else if is(&BUILDKITE) {
        words(BUILDKITE_WORDS, subject)
    } else if is(&HCP_TERRAFORM) {
        words(HCP_WORDS, subject)
    } else if is(&SPACELIFT) {
        words(SPACELIFT_WORDS, subject)
    } else if is(&AZURE_DEVOPS) {
        Vec::new()
    } else {
        vec![("sub", subject.to_owned())]
    }
}

/// `word:value:word:value`. A word that is not known takes no value, so that what follows it is a word again.
fn words(known: Words, subject: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut parts = subject.split(':');
    while let Some(word) = parts.next() {
        let Some((_, claim)) = known.iter().find(|(known, _)| *known == word) else { continue };
        if let Some(value) = parts.next() {
            found.push((*claim, value.to_owned()));
        }
    }
    found
}

/// `repo:OWNER/NAME:…`, or `repo:OWNER@ID/NAME@ID:…` where the repository has immutable subjects. `:pull_request` stands for the event.
fn github(subject: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let rest = match subject.strip_prefix("repo:") {
        Some(rest) => {
            let (repository, rest) = rest.split_once(':').unwrap_or((rest, ""));
            repository_claims(repository, &mut found);
            rest
        }
        None => subject,
    };
    if rest.split(':').any(|word| word == "pull_request") {
        found.push(("event_name", "pull_request".to_owned()));
    }
    found.extend(words(GITHUB_WORDS, rest));
    found
}

fn repository_claims(repository: &str, found: &mut Vec<(&'static str, String)>) {
    let with_id = |text: &str| match text.split_once('@') {
        Some((name, id)) => (name.to_owned(), Some(id.to_owned())),
        None => (text.to_owned(), None),
    };
    let Some((owner, name)) = repository.split_once('/') else {
        found.push(("repository_owner", repository.to_owned()));
        return;
    };
    let ((owner, owner_id), (name, id)) = (with_id(owner), with_id(name));
    found.push(("repository", format!("{owner}/{name}")));
    found.push(("repository_owner", owner));
    found.extend(owner_id.map(|id| ("repository_owner_id", id)));
    found.extend(id.map(|id| ("repository_id", id)));
}

/// `{REPOSITORY}:{STEP}`, or with `{ENVIRONMENT}` between.
fn bitbucket(subject: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = subject.split(':').collect();
    match parts.as_slice() {
        [repository, environment, _step] => {
            vec![("repositoryUuid", (*repository).to_owned()), ("deploymentEnvironmentUuid", (*environment).to_owned())]
        }
        [repository, ..] => vec![("repositoryUuid", (*repository).to_owned())],
        [] => Vec::new(),
    }
}

fn circleci(subject: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (at, (start, claim)) in CIRCLECI_PARTS.iter().enumerate() {
        let Some(place) = subject.find(start).filter(|place| at > 0 || *place == 0) else { continue };
        let rest = subject.get(place.saturating_add(start.len())..).unwrap_or_default();
        let end = CIRCLECI_PARTS.iter().skip(at.saturating_add(1)).filter_map(|(next, _)| rest.find(next)).min();
        let value = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        // An organization's id has no slash in it: what a pattern has behind one is of what is in the organization.
        let value = if at == 0 { value.split('/').next().unwrap_or_default() } else { value };
        if !claim.is_empty() {
            found.push((*claim, value.to_owned()));
        }
    }
    found
}
