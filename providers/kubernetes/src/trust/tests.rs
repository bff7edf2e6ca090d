use carnet_core::Secret;
use serde_json::{Value, json};

use super::*;
use crate::testing::{AUDIENCE, ISSUER, bent, claims, keys, no_claim, now, other_key, parsed, signed, token};

fn trust() -> ClusterTrust {
    ClusterTrust {
        issuer: ISSUER.to_owned(),
        accounts: Some(vec![AccountPattern::parse("example:admin").unwrap()]),
        binding: Binding::Pod,
        max_age: None,
    }
}

fn decided(token: &Secret, trust: &ClusterTrust) -> Result<Believed, Box<Refusal>> {
    trust.verify(&parsed(token), &keys(), &[AUDIENCE], now())
}

#[track_caller]
fn refused(bend: impl FnOnce(&mut Value)) -> Box<Refusal> {
    decided(&token(&bent(bend)), &trust()).unwrap_err()
}

fn clause(bend: impl FnOnce(&mut Value)) -> &'static str {
    refused(bend).clause
}

#[test]
fn accepts_the_token_of_a_pod_of_an_account_that_is_named() {
    let believed = decided(&token(&claims()), &trust()).unwrap();
    assert_eq!(believed.bound.account.to_string(), "example:admin");
    assert_eq!(believed.bound.pod.unwrap().uid, "p-1");
    assert_eq!(believed.jwt.claims().str("sub"), Some("system:serviceaccount:example:admin"));
}

#[test]
fn accepts_every_account_where_none_is_named() {
    let viewer = token(&bent(|claims| {
        claims["sub"] = json!("system:serviceaccount:example:viewer");
        claims["kubernetes.io"]["serviceaccount"]["name"] = json!("viewer");
    }));
    let open = ClusterTrust { accounts: None, ..trust() };
    assert_eq!(decided(&viewer, &open).unwrap().bound.account.name(), "viewer");
    let nobody = ClusterTrust { accounts: Some(Vec::new()), ..trust() };
    assert_eq!(decided(&viewer, &nobody).unwrap_err().clause, "service-account");
}

#[test]
fn rejects_a_token_of_another_cluster_that_calls_itself_alike() {
    assert_eq!(decided(&signed(&claims(), &other_key()), &trust()).unwrap_err().clause, "signature");
}

#[test]
fn rejects_another_issuer() {
    assert_eq!(clause(|claims| claims["iss"] = json!(format!("{ISSUER}/"))), "issuer");
}

#[test]
fn rejects_a_token_for_somebody_else_or_for_nobody() {
    assert_eq!(clause(|claims| claims["aud"] = json!([ISSUER])), "audience");
    assert_eq!(clause(|claims| no_claim(claims, "/aud")), "audience");
}

#[test]
fn rejects_every_token_when_no_audience_is_ours() {
    let refused = trust().verify(&parsed(&token(&claims())), &keys(), &[], now());
    assert_eq!(refused.unwrap_err().clause, "audience");
}

#[test]
fn rejects_a_token_that_is_over_not_yet_or_for_ever() {
    assert_eq!(clause(|claims| claims["exp"] = json!(now().as_second() - 31)), "expired");
    assert_eq!(clause(|claims| claims["nbf"] = json!(now().as_second() + 31)), "not-yet");
    assert_eq!(clause(|claims| no_claim(claims, "/exp")), "claim");
}

#[test]
fn rejects_a_token_for_longer_than_allowed() {
    let year = token(&bent(|claims| claims["exp"] = json!(now().as_second() + 31_536_000)));
    let bounded = ClusterTrust { max_age: Some(SignedDuration::from_hours(2)), ..trust() };
    assert_eq!(decided(&year, &bounded).unwrap_err().clause, "lifetime");
    decided(&year, &trust()).unwrap();
}

#[test]
fn rejects_an_account_that_is_not_named() {
    let refusal = refused(|claims| {
        claims["sub"] = json!("system:serviceaccount:example:viewer");
        claims["kubernetes.io"]["serviceaccount"]["name"] = json!("viewer");
    });
    assert_eq!((refusal.clause, refusal.seen.as_str()), ("service-account", "example:viewer"));
    assert!(refusal.held.contains(&"signature"));
}

#[test]
fn rejects_a_token_that_is_bound_to_no_pod_unless_that_is_allowed() {
    let free = token(&bent(|claims| no_claim(claims, "/kubernetes.io/pod")));
    assert_eq!(decided(&free, &trust()).unwrap_err().clause, "binding");
    let loose = ClusterTrust { binding: Binding::Account, ..trust() };
    decided(&free, &loose).unwrap();
}

#[test]
fn rejects_a_token_that_does_not_say_what_it_is_bound_to() {
    assert_eq!(
        clause(|claims| {
            claims.as_object_mut().unwrap().remove("kubernetes.io").unwrap();
        }),
        "claims"
    );
}

#[test]
fn rejects_a_subject_that_is_no_account_although_it_is_signed() {
    assert_eq!(clause(|claims| claims["sub"] = json!("system:anonymous")), "subject");
}

#[test]
fn rejects_an_algorithm_that_no_api_server_signs_with() {
    let key = carnet_jose::SigningKey::generate(Algorithm::EdDsa).unwrap();
    let token = signed(&claims(), &key);
    let keys = KeySet::of(key.public_key().unwrap());
    let refused = trust().verify(&parsed(&token), &keys, &[AUDIENCE], now());
    assert_eq!(refused.unwrap_err().clause, "header");
}

#[test]
fn no_refusal_shows_the_token() {
    let expired = token(&bent(|claims| claims["exp"] = json!(1)));
    let shown = format!("{:?}", decided(&expired, &trust()).unwrap_err());
    assert!(!shown.contains(expired.expose().rsplit('.').next().unwrap()), "{shown}");
}
