//! May that principal act as this service account, or use this resource?

use std::collections::BTreeMap;

use carnet_trust::{Decision, Grant, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Caller, Member, lint};

/// The policy of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// 1, or 3 when a binding has a condition.
    #[serde(default)]
    pub version: i32,
    /// Who has which role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
    /// Changes with each change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub etag: String,
}

/// Members that have a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The role, for instance `roles/iam.workloadIdentityUser`.
    #[serde(default)]
    pub role: String,
    /// Who.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// When. A binding with a condition grants nothing here: conditions read attributes of requests and resources that
    /// are not modelled, and what cannot be evaluated is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Value>,
}

/// The policies that decide over service accounts.
#[derive(Clone, Copy, Debug)]
pub struct Policies<'a> {
    /// Of each service account that exists, by e-mail.
    pub service_accounts: &'a BTreeMap<String, Policy>,
    /// Of the project, which its resources inherit.
    pub project: &'a Policy,
}

/// Acting as a service account.
#[derive(Clone, Copy, Debug)]
pub struct Impersonation<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What for, for instance `iam.serviceAccounts.getAccessToken`.
    pub permission: &'a str,
    /// The service account, by e-mail.
    pub target: &'a str,
    /// Service accounts on the way, by e-mail, the caller's next one first.
    pub delegates: &'a [String],
}

/// Lets the caller hand on to the next service account of a chain.
const IMPLICIT_DELEGATION: &str = "iam.serviceAccounts.implicitDelegation";

/// What the roles that matter here carry (IAM, "Roles and permissions"), cut to the permissions that are asked for here.
const ROLES: &[(&str, &[&str])] = &[
    ("roles/browser", &["resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"]),
    (
        "roles/iam.serviceAccountAdmin",
        &[
            "iam.serviceAccounts.create",
            "iam.serviceAccounts.delete",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getIamPolicy",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.setIamPolicy",
            "resourcemanager.projects.get",
        ],
    ),
    ("roles/iam.serviceAccountOpenIdTokenCreator", &["iam.serviceAccounts.getOpenIdToken"]),
    (
        "roles/iam.serviceAccountTokenCreator",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            IMPLICIT_DELEGATION,
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.signBlob",
            "iam.serviceAccounts.signJwt",
        ],
    ),
    (
        "roles/iam.workloadIdentityPoolAdmin",
        &[
            "iam.workloadIdentityPoolProviders.create",
            "iam.workloadIdentityPoolProviders.delete",
            "iam.workloadIdentityPoolProviders.get",
            "iam.workloadIdentityPoolProviders.list",
            "iam.workloadIdentityPoolProviders.undelete",
            "iam.workloadIdentityPoolProviders.update",
            "iam.workloadIdentityPools.create",
            "iam.workloadIdentityPools.delete",
            "iam.workloadIdentityPools.get",
            "iam.workloadIdentityPools.getIamPolicy",
            "iam.workloadIdentityPools.list",
            "iam.workloadIdentityPools.setIamPolicy",
            "iam.workloadIdentityPools.undelete",
            "iam.workloadIdentityPools.update",
            "resourcemanager.projects.get",
        ],
    ),
    (
        "roles/iam.workloadIdentityPoolViewer",
        &[
            "iam.workloadIdentityPoolProviders.get",
            "iam.workloadIdentityPoolProviders.list",
            "iam.workloadIdentityPools.get",
            "iam.workloadIdentityPools.list",
            "resourcemanager.projects.get",
        ],
    ),
    (
        "roles/iam.workloadIdentityUser",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.list",
        ],
    ),
    (
        "roles/resourcemanager.projectIamAdmin",
        &[
            "resourcemanager.projects.get",
            "resourcemanager.projects.getIamPolicy",
            "resourcemanager.projects.setIamPolicy",
        ],
    ),
    (
        "roles/storage.admin",
        &[
            "storage.buckets.create",
            "storage.buckets.delete",
            "storage.buckets.get",
            "storage.buckets.list",
            "storage.objects.create",
            "storage.objects.delete",
            "storage.objects.get",
            "storage.objects.list",
            "resourcemanager.projects.get",
        ],
    ),
    ("roles/storage.bucketViewer", &["storage.buckets.get", "storage.buckets.list"]),
    ("roles/storage.legacyBucketReader", &["storage.buckets.get", "storage.objects.list"]),
    (
        "roles/storage.objectAdmin",
        &["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"],
    ),
    ("roles/storage.objectCreator", &["storage.objects.create"]),
    (
        "roles/storage.objectUser",
        &["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"],
    ),
    ("roles/storage.objectViewer", &["storage.objects.get", "storage.objects.list"]),
    (
        "roles/viewer",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "iam.workloadIdentityPoolProviders.get",
            "iam.workloadIdentityPoolProviders.list",
            "iam.workloadIdentityPools.get",
            "iam.workloadIdentityPools.list",
            "resourcemanager.projects.get",
            "storage.buckets.get",
            "storage.buckets.list",
        ],
    ),
];

