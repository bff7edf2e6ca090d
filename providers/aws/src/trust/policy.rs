//! Role trust policies ("IAM JSON policy elements reference").

use std::fmt;

use serde_json::{Map, Value};

use super::{
    condition::{Condition, Context},
    document::{Document, DocumentError},
    pattern::Pattern,
};

/// Longest trust policy in characters, white space not counted ("IAM and STS quotas": 2048, up to 8192 on request).
const LONGEST: usize = 8192;

/// The principal that is everybody.
const ANYBODY: &str = "*";

/// A role's trust policy, parsed once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustPolicy {
    statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    sid: Option<String>,
    allow: bool,
    /// Type (`Federated`, `AWS`, `Service`, or `*` for everybody) and value.
    principals: Vec<(String, String)>,
    actions: Vec<Action>,
    /// The list holds what is *not* meant.
    not_action: bool,
    conditions: Vec<Condition>,
}

/// The name of an action, with wildcards; read once, asked at every decision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Action {
    written: String,
    /// In lower case: names of actions are compared without it.
    pattern: Pattern,
}

/// Why a document is no trust policy; IAM answers `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(pub String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

/// Why a policy does not allow an action. All safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// `principal`, `action`, `condition` or `deny`.
    pub clause: &'static str,
    /// What was seen.
    pub seen: String,
    /// What the statement that came closest wants.
    pub wanted: String,
}

impl TrustPolicy {
    /// Reads a document.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(document: &str) -> Result<Self, PolicyError> {
        let document = Document::parse(document, LONGEST).map_err(|error| match error {
            DocumentError::Syntax(what) => PolicyError(format!("Syntax error: {what}")),
            DocumentError::Sid(text) => PolicyError(text.to_owned()),
        })?;
        let read = |members: &Map<String, Value>| Statement::read(members, document.variables);
        let statements = document.statements.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// The statements in order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Whether the principal may do the action. A statement that denies wins over all that allow; without one that allows
    /// the answer is no ("Policy evaluation logic"). Where nobody can tell whether a condition holds, a statement that denies
    /// matches and one that allows does not.
    ///
    /// # Errors
    /// Why not, by the statement that came closest.
    pub fn allows(&self, action: &str, principal: (&str, &str), context: &Context) -> Result<(), Denied> {
        let outcome = |statement: &Statement| statement.matches(action, principal, context);
        if let Some(denying) = self.statements.iter().find(|one| !one.allow && outcome(one).is_ok()) {
            let sid = denying.sid.clone().unwrap_or_else(|| "without Sid".to_owned());
            let open = denying.conditions.iter().find_map(|condition| condition.open(context));
            let open = open.map(|why| format!(", or may deny: {why}")).unwrap_or_default();
            return Err(Denied {
                clause: "deny",
                seen: format!("a statement that denies ({sid}){open}"),
                wanted: "none that matches".to_owned(),
            });
        }
        let mut closest: Option<Denied> = None;
        for statement in self.statements.iter().filter(|one| one.allow) {
            match outcome(statement) {
                Ok(()) => return Ok(()),
                Err(denied) => {
                    if closest.as_ref().is_none_or(|other| rank(denied.clause) > rank(other.clause)) {
                        closest = Some(denied);
                    }
                }
            }
        }
        Err(closest.unwrap_or_else(|| Denied {
            clause: "principal",
            seen: "no statement that allows".to_owned(),
            wanted: principal.1.to_owned(),
        }))
    }
}

/// How far a statement was followed.
fn rank(clause: &str) -> usize {
    ["principal", "action", "condition"].iter().position(|one| *one == clause).unwrap_or_default()
}

