//! Matching rules of dynamic groups.
//!
//! `any { … }`, `all { … }` or one test over `instance.id`, `instance.compartment.id`, `resource.id`,
//! `resource.compartment.id`, `resource.type` and `tag.NAMESPACE.KEY.value`
//! (<https://docs.oracle.com/en-us/iaas/Content/Identity/dynamicgroups/Writing_Matching_Rules_to_Define_Dynamic_Groups.htm>).

use std::{borrow::Cow, collections::BTreeMap, fmt};

use carnet_trust::Warning;

use super::{
    Principal,
    condition::{Condition, Cursor, SyntaxError, Value, nearest, tokens},
    principal::{PTYPE_FEDERATED, PTYPE_INSTANCE, PTYPE_USER, PTYPE_WORKLOAD},
};

/// The variables of matching rules, tags apart.
const VARIABLES: [&str; 5] =
    ["instance.id", "instance.compartment.id", "resource.id", "resource.compartment.id", "resource.type"];

/// A parsed matching rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchingRule(Condition);

/// Parses a matching rule.
///
/// # Errors
/// Where it is malformed, and what was expected there.
pub fn parse_matching_rule(text: &str) -> Result<MatchingRule, SyntaxError> {
    let tokens = tokens(text)?;
    let mut cursor = Cursor::new(&tokens, text);
    let condition = Condition::parse(&mut cursor, true)?;
    cursor.expect_end()?;
    Ok(MatchingRule(condition))
}

impl MatchingRule {
    /// Whether this principal is in the group. `tags` are the defined tags of the instance or resource, `ns.key` to value.
    /// Users, pods and external identities are never in a dynamic group.
    pub fn matches(&self, principal: &Principal, tags: &BTreeMap<String, String>) -> bool {
        let instance = principal.kind == PTYPE_INSTANCE;
        if [PTYPE_USER, PTYPE_WORKLOAD, PTYPE_FEDERATED].contains(&principal.kind.as_str()) {
            return false;
        }
        let value = |name: &str| {
            let found = match name {
                "instance.id" if instance => Some(principal.id.as_str()),
                "instance.compartment.id" if instance => principal.compartment.as_deref(),
                "resource.id" if !instance => Some(principal.id.as_str()),
                "resource.compartment.id" if !instance => principal.compartment.as_deref(),
                "resource.type" if !instance => Some(principal.kind.as_str()),
                _ => match tag_of(name) {
                    Some(tag) => {
                        tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag)).map(|(_, value)| value.as_str())
                    }
                    None if VARIABLES.contains(&name) => None,
                    None => return Value::Unknown,
                },
            };
            found.map_or(Value::Absent, |text| Value::One(Cow::Borrowed(text)))
        };
        self.0.evaluate(&value).holds
    }

    /// What is in the rule that cannot be meant: variables that do not exist.
    pub fn warnings(&self) -> Vec<Warning> {
        self.0
            .tests()
            .into_iter()
            .filter(|test| {
                let name = test.variable.to_ascii_lowercase();
                !VARIABLES.contains(&name.as_str()) && tag_of(&name).is_none()
            })
            .map(|test| Warning {
                clause: "condition",
                message: format!("{} is no variable of matching rules, so the test never holds", test.variable),
                fix: match nearest(&test.variable.to_ascii_lowercase(), VARIABLES.into_iter()) {
                    Some(near) => format!("write {near}"),
                    None => format!("use one of {} or tag.NAMESPACE.KEY.value", VARIABLES.join(", ")),
                },
            })
            .collect()
    }
}

impl fmt::Display for MatchingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `ns.key` of `tag.ns.key.value`.
fn tag_of(variable: &str) -> Option<&str> {
    variable.strip_prefix("tag.")?.strip_suffix(".value").filter(|tag| tag.contains('.'))
}

#[cfg(test)]
mod tests {
    use carnet_jose::Claims;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn principal(claims: serde_json::Value) -> Principal {
        let serde_json::Value::Object(claims) = claims else { panic!("an object") };
        Principal::from_claims(&Claims(claims)).unwrap()
    }

    fn instance() -> Principal {
        principal(json!({"ptype": "instance", "sub": "ocid1.instance.oc1..i", "tenant": "t", "opc-compartment": "ci"}))
    }

    fn function() -> Principal {
        principal(json!({
            "ptype": "resource", "sub": "f", "tenant": "t", "res_type": "fnfunc", "res_compartment": "ci"
        }))
    }

    #[test]
    fn rules_choose_instances_and_resources() {
        let tags = BTreeMap::from([("Ops.team".to_owned(), "blue".to_owned())]);
        for (rule, is_instance, is_function) in [
            ("instance.compartment.id = 'ci'", true, false),
            ("instance.compartment.id != 'ci'", false, false),
            ("ALL {resource.type = 'FnFunc', resource.compartment.id = 'ci'}", false, true),
            ("Any {instance.id = 'ocid1.instance.oc1..i', resource.id = 'f'}", true, true),
            ("any {instance.id = 'other', all {resource.id = 'f', resource.type = 'x'}}", false, false),
            ("tag.ops.team.value = 'blue'", true, true),
            ("tag.ops.team.value", true, true),
            ("tag.ops.cost.value", false, false),
            ("instnce.id = 'ocid1.instance.oc1..i'", false, false),
        ] {
            let parsed = parse_matching_rule(rule).unwrap();
            assert_eq!(parsed.matches(&instance(), &tags), is_instance, "{rule} for an instance");
            assert_eq!(parsed.matches(&function(), &tags), is_function, "{rule} for a function");
        }
    }

    #[test]
    fn pods_and_users_are_in_no_dynamic_group() {
        let rule = parse_matching_rule("resource.type != 'nothing'").unwrap();
        let pod = principal(json!({"ptype": "workload", "sub": "w", "tenant": "t"}));
        assert!(!rule.matches(&pod, &BTreeMap::new()));
        assert!(!rule.matches(&Principal::user("u", "t", "n"), &BTreeMap::new()));
    }

    #[test]
    fn a_misspelt_variable_is_reported_with_the_right_one() {
        let warnings = parse_matching_rule("all {instance.compartmnt.id = 'ci'}").unwrap().warnings();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].fix, "write instance.compartment.id");
    }

    #[test]
    fn a_malformed_rule_is_refused_with_its_column() {
        for (rule, column) in [
            ("", 1),
            ("all {", 6),
            ("all {instance.id = 'x'", 23),
            ("instance.id = x", 15),
            ("instance.id = 'x' or", 19),
            ("instance.id = 'x", 15),
        ] {
            assert_eq!(parse_matching_rule(rule).unwrap_err().column, column, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
            let _ = parse_matching_rule(&text);
        }

        #[test]
        fn what_is_printed_parses_to_the_same_rule(text in "(any|all) \\{(instance\\.id|resource\\.type) (=|!=) '[a-z.]{0,9}'(, any \\{tag\\.a\\.b\\.value\\}){0,2}\\}") {
            let rule = parse_matching_rule(&text).unwrap();
            prop_assert_eq!(parse_matching_rule(&rule.to_string()).unwrap(), rule);
        }
    }
}
