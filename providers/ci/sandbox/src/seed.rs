//! The part of the sandbox's world that is about CI: one organisation with one repository, on both systems.

/// Issuer of GitHub's tokens.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Issuer of GitLab's tokens.
pub const GITLAB_ISSUER: &str = "https://gitlab.com";
/// Organisation and group.
pub const OWNER: &str = "carnet-sandbox";
/// Repository and project, with its owner.
pub const REPOSITORY: &str = "carnet-sandbox/app";
/// The branch that jobs run on.
pub const BRANCH: &str = "main";
/// The same as Git names it.
pub const REF: &str = "refs/heads/main";
/// The commit.
pub const SHA: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
/// Immutable id of the GitHub repository.
pub const REPOSITORY_ID: &str = "710000001";
/// Immutable id of the GitHub organisation.
pub const OWNER_ID: &str = "71000000";
/// Immutable id of the GitLab project.
pub const PROJECT_ID: &str = "71000002";
/// Immutable id of the GitLab group.
pub const NAMESPACE_ID: &str = "71000003";
/// Who started the job.
pub const ACTOR: &str = "deployer";
/// Subject of GitHub's tokens.
pub const GITHUB_SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";
/// Subject of GitLab's tokens.
pub const GITLAB_SUBJECT: &str = "project_path:carnet-sandbox/app:ref_type:branch:ref:main";
/// The plan of the GitHub job in the path of its token endpoint.
pub const GITHUB_PLAN: &str = "5a4b3c2d-0000-4000-8000-000000000001";
/// The job in the path of its token endpoint.
pub const GITHUB_JOB: &str = "5a4b3c2d-0000-4000-8000-000000000002";
/// The variable that a GitLab job has its token in, unless it names others.
pub const GITLAB_VARIABLE: &str = "CARNET_ID_TOKEN";
