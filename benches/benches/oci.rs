//! OCI request signatures against the crypto library's own rate, measured in the same run: signing a request with a parsed
//! key may cost at most 15 % more than the bare RSA operation. What parsing the key costs stands beside it.

use std::hint::black_box;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use carnet_core::{Credential, Material, OciSession, Request, Secret, SecretBytes};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_oci::{signer::OciSigner, wire::Scope};
use divan::Bencher;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

fn main() {
    divan::main();
}

#[expect(clippy::panic, reason = "a benchmark that cannot be set up measures nothing")]
fn unusable(error: &dyn std::fmt::Debug) -> ! {
    panic!("{error:?}")
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Rs256).unwrap_or_else(|error| unusable(&error))
}

fn pkcs8(key: &SigningKey) -> SecretBytes {
    key.to_pkcs8().unwrap_or_else(|error| unusable(&error))
}

/// A session whose token has the size of a real one, some 1.5 KB.
fn session(key: &SigningKey) -> Credential {
    let jwk = serde_json::to_string(&key.public_jwk()).unwrap_or_else(|error| unusable(&error));
    let claims: Map<String, Value> = [
        ("iss", json!("authService.oracle.com")),
        ("aud", json!("oci")),
        ("sub", json!("ocid1.user.oc1..aaaa")),
        ("ptype", json!("user")),
        ("tenant", json!("ocid1.tenancy.oc1..aaaa")),
        ("jwk", json!(jwk)),
        ("iat", json!(1_795_262_400)),
        ("exp", json!(1_795_266_000)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let token = encode_jwt(key, &Map::new(), &claims).unwrap_or_else(|error| unusable(&error));
    Credential::new(Material::OciSession(OciSession {
        token: Secret::new(token.expose()),
        private_key: pkcs8(key),
        region: None,
        tenancy: None,
    }))
}

fn url(path: &str) -> Url {
    Url::parse(&format!("https://objectstorage.us-ashburn-1.oraclecloud.com{path}"))
        .unwrap_or_else(|error| unusable(&error))
}

/// The limit: one RSA signature over a string of the usual length, with a parsed key.
#[divan::bench]
fn bare_rs256_sign(bencher: Bencher<'_, '_>) {
    let pair = RsaKeyPair::from_pkcs8(pkcs8(&key()).expose()).unwrap_or_else(|error| unusable(&error));
    let random = SystemRandom::new();
    let mut signature = vec![0; pair.public_modulus_len()];
    let message = [b'x'; 166];
    bencher.bench_local(|| pair.sign(&RSA_PKCS1_SHA256, &random, black_box(&message), &mut signature));
}

#[divan::bench]
fn sign_a_get(bencher: Bencher<'_, '_>) {
    let signer = OciSigner::new(&session(&key())).unwrap_or_else(|error| unusable(&error));
    let request = Request::get(url("/n/ns1/b?compartmentId=ocid1.compartment.oc1..aaaa&limit=10"));
    let now = Timestamp::UNIX_EPOCH;
    bencher.with_inputs(|| request.clone()).bench_local_values(|mut request| {
        signer.sign(black_box(&mut request), Scope::Full, now).unwrap_or_else(|error| unusable(&error));
        request
    });
}

#[divan::bench]
fn sign_a_post(bencher: Bencher<'_, '_>) {
    let signer = OciSigner::new(&session(&key())).unwrap_or_else(|error| unusable(&error));
    let body = json!({"name": "b1", "compartmentId": "ocid1.compartment.oc1..aaaa"});
    let request = Request::post_json(url("/n/ns1/b"), &body);
    let now = Timestamp::UNIX_EPOCH;
    bencher.with_inputs(|| request.clone()).bench_local_values(|mut request| {
        signer.sign(black_box(&mut request), Scope::Full, now).unwrap_or_else(|error| unusable(&error));
        request
    });
}

/// What a route pays once: the key out of the credential.
#[divan::bench]
fn parse_the_key(bencher: Bencher<'_, '_>) {
    let credential = session(&key());
    bencher.bench_local(|| OciSigner::new(black_box(&credential)).unwrap_or_else(|error| unusable(&error)));
}
