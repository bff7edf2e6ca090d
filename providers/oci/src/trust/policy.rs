//! IAM policies: who may do what where.
//!
//! <https://docs.oracle.com/en-us/iaas/Content/Identity/policysyntax/policy-syntax.htm>. Allow statements only: `Deny`,
//! `Define`, `Endorse` and `Admit` are refused by the parser rather than passed over.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use carnet_trust::{Decision, Grant, Refusal, Warning};

use super::{
    Principal,
    condition::{Condition, Outcome, Value},
    principal::{PTYPE_INSTANCE, PTYPE_USER},
};

mod lint;
mod parse;
mod variables;
mod verbs;

pub use lint::{lint, refuse};
pub use parse::parse_statement;
pub use verbs::{Verb, permissions};

/// The code of an answer that says neither whether the thing exists nor whether the caller may see it.
pub const NOT_AUTHORIZED_OR_NOT_FOUND: &str = "NotAuthorizedOrNotFound";

/// The permission that every instance principal has without a policy: "compartment_inspect", so that it can list the
/// compartments (Oracle, "Calling Services from an Instance").
const INSTANCE_PERMISSION: &str = "COMPARTMENT_INSPECT";

/// `request.principal.type` of a service principal, which `any-user` includes and `any-group` does not.
const TYPE_SERVICE: &str = "service";

/// A policy: statements that hang at a compartment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// OCID of the compartment it hangs at; the tenancy's for the root. It grants nothing outside of it.
    pub compartment: String,
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// A parsed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// As it was written.
    pub source: String,
    /// Who.
    pub subject: Subject,
    /// What.
    pub what: What,
    /// Where.
    pub location: Location,
    /// Under which condition.
    pub condition: Option<Condition>,
}

/// Who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everyone but service principals.
    AnyGroup,
    /// Everyone.
    AnyUser,
    /// Members of one of these dynamic groups.
    DynamicGroups(Vec<Reference>),
    /// Members of one of these groups.
    Groups(Vec<Reference>),
    /// A resource of this type and name.
    Resource {
        /// Its type, for instance `fnfunc`.
        kind: String,
        /// Its name or OCID.
        name: String,
    },
    /// One of these services.
    Services(Vec<String>),
}

/// A group or compartment, by OCID or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `id OCID`
    Id(String),
    /// `[DOMAIN/]NAME`; no domain is the domain `Default`.
    Named {
        /// The identity domain.
        domain: Option<String>,
        /// The name.
        name: String,
    },
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `{PERMISSION, …}`
    Permissions(Vec<String>),
    /// `VERB RESOURCE-TYPE`
    Verb(Verb, String),
}

/// Where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `compartment id OCID`
    CompartmentId(String),
    /// `compartment a:b`, from the compartment at which the policy hangs.
    CompartmentPath(Vec<String>),
    /// `tenancy`
    Tenancy,
}

/// A group that the principal is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// OCID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Identity domain; `None` is `Default`.
    pub domain: Option<String>,
    /// Whether it is a dynamic group.
    pub dynamic: bool,
}

/// The compartments of a tenancy, by OCID: name and parent. The root has no parent.
#[derive(Clone, Debug, Default)]
pub struct Compartments(pub BTreeMap<String, (String, Option<String>)>);

/// What somebody wants to do.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// The groups it is in.
    pub groups: &'a [Membership],
    /// What: one permission, for instance `BUCKET_READ`.
    pub permission: &'a str,
    /// Where: a compartment's OCID.
    pub compartment: &'a str,
    /// Further variables by name: `target.bucket.name`, `request.operation`, `request.region` and so on.
    pub variables: &'a BTreeMap<&'static str, String>,
}

