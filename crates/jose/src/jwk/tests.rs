use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Algorithm, PublicKey, testing::key};

fn set(keys: &Value) -> Result<KeySet, KeyError> {
    KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes())
}

fn jwk(algorithm: Algorithm) -> Value {
    serde_json::to_value(key(algorithm).public_jwk()).unwrap()
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn refusal(keys: &Value) -> String {
    set(keys).expect_err("the key set must be refused").0
}

#[test]
fn the_thumbprint_of_rfc_7638() {
    let jwk: Jwk = serde_json::from_value(json!({
        "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
              oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA\
              ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-\
              kEgU8awapJzKnqDKgw",
    }))
    .unwrap();
    assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn the_thumbprint_of_rfc_8037() {
    let jwk: Jwk = serde_json::from_value(
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
    )
    .unwrap();
    assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_thumbprint_of_an_elliptic_curve_key_agrees_with_jsonwebtoken() {
    let ours = key(Algorithm::Es384).public_jwk();
    let theirs: jsonwebtoken::jwk::Jwk = serde_json::from_value(serde_json::to_value(&ours).unwrap()).unwrap();
    assert_eq!(ours.thumbprint(), theirs.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap());
}

#[test]
fn a_key_survives_the_way_through_json() {
    for algorithm in Algorithm::ALL {
        let text = serde_json::to_string(&key(algorithm).public_jwk()).unwrap();
        let back: Jwk = serde_json::from_str(&text).unwrap();
        assert_eq!(back, key(algorithm).public_jwk());
        assert_eq!(PublicKey::from_jwk(&back).unwrap().to_jwk(), back);
    }
}

#[test]
fn rejects_private_members_and_names_the_position() {
    for member in PRIVATE {
        let error = refusal(&json!([jwk(Algorithm::Es256), with(jwk(Algorithm::Rs256), member, json!("s3cr3t"))]));
        assert!(
            error.contains("keys[1]") && error.contains(&format!("{member:?}")) && !error.contains("s3cr3t"),
            "{error}"
        );
    }
    assert!(refusal(&json!([{ "kty": "oct", "k": "s3cr3t" }])).contains("keys[0]"));
}

#[test]
fn keys_that_are_not_for_signatures_are_passed_over() {
    let keys = json!([
        with(jwk(Algorithm::Rs256), "use", json!("enc")),
        with(jwk(Algorithm::Rs256), "alg", json!("RSA-OAEP-256")),
        { "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" },
        { "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" },
        { "kty": "OKP", "crv": "X25519", "x": "AA" },
        with(jwk(Algorithm::Es256), "x5c", json!(["AA"])),
    ]);
    assert_eq!(set(&keys).unwrap().len(), 1);
}

#[test]
fn rejects_a_malformed_key_and_names_the_position() {
    for (bad, word) in [
        (json!({}), "\"kty\" is missing"),
        (json!([]), "JSON Web Key"),
        (json!({ "kty": 1 }), "\"kty\" is not a string"),
        (json!({ "kty": "EC" }), "\"crv\" is missing"),
        (json!({ "kty": "RSA" }), "\"n\" is missing"),
        (json!({ "kty": "EC", "crv": "P-256", "x": "AA" }), "\"x\" has 1 bytes"),
        (with(jwk(Algorithm::Es256), "kid", json!(7)), "\"kid\" is not a string"),
        (with(jwk(Algorithm::Es256), "alg", json!("RS256")), "does not go with"),
    ] {
        let error = refusal(&json!([jwk(Algorithm::Es256), bad]));
        assert!(error.contains("keys[1]") && error.contains(word), "{error}");
    }
}

#[test]
fn rejects_documents_that_are_no_key_sets() {
    for bad in
        ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":null}", "{\"keys\":[],\"keys\":[]}", "<html>", "{\"keys\":[]} x"]
    {
        assert!(KeySet::from_json(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(KeySet::from_json(br#"{"keys":[{"kty":"RSA","kty":"EC"}]}"#).is_err(), "duplicate member");
}

#[test]
fn rejects_more_keys_than_a_set_may_hold() {
    let most = vec![jwk(Algorithm::EdDsa); KeySet::MAX_KEYS];
    assert_eq!(set(&json!(most)).unwrap().len(), KeySet::MAX_KEYS);
    let too_many = vec![jwk(Algorithm::EdDsa); KeySet::MAX_KEYS + 1];
    assert!(refusal(&json!(too_many)).contains("more than 100 keys"));
    let unusable = vec![json!({ "kty": "none" }); KeySet::MAX_KEYS + 1];
    assert!(refusal(&json!(unusable)).contains("more than 100 keys"));
}

#[test]
fn candidates_are_those_of_the_id_and_those_without() {
    let nameless = |algorithm| {
        let mut value = jwk(algorithm);
        value.as_object_mut().unwrap().remove("kid");
        value
    };
    let keys = set(&json!([
        with(jwk(Algorithm::Es256), "kid", json!("same")),
        with(jwk(Algorithm::EdDsa), "kid", json!("same")),
        with(jwk(Algorithm::Es384), "kid", json!("other")),
        nameless(Algorithm::Es512),
    ]))
    .unwrap();
    let found = |kid| keys.candidates(kid).flat_map(PublicKey::algorithms).collect::<Vec<_>>();
    assert_eq!(found(Some("same")), [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Es512]);
    assert_eq!(found(Some("unknown")), [Algorithm::Es512]);
    assert_eq!(found(None).len(), 4);
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in any::<Vec<u8>>()) {
        drop(KeySet::from_json(&bytes));
    }

    #[test]
    fn members_of_any_content_never_panic(
        kty in "RSA|EC|OKP|.*",
        crv in "P-256|P-384|P-521|Ed25519|.*",
        x in any::<Vec<u8>>(),
        y in any::<Vec<u8>>(),
    ) {
        let (x, y) = (strict::encode_base64url(x), strict::encode_base64url(y));
        drop(set(&json!([{ "kty": kty, "crv": crv, "x": x, "y": y, "n": x, "e": y }])));
    }
}
