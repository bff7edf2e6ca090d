//! Issuers that many tenants share, and what binds a token to one of them.
//!
//! A token of such an issuer proves nothing but that somebody has an account there. Which claims name the tenant was
//! not looked up with the issuers one by one: the whole table is UNCONFIRMED, and errs by refusing. See the crate's README.

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
    /// With one segment in the middle.
    Between(&'static str, &'static str),
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
        Url::Between(before, after) => issuer
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|tenant| SHARED_AZURE_TENANTS.contains(&tenant)),
    })
}

/// `common` and its like stand for any tenant; the last is the tenant of all personal accounts
/// (<https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>).
const SHARED_AZURE_TENANTS: [&str; 5] =
    ["common", "organizations", "consumers", "{tenantid}", "9188040d-6c67-4c5b-b112-36a304b66dad"];

const AZURE_CLAIMS: &[&str] = &["tid", "oid"];

const SHARED: &[SharedIssuer] = &[
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
    SharedIssuer {
        name: "GitLab.com",
        url: Url::Is("https://gitlab.com"),
        tenant_claims: &["namespace_id", "project_id", "namespace_path", "project_path"],
        subject: "project_path:*/",
    },
    SharedIssuer {
        name: "Google accounts",
        url: Url::Is("https://accounts.google.com"),
        tenant_claims: &["sub", "hd", "email"],
        subject: "",
    },
    SharedIssuer {
        name: "Azure (all tenants)",
        url: Url::Between("https://login.microsoftonline.com/", "/v2.0"),
        tenant_claims: AZURE_CLAIMS,
        subject: "",
    },
    SharedIssuer {
        name: "Azure (all tenants)",
        url: Url::Between("https://sts.windows.net/", "/"),
        tenant_claims: AZURE_CLAIMS,
        subject: "",
    },
    SharedIssuer {
        name: "Bitbucket Pipelines",
        url: Url::Below("https://api.bitbucket.org"),
        tenant_claims: &["repositoryUuid", "workspaceUuid"],
        subject: "{*}:",
    },
    SharedIssuer {
        name: "CircleCI",
        url: Url::Below("https://oidc.circleci.com"),
        tenant_claims: &["oidc.circleci.com/project-id", "oidc.circleci.com/org-id"],
        subject: "org/*/",
    },
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
    SharedIssuer {
        name: "Vercel",
        url: Url::Below("https://oidc.vercel.com"),
        tenant_claims: &["owner_id", "project_id", "owner"],
        subject: "owner:*:",
    },
    SharedIssuer {
        name: "Buildkite",
        url: Url::Is("https://agent.buildkite.com"),
        tenant_claims: &["organization_id", "pipeline_id", "organization_slug"],
        subject: "organization:*:",
    },
    SharedIssuer {
        name: "Codefresh",
        url: Url::Is("https://oidc.codefresh.io"),
        tenant_claims: &["account_id"],
        subject: "account:*:",
    },
    SharedIssuer {
        name: "OCI identity domains",
        url: Url::Below("https://identity.oraclecloud.com"),
        tenant_claims: &["sub", "tenant_iss"],
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