/// Whether the policies allow this.
///
/// The refusal names the statement that came closest: clause `condition` when only its condition failed, else `policy`. A
/// statement whose condition is about principals of another type did not come close.
pub fn evaluate(policies: &[Policy], compartments: &Compartments, access: &Access<'_>) -> Decision {
    let mut closest: Option<(usize, &Statement, Outcome<'_>)> = None;
    for policy in policies {
        for statement in &policy.statements {
            if !statement.subject.includes(access)
                || !statement.what.includes(access.permission)
                || !statement.location.covers(&policy.compartment, access.compartment, compartments)
            {
                continue;
            }
            let Some(condition) = &statement.condition else { return allow(access, policy, statement, Vec::new()) };
            let outcome = condition.evaluate(&|name: &str| access.variable(name, compartments));
            if outcome.holds {
                return allow(access, policy, statement, variables::warnings(&outcome.unknown));
            }
            let other = condition.names_other_type(access.principal);
            if !other && closest.as_ref().is_none_or(|(held, ..)| *held < outcome.held) {
                closest = Some((outcome.held, statement, outcome));
            }
        }
    }
    if access.principal.kind == PTYPE_INSTANCE && access.permission == INSTANCE_PERMISSION {
        return Decision::Allow(Grant {
            principal: access.principal.id.clone(),
            held: vec!["policy"],
            ..Grant::default()
        });
    }
    Decision::Refuse(match closest {
        Some((_, statement, outcome)) => condition_failed(statement, &outcome),
        None => nothing_allows(access),
    })
}

fn allow(access: &Access<'_>, policy: &Policy, statement: &Statement, warnings: Vec<Warning>) -> Decision {
    let attributes = BTreeMap::from([
        ("permission".to_owned(), access.permission.to_owned()),
        ("policy".to_owned(), policy.name.clone()),
        ("statement".to_owned(), statement.source.clone()),
    ]);
    let held = vec!["policy", "condition"];
    Decision::Allow(Grant { principal: access.principal.id.clone(), lifetime: None, attributes, held, warnings })
}

fn condition_failed(statement: &Statement, outcome: &Outcome<'_>) -> Refusal {
    let (seen, wanted) = match &outcome.failed {
        Some((test, seen)) => (seen.clone(), test.to_string()),
        None => ("an empty condition".to_owned(), "a condition that can hold".to_owned()),
    };
    let fix = match variables::warnings(&outcome.unknown).into_iter().next() {
        Some(warning) => warning.fix,
        None => "change the condition, or act as the principal that it means".to_owned(),
    };
    let mut refusal = Refusal::new(
        "condition",
        seen,
        format!("{wanted}, in: {}", statement.source),
        NOT_AUTHORIZED_OR_NOT_FOUND,
        fix,
    );
    refusal.held.push("policy");
    refusal
}

fn nothing_allows(access: &Access<'_>) -> Refusal {
    let groups: Vec<&str> = access.groups.iter().map(|group| group.name.as_str()).collect();
    let member = if groups.is_empty() { "in no group".to_owned() } else { format!("in {}", groups.join(", ")) };
    Refusal::new(
        "policy",
        format!("{}, {member}: no statement gives it {}", access.principal, access.permission),
        format!("a statement that gives {} in {}", access.permission, access.compartment),
        NOT_AUTHORIZED_OR_NOT_FOUND,
        format!("add a policy such as: {}", suggestion(access)),
    )
}

impl Condition {
    /// Whether it asks for a type of principal, and this one is of none of those.
    fn names_other_type(&self, principal: &Principal) -> bool {
        let mut asked = self
            .tests()
            .into_iter()
            .filter(|test| test.variable.eq_ignore_ascii_case("request.principal.type"))
            .map(|test| test.compare.holds(&[principal.kind.as_str()]))
            .peekable();
        asked.peek().is_some() && asked.all(|holds| !holds)
    }
}

/// The narrowest statement that would do.
fn suggestion(access: &Access<'_>) -> String {
    let (permission, compartment) = (access.permission, access.compartment);
    match access.groups.first() {
        Some(group) => {
            let subject = if group.dynamic { "dynamic-group" } else { "group" };
            format!("Allow {subject} {} to {{{permission}}} in compartment id {compartment}", group.name)
        }
        None => format!(
            "Allow any-group to {{{permission}}} in compartment id {compartment} where request.principal.id = '{}'",
            access.principal.id
        ),
    }
}

impl Subject {
    fn includes(&self, access: &Access<'_>) -> bool {
        let in_one_of = |references: &[Reference], dynamic: bool| {
            access
                .groups
                .iter()
                .filter(|group| group.dynamic == dynamic)
                .any(|group| references.iter().any(|reference| reference.means(group)))
        };
        let principal = access.principal;
        let is_it = |name: &String| {
            name.eq_ignore_ascii_case(&principal.id)
                || principal.name.as_ref().is_some_and(|own| name.eq_ignore_ascii_case(own))
        };
        match self {
            Self::AnyUser => true,
            Self::AnyGroup => principal.kind != TYPE_SERVICE,
            Self::Groups(references) => principal.kind == PTYPE_USER && in_one_of(references, false),
            Self::DynamicGroups(references) => in_one_of(references, true),
            Self::Services(names) => principal.kind == TYPE_SERVICE && names.iter().any(is_it),
            Self::Resource { kind, name } => principal.kind.eq_ignore_ascii_case(kind) && is_it(name),
        }
    }
}

impl Reference {
    fn means(&self, group: &Membership) -> bool {
        const DEFAULT: &str = "Default";
        match self {
            Self::Id(id) => *id == group.id,
            Self::Named { domain, name } => {
                let wanted = domain.as_deref().unwrap_or(DEFAULT);
                name.eq_ignore_ascii_case(&group.name)
                    && wanted.eq_ignore_ascii_case(group.domain.as_deref().unwrap_or(DEFAULT))
            }
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Named { domain: Some(domain), name } => write!(f, "{domain}/{name}"),
            Self::Named { domain: None, name } => f.write_str(name),
        }
    }
}

impl What {
    fn includes(&self, permission: &str) -> bool {
        match self {
            Self::Permissions(permissions) => permissions.iter().any(|own| own.eq_ignore_ascii_case(permission)),
            Self::Verb(verb, resource) => verbs::grants(*verb, resource, permission),
        }
    }
}

impl Location {
    /// Whether it covers `target` for a policy that hangs at `attached`.
    fn covers(&self, attached: &str, target: &str, compartments: &Compartments) -> bool {
        if !compartments.is_within(target, attached) {
            return false;
        }
        match self {
            Self::Tenancy => compartments.is_root(attached),
            Self::CompartmentId(id) => compartments.is_within(id, attached) && compartments.is_within(target, id),
            Self::CompartmentPath(path) => {
                compartments.find(attached, path).is_some_and(|found| compartments.is_within(target, found))
            }
        }
    }
}

impl Compartments {
    /// Whether this is the root compartment, the tenancy itself.
    pub fn is_root(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|(_, parent)| parent.is_none())
    }

    /// Whether `inner` is `outer` or lies below it.
    pub fn is_within(&self, inner: &str, outer: &str) -> bool {
        let mut at = Some(inner);
        // No tree is deeper than it has members, so a cycle in the data ends the walk.
        for _ in 0..=self.0.len() {
            match at {
                Some(here) if here == outer => return self.0.contains_key(here),
                Some(here) => at = self.0.get(here).and_then(|(_, parent)| parent.as_deref()),
                None => return false,
            }
        }
        false
    }

    /// The compartment at this path of names below `from`; the first name may be that of `from` itself.
    fn find(&self, from: &str, path: &[String]) -> Option<&str> {
        let (own, (own_name, _)) = self.0.get_key_value(from)?;
        let path = match path.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(own_name) => rest,
            _ => path,
        };
        path.iter().try_fold(own.as_str(), |parent, name| {
            self.0
                .iter()
                .find(|(_, (own, above))| above.as_deref() == Some(parent) && own.eq_ignore_ascii_case(name))
                .map(|(id, _)| id.as_str())
        })
    }
}

