//! Roles and who has them ("Azure built-in roles", "Azure role definitions").

use std::collections::{BTreeMap, HashMap};

use carnet_trust::{Grant, Refusal};
use jiff::{SignedDuration, Timestamp};

/// Everything.
pub(crate) const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
/// Storage Blob Data Owner.
pub(crate) const BLOB_OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";
/// Storage Blob Data Contributor.
pub(crate) const BLOB_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
/// Storage Blob Data Reader.
pub(crate) const BLOB_READER: &str = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";

/// A built-in role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) actions: &'static [&'static str],
    pub(crate) not_actions: &'static [&'static str],
    pub(crate) data_actions: &'static [&'static str],
}

/// The roles that are known here; others grant nothing.
pub(crate) static ROLES: [Role; 10] = [
    Role { id: OWNER, name: "Owner", actions: &["*"], not_actions: &[], data_actions: &[] },
    Role {
        id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        name: "Contributor",
        actions: &["*"],
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ],
        data_actions: &[],
    },
    Role {
        id: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        name: "Reader",
        actions: &["*/read"],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        name: "User Access Administrator",
        actions: &["*/read", "Microsoft.Authorization/*"],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        name: "Managed Identity Contributor",
        actions: &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/*",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "f1a07417-d97a-45cb-824c-7a7467783830",
        name: "Managed Identity Operator",
        actions: &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        name: "Storage Account Contributor",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Storage/storageAccounts/*",
        ],
        not_actions: &[],
        data_actions: &[],
    },
    Role {
        id: BLOB_OWNER,
        name: "Storage Blob Data Owner",
        actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/*"],
        not_actions: &[],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"],
    },
    Role {
        id: BLOB_CONTRIBUTOR,
        name: "Storage Blob Data Contributor",
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write",
        ],
        not_actions: &[],
        data_actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action",
        ],
    },
    Role {
        id: BLOB_READER,
        name: "Storage Blob Data Reader",
        actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/read"],
        not_actions: &[],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
    },
];

/// The role of this id, in either case.
pub(crate) fn role(id: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(id))
}

/// Something that somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action<'a> {
    /// To a resource.
    Control(&'a str),
    /// To data in it.
    Data(&'a str),
}

impl<'a> Action<'a> {
    /// `Microsoft.Storage/…/read`.
    pub(crate) fn name(self) -> &'a str {
        match self {
            Self::Control(name) | Self::Data(name) => name,
        }
    }
}

impl Role {
    fn grants(&self, action: Action<'_>) -> bool {
        let any = |patterns: &[&str], name: &str| patterns.iter().any(|pattern| is_like(name, pattern));
        match action {
            Action::Control(name) => any(self.actions, name) && !any(self.not_actions, name),
            Action::Data(name) => any(self.data_actions, name),
        }
    }
}

/// Whether an action fits a pattern, in which `*` stands for any run. Case does not count.
fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default();
    }
    rest.is_empty()
}

/// A role that somebody has at a scope and below it.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// A GUID.
    pub(crate) name: String,
    pub(crate) scope: String,
    /// GUID of the role.
    pub(crate) role: String,
    /// Object id.
    pub(crate) principal: String,
    pub(crate) principal_type: String,
    /// Whether it has a condition. Conditions are not evaluated, so that such an assignment grants nothing.
    pub(crate) conditional: bool,
    pub(crate) created: Timestamp,
}

impl Assignment {
    /// Its own id.
    pub(crate) fn id(&self) -> String {
        let scope = self.scope.trim_end_matches('/');
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", self.name)
    }
}

/// All assignments, by id and by principal, so that a check costs the same however many there are of others.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    by_id: BTreeMap<String, Assignment>,
    /// Ids by object id.
    by_principal: HashMap<String, Vec<String>>,
}

impl Assignments {
    pub(crate) fn put(&mut self, assignment: Assignment) {
        let id = assignment.id().to_ascii_lowercase();
        self.remove(&id);
        self.by_principal.entry(assignment.principal.to_ascii_lowercase()).or_default().push(id.clone());
        self.by_id.insert(id, assignment);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Assignment> {
        self.by_id.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Assignment> {
        let id = id.to_ascii_lowercase();
        let removed = self.by_id.remove(&id)?;
        let principal = removed.principal.to_ascii_lowercase();
        if let Some(ids) = self.by_principal.get_mut(&principal) {
            ids.retain(|own| *own != id);
            if ids.is_empty() {
                self.by_principal.remove(&principal);
            }
        }
        Some(removed)
    }

    /// Takes away all at this scope and below it: what they were for is gone.
    pub(crate) fn remove_below(&mut self, scope: &str) {
        let start = format!("{}/", scope.trim_end_matches('/').to_ascii_lowercase());
        let from = self.by_id.range(start.clone()..).map(|(id, _)| id);
        let gone: Vec<String> = from.take_while(|id| id.starts_with(&start)).cloned().collect();
        for id in gone {
            self.remove(&id);
        }
    }

    /// Those of one principal.
    pub(crate) fn of<'a>(&'a self, principal: &str) -> impl Iterator<Item = &'a Assignment> {
        let ids = self.by_principal.get(&principal.to_ascii_lowercase());
        ids.into_iter().flatten().filter_map(move |id| self.by_id.get(id))
    }

    /// All of them, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.by_id.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether somebody may do it at a scope.
    ///
    /// # Errors
    /// By the clause `role`, with the roles that were looked at.
    pub(crate) fn permit(&self, question: &Wish<'_>) -> Result<Grant, Box<Refusal>> {
        let Wish { principal, action, scope, now, delay, code } = *question;
        let acts = |own: &Assignment| own.created.saturating_add(delay).is_ok_and(|at| at <= now) && !own.conditional;
        let covering: Vec<&Assignment> = self.of(principal).filter(|own| contains(&own.scope, scope)).collect();
        let held: Vec<&Role> = covering.iter().filter(|own| acts(own)).filter_map(|own| role(&own.role)).collect();
        if let Some(role) = held.iter().find(|role| role.grants(action)) {
            let attributes = [("action", action.name()), ("role", role.name), ("scope", scope)];
            return Ok(Grant {
                principal: principal.to_owned(),
                attributes: attributes
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), carnet_core::safe_text(value)))
                    .collect(),
                held: vec!["role"],
                ..Grant::default()
            });
        }
        let names: Vec<&str> = held.iter().map(|role| role.name).collect();
        let waiting = covering.iter().any(|own| !acts(own));
        let seen = if names.is_empty() { "no role there".to_owned() } else { names.join(", ") };
        let fix = if waiting {
            "wait: an assignment takes minutes to act; one with a condition grants nothing here"
        } else {
            "assign a role with this action at this scope or above"
        };
        let wanted = format!("a role with {} at {}", action.name(), carnet_core::safe_text(scope));
        Err(Box::new(Refusal::new("role", seen, wanted, code, fix)))
    }
}

/// What somebody wants to do where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// Object id.
    pub(crate) principal: &'a str,
    pub(crate) action: Action<'a>,
    pub(crate) scope: &'a str,
    pub(crate) now: Timestamp,
    /// How long assignments take to act.
    pub(crate) delay: SignedDuration,
    /// The service's own code for a refusal.
    pub(crate) code: &'static str,
}

/// Whether a scope is another or lies below it. Case does not count.
pub(crate) fn contains(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.trim_end_matches('/').to_ascii_lowercase(), inner.to_ascii_lowercase());
    inner.strip_prefix(&outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
