use carnet_core::Secret;
use serde_json::{Value, json};

use super::*;
use crate::testing::{AUDIENCE, ISSUER, bent, claims, keys, no_claim, now, other_key, parsed, signed, token};

fn trust() -> ClusterTrust {
    ClusterTrust {
        issuer: Some(ISSUER.to_owned()),
        audiences: vec![AUDIENCE.to_owned()],
        accounts: vec![AccountPattern::parse("example:admin").unwrap()],
        binding: Binding::Pod,
        max_lifetime: None,
    }
}

fn decided(token: &Secret, trust: &ClusterTrust) -> Decision {
    evaluate(&parsed(token), &keys(), trust, now())
}

#[track_caller]
fn refused(bend: impl FnOnce(&mut Value)) -> Refusal {
    let decision = decided(&token(&bent(bend)), &trust());
    decision.refusal().unwrap_or_else(|| panic!("{decision:?}")).clone()
}

fn clause(bend: impl FnOnce(&mut Value)) -> &'static str {
    refused(bend).clause
}

#[test]
fn accepts_the_token_of_a_pod_of_an_account_that_is_named() {
    let decision = decided(&token(&claims()), &trust());
    let grant = decision.grant().unwrap();
    assert_eq!(grant.principal, "system:serviceaccount:example:admin");
    assert_eq!(grant.attributes["pod-uid"], "p-1");
    let held = ["issuer", "signature", "audience", "times", "subject", "claims", "service-account", "binding"];
    assert_eq!(grant.held, held);
    assert!(grant.warnings.is_empty());
}

#[test]
fn rejects_a_token_of_another_cluster_that_calls_itself_alike() {
    let foreign = signed(&claims(), &other_key());
    assert_eq!(decided(&foreign, &trust()).refusal().unwrap().clause, "signature");
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
    let nobody = ClusterTrust { audiences: Vec::new(), ..trust() };
    assert_eq!(decided(&token(&claims()), &nobody).refusal().unwrap().clause, "audience");
}

#[test]
fn rejects_a_token_that_is_over_not_yet_or_for_ever() {
    assert_eq!(clause(|claims| claims["exp"] = json!(now().as_second() - 31)), "expired");
    assert_eq!(clause(|claims| claims["nbf"] = json!(now().as_second() + 31)), "not-yet");
    assert_eq!(clause(|claims| no_claim(claims, "/exp")), "claim");
}

#[test]
fn rejects_a_token_for_longer_than_allowed_and_warns_of_a_year() {
    let year = token(&bent(|claims| claims["exp"] = json!(now().as_second() + 31_536_000)));
    let bounded = ClusterTrust { max_lifetime: Some(SignedDuration::from_hours(2)), ..trust() };
    assert_eq!(decided(&year, &bounded).refusal().unwrap().clause, "lifetime");
    assert_eq!(decided(&year, &trust()).grant().unwrap().warnings[0].clause, "lifetime");
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
    let refusal = decided(&free, &trust());
    assert_eq!(refusal.refusal().unwrap().clause, "binding");
    let loose = ClusterTrust { binding: Binding::Account, ..trust() };
    assert!(decided(&free, &loose).grant().is_some());
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
    let decision = evaluate(&parsed(&token), &keys, &trust(), now());
    assert_eq!(decision.refusal().unwrap().clause, "header");
}

#[test]
fn no_refusal_shows_the_token() {
    let expired = token(&bent(|claims| claims["exp"] = json!(1)));
    let shown = format!("{:?}", decided(&expired, &trust()));
    assert!(!shown.contains(expired.expose().rsplit('.').next().unwrap()), "{shown}");
}
