//! No trust, claim or pattern may make the trust model of relying parties panic; what is accepted can be written and read
//! again, and a text without stars stands for itself.
#![no_main]

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_oauth::trust::{Check, Manner, Matching, Question, Trust, evaluate, lint};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, json};

const ORDER: [Check; 3] = [Check::Audience, Check::Subject, Check::Claims];

fn manner(matching: Matching) -> Manner {
    Manner { matching, order: ORDER, leeway: SignedDuration::from_secs(30), expiry_needed: false, audience: Some("a") }
}

fuzz_target!(|input: (&str, &str, Vec<u8>, Vec<u8>)| {
    let (wanted, seen, trust, claims) = input;
    let now = Timestamp::from_second(1_795_262_400).expect("a time");
    let members = BTreeMap::from([("client_id".to_owned(), seen.to_owned())]);
    let claims = serde_json::from_slice(&claims).map_or_else(|_| Claims(Map::new()), Claims);
    if let Ok(trust) = serde_json::from_slice::<Trust>(&trust) {
        let text = serde_json::to_string(&trust).expect("a trust is JSON");
        assert_eq!(serde_json::from_str::<Trust>(&text).expect("it was written"), trust);
        drop(lint(&trust));
        for matching in [Matching::Exact, Matching::Glob, Matching::Segments] {
            let manner = manner(matching);
            let decision =
                evaluate(&Question { claims: &claims, members: &members, trust: &trust, manner: &manner, now });
            if let Some(grant) = decision.grant() {
                assert_eq!(claims.str("iss").unwrap_or_default(), trust.issuer);
                assert_eq!(grant.principal, trust.principal);
            }
        }
    }
    // The time grows with the product of pattern and text.
    let (wanted, seen): (String, String) = (wanted.chars().take(300).collect(), seen.chars().take(300).collect());
    let trust = Trust { issuer: "i".to_owned(), subject: Some(wanted.clone()), ..Trust::default() };
    let members = json!({ "iss": "i", "aud": "a", "sub": seen });
    let claims = Claims(members.as_object().cloned().unwrap_or_default());
    for matching in [Matching::Exact, Matching::Glob, Matching::Segments] {
        let (manner, none) = (manner(matching), BTreeMap::new());
        let decision = evaluate(&Question { claims: &claims, members: &none, trust: &trust, manner: &manner, now });
        if matching == Matching::Exact || !wanted.contains('*') {
            assert_eq!(decision.grant().is_some(), wanted == seen);
        }
    }
});
