//! What parses and cannot be meant.

use carnet_trust::Warning;

use super::{Compartments, Location, Membership, Reference, Statement, Subject, What, variables, verbs};
use crate::trust::condition::Condition;

/// The clause of a warning about a subject that is too wide, which is no mistake.
const SUBJECT: &str = "subject";

/// Why the tenancy does not take a statement of a policy that hangs at `attached`: it names a group or a compartment that does
/// not exist, `tenancy` anywhere but at the root, or what looks like a slip in the name of a resource type, permission or
/// variable.
///
/// UNCONFIRMED: which slips Oracle refuses when the policy is created; refusing is the safe side, since such a statement
/// allows nothing. A name that is in no table here and like none of them may well be good at Oracle, whose policy reference is
/// larger than the tables of [`super::permissions`]: it is taken, allows nothing here, and [`lint`] says so.
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
        Location::Tenancy if compartments.is_root(attached) => None,
        Location::Tenancy => {
            return Some(
                "\"in tenancy\" stands in a policy of the root compartment only; name the compartment".to_owned(),
            );
        }
        Location::CompartmentId(id) => (!compartments.is_within(id, attached)).then(|| id.clone()),
        Location::CompartmentPath(path) => compartments.find(attached, path).is_none().then(|| path.join(":")),
    };
    if let Some(place) = place {
        return Some(format!("compartment {place} does not exist or is not part of the policy compartment subtree"));
    }
    let slip = unknown(statement).into_iter().find(Unknown::is_slip)?.warning();
    Some(format!("{}: {}", slip.message, slip.fix))
}

/// What is in a statement that works otherwise than it reads: variables, resource types and permissions that are not known here,
/// and `any-user` or `any-group` without a condition.
pub fn lint(statement: &Statement) -> Vec<Warning> {
    let mut found = Vec::new();
    if statement.condition.is_none() && matches!(statement.subject, Subject::AnyGroup | Subject::AnyUser) {
        found.push(Warning {
            clause: SUBJECT,
            message: "every principal of the tenancy is allowed this".to_owned(),
            fix: "add where all {request.principal.type = '…', …}, or name a group".to_owned(),
        });
    }
    found.extend(unknown(statement).iter().map(Unknown::warning));
    found
}

/// A name in a statement that is in no table here.
enum Unknown<'s> {
    Variable(&'s str),
    Resource(&'s str),
    Permission(&'s str),
}

/// The names of a statement that are in no table here.
fn unknown(statement: &Statement) -> Vec<Unknown<'_>> {
    let tests = statement.condition.iter().flat_map(Condition::tests).map(|test| test.variable.as_str());
    let mut found: Vec<Unknown<'_>> =
        tests.filter(|name| !variables::exists(&name.to_ascii_lowercase())).map(Unknown::Variable).collect();
    match &statement.what {
        What::Verb(_, resource) if !verbs::is_known(resource) => found.push(Unknown::Resource(resource)),
        What::Verb(..) => {}
        What::Permissions(permissions) => {
            let missing = permissions.iter().filter(|own| !verbs::is_known_permission(own));
            found.extend(missing.map(|own| Unknown::Permission(own)));
        }
    }
    found
}

impl Unknown<'_> {
    /// The known name that was meant, as far as that can be told.
    fn near(&self) -> Option<&'static str> {
        match self {
            Self::Variable(name) => variables::near(name),
            Self::Resource(name) => verbs::near(name),
            Self::Permission(name) => verbs::near_permission(name),
        }
    }

    /// Whether no table of Oracle's can have it.
    fn is_slip(&self) -> bool {
        let malformed = |name: &str| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        self.near().is_some() || matches!(self, Self::Permission(name) if malformed(name))
    }

    fn warning(&self) -> Warning {
        let message = match self {
            Self::Variable(name) => return variables::warning(name),
            Self::Resource(name) => {
                format!("{name} is no resource type that is known here, so the statement allows nothing")
            }
            Self::Permission(name) => format!("{name} is no permission that is known here"),
        };
        let fix = match self.near() {
            Some(near) => format!("write {near}"),
            None => "look the name up in Oracle's policy reference".to_owned(),
        };
        Warning { clause: "policy", message, fix }
    }
}
