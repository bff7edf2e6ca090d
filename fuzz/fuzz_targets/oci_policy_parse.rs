//! No statement, matching rule or impersonation rule may make the readers panic; what is printed reads back.
#![no_main]

use carnet_oci::trust::{dynamic_group::parse_matching_rule, policy::parse_statement, propagation::Rule};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    drop(parse_statement(text));
    if let Ok(rule) = parse_matching_rule(text) {
        // As text: a rule also knows the columns where its tests stood.
        let printed = rule.to_string();
        assert_eq!(parse_matching_rule(&printed).expect("what is printed is a rule").to_string(), printed);
    }
    if let Ok(rule) = Rule::parse(text) {
        assert_eq!(Rule::parse(&rule.to_string()).expect("what is printed is a rule"), rule);
    }
});
