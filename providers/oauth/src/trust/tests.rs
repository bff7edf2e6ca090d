//! One token that is good, bent in one place.

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_trust::{Decision, Refusal};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;

const MANNER: Manner = Manner {
    matching: Matching::Glob,
    order: [Check::Audience, Check::Subject, Check::Claims],
    leeway: SignedDuration::from_secs(30),
    expiry_needed: true,
    audience: None,
};

fn trust() -> Trust {
    Trust {
        id: "rule".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        subject: Some("repo:org/app:*".to_owned()),
        audiences: vec!["https://service.example".to_owned()],
        claims: BTreeMap::from([("repository".to_owned(), vec!["org/app".to_owned()])]),
        members: BTreeMap::from([("account".to_owned(), vec!["a".to_owned()])]),
        principal: "account a".to_owned(),
        ..Trust::default()
    }
}

fn claims(changes: &Value) -> Claims {
    let mut claims = json!({
        "iss": "https://issuer.example", "sub": "repo:org/app:main", "aud": "https://service.example",
        "iat": NOW, "exp": NOW + 300, "repository": "org/app",
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Claims(claims.as_object().unwrap().clone())
}

fn ask(claims: &Claims, trust: &Trust, manner: &Manner, account: Option<&str>) -> Decision {
    let members = account.map(|account| ("account".to_owned(), account.to_owned())).into_iter().collect();
    let now = Timestamp::from_second(NOW).unwrap();
    evaluate(&Question { claims, members: &members, trust, manner, now })
}

fn refused(changes: &Value) -> Refusal {
    ask(&claims(changes), &trust(), &MANNER, Some("a")).refusal().cloned().expect("a refusal")
}

#[test]
fn accepts_what_fits() {
    let decision = ask(&claims(&json!({})), &trust(), &MANNER, Some("a"));
    let grant = decision.grant().unwrap();
    assert_eq!(grant.principal, "account a");
    assert_eq!(grant.held, ["stage", "members", "issuer", "times", "audience", "subject", "claims"]);
    assert!(grant.warnings.is_empty(), "{:?}", grant.warnings);
}

#[test]
fn rejects_each_bent_claim_by_its_clause() {
    for (changes, clause) in [
        (json!({"iss": "https://issuer.example/"}), "issuer"),
        (json!({"iss": ["https://issuer.example"]}), "issuer"),
        (json!({"exp": NOW - 30}), "expired"),
        (json!({"exp": null}), "claims"),
        (json!({"nbf": NOW + 31}), "not-yet"),
        (json!({"iat": NOW + 31}), "not-yet"),
        (json!({"aud": "https://service.example/"}), "audience"),
        (json!({"aud": null}), "audience"),
        (json!({"sub": "repo:org/app2:main"}), "subject"),
        (json!({"sub": null}), "subject"),
        (json!({"repository": "org/app2"}), "claims"),
        (json!({"repository": null}), "claims"),
        (json!({"repository": ["org/app"]}), "claims"),
    ] {
        assert_eq!(refused(&changes).clause, clause, "{changes}");
    }
}

#[test]
fn leeway_is_as_long_as_it_says() {
    for changes in [json!({"exp": NOW - 29}), json!({"nbf": NOW + 30}), json!({"iat": NOW + 30})] {
        assert!(ask(&claims(&changes), &trust(), &MANNER, Some("a")).grant().is_some(), "{changes}");
    }
}

#[test]
fn rejects_trust_that_is_switched_off_before_anything_else() {
    let off = Trust { stage: Stage::Disabled, ..trust() };
    let decision = ask(&claims(&json!({"iss": "other"})), &off, &MANNER, None);
    assert_eq!(decision.refusal().unwrap().clause, "disabled");
}

#[test]
fn rejects_pending_trust_after_everything_else() {
    let pending = Trust { stage: Stage::Pending, ..trust() };
    let clause = |changes| ask(&claims(&changes), &pending, &MANNER, Some("a")).refusal().unwrap().clause;
    assert_eq!((clause(json!({})), clause(json!({"repository": "x"}))), ("pending", "claims"));
}

#[test]
fn a_member_that_is_left_out_is_decided_only_where_there_is_one_value() {
    let clause =
        |trust: &Trust, account| ask(&claims(&json!({})), trust, &MANNER, account).refusal().map(|no| no.clause);
    assert_eq!((clause(&trust(), None), clause(&trust(), Some("b"))), (None, Some("members")));
    let mut several = trust();
    several.members.insert("account".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!((clause(&several, None), clause(&several, Some("b"))), (Some("members"), None));
}

#[test]
fn the_order_decides_which_fault_is_told() {
    let wrong = claims(&json!({"aud": "x", "sub": "x", "repository": "x"}));
    for order in [
        [Check::Audience, Check::Subject, Check::Claims],
        [Check::Subject, Check::Claims, Check::Audience],
        [Check::Claims, Check::Audience, Check::Subject],
    ] {
        let manner = Manner { order, ..MANNER };
        let told = ask(&wrong, &trust(), &manner, Some("a")).refusal().unwrap().clause;
        assert_eq!(told, ["audience", "subject", "claims"][order[0] as usize]);
    }
}

#[test]
fn the_services_own_audience_counts_where_the_trust_names_none() {
    let silent = Trust { audiences: Vec::new(), ..trust() };
    let own = Manner { audience: Some("https://service.example"), ..MANNER };
    let good = claims(&json!({}));
    assert!(ask(&good, &silent, &own, Some("a")).grant().is_some());
    assert_eq!(ask(&good, &silent, &MANNER, Some("a")).refusal().unwrap().clause, "audience");
    let other = Trust { audiences: vec!["https://other.example".to_owned()], ..trust() };
    assert_eq!(ask(&good, &other, &own, Some("a")).refusal().unwrap().clause, "audience");
}

#[test]
fn claims_are_found_by_path_in_the_form_with_segments_only() {
    let nested = Trust { claims: BTreeMap::from([("a.b".to_owned(), vec!["true".to_owned()])]), ..trust() };
    let shown = claims(&json!({"a": {"b": true}}));
    let segments = Manner { matching: Matching::Segments, ..MANNER };
    let nested = Trust { subject: Some("repo:org/*".to_owned()), ..nested };
    assert!(ask(&shown, &nested, &segments, Some("a")).grant().is_some());
    assert_eq!(ask(&shown, &nested, &MANNER, Some("a")).refusal().unwrap().clause, "claims");
}

#[test]
fn a_trust_in_everybody_is_warned_of() {
    let open = Trust { subject: Some("*".to_owned()), claims: BTreeMap::new(), ..trust() };
    assert_eq!(lint(&open)[0].clause, "subject");
    assert!(lint(&trust()).is_empty());
}

#[test]
fn rejects_a_misspelt_field() {
    let text = r#"{"id":"a","issuer":"b","principal":"c"}"#;
    assert!(serde_json::from_str::<Trust>(text).is_ok());
    assert!(serde_json::from_str::<Trust>(&text.replace("\"id\"", "\"subjct\":\"x\",\"id\"")).is_err());
}

proptest! {
    #[test]
    fn any_trust_is_read_and_every_grant_is_of_its_issuer(
        issuer in "(https://i\\.example)?[a-z/]{0,4}", subject in proptest::option::of("[a-z:*/]{0,8}"), seen in "[a-z:*/é]{0,8}",
        claim in "[a-z.]{0,4}", wanted in proptest::collection::vec("[a-z*/]{0,4}", 0..3), leeway in 0_i64..400,
    ) {
        let trust = Trust {
            issuer: issuer.clone(),
            subject,
            audiences: wanted.clone(),
            claims: [(claim.clone(), wanted)].into(),
            ..Trust::default()
        };
        let text = serde_json::to_string(&trust).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Trust>(&text).unwrap(), &trust);
        let shown = json!({ "iss": "https://i.example", "sub": seen, "aud": [seen], claim: seen });
        let claims = Claims(shown.as_object().unwrap().clone());
        for matching in [Matching::Exact, Matching::Glob, Matching::Segments] {
            let manner = Manner {
                matching,
                order: [Check::Claims, Check::Subject, Check::Audience],
                leeway: SignedDuration::from_secs(leeway),
                expiry_needed: false,
                audience: Some("a"),
            };
            let (members, now) = (BTreeMap::new(), Timestamp::UNIX_EPOCH);
            let decision = evaluate(&Question { claims: &claims, members: &members, trust: &trust, manner: &manner, now });
            prop_assert!(decision.grant().is_none() || claims.str("iss") == Some(issuer.as_str()));
        }
        drop(lint(&trust));
    }
}
