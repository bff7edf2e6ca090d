//! No token review, no claims, no name of an account and no answer of proxymux may make the readers panic.
#![no_main]

use carnet_jose::Claims;
use carnet_kubernetes::{AccountPattern, Bound, ServiceAccount, parse_review};
use carnet_oci::source::oke::parse_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<u8>)| {
    let (text, body) = input;
    if let Some(account) = ServiceAccount::of_subject(text) {
        assert_eq!(account.subject(), text);
    }
    if let Some(pattern) = AccountPattern::parse(text) {
        assert_eq!(pattern.to_string(), text);
    }
    if let Some(Ok(bound)) = parse_review(&body, &[text]) {
        assert_eq!(ServiceAccount::of_subject(&bound.account.subject()), Some(bound.account));
    }
    if let Ok(claims) = serde_json::from_slice(&body) {
        drop(Bound::of_claims(&Claims(claims)));
    }
    drop(parse_answer(&body));
});