impl Statement {
    fn read(members: &Map<String, Value>, variables: bool) -> Result<Self, PolicyError> {
        const KNOWN: [&str; 6] = ["Sid", "Effect", "Principal", "Action", "NotAction", "Condition"];
        if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(match unknown.as_str() {
                "Resource" | "NotResource" => PolicyError("Has prohibited field Resource".to_owned()),
                // "You cannot use the NotPrincipal element in […] an IAM role trust policy" (AWS JSON policy elements).
                "NotPrincipal" => PolicyError("Has prohibited field NotPrincipal".to_owned()),
                _ => PolicyError(format!("Syntax error: unknown member {}", carnet_core::safe_text(unknown))),
            });
        }
        let allow = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(PolicyError("`Effect` is neither Allow nor Deny".to_owned())),
        };
        let principals = match members.get("Principal") {
            Some(Value::String(all)) if all == ANYBODY => vec![(ANYBODY.to_owned(), ANYBODY.to_owned())],
            Some(Value::Object(types)) => {
                let mut principals = Vec::new();
                for (kind, values) in types {
                    if !["AWS", "Federated", "Service", "CanonicalUser"].contains(&kind.as_str()) {
                        return Err(PolicyError("Invalid principal in policy".to_owned()));
                    }
                    principals.extend(texts("Principal", values)?.into_iter().map(|value| (kind.clone(), value)));
                }
                principals
            }
            _ => Vec::new(),
        };
        if principals.is_empty() {
            return Err(PolicyError("Missing required field Principal".to_owned()));
        }
        let (actions, not_action) = match (members.get("Action"), members.get("NotAction")) {
            (Some(actions), None) => (texts("Action", actions)?, false),
            (None, Some(actions)) => (texts("NotAction", actions)?, true),
            _ => (Vec::new(), false),
        };
        if actions.is_empty() {
            return Err(PolicyError("Missing required field Action".to_owned()));
        }
        if let Some(action) = actions.iter().find(|action| !is_trust_action(action)) {
            let action = carnet_core::safe_text(action);
            return Err(PolicyError(format!("AssumeRole policy may only specify STS AssumeRole actions ({action})")));
        }
        Ok(Self {
            sid: members.get("Sid").and_then(Value::as_str).map(carnet_core::safe_text),
            allow,
            principals,
            actions: actions.into_iter().map(Action::new).collect(),
            not_action,
            conditions: conditions(members.get("Condition"), variables)?,
        })
    }

    /// Whether it is one that allows.
    pub fn is_allow(&self) -> bool {
        self.allow
    }

    /// Its conditions.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Whether it is about this principal. One that denies and names `*` is about everybody, whatever type the `*` is of ("AWS
    /// JSON policy elements: Principal", all principals); one that allows lets nobody in by it who comes from another issuer.
    /// UNCONFIRMED how far `*` reaches among callers that are not of AWS: this is the strict side of both.
    pub fn names(&self, (kind, value): (&str, &str)) -> bool {
        let everybody = |of: &str| !self.allow || (of == ANYBODY && kind != "Federated");
        let is_it = |of: &str, name: &str| (of == kind && name == value) || (name == ANYBODY && everybody(of));
        self.principals.iter().any(|(of, name)| is_it(of, name))
    }

    /// Whether it is about this action. Names of actions are compared without case.
    pub fn covers(&self, action: &str) -> bool {
        let (action, nothing) = (action.to_ascii_lowercase(), Context::default());
        self.actions.iter().any(|wanted| wanted.pattern.matches(&action, &nothing)) != self.not_action
    }

    fn matches(&self, action: &str, principal: (&str, &str), context: &Context) -> Result<(), Denied> {
        let denied = |clause, seen: String, wanted: String| Err(Denied { clause, seen, wanted });
        if !self.names(principal) {
            let names = self.principals.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
            return denied("principal", principal.1.to_owned(), carnet_core::safe_text(&names));
        }
        if !self.covers(action) {
            let written = self.actions.iter().map(|wanted| wanted.written.as_str()).collect::<Vec<_>>().join(", ");
            return denied("action", action.to_owned(), carnet_core::safe_text(&written));
        }
        let fits = |one: &Condition| if self.allow { one.holds(context) } else { one.may_hold(context) };
        match self.conditions.iter().find(|condition| !fits(condition)) {
            None => Ok(()),
            Some(failed) => denied(
                "condition",
                failed.open(context).unwrap_or_else(|| format!("{} is {}", failed.key(), context.show(failed.key()))),
                carnet_core::safe_text(&format!("{} {}", failed.operator(), failed.wanted())),
            ),
        }
    }
}

impl Action {
    fn new(written: String) -> Self {
        Self { pattern: Pattern::new(&written.to_ascii_lowercase(), false), written }
    }
}

fn is_trust_action(action: &str) -> bool {
    action == "*" || action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sts:"))
}

fn conditions(block: Option<&Value>, variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let Some(block) = block else { return Ok(Vec::new()) };
    let Some(operators) = block.as_object() else { return Err(PolicyError("`Condition` is no object".to_owned())) };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let invalid = || PolicyError(format!("Invalid Condition type : {}", carnet_core::safe_text(operator)));
        for (key, values) in keys.as_object().ok_or_else(invalid)? {
            let values = texts("Condition", values)?;
            conditions.push(Condition::new(operator, key, &values, variables).ok_or_else(invalid)?);
        }
    }
    Ok(conditions)
}

/// One text or a list; numbers and booleans count as what they are written as.
fn texts(member: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(PolicyError(format!("`{member}` holds something else than texts"))),
    };
    match value {
        Value::Array(many) => many.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    }
}
