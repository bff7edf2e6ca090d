//! One valid login, bent in one place.

mod any;
mod aws;
mod cel;
mod matching;
mod set_up;
mod templates;

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeySet, PublicKey, SigningKey, encode_jwt};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://vault.example";
const SUBJECT: &str = "spiffe://sandbox.example/app";

/// Everything that goes into a login.
struct Case {
    header: Map<String, Value>,
    claims: Value,
    config: Value,
    role: Value,
    asked: &'static str,
    peer: Option<std::net::IpAddr>,
    signer: SigningKey,
    keys: Option<KeySet>,
    bend: fn(String) -> String,
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap().with_kid(kid)
}

fn public(key: &SigningKey) -> KeySet {
    KeySet::of(PublicKey::from_jwk(&key.public_jwk()).unwrap())
}

impl Case {
    fn valid() -> Self {
        let signer = key("k1");
        Self {
            header: Map::new(),
            claims: json!({ "iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 300,
                "jti": "1", "team": "blue", "groups": ["ops", ""], "org": { "id": 7, "a/b": "deep" } }),
            config: json!({ "oidc_discovery_url": ISSUER, "bound_issuer": ISSUER, "jwt_supported_algs": ["ES256"] }),
            role: json!({ "role_type": "jwt", "bound_audiences": [AUDIENCE], "bound_subject": SUBJECT, "user_claim": "sub",
                "groups_claim": "groups", "claim_mappings": { "team": "team" }, "token_policies": ["app-read"],
                "token_ttl": "1h" }),
            asked: "App",
            peer: None,
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

    fn role(mut self, name: &str, value: Value) -> Self {
        self.role[name] = value;
        self
    }

    fn config(mut self, name: &str, value: Value) -> Self {
        self.config[name] = value;
        self
    }

    fn decide(&self) -> Decision {
        let token = encode_jwt(&self.signer, &self.header, self.claims.as_object().unwrap()).unwrap();
        let token = Secret::new((self.bend)(token.expose().to_owned()));
        let config = CheckedConfig::new(serde_json::from_value(self.config.clone()).unwrap()).unwrap();
        let role = CheckedRole::new("app", serde_json::from_value(self.role.clone()).unwrap()).unwrap();
        let question = Question {
            config: Some(&config),
            role_name: self.asked,
            role: Some(&role),
            token: &token,
            peer: self.peer,
            now: Timestamp::from_second(NOW).unwrap(),
        };
        evaluate(&question, self.keys.as_ref())
    }

    #[track_caller]
    fn allowed(&self) -> Grant {
        match self.decide() {
            Decision::Allow(grant) => grant,
            Decision::Refuse(refusal) => panic!("{refusal}"),
        }
    }

    /// The text that the caller is told.
    #[track_caller]
    fn refused(&self, clause: &str) -> Refusal {
        match self.decide() {
            Decision::Allow(grant) => panic!("{grant:?}"),
            Decision::Refuse(refusal) => {
                assert_eq!(refusal.clause, clause, "{refusal}");
                assert!(!refusal.fix.is_empty());
                assert_eq!(status(&refusal), if clause == "address" { 403 } else { 400 });
                refusal
            }
        }
    }
}

#[test]
fn accepts_a_token_and_says_who_it_is() {
    let grant = Case::valid().allowed();
    assert_eq!(grant.principal, SUBJECT);
    assert_eq!(grant.lifetime.unwrap().as_secs(), 3600);
    let attributes: Vec<_> = grant.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(attributes, [("groups", "ops"), ("policies", "app-read, default"), ("role", "app"), ("team", "blue")]);
    assert_eq!(
        grant.held,
        [
            "method",
            "role",
            "address",
            "form",
            "signature",
            "algorithm",
            "issuer",
            "subject",
            "audience",
            "times",
            "identity",
            "bound-claims"
        ]
    );
    assert!(grant.warnings.is_empty(), "{:?}", grant.warnings);
}

#[test]
fn accepts_one_audience_of_several() {
    Case::valid().claim("aud", json!(["other", AUDIENCE])).allowed();
}

#[test]
fn accepts_times_on_the_edge_of_the_skew() {
    Case::valid().claim("exp", json!(NOW - 60)).allowed();
    Case::valid().claim("nbf", json!(NOW + 60)).allowed();
    Case::valid().claim("iat", json!(NOW + 60)).claim("nbf", json!(NOW)).allowed();
}

#[test]
fn rejects_times_one_second_past_the_skew() {
    Case::valid().claim("exp", json!(NOW - 61)).refused("expired");
    Case::valid().claim("nbf", json!(NOW + 61)).refused("not-yet");
    let refusal = Case::valid().claim("nbf", json!(NOW)).claim("iat", json!(NOW + 61)).refused("not-yet");
    assert!(refusal.code.ends_with("(iat) claim: token issued in the future"), "{}", refusal.code);
}

#[test]
fn rejects_the_first_second_past_the_end_when_skew_is_off() {
    Case::valid().role("clock_skew_leeway", json!(-1)).claim("exp", json!(NOW)).allowed();
    Case::valid().role("clock_skew_leeway", json!(-1)).claim("exp", json!(NOW - 1)).refused("expired");
}

#[test]
fn the_expiration_leeway_is_for_tokens_without_end_only() {
    let endless = |issued: i64| Case::valid().without("exp").claim("iat", json!(issued));
    endless(NOW - 210).allowed();
    endless(NOW - 211).refused("expired");
    endless(NOW - 61).role("expiration_leeway", json!(-1)).refused("expired");
    Case::valid().role("expiration_leeway", json!("1h")).claim("exp", json!(NOW - 61)).refused("expired");
}

#[test]
fn the_not_before_leeway_is_for_tokens_without_begin_only() {
    let begun = |end: i64| Case::valid().without("iat").claim("exp", json!(end));
    begun(NOW + 210).allowed();
    begun(NOW + 211).refused("not-yet");
    begun(NOW + 3_000).role("not_before_leeway", json!("1h")).allowed();
}

#[test]
fn rejects_token_without_any_time() {
    for zero in [false, true] {
        let case = Case::valid().without("iat").without("exp");
        let case = if zero { case.claim("exp", json!(0)) } else { case };
        assert!(case.refused("times").code.ends_with("claims in token"));
    }
}

#[test]
fn rejects_other_issuer() {
    let refusal = Case::valid().claim("iss", json!("https://issuer.example/")).refused("issuer");
    assert_eq!(refusal.code, "error validating token: invalid issuer (iss) claim");
}

#[test]
fn accepts_any_issuer_with_a_warning_when_none_is_bound() {
    let grant = Case::valid().config("bound_issuer", json!("")).claim("iss", json!("x")).allowed();
    assert_eq!(grant.warnings.iter().map(|warning| warning.clause).collect::<Vec<_>>(), ["issuer"]);
}

#[test]
fn rejects_other_subject() {
    Case::valid().claim("sub", json!("spiffe://sandbox.example/App")).refused("subject");
    Case::valid().role("bound_subject", json!("spiffe://sandbox.example/*")).refused("subject");
}

#[test]
fn rejects_other_audience() {
    let refusal = Case::valid().claim("aud", json!(["https://vault.example/"])).refused("audience");
    assert_eq!(refusal.wanted, AUDIENCE);
    Case::valid().without("aud").refused("audience");
}

#[test]
fn rejects_audience_that_nobody_bound() {
    for audience in [json!("x"), json!(["x"])] {
        let refusal = Case::valid().role("bound_audiences", json!([])).claim("aud", audience).refused("audience");
        assert_eq!(refusal.code, "audience claim found in JWT but no audiences bound to the role");
    }
}

#[test]
fn accepts_absent_audience_with_a_warning_when_none_is_bound() {
    let grant = Case::valid().role("bound_audiences", json!([])).without("aud").allowed();
    assert_eq!(grant.warnings[0].clause, "audience");
}

#[test]
fn rejects_algorithm_that_is_not_listed() {
    Case::valid().config("jwt_supported_algs", json!("RS256,PS256")).refused("algorithm");
}

#[test]
fn rejects_signature_of_another_key() {
    let mut case = Case::valid();
    case.keys = Some(public(&key("k1")));
    assert!(case.refused("signature").code.ends_with("failed to verify id token signature"));
}

#[test]
fn rejects_unknown_key_and_absent_keys() {
    let mut case = Case::valid();
    case.keys = Some(public(&key("k2")));
    case.refused("key");
    case.keys = None;
    case.refused("keys");
}

#[test]
fn rejects_what_is_no_jwt() {
    let mut case = Case::valid();
    case.bend = |token| format!("{token}.x");
    case.refused("form");
    case.bend = |_| String::new();
    assert_eq!(case.refused("form").code, "missing token");
}

#[test]
fn rejects_header_that_brings_its_own_key() {
    let mut case = Case::valid();
    case.header.insert("jku".to_owned(), json!("https://evil.example"));
    case.refused("header");
}

#[test]
fn rejects_registered_claim_in_another_spelling() {
    for name in ["SUB", "Aud", "i\u{17f}s"] {
        Case::valid().claim(name, json!("x")).refused("claim-name");
    }
}

#[test]
fn rejects_address_outside_of_the_networks() {
    let case = Case::valid().role("token_bound_cidrs", json!(["10.0.0.0/8", "192.0.2.1"]));
    case.refused("address");
    for (peer, good) in [("10.1.2.3", true), ("192.0.2.1", true), ("192.0.2.2", false), ("::1", false)] {
        let case = Case {
            peer: peer.parse().ok(),
            ..Case::valid().role("token_bound_cidrs", case.role["token_bound_cidrs"].clone())
        };
        assert_eq!(case.decide().grant().is_some(), good, "{peer}");
    }
}

#[test]
fn rejects_role_for_browsers() {
    let case =
        Case::valid().role("role_type", json!("oidc")).role("allowed_redirect_uris", json!(["http://localhost"]));
    assert_eq!(case.refused("role-type").code, "role with oidc role_type is not allowed");
}

#[test]
fn rejects_login_without_configuration_without_role_and_with_unknown_role() {
    let token = Secret::new("x");
    let config = CheckedConfig::new(serde_json::from_value(Case::valid().config).unwrap()).unwrap();
    let ask = |config, role_name| {
        let now = Timestamp::from_second(NOW).unwrap();
        let question = Question { config, role_name, role: None, token: &token, peer: None, now };
        question.admit().unwrap_err().code.clone()
    };
    assert_eq!(ask(None, "app"), "could not load configuration");
    assert_eq!(ask(Some(&config), ""), "missing role");
    assert_eq!(ask(Some(&config), "Ghost"), "role \"ghost\" could not be found");
}

#[test]
fn the_default_role_stands_in() {
    let config = serde_json::from_value(Case::valid().config("default_role", json!("App")).config).unwrap();
    let config = CheckedConfig::new(config).unwrap();
    assert_eq!(role_name(Some(&config), "").unwrap(), "app");
}

#[test]
fn no_refusal_shows_the_token() {
    let mut case = Case::valid();
    case.keys = None;
    let refusal = case.refused("keys");
    assert!(!format!("{refusal:?}").contains("eyJ"));
}
