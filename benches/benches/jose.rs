//! Tokens against the crypto library's own rate, measured in the same run: verifying and signing a token of 1 KB may
//! cost at most 15 % more than the bare signature operation with a parsed key.

use std::hint::black_box;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Secret, SecretBytes};
use carnet_jose::{Algorithm, KeySet, Rules, SigningKey, UnverifiedJwt, encode_jwt, verify_jwt};
use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str = "https://audience.example";
const NOW: i64 = 1_795_262_400;

fn main() {
    // The fastest of many: the ratios are between fastest samples, which neighbours cannot make faster.
    divan::Divan::default().sample_count(2000).config_with_args().main();
}

/// Claims as a CI system sends them; the token comes to about 1 KB.
fn claims() -> Map<String, Value> {
    let Value::Object(claims) = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
        "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 240, "jti": "6d9b0c0e-0f4e-4f0e-9c38-3d7a1a4d0a52",
        "ref": "refs/heads/main", "sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "repository": "carnet-sandbox/app",
        "repository_owner": "carnet-sandbox", "repository_id": "123456", "run_id": "987654321", "run_number": "42",
        "actor": "somebody", "workflow": "deploy", "event_name": "push", "ref_type": "branch",
        "job_workflow_ref": "carnet-sandbox/app/.github/workflows/deploy.yml@refs/heads/main",
        "runner_environment": "github-hosted",
    }) else {
        return Map::new();
    };
    claims
}

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap_or_else(|error| unusable(&error)).with_kid("2026-11")
}

fn pkcs8(key: &SigningKey) -> SecretBytes {
    key.to_pkcs8().unwrap_or_else(|error| unusable(&error))
}

fn token(key: &SigningKey) -> Secret {
    encode_jwt(key, &Map::new(), &claims()).unwrap_or_else(|error| unusable(&error))
}

#[expect(clippy::panic, reason = "a benchmark that cannot be set up measures nothing")]
fn unusable(error: &dyn std::fmt::Debug) -> ! {
    panic!("{error:?}")
}

fn rules(algorithms: &[Algorithm]) -> Rules<'_> {
    Rules {
        issuer: Some(ISSUER),
        audiences: Some(&[AUDIENCE]),
        algorithms,
        leeway: SignedDuration::from_secs(30),
        require_expiry: true,
        max_lifetime: None,
        types: &["JWT"],
    }
}

fn bare_verify(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let key = key(algorithm);
    let token = token(&key);
    let Some((input, _)) = token.expose().rsplit_once('.') else { return };
    let signature = key.sign(input.as_bytes()).unwrap_or_else(|error| unusable(&error));
    let public = match algorithm {
        Algorithm::Rs256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_spki()),
        _ => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_spki()),
    };
    let public = public.unwrap_or_else(|error| unusable(&error));
    bencher.bench(|| black_box(&public).verify_sig(black_box(input.as_bytes()), black_box(&signature)));
}

fn token_verify(bencher: Bencher<'_, '_>, algorithm: Algorithm, parse: bool) {
    let key = key(algorithm);
    let token = token(&key);
    let keys = KeySet::of(key.public_key().unwrap_or_else(|error| unusable(&error)));
    let now = Timestamp::from_second(NOW).unwrap_or(Timestamp::UNIX_EPOCH);
    let algorithms = [algorithm];
    let rules = rules(&algorithms);
    let read = UnverifiedJwt::parse(token.expose()).unwrap_or_else(|error| unusable(&error));
    if verify_jwt(&read, &keys, &rules, now).is_err() {
        unusable(&"the token does not verify");
    }
    if parse {
        bencher.bench(|| {
            UnverifiedJwt::parse(black_box(token.expose())).and_then(|token| verify_jwt(&token, &keys, &rules, now))
        });
    } else {
        bencher.bench(|| verify_jwt(black_box(&read), &keys, &rules, now));
    }
}

#[divan::bench]
fn rs256_verify_1_bare(bencher: Bencher<'_, '_>) {
    bare_verify(bencher, Algorithm::Rs256);
}

#[divan::bench]
fn rs256_verify_2_verify_jwt(bencher: Bencher<'_, '_>) {
    token_verify(bencher, Algorithm::Rs256, false);
}

#[divan::bench]
fn rs256_verify_3_parse_and_verify_jwt(bencher: Bencher<'_, '_>) {
    token_verify(bencher, Algorithm::Rs256, true);
}

#[divan::bench]
fn es256_verify_1_bare(bencher: Bencher<'_, '_>) {
    bare_verify(bencher, Algorithm::Es256);
}

#[divan::bench]
fn es256_verify_2_verify_jwt(bencher: Bencher<'_, '_>) {
    token_verify(bencher, Algorithm::Es256, false);
}

#[divan::bench]
fn es256_verify_3_parse_and_verify_jwt(bencher: Bencher<'_, '_>) {
    token_verify(bencher, Algorithm::Es256, true);
}

#[divan::bench]
fn rs256_sign_1_bare(bencher: Bencher<'_, '_>) {
    let key = key(Algorithm::Rs256);
    let token = token(&key);
    let Some((input, _)) = token.expose().rsplit_once('.') else { return };
    let pair = RsaKeyPair::from_pkcs8(pkcs8(&key).expose()).unwrap_or_else(|error| unusable(&error));
    let random = SystemRandom::new();
    bencher.bench(|| {
        let mut signature = [0; 256];
        pair.sign(&RSA_PKCS1_SHA256, &random, black_box(input.as_bytes()), &mut signature).map(|()| signature)
    });
}

#[divan::bench]
fn rs256_sign_2_encode_jwt(bencher: Bencher<'_, '_>) {
    let (key, claims, none) = (key(Algorithm::Rs256), claims(), Map::new());
    bencher.bench(|| encode_jwt(black_box(&key), &none, black_box(&claims)));
}

#[divan::bench]
fn es256_sign_1_bare(bencher: Bencher<'_, '_>) {
    let key = key(Algorithm::Es256);
    let token = token(&key);
    let Some((input, _)) = token.expose().rsplit_once('.') else { return };
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8(&key).expose());
    let pair = pair.unwrap_or_else(|error| unusable(&error));
    let random = SystemRandom::new();
    bencher.bench(|| pair.sign(&random, black_box(input.as_bytes())));
}

#[divan::bench]
fn es256_sign_2_encode_jwt(bencher: Bencher<'_, '_>) {
    let (key, claims, none) = (key(Algorithm::Es256), claims(), Map::new());
    bencher.bench(|| encode_jwt(black_box(&key), &none, black_box(&claims)));
}

#[divan::bench]
fn parse_1_base64_alone(bencher: Bencher<'_, '_>) {
    let token = token(&key(Algorithm::Rs256));
    bencher.bench(|| {
        let parts = black_box(token.expose()).split('.');
        parts.map(|part| URL_SAFE_NO_PAD.decode(part).map_or(0, |bytes| bytes.len())).sum::<usize>()
    });
}

#[divan::bench]
fn parse_2_claims_alone(bencher: Bencher<'_, '_>) {
    let text = Value::Object(claims()).to_string();
    bencher.bench(|| serde_json::from_str::<Map<String, Value>>(black_box(&text)));
}

#[divan::bench]
fn parse_3_token(bencher: Bencher<'_, '_>) {
    let token = token(&key(Algorithm::Rs256));
    bencher.bench(|| UnverifiedJwt::parse(black_box(token.expose())));
}
