//! Verifying OCI request signatures against the crypto library's own rate, measured in the same run: with a parsed key a
//! request may cost at most 15 % more than the bare RSA operation. `session_token_first_seen` also verifies the token. `login` is
//! the whole of what the authority does offline with a login by a session token that it has seen before, and may cost 25 % more.

use std::{hint::black_box, sync::Arc};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, KeySet, SigningKey, encode_jwt, sha256};
use carnet_oci::trust::{
    Checked, Principal,
    login::{AUDIENCE_HEADER, Login, LoginTrust, SignedHeaders},
    signature::{KeyId, Options, SeenTokens, SessionVerifier, SignedRequest, Signer, evaluate},
};
use carnet_trust::Decision;
use divan::Bencher;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

const NOW: i64 = 1_795_262_400;
const TARGET: &str = "/n/axcarnetsbx/b?compartmentId=ocid1.compartment.oc1..aaaaaaaacarnet&limit=10";
const AUTHORITY: &str = "https://authority.example";
const LOGIN_PATH: &str = "/v1/auth/oci/login";
const API_KEY: &str = "ocid1.tenancy.oc1..aaaa/ocid1.user.oc1..aaaa/20:3b:97:13:55:1c:01:85:02:bd:b1:35:c1:9d:e3:2f";
const BODY: &[u8] = br#"{"name":"b1","compartmentId":"ocid1.compartment.oc1..aaaa"}"#;

fn main() {
    divan::main();
}

#[expect(clippy::panic, reason = "a benchmark that cannot be set up measures nothing")]
fn unusable(error: &dyn std::fmt::Debug) -> ! {
    panic!("{error:?}")
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap_or_else(|error| unusable(&error))
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Rs256).unwrap_or_else(|error| unusable(&error))
}

/// A session token of the size of a real one, some 1.5 KB.
fn token(key: &SigningKey) -> String {
    let jwk = serde_json::to_string(&key.public_jwk()).unwrap_or_else(|error| unusable(&error));
    let Value::Object(claims) = json!({
        "iss": SessionVerifier::ISSUER, "aud": SessionVerifier::AUDIENCE, "sub": "ocid1.instance.oc1.iad.aaaaaaaa",
        "ptype": "instance", "ttype": "x509", "tenant": "ocid1.tenancy.oc1..aaaaaaaa", "opc-compartment": "ocid1.compartment.oc1..a",
        "opc-instance": "ocid1.instance.oc1.iad.aaaaaaaa", "opc-tenant": "ocid1.tenancy.oc1..aaaaaaaa", "jwk": jwk,
        "iat": NOW - 60, "exp": NOW + 1140, "jti": "6d9b0c0e-0f4e-4f0e-9c38-3d7a1a4d0a52",
    }) else {
        unusable(&"claims")
    };
    encode_jwt(key, &Map::new(), &claims).unwrap_or_else(|error| unusable(&error)).expose().to_owned()
}

/// A signed request and what the bare operation verifies of it.
struct Case {
    key: SigningKey,
    method: Method,
    headers: HeaderMap,
    body: &'static [u8],
    message: String,
    signature: Vec<u8>,
}

impl Case {
    fn new(key_id: impl FnOnce(&SigningKey) -> String, body: &'static [u8]) -> Self {
        let key = key();
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        let mut sent = vec![
            ("date", "Sat, 21 Nov 2026 12:00:00 GMT".to_owned()),
            ("(request-target)", format!("{} {TARGET}", method.as_str().to_lowercase())),
            ("host", "objectstorage.us-ashburn-1.oraclecloud.com".to_owned()),
        ];
        if !body.is_empty() {
            sent.push(("content-length", body.len().to_string()));
            sent.push(("content-type", "application/json".to_owned()));
            sent.push(("x-content-sha256", STANDARD.encode(sha256(body))));
        }
        let names: Vec<&str> = sent.iter().map(|(name, _)| *name).collect();
        let lines: Vec<String> = sent.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let message = lines.join("\n");
        let signature = key.sign(message.as_bytes()).unwrap_or_else(|error| unusable(&error));
        let authorization = format!(
            r#"Signature version="1",headers="{}",keyId="{}",algorithm="rsa-sha256",signature="{}""#,
            names.join(" "),
            key_id(&key),
            STANDARD.encode(&signature)
        );
        sent.push(("authorization", authorization));
        let headers = sent
            .into_iter()
            .filter(|(name, _)| *name != "(request-target)")
            .map(|(name, value)| {
                let value = HeaderValue::from_str(&value).unwrap_or_else(|error| unusable(&error));
                (HeaderName::from_static(name), value)
            })
            .collect();
        Self { key, method, headers, body, message, signature }
    }

