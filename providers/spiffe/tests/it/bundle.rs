use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, KeySet, SigningKey};
use carnet_spiffe::{Bundle, TrustDomain};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{domain, object};

fn name() -> TrustDomain {
    "example.org".parse().unwrap()
}

fn parse(document: &Value) -> Result<Bundle, String> {
    Bundle::parse(&name(), document.to_string().as_bytes()).map_err(|error| error.0)
}

fn jwt_key(kid: &str) -> Value {
    let mut key = serde_json::to_value(SigningKey::generate(Algorithm::Es256).unwrap().public_jwk()).unwrap();
    key["use"] = json!("jwt-svid");
    key["kid"] = json!(kid);
    object(&key).remove("alg");
    key
}

fn x509_key() -> Value {
    let document = domain().bundle().to_json().unwrap();
    document["keys"][0].clone()
}

/// A good key with one member put in place, or taken out by null.
fn bent(mut key: Value, name: &str, value: Value) -> Value {
    if value.is_null() {
        key.as_object_mut().unwrap().remove(name);
    } else {
        key[name] = value;
    }
    key
}

#[test]
fn what_is_written_is_read_again() {
    let bundle = domain().bundle();
    let again = Bundle::parse(&name(), bundle.to_json().unwrap().to_string().as_bytes()).unwrap();
    assert_eq!(again, Bundle { jwt_authorities: again.jwt_authorities.clone(), ..bundle.clone() });
    let spki = |bundle: &Bundle| bundle.jwt_authority("key-1").unwrap().to_spki();
    assert_eq!(spki(&again), spki(&bundle));
    assert_eq!(again.to_json().unwrap(), bundle.to_json().unwrap());
    assert_eq!((again.sequence, again.refresh_hint), (Some(7), Some(SignedDuration::from_secs(300))));
}

