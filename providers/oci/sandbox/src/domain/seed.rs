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

/// Issuer of the tokens of an AWS account (outbound web identity).
pub const AWS_ISSUER: &str = "https://5f2dca12-e700-4000-8000-000000000001.tokens.sts.global.api.aws";
/// The role of that account whose sessions become the service user.
pub const AWS_ROLE: &str = "arn:aws:iam::123456789012:role/carnet/machine";
/// The tenant of Azure.
pub const AZURE_TENANT: &str = "c0ffee00-0000-4000-8000-00000000a001";
/// Issuer of the tokens that managed identities of that tenant get for [`AZURE_AUDIENCE`] (second version).
pub const AZURE_ISSUER: &str = "https://login.microsoftonline.com/c0ffee00-0000-4000-8000-00000000a001/v2.0";
/// What their audience is: the id of an application of the tenant.
pub const AZURE_AUDIENCE: &str = "c0ffee00-0000-4000-8000-00000000b001";
/// Object id of the managed identity that becomes the service user.
pub const AZURE_PRINCIPAL: &str = "c0ffee00-0000-4000-8000-00000000d002";
/// Issuer of the identity tokens of Google's machines.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";
/// Unique id of the service account that becomes the service user.
pub const GOOGLE_ACCOUNT: &str = "107531864209753186420";

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

/// The trusts: in jobs of GitHub, whose rules name service users, in jobs of GitLab, which makes resources, and in the
/// machines of three clouds, each of which becomes the service user.
///
/// Those in CI systems pin the organisation, GitHub's by its id, the others one subject. All pin the audience, so that a
/// token that was made for another service is refused.
pub(super) fn trusts() -> [Value; 5] {
    let [aws, azure, google] = machines();
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
        aws,
        azure,
        google,
    ]
}

/// The trusts in machines: of a role of AWS, a managed identity of Azure and a service account of Google.
fn machines() -> [Value; 3] {
    let trust = |name: &str, account: &str, issuer: &str, keys: &str, audience: &str, subject: &str| {
        json!({
            "name": name, "type": "JWT", "active": true, "accountId": account, "issuer": issuer, "publicKeyEndpoint": keys,
            "oauthClients": [EXCHANGE_CLIENT_ID], "clientClaimName": "aud", "clientClaimValues": [audience],
            "subjectType": "User", "allowImpersonation": true, "clockSkewSeconds": 60,
            "impersonationServiceUsers": [{"ocid": seed::SERVICE_USER, "rule": format!("sub eq '{subject}'")}],
        })
    };
    let aws_keys = format!("{AWS_ISSUER}/.well-known/jwks.json");
    let azure_keys = format!("https://login.microsoftonline.com/{AZURE_TENANT}/discovery/v2.0/keys");
    let google_keys = "https://www.googleapis.com/oauth2/v3/certs";
    [
        trust("aws-machines", "123456789012", AWS_ISSUER, &aws_keys, seed::DOMAIN_URL, AWS_ROLE),
        trust("azure-machines", AZURE_TENANT, AZURE_ISSUER, &azure_keys, AZURE_AUDIENCE, AZURE_PRINCIPAL),
        trust("google-machines", "carnet-sandbox", GOOGLE_ISSUER, google_keys, seed::DOMAIN_URL, GOOGLE_ACCOUNT),
    ]
}
