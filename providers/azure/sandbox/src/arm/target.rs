//! What a path of Resource Manager names. Case does not count in it.

/// A resource, a list of them, or something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the names in the path, in lower case")]
pub enum Target {
    /// `GET /metadata/endpoints`, for tools that learn of a cloud.
    Endpoints,
    /// All subscriptions.
    Subscriptions,
    /// A subscription.
    Subscription(String),
    /// All tenants of the caller.
    Tenants,
    /// A resource provider, or its registration.
    Provider { subscription: String, namespace: String, register: bool },
    /// Resource groups.
    Groups { subscription: String },
    /// A resource group.
    Group { subscription: String, group: String },
    /// User-assigned identities, of a group or of the subscription.
    Identities { subscription: String, group: Option<String> },
    /// A user-assigned identity.
    Identity { subscription: String, group: String, name: String },
    /// Federated credentials of an identity.
    Credentials { subscription: String, group: String, identity: String },
    /// A federated credential.
    Credential { subscription: String, group: String, identity: String, name: String },
    /// Storage accounts, of a group or of the subscription.
    Accounts { subscription: String, group: Option<String> },
    /// A storage account.
    Account { subscription: String, group: String, name: String },
    /// The question whether a name of a storage account is free.
    AccountName { subscription: String },
    /// Containers of a storage account.
    Containers { subscription: String, group: String, account: String },
    /// A container.
    Container { subscription: String, group: String, account: String, name: String },
    /// Role assignments at a scope.
    Assignments { scope: String },
    /// A role assignment.
    Assignment { scope: String, name: String },
    /// Roles that can be assigned at a scope.
    Definitions { scope: String },
    /// A role.
    Definition { scope: String, name: String },
    /// Something that takes its time: how it goes, or what came of it.
    Operation { subscription: String, id: String, result: bool },
}

impl Target {
    /// The subscription that it is in; of a scope the one that it begins with.
    pub fn subscription(&self) -> Option<&str> {
        match self {
            Self::Endpoints | Self::Subscriptions | Self::Tenants => None,
            Self::Subscription(subscription)
            | Self::Provider { subscription, .. }
            | Self::Groups { subscription }
            | Self::Group { subscription, .. }
            | Self::Identities { subscription, .. }
            | Self::Identity { subscription, .. }
            | Self::Credentials { subscription, .. }
            | Self::Credential { subscription, .. }
            | Self::Accounts { subscription, .. }
            | Self::Account { subscription, .. }
            | Self::AccountName { subscription }
            | Self::Containers { subscription, .. }
            | Self::Container { subscription, .. }
            | Self::Operation { subscription, .. } => Some(subscription),
            Self::Assignments { scope }
            | Self::Assignment { scope, .. }
            | Self::Definitions { scope }
            | Self::Definition { scope, .. } => {
                let mut parts = scope.split('/').skip(1);
                (parts.next()?.eq_ignore_ascii_case("subscriptions")).then(|| parts.next()).flatten()
            }
        }
    }
}

/// Reads a path that was cut at its slashes.
pub fn parse_target(parts: &[&str]) -> Option<Target> {
    // One slash too many at the end does no harm there.
    let parts = match parts.split_last() {
        Some((&"", rest)) => rest,
        _ => parts,
    };
    if let Some(target) = authorization(parts) {
        return Some(target);
    }
    let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    if lower.iter().any(String::is_empty) {
        return None;
    }
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let own = |text: &str| text.to_owned();
    match lower.as_slice() {
        ["metadata", "endpoints"] => Some(Target::Endpoints),
        ["subscriptions"] => Some(Target::Subscriptions),
        ["tenants"] => Some(Target::Tenants),
        ["subscriptions", subscription] => Some(Target::Subscription(own(subscription))),
        ["subscriptions", subscription, rest @ ..] => in_subscription(own(subscription), rest),
        _ => None,
    }
}

fn in_subscription(subscription: String, rest: &[&str]) -> Option<Target> {
    let own = |text: &str| text.to_owned();
    Some(match rest {
        ["resourcegroups"] => Target::Groups { subscription },
        ["resourcegroups", group] => Target::Group { subscription, group: own(group) },
        ["resourcegroups", group, "providers", rest @ ..] => return in_group(subscription, own(group), rest),
        ["providers", "microsoft.managedidentity", "userassignedidentities"] => {
            Target::Identities { subscription, group: None }
        }
        ["providers", "microsoft.storage", "storageaccounts"] => Target::Accounts { subscription, group: None },
        ["providers", "microsoft.storage", "checknameavailability"] => Target::AccountName { subscription },
        ["providers", _, "locations", _, kind @ ("asyncoperations" | "operationresults"), id] => {
            Target::Operation { subscription, id: own(id), result: *kind == "operationresults" }
        }
        ["providers", namespace] => Target::Provider { subscription, namespace: own(namespace), register: false },
        ["providers", namespace, "register"] => {
            Target::Provider { subscription, namespace: own(namespace), register: true }
        }
        _ => return None,
    })
}