#[test]
fn the_document_of_an_endpoint_has_the_members_of_the_specification() {
    let domain = domain();
    let document = domain.bundle().to_json().unwrap();
    assert_eq!((&document["spiffe_sequence"], &document["spiffe_refresh_hint"]), (&json!(7), &json!(300)));
    let keys = document["keys"].as_array().unwrap();
    let members = |key: &Value| object(key).keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&keys[0]), ["crv", "kty", "use", "x", "x5c", "y"]);
    assert_eq!((&keys[0]["use"], &keys[0]["kty"]), (&json!("x509-svid"), &json!("EC")));
    assert_eq!(keys[0]["x5c"], json!([STANDARD.encode(domain.root.certificate())]));
    assert_eq!(members(&keys[1]), ["crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!((&keys[1]["use"], &keys[1]["kid"]), (&json!("jwt-svid"), &json!("key-1")));
}

#[test]
fn the_key_set_of_the_workload_api_has_neither_use_nor_alg() {
    let set = domain().bundle().jwks_json(false).unwrap();
    let members: Vec<String> = object(&set["keys"][0]).keys().cloned().collect();
    assert_eq!(members, ["crv", "kid", "kty", "x", "y"]);
    assert_eq!(set["keys"].as_array().unwrap().len(), 1, "no X.509 authority in it");
    let again = Bundle::parse_jwks(&name(), set.to_string().as_bytes()).unwrap();
    assert!(again.jwt_authority("key-1").is_some());
}

#[test]
fn the_key_set_of_an_issuer_has_alg_and_where_wanted_use() {
    let bundle = domain().bundle();
    let with = bundle.jwks_json(true).unwrap();
    assert_eq!((&with["keys"][0]["use"], &with["keys"][0]["alg"]), (&json!("sig"), &json!("ES256")));
    assert_eq!(with, bundle.oidc_jwks_json(true).unwrap());
    let without = bundle.oidc_jwks_json(false).unwrap();
    assert_eq!((without["keys"][0].get("use"), &without["keys"][0]["alg"]), (None, &json!("ES256")));
    assert_eq!(KeySet::from_json(with.to_string().as_bytes()).unwrap().len(), 1, "a relying party can read it");
}

#[test]
fn a_key_that_is_bound_to_no_algorithm_is_published_with_the_usual_one_of_its_type() {
    for (algorithm, published) in [
        (Algorithm::Ps512, "RS256"),
        (Algorithm::Es256, "ES256"),
        (Algorithm::Es384, "ES384"),
        (Algorithm::Es512, "ES512"),
    ] {
        let mut bundle = Bundle::empty(name());
        let spki = SigningKey::generate(algorithm).unwrap().public_spki();
        let unbound = carnet_jose::PublicKey::from_spki(&spki).unwrap();
        bundle.jwt_authorities.insert("k".to_owned(), unbound);
        assert_eq!(bundle.oidc_jwks_json(false).unwrap()["keys"][0]["alg"], published);
    }
}

#[test]
fn no_keys_at_all_means_that_everything_is_revoked() {
    let bundle = parse(&json!({ "keys": [] })).unwrap();
    assert!(bundle.is_empty());
    assert_eq!((bundle.sequence, bundle.refresh()), (None, Bundle::DEFAULT_REFRESH));
    assert_eq!(bundle.to_json().unwrap(), json!({ "keys": [] }));
}

#[test]
fn rejects_a_document_without_keys() {
    for (document, part) in [
        (json!({}), "missing field `keys`"),
        (json!({ "keys": {} }), "expected a sequence"),
        (json!({ "keys": null }), "expected a sequence"),
        (json!({ "keys": [1] }), "expected a JSON Web Key"),
        (json!([]), "missing"),
        (json!("x"), "expected"),
    ] {
        let error = parse(&document).unwrap_err();
        assert!(error.starts_with("it is not a bundle document"), "{document}: {error}");
        assert!(error.contains(part) || document == json!([]), "{document}: {error}");
    }
    assert!(Bundle::parse(&name(), br#"{"keys":[],"keys":[]}"#).is_err(), "keys twice");
    assert!(Bundle::parse(&name(), br#"{"keys":[{"kty":"X","kty":"X"}]}"#).is_err(), "kty twice");
    Bundle::parse(&name(), br#"{"keys":[{"kty":"X"}]}"#).unwrap();
    assert!(Bundle::parse(&name(), b"{\"keys\":[]} x").is_err(), "something follows");
}

#[test]
fn rejects_a_sequence_or_a_hint_that_is_no_number_of_its_sort() {
    for (member, value) in [
        ("spiffe_sequence", json!(-1)),
        ("spiffe_sequence", json!("7")),
        ("spiffe_sequence", json!(1.5)),
        ("spiffe_refresh_hint", json!(-1)),
        ("spiffe_refresh_hint", json!("300")),
    ] {
        assert!(parse(&json!({ "keys": [], member: value })).is_err(), "{member} {value}");
    }
    assert_eq!(parse(&json!({ "keys": [], "spiffe_sequence": u64::MAX })).unwrap().sequence, Some(u64::MAX));
}

#[test]
fn passes_over_keys_of_unknown_use_and_type_and_unknown_members() {
    let document = json!({
        "keys": [
            bent(jwt_key("a"), "use", json!("wit-svid")),
            bent(jwt_key("b"), "use", json!("sig")),
            bent(jwt_key("c"), "use", Value::Null),
            bent(jwt_key("d"), "kty", json!("AKP")),
            bent(jwt_key("e"), "kty", json!("OKP")),
            bent(jwt_key("f"), "crv", json!("secp256k1")),
            bent(jwt_key("g"), "alg", json!("ES256K")),
            bent(x509_key(), "x5c", Value::Null),
            bent(x509_key(), "x5c", json!([])),
            bent(jwt_key("good"), "ext", json!({ "x": 1 })),
        ],
        "spiffe_new": [1],
    });
    let bundle = parse(&document).unwrap();
    assert_eq!(bundle.jwt_authorities.keys().collect::<Vec<_>>(), ["good"]);
    assert!(bundle.x509_authorities.is_empty());
}

#[test]
fn rejects_an_x509_authority_with_several_certificates_or_a_broken_one() {
    let certificate = x509_key()["x5c"][0].clone();
    for (value, part) in [
        (json!([certificate, certificate]), "has 2 certificates"),
        (json!([1]), "not a string"),
        (json!("x"), "not an array"),
        (json!(["-_-_"]), "not base64"),
        (json!(["AAAA"]), "not an X.509 certificate"),
    ] {
        let error = parse(&json!({ "keys": [jwt_key("a"), bent(x509_key(), "x5c", value.clone())] })).unwrap_err();
        assert!(error.starts_with("keys[1]: ") && error.contains(part), "{value}: {error}");
    }
}

#[test]
fn rejects_a_jwt_authority_without_a_key_id_of_its_own() {
    for kid in [Value::Null, json!("")] {
        let error = parse(&json!({ "keys": [bent(jwt_key("a"), "kid", kid)] })).unwrap_err();
        assert_eq!(error, "keys[0]: member \"kid\" is missing");
    }
    let error = parse(&json!({ "keys": [jwt_key("a"), jwt_key("a")] })).unwrap_err();
    assert_eq!(error, "keys[1]: the key id \"a\" occurs twice");
}

#[test]
fn rejects_a_jwt_authority_that_is_malformed_weak_or_private() {
    let weak = json!({ "kty": "RSA", "use": "jwt-svid", "kid": "w", "n": "AQAB", "e": "AQAB" });
    for key in [
        weak,
        bent(jwt_key("a"), "x", json!("AA")),
        bent(jwt_key("a"), "x", Value::Null),
        bent(jwt_key("a"), "d", json!("c2VjcmV0")),
        bent(jwt_key("a"), "kty", json!(1)),
        bent(jwt_key("a"), "kty", Value::Null),
    ] {
        let error = parse(&json!({ "keys": [key] })).unwrap_err();
        assert!(error.starts_with("keys[0]: ") && !error.contains("c2VjcmV0"), "{error}");
    }
}

#[test]
fn rejects_documents_that_are_too_large() {
    let long = format!("{{\"keys\":[]{}}}", " ".repeat(Bundle::MAX_LENGTH));
    assert!(Bundle::parse(&name(), long.as_bytes()).unwrap_err().0.contains("more than"));
    let many = vec![json!({ "kty": "X" }); Bundle::MAX_KEYS + 1];
    assert_eq!(parse(&json!({ "keys": many })).unwrap_err(), "there are more than 500 keys");
}

#[test]
fn the_authorities_of_the_workload_api_are_a_row_of_der() {
    let bundle = domain().bundle();
    let read = Bundle::from_der(&name(), &bundle.x509_der()).unwrap();
    assert_eq!(read.x509_authorities, bundle.x509_authorities);
    assert!(Bundle::from_der(&name(), b"x").is_err());
}

#[test]
fn an_authority_that_is_no_certificate_cannot_be_written() {
    let mut bundle = domain().bundle();
    bundle.x509_authorities.push(b"x".to_vec());
    assert!(bundle.to_json().unwrap_err().0.starts_with("X.509 authority 1: "));
}

proptest! {
    #[test]
    fn reading_never_panics(json in any::<Vec<u8>>()) {
        drop(Bundle::parse(&name(), &json));
        drop(Bundle::parse_jwks(&name(), &json));
        drop(Bundle::from_der(&name(), &json));
    }

    #[test]
    fn reading_a_bent_document_never_panics(at in 0_usize..400, with in any::<u8>()) {
        let mut json = json!({ "keys": [jwt_key("a")], "spiffe_sequence": 1 }).to_string().into_bytes();
        let at = at % json.len();
        json[at] = with;
        drop(Bundle::parse(&name(), &json));
    }
}
