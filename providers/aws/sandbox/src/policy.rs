//! Permission policies: of roles, users and sessions ("IAM JSON policy elements reference", "Policy evaluation logic").
//!
//! Conditions are those of the trust model; what is here is only what trust policies do not have: resources.

use std::fmt;

use carnet_aws::trust::{Condition, Context, Document, DocumentError};
use carnet_trust::Refusal;
use serde_json::{Map, Value};

use crate::reply::ApiError;

/// Longest policy in characters, white space not counted ("IAM and STS quotas": inline policies of a role).
const LONGEST: usize = 10_240;
/// Keys under which action and resource stand while conditions are asked; no key of AWS has this prefix.
const ACTION: &str = "carnet:action";
const RESOURCE: &str = "carnet:resource";

/// A permission policy, parsed once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDocument(Vec<Statement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allow: bool,
    action: Condition,
    resource: Condition,
    conditions: Vec<Condition>,
}

/// Why a document is no permission policy; IAM and STS answer `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyMistake {
    /// What AWS says.
    pub text: String,
    /// What was seen; AWS's words where they say it.
    pub seen: String,
}

impl PolicyMistake {
    fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { seen: text.clone(), text }
    }

    /// As IAM and STS refuse it.
    pub(crate) fn refused(self) -> ApiError {
        malformed(&self.text, &self.seen)
    }

    /// AWS says no more of a form that is wrong.
    fn syntax(seen: impl Into<String>) -> Self {
        Self { text: "Syntax errors in policy.".to_owned(), seen: seen.into() }
    }
}

impl fmt::Display for PolicyMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for PolicyMistake {}

/// The refusal of a document that is no policy.
pub(crate) fn malformed(text: &str, seen: &str) -> ApiError {
    let seen = carnet_core::safe_text(seen);
    let refusal = Refusal::new("policy-document", seen, "a policy", "MalformedPolicyDocument", "correct the document");
    ApiError::new(400, "MalformedPolicyDocument", text).because(refusal)
}

/// What a set of policies says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Some statement allows it and none denies it.
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement is about it.
    Silent,
}

impl PolicyDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(document: &str) -> Result<Self, PolicyMistake> {
        let document = Document::parse(document, LONGEST).map_err(|error| match error {
            DocumentError::Syntax(what) => PolicyMistake::syntax(what),
            DocumentError::Sid(text) => PolicyMistake::new(text),
        })?;
        let read = |members: &Map<String, Value>| Statement::read(members, document.variables);
        let statements = document.statements.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self(statements))
    }
}

/// Whether policies together allow an action on a resource. A statement that denies wins.
pub(crate) fn evaluate<'a>(
    policies: impl IntoIterator<Item = &'a PolicyDocument>,
    action: &str,
    resource: &str,
    context: &Context,
) -> Verdict {
    let context = context.clone().with(ACTION, [action.to_ascii_lowercase()]).with(RESOURCE, [resource]);
    let mut verdict = Verdict::Silent;
    for statement in policies.into_iter().flat_map(|policy| &policy.0).filter(|one| one.applies(&context)) {
        if !statement.allow {
            return Verdict::Denied;
        }
        verdict = Verdict::Allowed;
    }
    verdict
}

impl Statement {
    fn read(members: &Map<String, Value>, variables: bool) -> Result<Self, PolicyMistake> {
        const KNOWN: [&str; 7] = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        if members.contains_key("Principal") || members.contains_key("NotPrincipal") {
            return Err(PolicyMistake::new("Policy document should not specify a principal."));
        }
        if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(PolicyMistake::syntax(format!("unknown member {}", carnet_core::safe_text(unknown))));
        }
        let allow = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(PolicyMistake::syntax("`Effect` is neither Allow nor Deny")),
        };
        let either = |plain: &str, negated: &str, missing: &str| {
            let (operator, texts) = match (members.get(plain), members.get(negated)) {
                (Some(value), None) => ("StringLike", texts(value)?),
                (None, Some(value)) => ("StringNotLike", texts(value)?),
                (Some(_), Some(_)) => return Err(PolicyMistake::syntax(format!("both `{plain}` and `{negated}`"))),
                (None, None) => return Err(PolicyMistake::new(missing)),
            };
            if texts.is_empty() { Err(PolicyMistake::new(missing)) } else { Ok((operator, texts)) }
        };
        let (operator, actions) = either("Action", "NotAction", "Policy statement must contain actions.")?;
        if actions.iter().any(|action| action != "*" && !action.contains(':')) {
            return Err(PolicyMistake::new(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        }
        let actions: Vec<String> = actions.iter().map(|action| action.to_ascii_lowercase()).collect();
        let action = Condition::new(operator, ACTION, &actions, false);
        let (operator, resources) = either("Resource", "NotResource", "Policy statement must contain resources.")?;
        if resources.iter().any(|arn| arn != "*" && !arn.starts_with("arn:")) {
            return Err(PolicyMistake::new("Resource must be in ARN format or \"*\"."));
        }
        let resource = Condition::new(operator, RESOURCE, &resources, variables);
        let (Some(action), Some(resource)) = (action, resource) else {
            return Err(PolicyMistake::syntax("`Action` or `Resource`"));
        };
        Ok(Self { allow, action, resource, conditions: conditions(members.get("Condition"), variables)? })
    }

    fn applies(&self, context: &Context) -> bool {
        let fits = |one: &Condition| if self.allow { one.holds(context) } else { one.may_hold(context) };
        self.action.holds(context) && self.resource.holds(context) && self.conditions.iter().all(fits)
    }
}

