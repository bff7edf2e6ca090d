//! The part of the sandbox's world that is about CI: one organisation with one repository, on every system.

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

/// Slug of the enterprise that has an issuer of its own at GitHub.
pub const ENTERPRISE: &str = "carnet-enterprise";
/// Immutable id of that enterprise.
pub const ENTERPRISE_ID: &str = "71000004";
/// Issuer of that enterprise's tokens.
pub const GITHUB_ENTERPRISE_ISSUER: &str = "https://token.actions.githubusercontent.com/carnet-enterprise";
/// Issuer of an enterprise with data residency.
pub const GITHUB_RESIDENCY_ISSUER: &str = "https://token.actions.carnet-sandbox.ghe.com";
/// Issuer of a GitHub Enterprise Server.
pub const GITHUB_SERVER_ISSUER: &str = "https://github.carnet-sandbox.example/_services/token";
/// Subject of GitHub's tokens where the repository has immutable subjects.
pub const GITHUB_IMMUTABLE_SUBJECT: &str = "repo:carnet-sandbox@71000000/app@710000001:ref:refs/heads/main";
/// Subject of GitHub's tokens for a pull request.
pub const GITHUB_PULL_REQUEST_SUBJECT: &str = "repo:carnet-sandbox/app:pull_request";
/// Issuer of a GitLab of one's own.
pub const GITLAB_SELF_MANAGED_ISSUER: &str = "https://gitlab.carnet-sandbox.example";

/// Issuer of Bitbucket's tokens for the workspace [`OWNER`].
pub const BITBUCKET_ISSUER: &str =
    "https://api.bitbucket.org/2.0/workspaces/carnet-sandbox/pipelines-config/identity/oidc";
/// The workspace.
pub const BITBUCKET_WORKSPACE: &str = "{71000000-0000-4000-8000-00000000b001}";
/// The repository.
pub const BITBUCKET_REPOSITORY: &str = "{71000000-0000-4000-8000-00000000b002}";
/// The deployment environment `Production`.
pub const BITBUCKET_ENVIRONMENT: &str = "{71000000-0000-4000-8000-00000000b003}";
/// The step.
pub const BITBUCKET_STEP: &str = "{71000000-0000-4000-8000-00000000b004}";
/// Audience of Bitbucket's tokens, unless the step names others.
pub const BITBUCKET_AUDIENCE: &str = "ari:cloud:bitbucket::workspace/71000000-0000-4000-8000-00000000b001";

/// The organization at CircleCI, which is also the audience of its tokens.
pub const CIRCLECI_ORGANIZATION: &str = "71000000-0000-4000-8000-00000000c001";
/// The project.
pub const CIRCLECI_PROJECT: &str = "71000000-0000-4000-8000-00000000c002";
/// Issuer of that organization's tokens.
pub const CIRCLECI_ISSUER: &str = "https://oidc.circleci.com/org/71000000-0000-4000-8000-00000000c001";
/// Issuer of tokens for whoever insists on one for all organizations.
pub const CIRCLECI_ROOT_ISSUER: &str = "https://oidc.circleci.com";
/// Subject of the tokens in `CIRCLE_OIDC_TOKEN`.
pub const CIRCLECI_SUBJECT_V1: &str = "org/71000000-0000-4000-8000-00000000c001/project/71000000-0000-4000-8000-00000000c002/user/\
                                       71000000-0000-4000-8000-00000000c003";
/// Subject of the others.
pub const CIRCLECI_SUBJECT: &str = "org/71000000-0000-4000-8000-00000000c001/project/71000000-0000-4000-8000-00000000c002/user/\
                                    71000000-0000-4000-8000-00000000c003/vcs-origin/github.com/carnet-sandbox/app/vcs-ref/refs/heads/main";

/// Issuer of Buildkite's tokens.
pub const BUILDKITE_ISSUER: &str = "https://agent.buildkite.com";
/// The organization at Buildkite; its slug is [`OWNER`].
pub const BUILDKITE_ORGANIZATION: &str = "71000000-0000-4000-8000-00000000d001";
/// The pipeline; its slug is `app`.
pub const BUILDKITE_PIPELINE: &str = "71000000-0000-4000-8000-00000000d002";
/// The job.
pub const BUILDKITE_JOB: &str = "71000000-0000-4000-8000-00000000d003";
/// Subject of Buildkite's tokens.
pub const BUILDKITE_SUBJECT: &str = "organization:carnet-sandbox:pipeline:app:ref:refs/heads/main:commit:c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00:step:deploy";

/// The organization at Azure DevOps; its name is [`OWNER`].
pub const AZURE_ORGANIZATION: &str = "71000000-0000-4000-8000-00000000e001";
/// The project; its name is `app`.
pub const AZURE_PROJECT: &str = "71000000-0000-4000-8000-00000000e002";
/// The service connection that the pipeline may use; its name is `production`.
pub const AZURE_CONNECTION: &str = "71000000-0000-4000-8000-00000000e003";
/// A service connection that it may not use.
pub const AZURE_OTHER_CONNECTION: &str = "71000000-0000-4000-8000-00000000e004";
/// The plan of the job.
pub const AZURE_PLAN: &str = "71000000-0000-4000-8000-00000000e005";
/// The job.
pub const AZURE_JOB: &str = "71000000-0000-4000-8000-00000000e006";
/// Issuer of that organization's tokens.
pub const AZURE_ISSUER: &str = "https://vstoken.dev.azure.com/71000000-0000-4000-8000-00000000e001";
/// Audience of all tokens of Azure DevOps.
pub const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";
/// Subject of the pipeline's tokens.
pub const AZURE_SUBJECT: &str = "p://carnet-sandbox/app/app";
/// Subject of the service connection's tokens.
pub const AZURE_CONNECTION_SUBJECT: &str = "sc://carnet-sandbox/app/production";

/// Issuer of HCP Terraform's tokens.
pub const HCP_ISSUER: &str = "https://app.terraform.io";
/// The workspace; its name is `app`.
pub const HCP_WORKSPACE: &str = "ws-carnetSandbox001";
/// The organization; its name is [`OWNER`].
pub const HCP_ORGANIZATION: &str = "org-carnetSandbox001";
/// Subject of HCP Terraform's tokens.
pub const HCP_SUBJECT: &str = "organization:carnet-sandbox:project:Default Project:workspace:app:run_phase:apply";

/// Issuer of Spacelift's tokens for the account [`OWNER`].
pub const SPACELIFT_ISSUER: &str = "https://carnet-sandbox.app.spacelift.io";
/// Audience of all tokens of that account.
pub const SPACELIFT_AUDIENCE: &str = "carnet-sandbox.app.spacelift.io";
/// Subject of Spacelift's tokens.
pub const SPACELIFT_SUBJECT: &str = "space:production:stack:app:run_type:TRACKED:scope:write";

/// Issuer of the tokens of a Jenkins controller.
pub const JENKINS_ISSUER: &str = "https://jenkins.carnet-sandbox.example/oidc";
/// The credential in Jenkins, which is also the `kid` of its tokens.
pub const JENKINS_CREDENTIAL: &str = "carnet-id-token";
/// Subject of Jenkins' tokens: the job's URL.
pub const JENKINS_SUBJECT: &str = "https://jenkins.carnet-sandbox.example/job/app/";