/// What a role carries, or `None` for a role that is not known here. Unknown roles grant nothing.
pub fn permissions_of(role: &str) -> Option<&'static [&'static str]> {
    ROLES.iter().find_map(|(name, permissions)| (*name == role).then_some(*permissions))
}

impl Policy {
    /// The member that gives the caller a permission, if one does.
    pub fn grants(&self, caller: &Caller, permission: &str) -> Option<Member> {
        let fitting = self.bindings.iter().filter(|binding| {
            binding.condition.is_none()
                && permissions_of(&binding.role).is_some_and(|permissions| permissions.contains(&permission))
        });
        fitting
            .flat_map(|binding| &binding.members)
            .filter_map(|member| Member::parse(member).ok())
            .find(|member| member.includes(caller))
    }
}

impl Impersonation<'_> {
    /// Walks the chain: the caller and each delegate hand on to the next, the last one needs the permission itself
    /// (IAM Credentials API, `delegates`).
    pub fn evaluate(&self, policies: Policies<'_>) -> Decision {
        let mut caller = self.caller.clone();
        let mut held = Vec::new();
        let mut warnings = Vec::new();
        for (at, target) in self.delegates.iter().map(String::as_str).chain([self.target]).enumerate() {
            let last = at == self.delegates.len();
            let permission = if last { self.permission } else { IMPLICIT_DELEGATION };
            let member = policies.service_accounts.get(target).and_then(|own| {
                own.grants(&caller, permission).or_else(|| policies.project.grants(&caller, permission))
            });
            let Some(member) = member else {
                let seen = format!("{} without it on {target}", caller.principal());
                let fix = match (&caller, permission) {
                    (
                        Caller::Federated(_),
                        "iam.serviceAccounts.getAccessToken" | "iam.serviceAccounts.getOpenIdToken",
                    ) => {
                        format!("give the principal `roles/iam.workloadIdentityUser` on {target}")
                    }
                    _ => format!("give the principal `roles/iam.serviceAccountTokenCreator` on {target}"),
                };
                let refusal = Refusal::new("permission", seen, permission, "PERMISSION_DENIED", fix);
                return Decision::Refuse(Refusal { held, ..refusal });
            };
            held.push(if last { "permission" } else { "delegation" });
            warnings.extend(lint::lint_member(&member));
            caller = Caller::ServiceAccount(target.to_owned());
        }
        Decision::Allow(Grant { principal: caller.principal(), held, warnings, ..Grant::default() })
    }
}

/// Whether one of the policies (of the resource and of what is above it) gives the caller a permission.
pub fn use_resource(caller: &Caller, permission: &str, resource: &str, policies: &[&Policy]) -> Decision {
    let Some(member) = policies.iter().find_map(|policy| policy.grants(caller, permission)) else {
        let seen = format!("{} without it on {resource}", caller.principal());
        let fix = "give the principal a role that carries the permission on the resource or its project";
        return Decision::Refuse(Refusal::new("permission", seen, permission, "PERMISSION_DENIED", fix));
    };
    Decision::Allow(Grant {
        principal: caller.principal(),
        held: vec!["permission"],
        warnings: lint::lint_member(&member),
        ..Grant::default()
    })
}