fn conditions(block: Option<&Value>, variables: bool) -> Result<Vec<Condition>, PolicyMistake> {
    let Some(block) = block else { return Ok(Vec::new()) };
    let mut conditions = Vec::new();
    for (operator, keys) in block.as_object().ok_or_else(|| PolicyMistake::syntax("`Condition` is no object"))? {
        let invalid = || PolicyMistake::new(format!("Invalid Condition type : {}", carnet_core::safe_text(operator)));
        for (key, values) in keys.as_object().ok_or_else(invalid)? {
            conditions.push(Condition::new(operator, key, &texts(values)?, variables).ok_or_else(invalid)?);
        }
    }
    Ok(conditions)
}

/// One text or a list; numbers and booleans count as what they are written as.
fn texts(value: &Value) -> Result<Vec<String>, PolicyMistake> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(PolicyMistake::syntax("something else than texts")),
    };
    match value {
        Value::Array(many) => many.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:ListBucket"],
        "Resource":["arn:aws:s3:::logs","arn:aws:s3:::logs/${aws:PrincipalTag/team}/*"]},
        {"Effect":"Deny","NotAction":"s3:*","Resource":"*"},
        {"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::logs*",
         "Condition":{"StringEquals":{"aws:username":"x"}}}]}"#;

    fn ask(action: &str, resource: &str) -> Verdict {
        let policy = PolicyDocument::parse(READS).unwrap();
        let context = Context::default().with("aws:PrincipalTag/team", ["red"]);
        evaluate([&policy], action, resource, &context)
    }

    #[test]
    fn actions_resources_and_variables_decide() {
        assert_eq!(ask("s3:GetObject", "arn:aws:s3:::logs/red/a"), Verdict::Allowed);
        assert_eq!(ask("S3:getobject", "arn:aws:s3:::logs/red/a"), Verdict::Allowed);
        assert_eq!(ask("s3:GetObject", "arn:aws:s3:::logs/blue/a"), Verdict::Silent);
        assert_eq!(ask("s3:PutObject", "arn:aws:s3:::logs/red/a"), Verdict::Silent);
        assert_eq!(ask("sts:AssumeRole", "arn:aws:s3:::logs"), Verdict::Denied);
    }

    #[test]
    fn rejects_documents_bent_in_one_place() {
        for (from, to) in [
            ("2012-10-17", "2020-01-01"),
            ("\"Allow\"", "\"Maybe\""),
            ("s3:Get*", "Get*"),
            ("arn:aws:s3:::logs\"", "logs\""),
            ("\"NotResource\"", "\"Principal\""),
            ("StringEquals", "StringResembles"),
            ("{", ""),
            ("\"Effect\"", "\"Effect\":\"Deny\",\"Effect\""),
            ("\"StringEquals\"", "\"StringEquals\":{},\"StringEquals\""),
            ("\"aws:username\"", "\"aws:username\":\"y\",\"aws:username\""),
            ("\"NotAction\"", "\"Action\":\"s3:*\",\"NotAction\""),
            ("[\"s3:Get*\",\"s3:ListBucket\"]", "[]"),
        ] {
            assert!(READS.contains(from), "{from}");
            assert!(PolicyDocument::parse(&READS.replacen(from, to, 1)).is_err(), "{from} as {to}");
        }
        assert!(PolicyDocument::parse(&" ".repeat(20_000)).is_err());
    }
}
