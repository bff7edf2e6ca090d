//! What the tests share.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use carnet_attest::{AttestConfig, Attested, Attestors, Evidence, Kind};
use carnet_core::{Context, Error, MemoryFiles, SystemRandom, test_context};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_x509::{Authority, LeafProfile};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// The nonce of all attempts here.
pub(crate) const NONCE: [u8; 32] = [9; 32];

pub(crate) fn now() -> Timestamp {
    test_context().now()
}

pub(crate) fn hours(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

pub(crate) fn world(files: Arc<MemoryFiles>) -> Context {
    Context { files, random: Arc::new(SystemRandom), ..test_context() }
}

pub(crate) fn root() -> Authority {
    Authority::root("Root", Algorithm::Es256, hours(-24), hours(24)).unwrap()
}

pub(crate) fn leaf(subject: Vec<(&'static str, String)>) -> LeafProfile {
    LeafProfile {
        subject,
        dns: Vec::new(),
        ip: Vec::new(),
        uri: Vec::new(),
        server: false,
        client: true,
        not_before: hours(-1),
        not_after: hours(1),
        key: Algorithm::Es256,
    }
}

pub(crate) fn pem(private_key: &carnet_core::SecretBytes, algorithm: Algorithm) -> String {
    let key = SigningKey::from_pkcs8(algorithm, private_key).unwrap();
    key.to_pkcs8_pem().unwrap().expose().to_owned()
}

/// One key for all tests: making one takes a tenth of a second.
pub(crate) fn rsa() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("k1"))
}

pub(crate) fn token(claims: &Value) -> String {
    let claims: Map<String, Value> = claims.as_object().unwrap().clone();
    encode_jwt(rsa(), &Map::new(), &claims).unwrap().expose().to_owned()
}

pub(crate) fn jwks() -> String {
    let key = rsa().public_jwk();
    serde_json::json!({ "keys": [key] }).to_string()
}

pub(crate) fn attestors(context: &Context, config: Value) -> Attestors {
    let config: AttestConfig = serde_json::from_value(config).unwrap();
    config.load(context).unwrap()
}

/// The fields of the mistakes of a configuration.
pub(crate) fn mistakes(context: &Context, config: Value) -> Vec<String> {
    let config: AttestConfig = serde_json::from_value(config).unwrap();
    config.load(context).unwrap_err().into_iter().map(|mistake| mistake.field).collect()
}

pub(crate) async fn gather(context: &Context, evidence: Value) -> Result<Value, Error> {
    let evidence: Evidence = serde_json::from_value(evidence).unwrap();
    evidence.gather(&NONCE, context).await
}

pub(crate) fn texts(attested: &Attested) -> Vec<String> {
    attested.selectors.iter().map(ToString::to_string).collect()
}

/// The clause of the refusal.
pub(crate) async fn clause(attestors: &Attestors, kind: Kind, evidence: &Value) -> String {
    let refused = attestors.verify(kind, evidence, &NONCE).await.expect_err("it must be refused");
    refused.failed_clause().unwrap_or("none").to_owned()
}

pub(crate) fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::File::create(folder.join(name)).unwrap().write_all(content.as_ref()).unwrap();
}

/// Runs openssl(1), which must succeed, and returns what it printed.
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("openssl(1) must be installed to run the tests: apt-get install openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// `content`, signed with this certificate and key by openssl(1).
pub(crate) fn signed(certificate: &str, key: &str, content: &[u8], options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "c.pem", certificate);
    put(folder.path(), "k.pem", key);
    put(folder.path(), "content", content);
    let fixed = ["cms", "-sign", "-binary", "-in", "content", "-signer", "c.pem", "-inkey", "k.pem", "-outform", "DER"];
    openssl(folder.path(), &[&fixed[..], options].concat())
}
