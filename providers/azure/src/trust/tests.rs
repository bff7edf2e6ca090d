//! One valid question, bent in one place.

mod credential;
mod own;

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeySet, PublicKey, SigningKey, encode_jwt};
use carnet_trust::{Decision, Refusal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;

const NOW: i64 = 1_795_262_400;
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";

const TENANT: &str = "11111111-0000-0000-0000-00000000000f";

struct Case {
    client: Client,
    policy: TenantPolicy,
    home: Home<'static>,
    header: Map<String, Value>,
    claims: Value,
    signer: SigningKey,
    keys: Option<KeySet>,
    bend: fn(String) -> String,
}

fn credential() -> FederatedCredential {
    FederatedCredential {
        name: "main".to_owned(),
        issuer: ISSUER.to_owned(),
        subject: Some(SUBJECT.to_owned()),
        audiences: vec![DEFAULT_AUDIENCE.to_owned()],
        ..FederatedCredential::default()
    }
}

fn client(kind: ClientKind, credentials: impl IntoIterator<Item = FederatedCredential>) -> Client {
    let mut set = FederatedCredentials::default();
    for credential in credentials {
        set.put(kind, credential).unwrap();
    }
    Client {
        kind,
        client_id: "11111111-0000-0000-0000-000000000001".to_owned(),
        object_id: "22222222-0000-0000-0000-000000000002".to_owned(),
        credentials: set,
    }
}

fn public(key: &SigningKey) -> KeySet {
    KeySet::of(PublicKey::from_jwk(&key.public_jwk()).unwrap())
}

fn signer(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().with_kid("k1")
}

impl Case {
    fn valid() -> Self {
        let signer = signer(Algorithm::Rs256);
        Self {
            client: client(ClientKind::Application, [credential()]),
            policy: TenantPolicy::default(),
            home: Home { tenant: TENANT, subject: None },
            header: Map::new(),
            claims: json!({ "iss": ISSUER, "sub": SUBJECT, "aud": DEFAULT_AUDIENCE, "iat": NOW - 10, "exp": NOW + 300 }),
            keys: Some(public(&signer)),
            signer,
            bend: |token| token,
        }
    }

    fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    fn trusting(mut self, kind: ClientKind, change: impl FnOnce(&mut FederatedCredential)) -> Self {
        let mut credential = credential();
        change(&mut credential);
        self.client = client(kind, [credential]);
        self
    }

    fn decide(&self) -> Decision {
        let token = encode_jwt(&self.signer, &self.header, self.claims.as_object().unwrap()).unwrap();
        let token = Secret::new((self.bend)(token.expose().to_owned()));
        let now = Timestamp::from_second(NOW).unwrap();
        let question = Question { client: &self.client, token: &token, policy: &self.policy, home: self.home, now };
        evaluate(&question, self.keys.as_ref())
    }

    #[track_caller]
    fn refused(&self, clause: &str, code: u32) -> Refusal {
        match self.decide() {
            Decision::Refuse(refusal) => {
                assert_eq!(
                    (refusal.clause, refusal.code.as_str()),
                    (clause, Code(code).to_string().as_str()),
                    "{refusal}"
                );
                refusal
            }
            Decision::Allow(grant) => panic!("allowed {}", grant.principal),
        }
    }

    #[track_caller]
    fn allowed(&self) -> carnet_trust::Grant {
        match self.decide() {
            Decision::Allow(grant) => grant,
            Decision::Refuse(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn allows_a_good_token() {
    let grant = Case::valid().allowed();
    assert_eq!(grant.principal, "22222222-0000-0000-0000-000000000002");
    assert_eq!(grant.attributes["credential"], "main");
    assert_eq!(
        grant.held,
        ["form", "claims", "issuer", "subject", "audience", "algorithm", "signature", "times", "policy"]
    );
    assert_eq!(grant.warnings, []);
}

#[test]
fn rejects_what_is_no_token() {
    for bend in [(|_| "x".to_owned()) as fn(String) -> String, |token| token + "\n", |token| format!("\"{token}\"")] {
        Case { bend, ..Case::valid() }.refused("form", 50_027);
    }
}

#[test]
fn rejects_token_without_a_required_claim() {
    for claim in ["iss", "sub", "aud", "exp"] {
        let mut case = Case::valid();
        case.claims.as_object_mut().unwrap().remove(claim);
        assert!(case.refused("claims", 90_014).seen.contains(claim));
    }
}

#[test]
fn rejects_client_without_credentials() {
    Case { client: client(ClientKind::Application, []), ..Case::valid() }.refused("credential", 70_025);
}

#[test]
fn rejects_other_issuer() {
    Case::valid().claim("iss", json!("https://issuer.example")).refused("issuer", 700_211);
    let slash = Case::valid().claim("iss", json!(format!("{ISSUER}/"))).refused("issuer", 700_211);
    assert!(slash.fix.contains("slash"));
}

#[test]
fn rejects_other_subject() {
    Case::valid().claim("sub", json!("repo:carnet-sandbox/app:pull_request")).refused("subject", 700_213);
}

#[test]
fn rejects_other_audience() {
    Case::valid().claim("aud", json!("api://AKSIdentityBinding")).refused("audience", 700_212);
}

#[test]
fn rejects_what_differs_in_case_alone() {
    for (claim, value, clause) in [
        ("iss", ISSUER.to_uppercase().replace("HTTPS", "https"), "issuer"),
        ("sub", SUBJECT.replace("carnet-sandbox", "Carnet-Sandbox"), "subject"),
        ("aud", DEFAULT_AUDIENCE.to_lowercase(), "audience"),
    ] {
        Case::valid().claim(claim, json!(value)).refused(clause, 7_002_138);
    }
}

#[test]
fn an_audience_may_be_a_list_of_one() {
    Case::valid().claim("aud", json!([DEFAULT_AUDIENCE])).allowed();
    Case::valid().claim("aud", json!([DEFAULT_AUDIENCE, "other"])).refused("audience", 700_212);
}

#[test]
fn a_blank_in_the_credential_is_named() {
    let case =
        Case::valid().trusting(ClientKind::Application, |credential| credential.subject = Some(format!("{SUBJECT} ")));
    assert!(case.refused("subject", 700_213).fix.contains("blanks"));
}

#[test]
fn rejects_what_is_not_rsa() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let signer = signer(algorithm);
        let refusal = Case { keys: Some(public(&signer)), signer, ..Case::valid() }.refused("algorithm", 5_002_738);
        assert_eq!(refusal.seen, algorithm.name());
    }
}

#[test]
fn rejects_token_without_kid() {
    let signer = SigningKey::generate(Algorithm::Rs256).unwrap();
    Case { keys: Some(public(&signer)), signer, ..Case::valid() }.refused("key-id", 5_002_723);
}

#[test]
fn rejects_when_the_keys_cannot_be_fetched() {
    Case { keys: None, ..Case::valid() }.refused("keys", 50_166);
}

#[test]
fn rejects_unknown_key() {
    let other = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("k2");
    Case { keys: Some(public(&other)), ..Case::valid() }.refused("key", 7_000_272);
}

#[test]
fn rejects_key_that_has_no_id_at_the_issuer() {
    let bare = SigningKey::generate(Algorithm::Rs256).unwrap();
    let keys = Some(public(&bare));
    Case { keys, signer: bare.with_kid("k1"), ..Case::valid() }.refused("key", 7_000_272);
}

#[test]
fn rejects_signature_of_another_key() {
    Case { keys: Some(public(&signer(Algorithm::Rs256))), ..Case::valid() }.refused("signature", 50_027);
}

#[test]
fn rejects_token_out_of_its_time() {
    Case::valid().claim("exp", json!(NOW - 61)).refused("expired", 700_024);
    Case::valid().claim("nbf", json!(NOW + 61)).refused("not-yet", 700_024);
}

#[test]
fn the_enterprise_policy_is_for_github_alone() {
    let policy = TenantPolicy { github_enterprise: Some("carnet".to_owned()) };
    let case = || Case { policy: policy.clone(), ..Case::valid() };
    let refusal = case().claim("enterprise", json!("other")).refused("policy", 7_002_381);
    assert_eq!(refusal.kind(), carnet_core::ErrorKind::Policy);
    case().refused("policy", 7_002_381);
    case().claim("enterprise", json!("carnet")).allowed();
    let elsewhere = "https://issuer.example";
    let case = case().claim("iss", json!(elsewhere));
    case.trusting(ClientKind::Application, |credential| credential.issuer = elsewhere.to_owned()).allowed();
}

#[test]
fn an_expression_takes_the_place_of_the_subject() {
    let flexible = |credential: &mut FederatedCredential| {
        credential.subject = None;
        let value = "claims['sub'] matches 'repo:carnet-sandbox/*:ref:refs/heads/main'".to_owned();
        credential.claims_matching_expression = Some(ClaimsMatching { value, language_version: 1 });
    };
    let case = || Case::valid().trusting(ClientKind::Application, flexible);
    case().allowed();
    case().claim("sub", json!("repo:stranger/app:ref:refs/heads/main")).refused("subject", 700_213);
}

#[test]
fn the_caller_is_told_what_the_token_service_tells() {
    let stamp = Stamp {
        trace_id: "trace".to_owned(),
        correlation_id: "correlation".to_owned(),
        now: Timestamp::from_second(NOW).unwrap(),
        authority: "https://login.microsoftonline.com/".to_owned(),
    };
    let refusal = Case::valid().claim("sub", json!("s")).refused("subject", 700_213);
    let answer = token_error(&refusal, &stamp);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body["error"], "invalid_client");
    assert_eq!(answer.body["error_codes"], json!([700_213]));
    assert_eq!(answer.body["timestamp"], "2026-11-21 12:00:00Z");
    assert_eq!(answer.body["error_uri"], "https://login.microsoftonline.com/error?code=700213");
    let description = answer.body["error_description"].as_str().unwrap();
    assert!(description.starts_with(
        "AADSTS700213: No matching federated identity record found for presented assertion subject 's'. Check"
    ));
    assert!(description.ends_with("Trace ID: trace Correlation ID: correlation Timestamp: 2026-11-21 12:00:00Z"));

    let late = Case::valid().claim("exp", json!(NOW - 61)).refused("expired", 700_024);
    let description = token_error(&late, &stamp).body["error_description"].as_str().unwrap().to_owned();
    assert!(
        description.contains("Current time: 2026-11-21T12:00:00Z, assertion valid from 2026-11-21T11:59:50Z"),
        "{description}"
    );

    let other = signer(Algorithm::Rs256).with_kid("k2");
    let unknown = Case { keys: Some(public(&other)), ..Case::valid() }.refused("key", 7_000_272);
    let description = token_error(&unknown, &stamp).body["error_description"].as_str().unwrap().to_owned();
    assert!(
        description.starts_with(&format!(
            "AADSTS7000272: The certificate with identifier 'k1' used to sign the federated credential could not be found in \
             the metadata of identity provider '{ISSUER}'. "
        )),
        "{description}"
    );

    let old = old_mismatch(Presented { issuer: "i", subject: "s", audience: "a" }, &stamp);
    assert_eq!((old.status, &old.body["error_codes"]), (400, &json!([70_021])));
}
