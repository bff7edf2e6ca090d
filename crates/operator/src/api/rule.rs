//! `TrustRule`: the members of a trust rule in Kubernetes' spelling, and its name from the object.

use carnet_issuer::Rule;
use serde_json::{Map, Value};

/// The rule that a spec says, under this name.
///
/// # Errors
/// What is not as a rule has it.
pub(crate) fn rule_of(spec: &Value, name: &str) -> Result<Rule, String> {
    let members = spec.as_object().ok_or_else(|| "spec is not an object".to_owned())?;
    // Only the names of members: what is in `claims` and `customClaims` are names of others.
    let mut rule: Map<String, Value> = members.iter().map(|(name, value)| (snake(name), value.clone())).collect();
    rule.insert("name".to_owned(), name.into());
    serde_json::from_value(Value::Object(rule)).map_err(|error| error.to_string())
}

/// `max_lifetime` as `maxLifetime`.
pub(crate) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let mut letters = word.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        head.into_iter().fold(text, |mut text, letter| {
            text.push(letter);
            text
        }) + letters.as_str()
    })
}

/// `maxLifetime` as `max_lifetime`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_spelled_as_in_kubernetes_and_claims_are_not_touched() {
        let spec =
            json!({"issuer": "https://issuer.example", "expectedAudiences": ["a"], "customClaims": {"myClaim": "x"}});
        let rule = rule_of(&spec, "k8s/x/ci").unwrap();
        assert_eq!((rule.name.as_str(), rule.expected_audiences.len()), ("k8s/x/ci", 1));
        assert!(rule.custom_claims.contains_key("myClaim"));
    }

    #[test]
    fn rejects_members_that_no_rule_has() {
        assert!(rule_of(&json!({"issuer": "https://issuer.example", "sub": "x"}), "a").unwrap_err().contains("sub"));
    }

    #[test]
    fn both_spellings_are_of_one_name() {
        for name in ["issuer", "max_lifetime", "subject_token_types", "may_act"] {
            assert_eq!(snake(&camel(name)), name);
        }
    }
}
