//! The token of an exchange: form, claims, times, key and signature.

use super::*;

#[test]
fn rejects_what_is_no_token() {
    for bend in [(|_| "x".to_owned()) as fn(String) -> String, |token| token + "\n", |token| token.replace('.', "")] {
        Case { bend, ..Case::valid() }.refused("form");
    }
}

#[test]
fn rejects_other_algorithms() {
    for algorithm in [Algorithm::Es384, Algorithm::Ps256, Algorithm::EdDsa] {
        let signer = key(Some("k1"), algorithm);
        let refusal = Case { keys: Some(public(&signer)), signer, ..Case::valid() }.refused("algorithm");
        assert_eq!((refusal.seen.as_str(), refusal.code.as_str()), (algorithm.name(), "invalid_grant"));
    }
}

#[test]
fn rejects_token_without_kid() {
    let signer = key(None, Algorithm::Es256);
    let bend = |token: String| token;
    let case = Case { keys: Some(public(&signer)), signer, bend, ..Case::valid() };
    case.refused("key-id");
}

#[test]
fn rejects_critical_header() {
    let mut case = Case::valid();
    case.header.insert("crit".to_owned(), json!(["exp"]));
    case.refused("form");
}

#[test]
fn rejects_token_without_a_required_claim() {
    for claim in ["iss", "sub", "aud", "iat", "exp"] {
        assert!(Case::valid().without(claim).refused("claims").seen.contains(claim));
    }
}

#[test]
fn rejects_empty_subject_and_dates_that_are_none() {
    for (claim, value) in [("sub", json!("")), ("sub", json!(7)), ("iat", json!("now")), ("exp", json!({}))] {
        Case::valid().claim(claim, value).refused("claims");
    }
}

#[test]
fn rejects_issuer_that_differs_by_a_slash() {
    let refusal = Case::valid().claim("iss", json!(format!("{ISSUER}/"))).refused("issuer");
    assert_eq!(refusal.wanted, ISSUER);
}

#[test]
fn rejects_wrong_audience() {
    Case::valid().claim("aud", json!("sts.amazonaws.com")).refused("audience");
}

#[test]
fn rejects_expired_token() {
    assert!(Case::valid().claim("exp", json!(NOW - 59)).decide().grant().is_some(), "within the skew");
    let refusal = Case::valid().claim("exp", json!(NOW - 60)).refused("expired");
    assert!(refusal.seen.starts_with("`exp` ") && refusal.wanted.starts_with("`exp` later than "), "{refusal:?}");
}

#[test]
fn rejects_token_older_than_a_day() {
    assert!(Case::valid().claim("iat", json!(NOW - 86_400)).decide().grant().is_some());
    Case::valid().claim("iat", json!(NOW - 86_401)).refused("expired");
}

#[test]
fn rejects_token_from_the_future() {
    assert!(Case::valid().claim("iat", json!(NOW + 60)).decide().grant().is_some(), "within the skew");
    Case::valid().claim("iat", json!(NOW + 61)).refused("not-yet");
    Case::valid().claim("nbf", json!(NOW + 61)).refused("not-yet");
}

#[test]
fn rejects_when_keys_cannot_be_fetched() {
    Case { keys: None, ..Case::valid() }.refused("keys");
}

#[test]
fn rejects_unknown_key() {
    let case = Case { keys: Some(public(&key(Some("k2"), Algorithm::Es256))), ..Case::valid() };
    case.refused("key");
}

#[test]
fn rejects_key_without_an_id() {
    let mut case = Case::valid();
    let mut jwk = case.signer.public_jwk();
    jwk.kid = None;
    case.keys = Some(KeySet::of(PublicKey::from_jwk(&jwk).unwrap()));
    case.refused("key");
}

#[test]
fn rejects_signature_of_another_key() {
    let case = Case { keys: Some(public(&key(Some("k1"), Algorithm::Es256))), ..Case::valid() };
    case.refused("signature");
}

#[test]
fn rejects_tampered_claims() {
    let bend = |token: String| {
        let parts: Vec<&str> = token.split('.').collect();
        let other = Case::valid().claim("sub", json!("repo:stranger/app"));
        let other = encode_jwt(&other.signer, &Map::new(), other.claims.as_object().unwrap()).unwrap();
        format!("{}.{}.{}", parts[0], other.expose().split('.').nth(1).unwrap(), parts[2])
    };
    Case { bend, ..Case::valid() }.refused("signature");
}
