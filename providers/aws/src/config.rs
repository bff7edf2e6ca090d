//! What sections have in common, and their checks.

use std::{collections::BTreeSet, ops::RangeInclusive};

use carnet_core::Mistake;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::trust::{self, is_session_name, is_tag_character};

/// Life of a session in seconds ("AssumeRoleWithWebIdentity", DurationSeconds; "CreateSession").
pub(crate) const SESSION: RangeInclusive<i64> = 900..=43_200;
/// The session's name when none is configured.
pub(crate) const SESSION_NAME: &str = "carnet";

/// A session tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its key, to 128 characters.
    pub key: String,
    /// Its value, to 256 characters.
    pub value: String,
    /// Whether it stays over the roles that follow.
    #[serde(default)]
    pub transitive: bool,
}

/// A role that is assumed with the keys of the one before (`AssumeRole`). AWS gives such a session one hour at most.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// The role's ARN.
    pub role_arn: String,
    /// What the role's owner wants to be told.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The name of the session. By default that of the first one.
    #[serde(default)]
    pub session_name: Option<String>,
    /// Who started it; stays over the roles that follow.
    #[serde(default)]
    pub source_identity: Option<String>,
    /// Session tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// Policies that make a session smaller than its role.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionPolicy {
    pub(crate) document: Option<String>,
    pub(crate) arns: Vec<String>,
}

impl SessionPolicy {
    pub(crate) fn check(document: Option<String>, arns: Vec<String>, mistakes: &mut Vec<Mistake>) -> Self {
        if let Some(text) = &document {
            if !serde_json::from_str::<serde_json::Value>(text).is_ok_and(|json| json.is_object()) {
                mistakes.push(Mistake::new("policy", "is not a JSON object").hint("write the policy document as text"));
            } else if text.chars().count() > 2048 {
                mistakes.push(Mistake::new("policy", "is longer than 2048 characters").hint("use `policy_arns`"));
            }
        }
        if arns.len() > 10 || arns.iter().any(|arn| !arn.starts_with("arn:")) {
            mistakes.push(Mistake::new("policy_arns", "is not a list of at most 10 ARNs"));
        }
        Self { document, arns }
    }
}