impl Access<'_> {
    fn variable(&self, name: &str, compartments: &Compartments) -> Value<'_> {
        let found: Option<Cow<'_, str>> = match name {
            "request.permission" => Some(Cow::Borrowed(self.permission)),
            "request.user.id" if self.principal.is_user() => Some(Cow::Borrowed(&self.principal.id)),
            "request.user.name" if self.principal.is_user() => self.principal.name.as_deref().map(Cow::Borrowed),
            "request.groups.id" if !self.groups.is_empty() => {
                return Value::Many(self.groups.iter().map(|group| group.id.as_str()).collect());
            }
            "target.compartment.id" => Some(Cow::Borrowed(self.compartment)),
            "target.compartment.name" => compartments.0.get(self.compartment).map(|(name, _)| Cow::Owned(name.clone())),
            _ => match name.strip_prefix("request.principal.") {
                Some(rest) => {
                    self.principal.variable(rest).or_else(|| self.principal.attribute(rest)).map(Cow::Borrowed)
                }
                None => self
                    .variables
                    .iter()
                    .find(|(own, _)| own.eq_ignore_ascii_case(name))
                    .map(|(_, value)| Cow::Borrowed(value.as_str())),
            },
        };
        match found {
            Some(value) => Value::One(value),
            None if variables::exists(name) => Value::Absent,
            None => Value::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
