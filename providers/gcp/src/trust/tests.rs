//! One valid exchange, bent in one place.

mod aws;
mod certificate;
mod iam;
mod mapping;
mod names;
mod provider;
mod token;
mod trust_store;

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeySet, PublicKey, SigningKey, encode_jwt};
use carnet_trust::{Decision, Refusal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/providers/github";

/// Everything that goes into an exchange.
struct Case {
    audience: String,
    header: Map<String, Value>,
    claims: Value,
    pool: Option<Pool>,
    provider: Option<Provider>,
    signer: SigningKey,
    keys: Option<KeySet>,
    /// Applied to the token's text.
    bend: fn(String) -> String,
}

fn key(kid: Option<&str>, algorithm: Algorithm) -> SigningKey {
    let key = SigningKey::generate(algorithm).unwrap();
    match kid {
        Some(kid) => key.with_kid(kid),
        None => key,
    }
}

fn public(key: &SigningKey) -> KeySet {
    KeySet::of(PublicKey::from_jwk(&key.public_jwk()).unwrap())
}

fn mapping(entries: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    entries.iter().map(|(key, source)| ((*key).to_owned(), (*source).to_owned())).collect()
}

/// The issuer of an OIDC provider.
fn oidc(provider: &mut Provider) -> &mut Oidc {
    provider.oidc.as_mut().unwrap()
}

fn provider() -> Provider {
    Provider {
        attribute_mapping: mapping(&[
            ("google.subject", "assertion.sub"),
            ("google.groups", "assertion.teams"),
            ("attribute.repository", "assertion.repository"),
        ]),
        attribute_condition: "assertion.repository_owner_id == '4242'".to_owned(),
        oidc: Some(Oidc { issuer_uri: ISSUER.to_owned(), ..Oidc::default() }),
        ..Provider::default()
    }
}

impl Case {
    fn valid() -> Self {
        let signer = key(Some("k1"), Algorithm::Es256);
        Self {
            audience: AUDIENCE.to_owned(),
            header: Map::new(),
            claims: json!({
                "iss": ISSUER,
                "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
                "aud": format!("https:{AUDIENCE}"),
                "iat": NOW - 10,
                "exp": NOW + 300,
                "repository": "carnet-sandbox/app",
                "repository_owner_id": "4242",
                "teams": ["ops"],
            }),
            pool: Some(Pool::default()),
            provider: Some(provider()),
            keys: Some(public(&signer)),
            signer,
            bend: |token| token,
        }
    }

    fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    fn with_provider(mut self, change: impl FnOnce(&mut Provider)) -> Self {
        self.provider.as_mut().map(change).unwrap();
        self
    }

    fn decide(&self) -> Decision {
        let token = encode_jwt(&self.signer, &self.header, self.claims.as_object().unwrap()).unwrap();
        let token = Secret::new((self.bend)(token.expose().to_owned()));
        let provider = self.provider.clone().map(|provider| CheckedProvider::new("github", provider).unwrap());
        let question = Question {
            audience: &self.audience,
            subject: Subject::Jwt(&token),
            pool: self.pool.as_ref(),
            provider: provider.as_ref(),
            now: Timestamp::from_second(NOW).unwrap(),
        };
        evaluate(&question, self.keys.as_ref().map_or(Fetched::Failed("nobody is there"), Fetched::Keys))
    }

    #[track_caller]
    fn refused(&self, clause: &str) -> Refusal {
        match self.decide() {
            Decision::Refuse(refusal) => {
                assert_eq!(refusal.clause, clause, "{refusal}");
                refusal
            }
            Decision::Allow(grant) => panic!("allowed {}", grant.principal),
        }
    }
}

#[test]
fn allows_a_good_token() {
    let decision = Case::valid().decide();
    insta::assert_json_snapshot!(decision.grant().unwrap(), @r#"
    {
      "principal": "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/subject/repo:carnet-sandbox/app:ref:refs/heads/main",
      "lifetime": 3600,
      "attributes": {
        "attribute.repository": "carnet-sandbox/app",
        "google.groups": "ops",
        "google.subject": "repo:carnet-sandbox/app:ref:refs/heads/main"
      },
      "held": [
        "request",
        "target",
        "form",
        "issuer",
        "audience",
        "times",
        "signature",
        "mapping",
        "condition"
      ],
      "warnings": []
    }
    "#);
}

#[test]
fn allows_rs256_and_uploaded_keys() {
    let mut case = Case::valid();
    case.signer = key(Some("k1"), Algorithm::Rs256);
    let jwks = json!({ "keys": [case.signer.public_jwk()] }).to_string();
    case.keys = None;
    assert!(case.with_provider(|provider| oidc(provider).jwks_json = Some(jwks)).decide().grant().is_some());
}

#[test]
fn uploaded_keys_shut_out_the_issuers() {
    let other = json!({ "keys": [key(Some("k1"), Algorithm::Es256).public_jwk()] }).to_string();
    Case::valid().with_provider(|provider| oidc(provider).jwks_json = Some(other)).refused("signature");
}

#[test]
fn allows_one_of_several_audiences() {
    let listed = |provider: &mut Provider| oidc(provider).allowed_audiences = vec!["https://carnet.example".to_owned()];
    let case = Case::valid().with_provider(listed).claim("aud", json!(["other", "https://carnet.example"]));
    assert!(case.decide().grant().is_some());
}

#[test]
fn a_list_of_audiences_replaces_the_default() {
    let listed = |provider: &mut Provider| oidc(provider).allowed_audiences = vec!["https://carnet.example".to_owned()];
    Case::valid().with_provider(listed).refused("audience");
}

#[test]
fn rejects_malformed_audience_of_the_exchange() {
    for audience in ["", "x", &AUDIENCE[2..], &format!("https:{AUDIENCE}"), &AUDIENCE.replace("global", "us")] {
        let case = Case { audience: audience.to_owned(), ..Case::valid() };
        assert_eq!(case.refused("request").code, "invalid_request", "{audience}");
    }
}

#[test]
fn rejects_project_id_in_place_of_number() {
    let case = Case { audience: AUDIENCE.replace("123456789012", "carnet-sandbox"), ..Case::valid() };
    assert!(case.refused("target").fix.contains("number"));
}

#[test]
fn rejects_unknown_disabled_and_deleted_pool() {
    for pool in [
        None,
        Some(Pool { disabled: true, ..Pool::default() }),
        Some(Pool { state: State::Deleted, ..Pool::default() }),
    ] {
        let refusal = Case { pool, ..Case::valid() }.refused("target");
        assert_eq!(refusal.code, "invalid_target");
    }
}

#[test]
fn rejects_unknown_disabled_and_deleted_provider() {
    for provider in
        [None, Some(Provider { disabled: true, ..provider() }), Some(Provider { state: State::Deleted, ..provider() })]
    {
        let refusal = Case { provider, ..Case::valid() }.refused("target");
        assert_eq!(refusal.code, "invalid_target");
    }
}

#[test]
fn refusals_name_what_held_before() {
    let refusal = Case::valid().claim("aud", json!("x")).refused("audience");
    assert_eq!(refusal.held, ["request", "target", "form", "issuer"]);
    let refusal = Case::valid().claim("repository_owner_id", json!("1")).refused("condition");
    assert_eq!(refusal.held.last(), Some(&"mapping"));
}

#[test]
fn refusals_hold_nothing_of_the_token() {
    for refusal in [
        Case { bend: |token| format!("{token}x.y"), ..Case::valid() }.refused("form"),
        Case { keys: None, ..Case::valid() }.refused("keys"),
        Case::valid().claim("aud", json!("x")).refused("audience"),
    ] {
        assert!(!format!("{refusal:?}").contains("eyJ"), "{refusal:?}");
    }
}

#[test]
fn the_caller_is_told_what_google_tells() {
    let bodies: Vec<Value> = [
        Case { audience: "x".to_owned(), ..Case::valid() }.refused("request"),
        Case { pool: None, ..Case::valid() }.refused("target"),
        Case { bend: |_| "x".to_owned(), ..Case::valid() }.refused("form"),
        Case::valid().claim("iss", json!("https://other")).refused("issuer"),
        Case::valid().claim("aud", json!("sts")).refused("audience"),
        Case::valid().claim("exp", json!(NOW - 100)).refused("expired"),
        Case::valid().claim("iat", json!(NOW + 100)).refused("not-yet"),
        Case { keys: None, ..Case::valid() }.refused("keys"),
        Case { keys: Some(public(&key(Some("k1"), Algorithm::Es256))), ..Case::valid() }.refused("signature"),
        Case::valid().without("repository").refused("mapping"),
        Case::valid().claim("repository", json!(1)).refused("mapping-type"),
        Case::valid().claim("sub", json!("s".repeat(128))).refused("mapping-size"),
        Case::valid().claim("repository_owner_id", json!("1")).refused("condition"),
    ]
    .iter()
    .map(sts_error)
    .collect();
    insta::assert_json_snapshot!(bodies);
}
