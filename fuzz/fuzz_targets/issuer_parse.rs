//! No form and no rule may make the issuer's readers panic, and a rule that is read and loaded can be written and loaded
//! again.
#![no_main]

use carnet_issuer::{LookupRequest, Rule, RuleSet, TokenRequest, TrustedIssuer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = TokenRequest::from_form(bytes) {
        // RFC 6749, 5.2: what may stand in a description.
        assert!(error.description.chars().all(|c| matches!(c, ' '..='!' | '#'..='[' | ']'..='~')), "{error}");
    }
    drop(LookupRequest::from_form(bytes));
    if let Ok(issuer) = serde_json::from_slice::<TrustedIssuer>(bytes) {
        drop(RuleSet::load_with(Vec::new(), &[issuer], None));
    }
    let Ok(rule) = serde_json::from_slice::<Rule>(bytes) else { return };
    let Ok(set) = RuleSet::load(vec![rule.clone()]) else { return };
    assert_eq!(set.rule(&rule.name), Some(&rule));
    let written = serde_json::to_vec(&rule).expect("a rule is JSON");
    let again: Rule = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(rule, again);
});
