//! Systems that are services of their own.

use super::{Audience, Issuer, Subject, System, chosen, guard, id, name, run};

/// "Using OpenID Connect tokens in jobs", circleci.com/docs; the claims with the organization and the pipeline: "New OIDC Custom Claims",
/// discuss.circleci.com. An installation of one's own has its own host.
pub(crate) static CIRCLECI: System = System {
    name: "CircleCI",
    token: "CircleCI identity token",
    source: "circleci",
    audience: Audience::Asked,
    claims: &[
        id("oidc.circleci.com/project-id", Some("project_id"), "the project"),
        id("oidc.circleci.com/org-id", Some("org_id"), "the organization"),
        id(
            "oidc.circleci.com/pipeline-definition-id",
            Some("pipeline_definition_id"),
            "the definition of the pipeline",
        ),
        guard(
            "oidc.circleci.com/context-ids",
            Some("context_ids"),
            "the contexts, whose restrictions decide who may use them",
        ),
        guard("oidc.circleci.com/ssh-rerun", Some("ssh_rerun"), "whether somebody may log in to the job"),
        name(
            "oidc.circleci.com/vcs-origin",
            Some("vcs_origin"),
            "the repository; that of the fork, for builds of forks",
        ),
        chosen("oidc.circleci.com/vcs-ref", Some("vcs_ref"), "the branch or tag"),
        run("oidc.circleci.com/pipeline-id", "the pipeline's run"),
        run("oidc.circleci.com/workflow-id", "the workflow's run"),
        run("oidc.circleci.com/job-id", "the job"),
    ],
    tenant: &["oidc.circleci.com/project-id", "oidc.circleci.com/org-id"],
    project: &["oidc.circleci.com/project-id"],
    issuers: &[Issuer::Shared("https://oidc.circleci.com"), Issuer::Below("https://oidc.circleci.com/org")],
    marks: &["oidc.circleci.com/project-id"],
    subject: Subject::Begins("org/"),
    documentation: "https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/",
};

/// "buildkite-agent oidc request-token", buildkite.com/docs. The ids are there only when they were asked for.
pub(crate) static BUILDKITE: System = System {
    name: "Buildkite",
    token: "Buildkite identity token",
    source: "buildkite",
    audience: Audience::Asked,
    claims: &[
        id("pipeline_id", Some("pipeline_id"), "the pipeline; only if it was asked for"),
        id("organization_id", Some("organization_id"), "the organization; only if it was asked for"),
        id("cluster_id", Some("cluster_id"), "the cluster of agents; only if it was asked for"),
        name("pipeline_slug", Some("pipeline_slug"), "the pipeline"),
        name("organization_slug", Some("organization_slug"), "the organization"),
        name("cluster_name", None, "the cluster of agents; only if it was asked for"),
        guard("runner_environment", None, "whether Buildkite runs the machine"),
        chosen("build_branch", Some("build_branch"), "the branch"),
        chosen("build_tag", None, "the tag"),
        chosen("build_source", None, "what started the build"),
        chosen("step_key", None, "the step, as the pipeline names it"),
        run("build_number", "how many builds there were"),
        run("build_commit", "the commit"),
        run("build_id", "the build"),
        run("job_id", "the job"),
        run("agent_id", "the agent's run"),
    ],
    tenant: &["organization_id", "pipeline_id", "organization_slug"],
    project: &["pipeline_id", "pipeline_slug"],
    issuers: &[Issuer::Shared("https://agent.buildkite.com")],
    marks: &["pipeline_slug", "organization_slug", "build_number"],
    subject: Subject::Any,
    documentation: "https://buildkite.com/docs/agent/cli/reference/oidc",
};

/// Sample of a pipeline's token: sigstore/fulcio, issue 1803; of service connections: microsoft/azure-pipelines-tasks,
/// docs/service-connections/azure-oidc. Below the issuer stands the organization's id. Service connections may have Entra's issuer instead,
/// which is the tenant's: those tokens have none of these claims.
pub(crate) static AZURE_DEVOPS: System = System {
    name: "Azure Pipelines",
    token: "Azure Pipelines identity token",
    source: "azure-devops",
    audience: Audience::Fixed,
    claims: &[
        id("org_id", Some("org_id"), "the organization"),
        id("prj_id", Some("prj_id"), "the project"),
        id("def_id", Some("def_id"), "the pipeline, within the project"),
        id("rpo_id", Some("rpo_id"), "the repository"),
        name("rpo_uri", None, "the repository"),
        chosen("rpo_ref", Some("rpo_ref"), "the branch or tag"),
        run("rpo_ver", "the commit"),
        run("run_id", "the run"),
    ],
    tenant: &["org_id", "prj_id"],
    project: &["def_id", "rpo_id", "prj_id"],
    issuers: &[Issuer::Below("https://vstoken.dev.azure.com")],
    marks: &["prj_id", "org_id", "def_id"],
    subject: Subject::Any,
    documentation: "https://learn.microsoft.com/azure/devops/pipelines/release/configure-workload-identity",
};