    fn evaluate(&self, resolve: impl FnOnce(&KeyId<'_>) -> Checked<Signer>) -> Decision {
        let request =
            SignedRequest { method: &self.method, target: TARGET, headers: &self.headers, body: Some(self.body) };
        evaluate(&request, &Options::API, now(), resolve)
    }

    fn verifier(&self) -> SessionVerifier {
        SessionVerifier::new(KeySet::of(self.key.public_key().unwrap_or_else(|error| unusable(&error))))
    }
}

fn must_be_allowed(decision: &Decision) {
    if let Some(refusal) = decision.refusal() {
        unusable(refusal);
    }
}

fn session(body: &'static [u8]) -> Case {
    Case::new(|key| format!("ST${}", token(key)), body)
}

fn resolve_session(verifier: &SessionVerifier, key_id: &KeyId<'_>) -> Checked<Signer> {
    match key_id {
        KeyId::Session(token) => verifier.verify(token, now()),
        other => unusable(other),
    }
}

/// The limit: the RSA operation alone.
#[divan::bench]
fn bare_rsa(bencher: Bencher<'_, '_>) {
    let case = session(b"");
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, case.key.public_spki())
        .unwrap_or_else(|error| unusable(&error));
    bencher.bench_local(|| key.verify_sig(black_box(case.message.as_bytes()), black_box(&case.signature)).is_ok());
}

#[divan::bench]
fn api_key(bencher: Bencher<'_, '_>) {
    let case = Case::new(|_| API_KEY.to_owned(), b"");
    let signer = Signer {
        principal: Arc::new(Principal::user("ocid1.user.oc1..aaaa", "ocid1.tenancy.oc1..aaaa", "somebody")),
        key: Arc::new(case.key.public_key().unwrap_or_else(|error| unusable(&error))),
    };
    must_be_allowed(&case.evaluate(|_| Ok(signer.clone())));
    bencher.bench_local(|| black_box(&case).evaluate(|_| Ok(signer.clone())));
}

#[divan::bench]
fn session_token(bencher: Bencher<'_, '_>) {
    let case = session(b"");
    let verifier = case.verifier();
    must_be_allowed(&case.evaluate(|key_id| resolve_session(&verifier, key_id)));
    bencher.bench_local(|| black_box(&case).evaluate(|key_id| resolve_session(&verifier, key_id)));
}

#[divan::bench]
fn session_token_with_body(bencher: Bencher<'_, '_>) {
    let case = session(BODY);
    let verifier = case.verifier();
    must_be_allowed(&case.evaluate(|key_id| resolve_session(&verifier, key_id)));
    bencher.bench_local(|| black_box(&case).evaluate(|key_id| resolve_session(&verifier, key_id)));
}

#[divan::bench]
fn session_token_first_seen(bencher: Bencher<'_, '_>) {
    let case = session(b"");
    bencher
        .with_inputs(|| case.verifier())
        .bench_local_values(|verifier| case.evaluate(|key_id| resolve_session(&verifier, key_id)));
}

/// A login at the authority itself, which nobody is asked about.
fn signed_login(key: &SigningKey) -> Login {
    let (date, host) = ("Sat, 21 Nov 2026 12:00:00 GMT", "authority.example");
    let message =
        format!("date: {date}\n(request-target): get {LOGIN_PATH}\nhost: {host}\n{AUDIENCE_HEADER}: {AUTHORITY}");
    let signature = key.sign(message.as_bytes()).unwrap_or_else(|error| unusable(&error));
    let authorization = format!(
        r#"Signature version="1",headers="date (request-target) host {AUDIENCE_HEADER}",keyId="ST${}",algorithm="rsa-sha256",signature="{}""#,
        token(key),
        STANDARD.encode(signature)
    );
    let headers = SignedHeaders {
        authorization,
        host: host.to_owned(),
        date: Some(date.to_owned()),
        x_date: None,
        audience: Some(AUTHORITY.to_owned()),
        nonce: None,
    };
    Login { user: None, headers }
}

/// What the authority makes of it.
fn read_login(
    login: &Login,
    trust: &LoginTrust<'_>,
    tokens: &SeenTokens,
    verifier: &SessionVerifier,
) -> Checked<Signer> {
    let tenancy = login.claimed_tenancy(tokens, now())?;
    if tenancy != trust.tenancy {
        unusable(&tenancy);
    }
    let read = trust.read(login, tokens, now())?;
    verifier.verify(read.token.as_ref().map_or("", carnet_core::Secret::expose), now())
}

#[divan::bench]
fn login(bencher: Bencher<'_, '_>) {
    let key = key();
    let login = signed_login(&key);
    let own_hosts = ["authority.example".to_owned()];
    let trust = LoginTrust {
        tenancy: "ocid1.tenancy.oc1..aaaaaaaa",
        regions: &[],
        window: SignedDuration::from_mins(5),
        audience: AUTHORITY,
        own_hosts: &own_hosts,
        own_path: LOGIN_PATH,
    };
    let verifier = SessionVerifier::new(KeySet::of(key.public_key().unwrap_or_else(|error| unusable(&error))));
    let seen = SeenTokens::default();
    if let Err(refusal) = read_login(&login, &trust, &seen, &verifier) {
        unusable(&refusal);
    }
    bencher.bench_local(|| read_login(black_box(&login), &trust, &seen, &verifier).is_ok());
}
