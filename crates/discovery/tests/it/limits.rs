//! What consumers will not take.

use carnet_discovery::{Consumer, Documents, Settings, Warning, documents, limits};
use carnet_jose::Algorithm;
use carnet_spiffe::Bundle;
use serde_json::{Value, json};

use crate::support::{bundle, domain, key};

fn good_documents() -> Documents {
    let keys = [key(Algorithm::Rs256, "r"), key(Algorithm::Es256, "e")];
    documents(&bundle(&keys.iter().collect::<Vec<_>>()), &Settings::of_issuer("https://oidc.example.org")).unwrap()
}

/// The warnings about good documents with one thing bent.
fn bent(bend: impl FnOnce(&mut Value, &mut Value)) -> Vec<Warning> {
    let good = good_documents();
    let mut configuration: Value = serde_json::from_slice(&good.openid_configuration).unwrap();
    let mut set: Value = serde_json::from_slice(&good.jwks).unwrap();
    bend(&mut configuration, &mut set);
    limits(&Documents { openid_configuration: configuration.to_string().into(), jwks: set.to_string().into() })
}

fn has(warnings: &[Warning], consumer: Consumer, about: &str, words: &str) {
    let found =
        warnings.iter().any(|one| one.consumer == consumer && one.about == about && one.message.contains(words));
    assert!(found, "{consumer}, {about}, {words}: {warnings:?}");
    assert!(warnings.iter().all(|one| !one.hint.is_empty()));
}

#[test]
fn nobody_complains_of_good_documents() {
    assert_eq!(limits(&good_documents()), []);
}

#[test]
fn issuers_that_clouds_refuse_are_told() {
    for (issuer, consumer, words) in [
        ("http://oidc.example.org", Consumer::Any, "not https"),
        ("https://oidc.example.org:8443", Consumer::Aws, "port"),
        ("https://oidc.example.org?a=b", Consumer::Aws, "query"),
        ("https://oidc.example.org/", Consumer::Any, "slash"),
        ("example", Consumer::Any, "not a URL"),
        (&format!("https://oidc.example.org/{}", "a".repeat(600)), Consumer::Entra, "600"),
    ] {
        has(&bent(|configuration, _| configuration["issuer"] = json!(issuer)), consumer, "issuer", words);
    }
}

#[test]
fn other_members_of_the_document_are_told() {
    let name = "id_token_signing_alg_values_supported";
    has(&bent(|document, _| document[name] = json!(["ES256"])), Consumer::Entra, name, "RS256");
    let name = "subject_types_supported";
    has(&bent(|document, _| document[name] = json!([])), Consumer::Any, name, "empty");
    has(&bent(|document, _| document["jwks_uri"] = json!("http://a/keys")), Consumer::Any, "jwks_uri", "https");
}

#[test]
fn counts_of_keys_are_told_at_their_edges() {
    let with = |count: usize, kty: &str| {
        bent(|_, set| {
            let one = set["keys"].as_array().unwrap().iter().find(|key| key["kty"] == kty).unwrap().clone();
            let numbered = (0..count).map(|number| {
                let mut key = one.clone();
                key["kid"] = json!(number.to_string());
                key
            });
            set["keys"] = numbered.collect();
        })
    };
    let about = |warnings: &[Warning], consumer| warnings.iter().any(|one| one.consumer == consumer);
    assert!(!about(&with(100, "RSA"), Consumer::Aws));
    has(&with(101, "RSA"), Consumer::Aws, "keys", "101 RSA keys");
    has(&with(101, "EC"), Consumer::Aws, "keys", "101 EC keys");
    assert!(!about(&with(100, "RSA"), Consumer::Entra));
    has(&with(101, "RSA"), Consumer::Entra, "keys", "101 keys");
    assert!(!about(&with(10, "RSA"), Consumer::OciApiGateway));
    has(&with(11, "RSA"), Consumer::OciApiGateway, "keys", "11 keys");
    has(&with(1, "EC"), Consumer::Entra, "keys", "no RSA key");
}

#[test]
fn keys_that_somebody_cannot_read_are_told() {
    let with = |bend: fn(&mut Value)| bent(|_, set| bend(&mut set["keys"][0]));
    has(&with(|key| key["x5c"] = json!(["MII"])), Consumer::Google, "keys[0]", "x5c");
    has(&with(|key| key["key_ops"] = json!(["verify"])), Consumer::Google, "keys[0]", "key_ops");
    has(&with(|key| key["alg"] = json!("ES384")), Consumer::Google, "keys[0]", "RS256 and ES256");
    has(&with(|key| key["kty"] = json!("OKP")), Consumer::Aws, "keys[0]", "EdDSA");
    has(&with(|key| key["use"] = json!("jwt-svid")), Consumer::Any, "keys[0]", "not `sig`");
    has(&with(|key| drop(key.as_object_mut().unwrap().remove("use"))), Consumer::Kafka, "keys[0]", "Strimzi");
    has(&with(|key| drop(key.as_object_mut().unwrap().remove("kid"))), Consumer::Any, "keys[0]", "no `kid`");
    has(&with(|key| drop(key.as_object_mut().unwrap().remove("alg"))), Consumer::Any, "keys[0]", "no `alg`");
    has(&with(|key| key["kid"] = json!("r")), Consumer::Any, "keys[1]", "keys[0]");
}

#[test]
fn sets_that_are_none_are_told() {
    let empty = documents(&Bundle::empty(domain()), &Settings::of_issuer("https://a.example")).unwrap();
    has(&limits(&empty), Consumer::Any, "keys", "no key");
    has(&bent(|_, set| *set = json!([])), Consumer::Any, "keys", "not a key set");
    has(&bent(|document, _| *document = json!(1)), Consumer::Any, "openid-configuration", "JSON object");
}

proptest::proptest! {
    #[test]
    fn whatever_is_served_is_read_without_harm(openid_configuration: Vec<u8>, jwks: Vec<u8>) {
        drop(limits(&Documents { openid_configuration: openid_configuration.into(), jwks: jwks.into() }));
    }
}
