//! What exists in the identity domain when the sandbox starts.

use serde_json::{Value, json};

use super::types::{ADMINISTRATOR_ROLE, PLATFORM_APP};
use crate::seed;

/// Client id of the application that exchanges tokens.
pub const EXCHANGE_CLIENT_ID: &str = "ca43e7c0ffee00000000000000000001";
/// Its client secret. Not a secret: everybody who has the sandbox has it.
pub const EXCHANGE_CLIENT_SECRET: &str = "idcscs-sandbox-not-a-secret-exchange";
/// Client id of the application with the role of the domain's administrator.
pub const ADMIN_CLIENT_ID: &str = "ca43e7c0ffee00000000000000000002";
/// Its client secret. Not a secret: everybody who has the sandbox has it.
pub const ADMIN_CLIENT_SECRET: &str = "idcscs-sandbox-not-a-secret-admin";
/// OCID of the service user that deployments become.
pub const DEPLOY_USER: &str = "ocid1.user.oc1..aaaaaaaacarnetsandboxdeploy000000000000000000000000000000000001";
/// Name of that service user.
pub const DEPLOY_USER_NAME: &str = "svc-deploy";

/// Issuer of GitHub Actions.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The audience of GitHub's tokens for a job that asks for none: the owner of the repository.
pub const GITHUB_AUDIENCE: &str = "https://github.com/carnet-sandbox";
/// The id of that owner: a name can be given up and taken by somebody else, an id cannot.
pub const GITHUB_OWNER_ID: &str = "71000000";
/// Issuer of GitLab.
pub const GITLAB_ISSUER: &str = "https://gitlab.com";
/// `res_type` for tokens of GitLab.
pub const GITLAB_RESOURCE: &str = "gitlabworkload";

/// Roles of the platform application.
pub(super) const ROLES: [(&str, &str); 6] = [
    ("ad001201000000000000000000000001", ADMINISTRATOR_ROLE),
    ("ad001201000000000000000000000002", "Application Administrator"),
    ("ad001201000000000000000000000003", "Audit Administrator"),
    ("ad001201000000000000000000000004", "Security Administrator"),
    ("ad001201000000000000000000000005", "User Administrator"),
    ("ad001201000000000000000000000006", "User Manager"),
];

/// Applications: id, client id, client secret, body.
pub(super) fn apps() -> Vec<(&'static str, &'static str, Option<&'static str>, Value)> {
    let client = |name: &str| {
        json!({
            "displayName": name, "basedOnTemplate": {"value": "CustomWebAppTemplateId"}, "active": true,
            "isOAuthClient": true, "clientType": "confidential", "allowedGrants": ["client_credentials"],
        })
    };
    let platform = json!({
        "displayName": "IDCS Application", "basedOnTemplate": {"value": "OracleIDCSAppTemplateId"}, "active": true,
    });
    vec![
        (PLATFORM_APP, PLATFORM_APP, None, platform),
        (
            "ca43e7a0000000000000000000000001",
            EXCHANGE_CLIENT_ID,
            Some(EXCHANGE_CLIENT_SECRET),
            client("carnet sandbox exchange"),
        ),
        (
            "ca43e7a0000000000000000000000002",
            ADMIN_CLIENT_ID,
            Some(ADMIN_CLIENT_SECRET),
            client("carnet sandbox admin"),
        ),
    ]
}

/// The trusts: one whose rules name service users, one that makes resources.
///
/// Both pin the organisation, GitHub's by its id. GitHub's also pins the audience, so that a token that was made for
/// another service is refused.
pub(super) fn trusts() -> [Value; 2] {
    [
        json!({
            "name": "github-actions", "type": "JWT", "active": true, "issuer": GITHUB_ISSUER,
            "publicKeyEndpoint": format!("{GITHUB_ISSUER}/.well-known/jwks"), "oauthClients": [EXCHANGE_CLIENT_ID],
            "clientClaimName": "aud", "clientClaimValues": [seed::DOMAIN_URL, GITHUB_AUDIENCE],
            "claimValidations": [{"name": "repository_owner_id", "value": GITHUB_OWNER_ID}],
            "subjectType": "User", "allowImpersonation": true, "clockSkewSeconds": 60,
            "impersonationServiceUsers": [
                {"ocid": DEPLOY_USER, "rule": "sub eq 'repo:carnet-sandbox/app:environment:production'"},
                {"ocid": DEPLOY_USER, "rule": "job_workflow_ref co \"/.github/workflows/release.yml@refs/tags/\""},
                {"ocid": seed::SERVICE_USER, "rule": "sub eq repo:carnet-sandbox/app:*"},
            ],
        }),
        json!({
            "name": "gitlab-ci", "type": "JWT", "active": true, "issuer": GITLAB_ISSUER,
            "publicKeyEndpoint": format!("{GITLAB_ISSUER}/oauth/discovery/keys"), "oauthClients": [EXCHANGE_CLIENT_ID],
            "clientClaimName": "aud", "clientClaimValues": [seed::DOMAIN_URL],
            "claimValidations": [{"name": "namespace_path", "value": "carnet-sandbox"}],
            "claimPropagations": ["ext_project_path", "ext_ref"],
            "subjectType": "Resource", "allowImpersonation": true, "impersonatingResource": GITLAB_RESOURCE,
            "clockSkewSeconds": 60,
        }),
    ]
}
