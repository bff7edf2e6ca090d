//! What the documents say, and that others believe tokens by them.

use carnet_discovery::{Settings, documents};
use carnet_jose::{Algorithm, encode_jwt};
use carnet_spiffe::Bundle;
use serde_json::{Map, Value, json};

use crate::support::{bundle, domain, key, now};

const ISSUER: &str = "https://oidc.example.org";

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_document_has_the_members_that_relying_parties_read() {
    let found = documents(&bundle(&[&key(Algorithm::Es256, "a")]), &Settings::of_issuer(ISSUER)).unwrap();
    let wanted = json!({
        "issuer": ISSUER,
        "jwks_uri": "https://oidc.example.org/keys",
        "authorization_endpoint": "",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "ES384"],
    });
    assert_eq!(read(&found.openid_configuration), wanted);
}

#[test]
fn every_key_says_what_it_is_for_and_carries_no_certificate() {
    let keys = [key(Algorithm::Rs256, "r"), key(Algorithm::Es256, "e"), key(Algorithm::EdDsa, "d")];
    let bundle = bundle(&keys.iter().collect::<Vec<_>>());
    let found = documents(&bundle, &Settings::of_issuer(ISSUER)).unwrap();
    let set = read(&found.jwks);
    let says: Vec<_> = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| [&key["kid"], &key["alg"], &key["use"]].map(|v| v.as_str().unwrap()))
        .collect();
    assert_eq!(says, [["d", "EdDSA", "sig"], ["e", "ES256", "sig"], ["r", "RS256", "sig"]]);
    assert!(!found.jwks.windows(3).any(|text| text == b"x5c"));
    let algorithms = &read(&found.openid_configuration)["id_token_signing_alg_values_supported"];
    assert_eq!(algorithms, &json!(["RS256", "ES256", "ES384", "EdDSA"]));
    let without = documents(&bundle, &Settings { key_use: false, ..Settings::of_issuer(ISSUER) }).unwrap();
    assert!(read(&without.jwks)["keys"].as_array().unwrap().iter().all(|key| key.get("use").is_none()));
}

#[test]
fn the_issuer_is_byte_for_byte_what_was_configured() {
    for (issuer, keys) in [
        ("https://h/", "https://h/keys"),
        ("https://h", "https://h/keys"),
        ("https://H.example/A/b", "https://H.example/A/b/keys"),
    ] {
        let found = documents(&Bundle::empty(domain()), &Settings::of_issuer(issuer)).unwrap();
        let document = read(&found.openid_configuration);
        assert_eq!((&document["issuer"], &document["jwks_uri"]), (&json!(issuer), &json!(keys)));
    }
}

#[test]
fn members_of_the_authority_are_added_and_cannot_change_who_it_is() {
    let metadata = Map::from_iter([
        ("token_endpoint".to_owned(), json!("https://oidc.example.org/oauth2/token")),
        ("authorization_endpoint".to_owned(), json!("https://oidc.example.org/authorize")),
        ("issuer".to_owned(), json!("https://other.example")),
    ]);
    let found = documents(&Bundle::empty(domain()), &Settings { metadata, ..Settings::of_issuer(ISSUER) }).unwrap();
    let document = read(&found.openid_configuration);
    assert_eq!(document["token_endpoint"], "https://oidc.example.org/oauth2/token");
    assert_eq!(document["authorization_endpoint"], "https://oidc.example.org/authorize");
    assert_eq!(document["issuer"], ISSUER);
}

#[test]
fn rejects_more_keys_than_readers_take() {
    let first = key(Algorithm::Es256, "a");
    let many = bundle(&[&first, &key(Algorithm::Es256, "b"), &key(Algorithm::Es256, "c")]);
    let error = documents(&many, &Settings { max_keys: 2, ..Settings::of_issuer(ISSUER) }).unwrap_err();
    assert!(error.to_string().contains("3 keys"), "{error}");
    assert!(documents(&many, &Settings { max_keys: 3, ..Settings::of_issuer(ISSUER) }).is_ok());
}

#[test]
fn rejects_a_document_without_an_issuer() {
    let error = documents(&Bundle::empty(domain()), &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("without an issuer"), "{error}");
}

/// Another library finds the key and believes the token, by nothing but the two documents.
#[test]
fn another_verifier_believes_tokens_by_these_documents() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384] {
        let key = key(algorithm, "one");
        let found = documents(&bundle(&[&key]), &Settings::of_issuer(ISSUER)).unwrap();
        let claims = Map::from_iter([
            ("iss".to_owned(), json!(ISSUER)),
            ("sub".to_owned(), json!("spiffe://example.org/api")),
            ("aud".to_owned(), json!(["cloud"])),
            ("exp".to_owned(), json!(now().as_second() + 300)),
        ]);
        let token = encode_jwt(&key, &Map::new(), &claims).unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&found.jwks).unwrap();
        let header = jsonwebtoken::decode_header(token.expose()).unwrap();
        let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
        let named = jwk.common.key_algorithm.unwrap().to_string();
        assert_eq!(named, algorithm.name());
        let mut rules = jsonwebtoken::Validation::new(named.parse().unwrap());
        rules.set_audience(&["cloud"]);
        rules.set_issuer(&[read(&found.openid_configuration)["issuer"].as_str().unwrap()]);
        let by = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
        let verified = jsonwebtoken::decode::<Value>(token.expose(), &by, &rules).unwrap();
        assert_eq!(verified.claims["sub"], "spiffe://example.org/api");
        let other = jsonwebtoken::DecodingKey::from_jwk(&set_of_another(algorithm)).unwrap();
        assert!(jsonwebtoken::decode::<Value>(token.expose(), &other, &rules).is_err());
    }
}

fn set_of_another(algorithm: Algorithm) -> jsonwebtoken::jwk::Jwk {
    let found = documents(&bundle(&[&key(algorithm, "one")]), &Settings::of_issuer(ISSUER)).unwrap();
    let mut set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&found.jwks).unwrap();
    set.keys.remove(0)
}
