//! The variables that conditions may name.

use carnet_trust::Warning;

use crate::trust::condition::nearest;

/// Every variable with a fixed name that Oracle documents for all services, and those of the services emulated here.
const VARIABLES: [&str; 35] = [
    "request.ad",
    "request.groups.id",
    "request.networksource.name",
    "request.operation",
    "request.permission",
    "request.principal.cluster_id",
    "request.principal.compartment.id",
    "request.principal.domain.id",
    "request.principal.id",
    "request.principal.name",
    "request.principal.namespace",
    "request.principal.service_account",
    "request.principal.type",
    "request.region",
    "request.service.name",
    "request.user.id",
    "request.user.mfatotpverified",
    "request.user.name",
    "request.utc-timestamp",
    "request.utc-timestamp.day-of-month",
    "request.utc-timestamp.day-of-week",
    "request.utc-timestamp.month-of-year",
    "request.utc-timestamp.time-of-day",
    "request.vcn.id",
    "target.bucket.name",
    "target.bucket.tag.name",
    "target.compartment.id",
    "target.compartment.name",
    "target.dynamic-group.name",
    "target.group.id",
    "target.group.name",
    "target.object.name",
    "target.policy.name",
    "target.tag-namespace.name",
    "target.user.name",
];

/// Variables whose last part is the user's own.
const OPEN: [&str; 7] = [
    "request.principal.ext_",
    "request.principal.group.tag.",
    "request.principal.compartment.tag.",
    "request.principal.tag.",
    "target.bucket.tag.",
    "target.resource.compartment.tag.",
    "target.resource.tag.",
];

/// Whether there is such a variable. The name is in lower case.
pub(crate) fn exists(name: &str) -> bool {
    VARIABLES.contains(&name) || OPEN.iter().any(|start| name.len() > start.len() && name.starts_with(start))
}

/// The variable that was meant, when the name is nearly one.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    nearest(&name.to_ascii_lowercase(), VARIABLES.into_iter())
}

/// What to say about variables that are not known.
pub(crate) fn warnings(unknown: &[&str]) -> Vec<Warning> {
    unknown.iter().map(|name| warning(name)).collect()
}

/// What to say about one of them.
pub(crate) fn warning(name: &str) -> Warning {
    Warning {
        clause: "condition",
        message: format!("{name} is no variable that is known here, so its test never holds"),
        fix: match near(name) {
            Some(near) => format!("write {near} in place of {name}"),
            None => format!("look {name} up in Oracle's policy reference, or take it out"),
        },
    }
}
