//! No answer, printed token, subject or set of claims of a CI system may make its readers panic; a token is one word, and what is said of a
//! trust says what to do.
#![no_main]

use std::collections::BTreeMap;

use carnet_ci::{
    CiTrust, SYSTEMS, lint, look, parse_oidc_token_answer, parse_plain_token, parse_token_answer, subject_claims,
};
use carnet_jose::Claims;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str, &str, &str)| {
    let (bytes, issuer, subject, name) = input;
    if let Ok(token) = parse_plain_token(bytes) {
        assert!(!token.is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
    for token in [parse_token_answer(bytes), parse_oidc_token_answer(bytes)].into_iter().flatten() {
        assert!(!token.is_empty());
    }
    for system in SYSTEMS {
        assert!(subject_claims(system, subject).iter().all(|(_, value)| value.len() <= subject.len()));
    }
    let trust = CiTrust {
        issuer,
        audiences: vec![name],
        subject: Some(subject),
        claims: BTreeMap::from([(name, vec![subject])]),
    };
    assert!(lint(&trust).iter().all(|warning| !warning.fix.is_empty()));
    if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(bytes)
        && let Some(seen) = look(&Claims(members))
    {
        assert!(seen.claims.iter().all(|(_, value)| !value.chars().any(char::is_control)));
    }
});