/// A role's ARN in any partition: `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
pub(crate) fn check_role(field: &str, arn: &str, mistakes: &mut Vec<Mistake>) {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let good = matches!(parts.as_slice(), ["arn", partition, "iam", "", account, role]
        if partition.starts_with("aws") && is_account(account) && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
    if !good || arn.len() > 2048 || !arn.chars().all(|c| c.is_ascii_graphic()) {
        let hint = match parts.get(2) {
            Some(&"sts") => "this is the ARN of a session; write that of the role, arn:aws:iam::ACCOUNT:role/NAME",
            _ => "write it as arn:aws:iam::ACCOUNT:role/NAME, ACCOUNT being twelve digits",
        };
        mistakes.push(Mistake::new(field, "is not the ARN of a role").hint(hint));
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 2 to 64 of letters, digits and `_+=,.@-`.
pub(crate) fn check_session_name(field: &str, name: &str, mistakes: &mut Vec<Mistake>) {
    if !is_session_name(name) {
        mistakes.push(Mistake::new(field, "is not the name of a session").hint(trust::SESSION_NAME));
    }
}

/// Session tags within AWS's bounds.
pub(crate) fn check_tags(field: &str, tags: &[Tag], mistakes: &mut Vec<Mistake>) {
    let good = |tag: &Tag| {
        (1..=128).contains(&tag.key.chars().count())
            && tag.value.chars().count() <= 256
            && tag.key.chars().chain(tag.value.chars()).all(is_tag_character)
    };
    if tags.len() > 50 || !tags.iter().all(good) {
        let hint = "at most 50; keys to 128, values to 256 letters, digits, blanks and _.:/=+-@";
        mistakes.push(Mistake::new(field, "passes the bounds of session tags").hint(hint));
        return;
    }
    let keys: BTreeSet<String> = tags.iter().map(|tag| tag.key.to_lowercase()).collect();
    if keys.len() < tags.len() {
        mistakes.push(Mistake::new(field, "has a key twice").hint("keys differ in more than upper and lower case"));
    }
}

pub(crate) fn check_hops(hops: &[Hop], mistakes: &mut Vec<Mistake>) {
    for hop in hops {
        check_role("then.role_arn", &hop.role_arn, mistakes);
        check_tags("then.tags", &hop.tags, mistakes);
        if let Some(name) = &hop.session_name {
            check_session_name("then.session_name", name, mistakes);
        }
        if let Some(who) = &hop.source_identity {
            check_session_name("then.source_identity", who, mistakes);
        }
    }
}

/// A region such as `eu-central-1`. It becomes part of a host name, so nothing else passes.
pub(crate) fn is_region(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.contains('-') && text.len() <= 32 && !text.starts_with('-') && text.chars().all(fits)
}

pub(crate) fn check_region(region: Option<&str>, mistakes: &mut Vec<Mistake>) {
    if region.is_some_and(|region| !is_region(region)) {
        mistakes.push(Mistake::new("region", "is not a region").hint("for instance eu-central-1"));
    }
}

/// `lifetime`: a length of time such as `1h` or `900s`, in whole seconds.
pub(crate) fn check_duration_of(
    text: Option<&str>,
    within: &RangeInclusive<i64>,
    mistakes: &mut Vec<Mistake>,
) -> Option<i64> {
    let duration: Option<SignedDuration> = text?.parse().ok();
    let seconds = duration.filter(|life| life.subsec_nanos() == 0).map(|life| life.as_secs());
    let good = seconds.filter(|seconds| within.contains(seconds));
    if good.is_none() {
        let hint = format!("give a time such as `900s` or `1h`, from {}s to {}s", within.start(), within.end());
        mistakes.push(Mistake::new("lifetime", "is not a length of time in range").hint(hint));
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_from_sessions() {
        for (arn, good) in [
            ("arn:aws:iam::123456789012:role/ci/deploy", true),
            ("arn:aws-cn:iam::123456789012:role/r", true),
            ("arn:aws:sts::123456789012:assumed-role/r/s", false),
            ("arn:aws:iam::12345678901:role/r", false),
            ("arn:aws:iam::123456789012:user/r", false),
            ("deploy", false),
        ] {
            let mut mistakes = Vec::new();
            check_role("role_arn", arn, &mut mistakes);
            assert_eq!(mistakes.is_empty(), good, "{arn}");
        }
    }

    #[test]
    fn rejects_tags_and_source_identities_that_sts_refuses() {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned(), transitive: false };
        let hop = |tags: Vec<Tag>, who: Option<&str>| Hop {
            role_arn: "arn:aws:iam::123456789012:role/r".to_owned(),
            external_id: None,
            session_name: None,
            source_identity: who.map(str::to_owned),
            tags,
        };
        for (hop, field) in [
            (hop(vec![tag("team", "red"), tag("stage", "")], Some("alice@example.org")), None),
            (hop(vec![tag("team", "red"), tag("Team", "blue")], None), Some("then.tags")),
            (hop(vec![tag("team", "<red>")], None), Some("then.tags")),
            (hop(vec![tag("", "red")], None), Some("then.tags")),
            (hop(Vec::new(), Some("a<b>&c")), Some("then.source_identity")),
            (hop(Vec::new(), Some("a")), Some("then.source_identity")),
        ] {
            let mut mistakes = Vec::new();
            check_hops(&[hop], &mut mistakes);
            assert_eq!(mistakes.first().map(|mistake| mistake.field.as_str()), field);
        }
    }

    #[test]
    fn regions_are_parts_of_host_names() {
        for (region, good) in [("eu-central-1", true), ("evil.example/", false), ("useast1", false), ("-a", false)] {
            assert_eq!(is_region(region), good, "{region}");
        }
    }

    #[test]
    fn durations_have_bounds() {
        for (text, expected) in [("15m", Some(900)), ("899s", None), ("13h", None), ("soon", None)] {
            assert_eq!(check_duration_of(Some(text), &SESSION, &mut Vec::new()), expected, "{text}");
        }
    }
}
