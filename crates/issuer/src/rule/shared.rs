//! Issuers that many tenants share, and what binds a token to one of them.
//!
//! A token of such an issuer proves nothing but that somebody has an account there. Each row names where it is said that these claims, and
//! this form of the subject, are the tenant's and no choice of whoever asks for the token. What is not there does not bind: the table errs by refusing.

/// An issuer that many tenants share.
#[derive(Debug)]
pub(crate) struct SharedIssuer {
    /// Its name for people.
    pub(crate) name: &'static str,
    /// Its URL.
    url: Url,
    /// Claims of which one binds a token to a tenant, if its value is pinned. Ids before names: names can be taken over.
    pub(crate) tenant_claims: &'static [&'static str],
    /// How a subject begins that names a tenant, with `*` for the tenant; empty when none does.
    subject: &'static str,
}

#[derive(Debug)]
enum Url {
    Is(&'static str),
    /// It, or with more behind it.
    Below(&'static str),
    /// With one of these segments in the middle.
    Between(&'static str, &'static [&'static str], &'static str),
}

impl SharedIssuer {
    /// Whether the literal beginning of a subject names a tenant in full.
    pub(crate) fn subject_names_tenant(&self, literal: &str) -> bool {
        let Some((before, after)) = self.subject.split_once('*') else { return false };
        let Some(rest) = literal.strip_prefix(before) else { return false };
        // The separator behind the tenant is in the literal, too: `repo:org*` would be `repo:organisation`.
        rest.find(after).is_some_and(|length| length > 0)
    }

    /// How a subject has to begin.
    pub(crate) fn subject_hint(&self) -> String {
        self.subject.replace('*', "TENANT")
    }
}

/// The shared issuer of this URL, if it is one.
pub(crate) fn find(issuer: &str) -> Option<&'static SharedIssuer> {
    SHARED.iter().find(|shared| match shared.url {
        Url::Is(url) => issuer == url,
        Url::Below(url) => issuer.strip_prefix(url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        Url::Between(before, tenants, after) => issuer
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|tenant| tenants.contains(&tenant)),
    })
}

/// These stand for any tenant; the last stands so in the metadata of the others
/// (<https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>).
const ANY_AZURE_TENANT: &[&str] = &["common", "organizations", "{tenantid}"];

/// The tenant of all personal accounts, by both of its names (same page). Its `tid` is the same for everybody.
const PERSONAL_AZURE_TENANT: &[&str] = &["consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"];

/// An object is named by `tid` and `oid` together, so that `oid` alone binds in no tenant that is not known
/// (<https://learn.microsoft.com/entra/identity-platform/claims-validation>).
const ANY_AZURE_CLAIMS: &[&str] = &["tid"];

const PERSONAL_AZURE_CLAIMS: &[&str] = &["oid"];

const SHARED: &[SharedIssuer] = &[
    // <https://docs.github.com/actions/reference/security/oidc>. The URL has the enterprise behind it where that is set so.
    SharedIssuer {
        name: "GitHub Actions",
        url: Url::Below("https://token.actions.githubusercontent.com"),
        tenant_claims: &[
            "repository_owner_id",
            "repository_id",
            "enterprise_id",
            "repository_owner",
            "repository",
            "enterprise",
        ],
        subject: "repo:*/",
    },
    // <https://docs.gitlab.com/ci/secrets/id_token_authentication/>.
    SharedIssuer {
        name: "GitLab.com",
        url: Url::Is("https://gitlab.com"),
        tenant_claims: &["namespace_id", "project_id", "namespace_path", "project_path"],
        subject: "project_path:*/",
    },
    // <https://developers.google.com/identity/openid-connect/openid-connect>: `sub` is never given again; `hd` is the organisation's domain.
    // An address may go to somebody else, and pins one account all the same.
    SharedIssuer {
        name: "Google accounts",
        url: Url::Is("https://accounts.google.com"),
        tenant_claims: &["sub", "hd", "email"],
        subject: "",
    },
    SharedIssuer {
        name: "Azure (all tenants)",
        url: Url::Between("https://login.microsoftonline.com/", ANY_AZURE_TENANT, "/v2.0"),
        tenant_claims: ANY_AZURE_CLAIMS,
        subject: "",
    },
    SharedIssuer {
        name: "Azure (all tenants)",
        url: Url::Between("https://sts.windows.net/", ANY_AZURE_TENANT, "/"),
        tenant_claims: ANY_AZURE_CLAIMS,
        subject: "",
    },
    SharedIssuer {
        name: "Microsoft personal accounts",
        url: Url::Between("https://login.microsoftonline.com/", PERSONAL_AZURE_TENANT, "/v2.0"),
        tenant_claims: PERSONAL_AZURE_CLAIMS,
        subject: "",
    },
    SharedIssuer {
        name: "Microsoft personal accounts",
        url: Url::Between("https://sts.windows.net/", PERSONAL_AZURE_TENANT, "/"),
        tenant_claims: PERSONAL_AZURE_CLAIMS,
        subject: "",
    },
    // Atlassian, "Integrate Pipelines with resource servers using OIDC": the subject is `{REPOSITORY}:{STEP}`. The URL has the workspace's name in it,
    // which is given again when a workspace is renamed, so that the URL alone binds nothing.
    SharedIssuer {
        name: "Bitbucket Pipelines",
        url: Url::Below("https://api.bitbucket.org"),
        tenant_claims: &["repositoryUuid", "workspaceUuid"],
        subject: "{*}:",
    },
    // <https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/>. The URL has the organisation's UUID in it; a rule
    // says it once more all the same, because the audience is the same UUID unless the job chooses another.
    SharedIssuer {
        name: "CircleCI",
        url: Url::Below("https://oidc.circleci.com"),
        tenant_claims: &["oidc.circleci.com/project-id", "oidc.circleci.com/org-id"],
        subject: "org/*/",
    },
    // <https://developer.hashicorp.com/terraform/cloud-docs/dynamic-provider-credentials/workload-identity-tokens>.
    SharedIssuer {
        name: "HCP Terraform",
        url: Url::Is("https://app.terraform.io"),
        tenant_claims: &[
            "terraform_organization_id",
            "terraform_workspace_id",
            "terraform_project_id",
            "terraform_organization_name",
        ],
        subject: "organization:*:",
    },
    // <https://vercel.com/docs/oidc/reference>: below the URL stands the team's name, and a team may be renamed.
    SharedIssuer {
        name: "Vercel",
        url: Url::Below("https://oidc.vercel.com"),
        tenant_claims: &["owner_id", "project_id"],
        subject: "owner:*:",
    },
    // <https://buildkite.com/docs/agent/cli/reference/oidc>. Buildkite's own federation insists on `organization_id` or `organization_slug`
    // (<https://buildkite.com/docs/apis/workload-identity-federation/buildkite-agents>).
    SharedIssuer {
        name: "Buildkite",
        url: Url::Is("https://agent.buildkite.com"),
        tenant_claims: &["organization_id", "pipeline_id", "organization_slug"],
        subject: "organization:*:",
    },
    // Codefresh, "OpenID Connect for pipelines"; `account_id` is read so by Fulcio (sigstore/fulcio, pkg/identity/codefresh/principal.go).
    SharedIssuer {
        name: "Codefresh",
        url: Url::Is("https://oidc.codefresh.io"),
        tenant_claims: &["account_id"],
        subject: "account:*:",
    },
    // Oracle, "Access Token" of identity domains. The subject is a user's name where it is no client's, and every domain may have such a user.
    SharedIssuer {
        name: "OCI identity domains",
        url: Url::Below("https://identity.oraclecloud.com"),
        tenant_claims: &["tenant", "client_tenantname", "user_tenantname"],
        subject: "",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_issuers_are_known_by_their_urls() {
        for url in [
            "https://token.actions.githubusercontent.com",
            "https://token.actions.githubusercontent.com/octo-enterprise",
            "https://gitlab.com",
            "https://accounts.google.com",
            "https://login.microsoftonline.com/common/v2.0",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "https://sts.windows.net/organizations/",
            "https://sts.windows.net/9188040d-6c67-4c5b-b112-36a304b66dad/",
            "https://api.bitbucket.org/2.0/workspaces/w/pipelines-config/identity/oidc",
            "https://oidc.circleci.com/org/11111111-1111-4111-8111-111111111111",
            "https://app.terraform.io",
            "https://oidc.vercel.com/team",
            "https://agent.buildkite.com",
            "https://oidc.codefresh.io",
            "https://identity.oraclecloud.com/",
        ] {
            assert!(find(url).is_some(), "{url}");
        }
        for url in [
            "https://gitlab.example",
            "https://token.actions.githubusercontent.com.example",
            "https://login.microsoftonline.com/22222222-2222-4222-8222-222222222222/v2.0",
        ] {
            assert!(find(url).is_none(), "{url}");
        }
    }

    #[test]
    fn a_subject_names_a_tenant_when_its_separator_is_literal() {
        let github = find("https://token.actions.githubusercontent.com").unwrap();
        for (literal, expected) in
            [("repo:org/", true), ("repo:org/app:ref", true), ("repo:org", false), ("repo:/", false), ("", false)]
        {
            assert_eq!(github.subject_names_tenant(literal), expected, "{literal}");
        }
        let google = find("https://accounts.google.com").unwrap();
        assert!(!google.subject_names_tenant("1"));
    }
}
