//! Verbs, resource types and the permissions behind them.
//!
//! From Oracle's policy reference, pages "Details for Object Storage", "Details for the Core Services" and "Details for IAM".
//! Each verb includes the ones before it.

use std::fmt;

use crate::trust::{
    condition::{nearest, nearest_within},
    propagation::SIGNED_CALLER_PERMISSION,
};

/// A verb, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Oracle's own")]
pub enum Verb {
    Inspect,
    Read,
    Use,
    Manage,
}

use Verb::{Inspect, Manage, Read, Use};

/// A resource type with what each verb adds.
type Row = (&'static str, &'static [(Verb, &'static [&'static str])]);

const ROWS: [Row; 15] = [
    ("authentication", &[(Inspect, &["AUTHENTICATION_INSPECT"])]),
    (
        "buckets",
        &[
            (Inspect, &["BUCKET_INSPECT"]),
            (Read, &["BUCKET_READ"]),
            (Use, &["BUCKET_UPDATE"]),
            (Manage, &["BUCKET_CREATE", "BUCKET_DELETE", "PAR_MANAGE", "RETENTION_RULE_MANAGE", "RETENTION_RULE_LOCK"]),
        ],
    ),
    (
        "compartments",
        &[
            (Inspect, &["COMPARTMENT_INSPECT"]),
            (Read, &["COMPARTMENT_READ"]),
            (Use, &["COMPARTMENT_UPDATE"]),
            (Manage, &["COMPARTMENT_CREATE", "COMPARTMENT_DELETE", "COMPARTMENT_RECOVER"]),
        ],
    ),
    (
        "domains",
        &[
            (Inspect, &["DOMAIN_INSPECT"]),
            (Read, &["DOMAIN_READ"]),
            (Use, &["DOMAIN_UPDATE"]),
            (Manage, &["DOMAIN_CREATE", "DOMAIN_DELETE"]),
        ],
    ),
    (
        "dynamic-groups",
        &[
            (Inspect, &["DYNAMIC_GROUP_INSPECT"]),
            (Use, &["DYNAMIC_GROUP_UPDATE"]),
            (Manage, &["DYNAMIC_GROUP_CREATE", "DYNAMIC_GROUP_DELETE"]),
        ],
    ),
    ("groups", &[(Inspect, &["GROUP_INSPECT"]), (Use, &["GROUP_UPDATE"]), (Manage, &["GROUP_CREATE", "GROUP_DELETE"])]),
    (
        "objects",
        &[
            (Inspect, &["OBJECT_INSPECT"]),
            (Read, &["OBJECT_READ"]),
            (Use, &["OBJECT_OVERWRITE"]),
            (
                Manage,
                &["OBJECT_CREATE", "OBJECT_DELETE", "OBJECT_VERSION_DELETE", "OBJECT_RESTORE", "OBJECT_UPDATE_TIER"],
            ),
        ],
    ),
    (
        "objectstorage-namespaces",
        &[(Read, &["OBJECTSTORAGE_NAMESPACE_READ"]), (Manage, &["OBJECTSTORAGE_NAMESPACE_UPDATE"])],
    ),
    ("policies", &[(Inspect, &["POLICY_READ"]), (Manage, &["POLICY_UPDATE", "POLICY_CREATE", "POLICY_DELETE"])]),
    ("secret-bundles", &[(Inspect, &["SECRET_BUNDLE_INSPECT"]), (Read, &["SECRET_BUNDLE_READ"])]),
    (
        "secrets",
        &[
            (Inspect, &["SECRET_INSPECT"]),
            (Read, &["SECRET_READ"]),
            (Use, &["SECRET_UPDATE"]),
            (Manage, &["SECRET_CREATE", "SECRET_DELETE"]),
        ],
    ),
    (
        "subnets",
        &[
            (Inspect, &["SUBNET_READ"]),
            (Use, &["SUBNET_ATTACH", "SUBNET_DETACH"]),
            (Manage, &["SUBNET_CREATE", "SUBNET_UPDATE", "SUBNET_DELETE", "SUBNET_MOVE"]),
        ],
    ),
    ("tenancies", &[(Inspect, &["TENANCY_INSPECT"]), (Use, &["TENANCY_UPDATE"])]),
    (
        "users",
        &[
            (Inspect, &["USER_INSPECT"]),
            (Read, &["USER_READ"]),
            (Use, &["USER_UPDATE"]),
            (Manage, &["USER_CREATE", "USER_DELETE", "USER_UNBLOCK", "USER_APIKEY_ADD", "USER_APIKEY_REMOVE"]),
        ],
    ),
    (
        "vcns",
        &[
            (Inspect, &["VCN_READ"]),
            (Manage, &["VCN_ATTACH", "VCN_DETACH", "VCN_UPDATE", "VCN_CREATE", "VCN_DELETE", "VCN_MOVE"]),
        ],
    ),
];

