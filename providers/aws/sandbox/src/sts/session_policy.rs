//! Session policies: what bounds a session below its role ("Session policies", IAM user guide).

use std::collections::BTreeMap;

use carnet_trust::Refusal;

use super::parameters::{Parameters, invalid};
use crate::{
    policy::{PolicyDocument, PolicyMistake, malformed},
    reply::ApiError,
};

/// Longest inline policy, in characters.
const LONGEST: usize = 2048;
/// Most managed policies.
const MOST_ARNS: usize = 10;
/// What policies and tags may take together. UNCONFIRMED: AWS packs them in a binary form that it does not describe.
const ROOM: usize = 4096;

/// The managed policies that the sandbox knows.
const MANAGED: [(&str, &str); 2] = [
    (
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*"],"Resource":"*"}}"#,
    ),
    (
        "arn:aws:iam::aws:policy/AdministratorAccess",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    ),
];

const UNKNOWN: &str = "The specified managed policy does not exist.";

/// The policies of a request, and how much of the room they and the tags take, in per cent; `None` when there is
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct SessionPolicies {
    pub(crate) policies: Vec<PolicyDocument>,
    pub(crate) packed: Option<usize>,
}

/// Reads `Policy` and `PolicyArns`.
///
/// # Errors
/// `MalformedPolicyDocument`, `PackedPolicyTooLarge`, `ValidationError`.
pub(crate) fn read(parameters: &Parameters, tags: &BTreeMap<String, String>) -> Result<SessionPolicies, ApiError> {
    let inline = parameters.text("Policy");
    if inline.is_some_and(|policy| policy.chars().count() > LONGEST) {
        let wanted = format!("Member must have length less than or equal to {LONGEST}");
        return Err(invalid("policy", Some("..."), &wanted));
    }
    let arns = parameters.list("PolicyArns", ".arn");
    if arns.len() > MOST_ARNS {
        let wanted = format!("Member must have length less than or equal to {MOST_ARNS}");
        return Err(invalid("policyArns", None, &wanted));
    }
    let of_tags = tags.iter().map(|(key, value)| key.len() + value.len());
    let used: usize = inline.into_iter().chain(arns.iter().copied()).map(str::len).chain(of_tags).sum();
    let packed = used.saturating_mul(100).div_ceil(ROOM);
    if packed > 100 {
        let text = format!("Packed policy consumes {packed}% of allotted space, please use smaller policy.");
        let refusal = Refusal::new(
            "policy-document",
            format!("{packed} %"),
            "at most 100 %",
            "PackedPolicyTooLarge",
            "shorten policies and tags",
        );
        return Err(ApiError::new(400, "PackedPolicyTooLarge", text).because(refusal));
    }
    let mut policies = Vec::new();
    if let Some(document) = inline {
        policies.push(PolicyDocument::parse(document).map_err(PolicyMistake::refused)?);
    }
    for arn in arns {
        let known = MANAGED.iter().find_map(|(own, document)| (*own == arn).then_some(*document));
        let document = known.ok_or_else(|| malformed(UNKNOWN, arn))?;
        policies.push(PolicyDocument::parse(document).map_err(PolicyMistake::refused)?);
    }
    Ok(SessionPolicies { policies, packed: (used > 0).then_some(packed) })
}
