//! Users, groups and dynamic groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use carnet_jose::PublicKey;
use carnet_oci::trust::{
    Checked, Principal, dynamic_group::parse_matching_rule, policy::Membership, signature::Signer,
};
use jiff::Timestamp;

use super::unknown_key;
use crate::seed;

/// Users and groups, each by OCID.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) dynamic_groups: BTreeMap<String, DynamicGroup>,
}

/// A user of the tenancy.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) email: Option<String>,
    pub(crate) active: bool,
    pub(crate) time_created: Timestamp,
    /// OCIDs of the groups it is in.
    pub(crate) groups: BTreeSet<String>,
    /// By fingerprint.
    pub(crate) api_keys: BTreeMap<String, Arc<PublicKey>>,
}

/// A group of users.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) time_created: Timestamp,
}

/// A group of instances and resources, by rule.
#[derive(Clone, Debug)]
pub(crate) struct DynamicGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) matching_rule: String,
    pub(crate) time_created: Timestamp,
}

impl Directory {
    pub(super) fn seeded(now: Timestamp) -> Self {
        let mut directory = Self::default();
        for (id, name, description) in [
            (seed::ADMIN_GROUP, seed::ADMIN_GROUP_NAME, "Administrators"),
            (seed::DEPLOYERS_GROUP, seed::DEPLOYERS_GROUP_NAME, "May manage the object family of the compartment ci"),
        ] {
            directory.groups.insert(
                id.to_owned(),
                Group {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    description: description.to_owned(),
                    time_created: now,
                },
            );
        }
        for (id, name, description, group) in [
            (seed::ADMIN_USER, seed::ADMIN_USER_NAME, "The administrator", seed::ADMIN_GROUP),
            (
                seed::SERVICE_USER,
                seed::SERVICE_USER_NAME,
                "Service user that external identities become",
                seed::DEPLOYERS_GROUP,
            ),
        ] {
            let mut user = User::new(id, name, description, now);
            user.groups.insert(group.to_owned());
            directory.users.insert(id.to_owned(), user);
        }
        for (id, name, matching_rule) in [
            (
                seed::INSTANCE_GROUP,
                seed::INSTANCE_GROUP_NAME,
                format!("any {{instance.compartment.id = '{}'}}", seed::COMPARTMENT),
            ),
            (
                seed::FUNCTION_GROUP,
                seed::FUNCTION_GROUP_NAME,
                format!("all {{resource.type = 'fnfunc', resource.compartment.id = '{}'}}", seed::COMPARTMENT),
            ),
        ] {
            directory.dynamic_groups.insert(
                id.to_owned(),
                DynamicGroup {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    description: "Of the compartment ci".to_owned(),
                    matching_rule,
                    time_created: now,
                },
            );
        }
        directory
    }

    /// The key of an API key's `keyId`.
    pub(crate) fn api_key(&self, tenancy: &str, user: &str, fingerprint: &str) -> Checked<Signer> {
        if tenancy != seed::TENANCY {
            return Err(unknown_key(format!("the tenancy {tenancy}"), seed::TENANCY));
        }
        let Some(found) = self.users.get(user).filter(|user| user.active) else {
            return Err(unknown_key(format!("the user {user}"), "an active user of the tenancy"));
        };
        let Some(key) = found.api_keys.get(fingerprint) else {
            return Err(unknown_key(
                format!("the fingerprint {fingerprint}"),
                format!("an API key of the user {}", found.name),
            ));
        };
        let principal = Arc::new(Principal::user(user, tenancy, &found.name));
        Ok(Signer { principal, key: Arc::clone(key) })
    }

    /// All groups, dynamic ones too.
    pub(crate) fn all_groups(&self) -> Vec<Membership> {
        let groups = self.groups.values().map(Group::membership);
        groups.chain(self.dynamic_groups.values().map(DynamicGroup::membership)).collect()
    }

    /// The groups that a principal is in.
    pub(crate) fn memberships(&self, principal: &Principal) -> Vec<Membership> {
        if principal.is_user() {
            let groups = self.users.get(&principal.id).map(|user| &user.groups);
            return groups.into_iter().flatten().filter_map(|id| self.groups.get(id)).map(Group::membership).collect();
        }
        // Instances and functions of the sandbox carry no defined tags.
        let tags = BTreeMap::new();
        self.dynamic_groups
            .values()
            .filter(|group| parse_matching_rule(&group.matching_rule).is_ok_and(|rule| rule.matches(principal, &tags)))
            .map(DynamicGroup::membership)
            .collect()
    }
}

impl Group {
    fn membership(&self) -> Membership {
        Membership { id: self.id.clone(), name: self.name.clone(), domain: None, dynamic: false }
    }
}

impl DynamicGroup {
    fn membership(&self) -> Membership {
        Membership { id: self.id.clone(), name: self.name.clone(), domain: None, dynamic: true }
    }
}

impl User {
    /// An active user in no group and without keys.
    pub(crate) fn new(id: &str, name: &str, description: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            email: name.contains('@').then(|| name.to_owned()),
            active: true,
            time_created: now,
            groups: BTreeSet::new(),
            api_keys: BTreeMap::new(),
        }
    }
}