/// Families and the resource types in them.
const FAMILIES: [(&str, &[&str]); 3] = [
    ("object-family", &["buckets", "objects", "objectstorage-namespaces"]),
    ("secret-family", &["secret-bundles", "secrets"]),
    ("virtual-network-family", &["subnets", "vcns"]),
];

/// Resource types of other services that are two letters from one of those here. Oracle's landing zones manage `tickets`.
const LOOKALIKES: [&str; 1] = ["tickets"];

/// From this length on, a type that differs in two letters is a slip, `bukkits` for one.
const LONG: usize = 7;

/// Everything there is.
const ALL_RESOURCES: &str = "all-resources";

impl Verb {
    /// The verb of this name, without case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Inspect, Read, Use, Manage].into_iter().find(|verb| verb.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Inspect => "inspect",
            Read => "read",
            Use => "use",
            Manage => "manage",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The permissions that a verb gives on a resource type or family. Empty when the type is not known here.
pub fn permissions(verb: Verb, resource: &str) -> Vec<&'static str> {
    rows(resource)
        .flat_map(|(_, steps)| steps.iter())
        .filter(|(step, _)| *step <= verb)
        .flat_map(|(_, added)| added.iter().copied())
        .collect()
}

/// Whether a verb on a resource type or family gives this permission. `manage all-resources` gives every one, those too
/// that are not in the tables here.
pub(crate) fn grants(verb: Verb, resource: &str, permission: &str) -> bool {
    (verb == Manage && resource.eq_ignore_ascii_case(ALL_RESOURCES))
        || permissions(verb, resource).iter().any(|own| own.eq_ignore_ascii_case(permission))
}

/// Whether the type or family is known here.
pub(crate) fn is_known(resource: &str) -> bool {
    rows(resource).next().is_some()
}

/// Whether the permission is in a table here.
pub(crate) fn is_known_permission(permission: &str) -> bool {
    all_permissions().any(|own| own.eq_ignore_ascii_case(permission))
}

/// The type or family that was meant, when the name is nearly one.
pub(crate) fn near(resource: &str) -> Option<&'static str> {
    let resource = resource.to_ascii_lowercase();
    if LOOKALIKES.contains(&resource.as_str()) {
        return None;
    }
    nearest(&resource, names())
        .or_else(|| (resource.len() >= LONG).then(|| nearest_within(2, &resource, names())).flatten())
}

/// The permission that was meant, when the name is nearly one.
pub(crate) fn near_permission(permission: &str) -> Option<&'static str> {
    nearest(&permission.to_ascii_uppercase(), all_permissions())
}

fn all_permissions() -> impl Iterator<Item = &'static str> {
    let steps = ROWS.iter().flat_map(|(_, steps)| steps.iter());
    steps.flat_map(|(_, added)| added.iter().copied()).chain([SIGNED_CALLER_PERMISSION])
}

/// Names of all types and families.
fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, _)| *name).chain(FAMILIES.iter().map(|(name, _)| *name)).chain([ALL_RESOURCES])
}

fn rows(resource: &str) -> impl Iterator<Item = &'static Row> {
    let all = resource.eq_ignore_ascii_case(ALL_RESOURCES);
    let members = FAMILIES.iter().find(|(name, _)| name.eq_ignore_ascii_case(resource)).map(|(_, members)| *members);
    let resource = resource.to_ascii_lowercase();
    ROWS.iter()
        .filter(move |(name, _)| all || *name == resource || members.is_some_and(|members| members.contains(name)))
}
