//! What parses and cannot be meant.

use carnet_trust::Warning;

use super::{Compartments, Location, Membership, Reference, Statement, Subject, What, variables, verbs};
use crate::trust::condition::nearest;

/// The clause of a warning about a subject that is too wide, which is no mistake.
const SUBJECT: &str = "subject";

/// Why the tenancy does not take a statement of a policy that hangs at `attached`: it names a group or a compartment that does
/// not exist, or a resource type, permission or variable that is in no table here.
///
/// UNCONFIRMED: which of these Oracle refuses when the policy is created; refusing is the safe side, since such a
/// statement allows nothing. The tables are those of [`super::permissions`], from Oracle's policy reference, and not the
/// whole of it.
pub fn refuse(
    statement: &Statement,
    attached: &str,
    compartments: &Compartments,
    groups: &[Membership],
) -> Option<String> {
    let (references, dynamic) = match &statement.subject {
        Subject::Groups(references) => (references.as_slice(), false),
        Subject::DynamicGroups(references) => (references.as_slice(), true),
        _ => (&[][..], false),
    };
    let is_there = |wanted: &&Reference| groups.iter().any(|own| own.dynamic == dynamic && wanted.means(own));
    if let Some(missing) = references.iter().find(|wanted| !is_there(wanted)) {
        let kind = if dynamic { "dynamic group" } else { "group" };
        return Some(format!("{kind} {missing} does not exist"));
    }
    let place = match &statement.location {
        Location::Tenancy => None,
        Location::CompartmentId(id) => (!compartments.is_within(id, attached)).then(|| id.clone()),
        Location::CompartmentPath(path) => compartments.find(attached, path).is_none().then(|| path.join(":")),
    };
    if let Some(place) = place {
        return Some(format!("compartment {place} does not exist or is not part of the policy compartment subtree"));
    }
    lint(statement).into_iter().find(|warning| warning.clause != SUBJECT).map(|found| found.message)
}

/// What is in a statement that works otherwise than it reads: variables, resource types and permissions that do not exist,
/// and `any-user` or `any-group` without a condition.
pub fn lint(statement: &Statement) -> Vec<Warning> {
    let mut found = Vec::new();
    if let Some(condition) = &statement.condition {
        let unknown: Vec<&str> = condition
            .tests()
            .into_iter()
            .map(|test| test.variable.as_str())
            .filter(|name| !variables::exists(&name.to_ascii_lowercase()))
            .collect();
        found.extend(variables::warnings(&unknown));
    } else if matches!(statement.subject, Subject::AnyGroup | Subject::AnyUser) {
        found.push(Warning {
            clause: SUBJECT,
            message: "every principal of the tenancy is allowed this".to_owned(),
            fix: "add where all {request.principal.type = '…', …}, or name a group".to_owned(),
        });
    }
    match &statement.what {
        What::Verb(_, resource) if !verbs::is_known(resource) => found.push(Warning {
            clause: "policy",
            message: format!("{resource} is no resource type that is known here, so the statement allows nothing"),
            fix: match nearest(&resource.to_ascii_lowercase(), verbs::names()) {
                Some(near) => format!("write {near}"),
                None => "look the name up in Oracle's policy reference".to_owned(),
            },
        }),
        What::Permissions(permissions) => found.extend(
            permissions
                .iter()
                .filter(|own| !verbs::is_known_permission(own) && !own.eq_ignore_ascii_case("GET_RPST"))
                .map(|own| Warning {
                    clause: "policy",
                    message: format!("{own} is no permission that is known here"),
                    fix: "look the name up in Oracle's policy reference".to_owned(),
                }),
        ),
        What::Verb(..) => {}
    }
    found
}