/// "Workload identity in HCP Terraform", developer.hashicorp.com. Terraform Enterprise has its own URL as issuer.
pub(crate) static HCP_TERRAFORM: System = System {
    name: "HCP Terraform",
    token: "HCP Terraform workload identity token",
    source: "hcp-terraform",
    audience: Audience::Defined,
    claims: &[
        id("terraform_workspace_id", Some("terraform_workspace_id"), "the workspace"),
        id("terraform_project_id", Some("terraform_project_id"), "the project"),
        id("terraform_organization_id", Some("terraform_organization_id"), "the organization"),
        id("terraform_stack_id", None, "the stack"),
        name("terraform_workspace_name", Some("terraform_workspace_name"), "the workspace"),
        name("terraform_project_name", None, "the project"),
        name("terraform_organization_name", Some("terraform_organization_name"), "the organization"),
        name("terraform_stack_name", None, "the stack"),
        name("terraform_full_workspace", None, "organization, project and workspace"),
        guard("terraform_run_phase", Some("terraform_run_phase"), "plan or apply"),
        guard("terraform_operation", None, "plan or apply, of a stack"),
        run("terraform_run_id", "the run"),
        run("terraform_plan_id", "the plan of a stack"),
    ],
    tenant: &[
        "terraform_workspace_id",
        "terraform_organization_id",
        "terraform_project_id",
        "terraform_organization_name",
    ],
    project: &["terraform_workspace_id", "terraform_stack_id", "terraform_workspace_name", "terraform_full_workspace"],
    issuers: &[Issuer::Shared("https://app.terraform.io")],
    marks: &["terraform_organization_id", "terraform_run_id"],
    subject: Subject::Begins("organization:"),
    documentation: "https://developer.hashicorp.com/terraform/cloud-docs/dynamic-provider-credentials/workload-identity-tokens",
};

/// "OpenID Connect (OIDC)" and "Customizing the OIDC Subject Claim", docs.spacelift.io. The issuer is the account's URL. What it calls ids
/// are slugs, which stay when their names change, and which somebody else can take when the thing is gone.
pub(crate) static SPACELIFT: System = System {
    name: "Spacelift",
    token: "Spacelift identity token",
    source: "spacelift",
    audience: Audience::Fixed,
    claims: &[
        name("callerId", Some("callerId"), "the stack or module"),
        name("spaceId", Some("spaceId"), "the space"),
        name("spacePath", Some("spacePath"), "the space, with those above it; only if the subject's template has it"),
        guard("callerType", None, "stack or module"),
        guard("runType", Some("runType"), "proposed, tracked, a task, a test"),
        guard("scope", Some("scope"), "read or write; advice, nothing enforces it"),
        run("runId", "the run"),
    ],
    tenant: &["spacePath", "spaceId"],
    project: &["callerId"],
    issuers: &[Issuer::Between("https://", ".app.spacelift.io"), Issuer::Between("https://", ".app.us.spacelift.io")],
    marks: &["callerId", "callerType", "spaceId"],
    subject: Subject::Begins("space:"),
    documentation: "https://docs.spacelift.io/integrations/cloud-providers/oidc",
};

/// README of jenkinsci/oidc-provider-plugin and its `IdTokenConfiguration`: an administrator may add any claim. The issuer is the
/// controller's URL with `/oidc`, that of a folder, or what the credential says.
pub(crate) static JENKINS: System = System {
    name: "Jenkins",
    token: "Jenkins identity token",
    source: "jenkins",
    audience: Audience::Defined,
    claims: &[run("build_number", "how many builds there were")],
    tenant: &["sub"],
    project: &["sub"],
    issuers: &[Issuer::Path("/oidc")],
    marks: &["build_number"],
    subject: Subject::Holds("/job/"),
    documentation: "https://plugins.jenkins.io/oidc-provider/",
};

/// "Authorize service-to-service access", cloud.google.com/build; "Verify the token", cloud.google.com/compute. It is a Google ID token of
/// a service account like any other: nothing in it says that a build asked for it.
pub(crate) static CLOUD_BUILD: System = System {
    name: "Google service account",
    token: "Google ID token",
    source: "google-cloud-build",
    audience: Audience::Asked,
    claims: &[
        id("azp", None, "the service account, by its unique id"),
        name("email", Some("principal"), "the service account, by its address"),
        guard("email_verified", None, "whether the address is its own"),
        name("hd", None, "the organization of a person's account, by its domain; service accounts have none"),
    ],
    tenant: &["sub", "azp", "email", "hd"],
    project: &["sub", "azp", "email"],
    issuers: &[Issuer::Shared("https://accounts.google.com")],
    marks: &[],
    subject: Subject::Any,
    documentation: "https://cloud.google.com/build/docs/securing-builds/authorize-service-to-service-access",
};