fn in_group(subscription: String, group: String, rest: &[&str]) -> Option<Target> {
    let own = |text: &str| text.to_owned();
    Some(match rest {
        ["microsoft.managedidentity", "userassignedidentities", rest @ ..] => match rest {
            [] => Target::Identities { subscription, group: Some(group) },
            [name] => Target::Identity { subscription, group, name: own(name) },
            [identity, "federatedidentitycredentials"] => {
                Target::Credentials { subscription, group, identity: own(identity) }
            }
            [identity, "federatedidentitycredentials", name] => {
                Target::Credential { subscription, group, identity: own(identity), name: own(name) }
            }
            _ => return None,
        },
        ["microsoft.storage", "storageaccounts", rest @ ..] => match rest {
            [] => Target::Accounts { subscription, group: Some(group) },
            [name] => Target::Account { subscription, group, name: own(name) },
            [account, "blobservices", "default", "containers"] => {
                Target::Containers { subscription, group, account: own(account) }
            }
            [account, "blobservices", "default", "containers", name] => {
                Target::Container { subscription, group, account: own(account), name: own(name) }
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// Roles hang on any scope: what comes before `/providers/Microsoft.Authorization`. The scope stays as it is written.
fn authorization(parts: &[&str]) -> Option<Target> {
    let is = |part: Option<&&str>, name: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(name));
    let at = (0..parts.len())
        .rev()
        .find(|at| is(parts.get(*at), "providers") && is(parts.get(at.saturating_add(1)), "Microsoft.Authorization"))?;
    let (before, after) = parts.split_at_checked(at)?;
    if before.iter().any(|part| part.is_empty()) {
        return None;
    }
    let scope = format!("/{}", before.join("/"));
    let (kind, name) = match after {
        [_, _, kind] => (kind, None),
        [_, _, kind, name] if !name.is_empty() => (kind, Some(name.to_ascii_lowercase())),
        _ => return None,
    };
    match (kind.to_ascii_lowercase().as_str(), name) {
        ("roleassignments", None) => Some(Target::Assignments { scope }),
        ("roleassignments", Some(name)) => Some(Target::Assignment { scope, name }),
        ("roledefinitions", None) => Some(Target::Definitions { scope }),
        ("roledefinitions", Some(name)) => Some(Target::Definition { scope, name }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(path: &str) -> Option<Target> {
        parse_target(&path.split('/').skip(1).collect::<Vec<_>>())
    }

    #[test]
    fn case_does_not_count() {
        let expected = Target::Credential {
            subscription: "s".to_owned(),
            group: "g".to_owned(),
            identity: "i".to_owned(),
            name: "main".to_owned(),
        };
        for path in [
            "/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/I/federatedIdentityCredentials/Main",
            "/SUBSCRIPTIONS/s/resourcegroups/g/Providers/microsoft.managedidentity/userassignedidentities/i/federatedidentitycredentials/main/",
        ] {
            assert_eq!(read(path), Some(expected.clone()), "{path}");
        }
    }

    #[test]
    fn roles_hang_on_any_scope() {
        let account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a";
        for (scope, subscription) in [(account, Some("s")), ("/subscriptions/s", Some("s")), ("/", None)] {
            let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/N", scope.trim_end_matches('/'));
            let target = read(&path).unwrap();
            assert_eq!(target, Target::Assignment { scope: scope.to_owned(), name: "n".to_owned() });
            assert_eq!(target.subscription(), subscription);
        }
    }

    #[test]
    fn rejects_paths_bent_in_one_place() {
        for path in [
            "",
            "/",
            "/subscriptions/",
            "/subscription/s",
            "/subscriptions//resourceGroups",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Other/things",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a/fileServices",
            "/subscriptions//providers/Microsoft.Authorization/roleAssignments",
            "/subscriptions/s/providers/Microsoft.Authorization/locks",
        ] {
            assert!(!matches!(read(path), Some(target) if target != Target::Subscriptions), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_answered(parts in prop::collection::vec("[a-zA-Z./]{0,12}", 0..9)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            if let Some(target) = parse_target(&parts) {
                drop(target.subscription().map(ToOwned::to_owned));
            }
        }
    }
}
