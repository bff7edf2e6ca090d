//! `aws`: documents signed by openssl(1).

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_attest::{Attestors, Kind, Once};
use carnet_core::{Context, MemoryFiles, ScriptedHttp};
use carnet_jose::Algorithm;
use carnet_x509::Authority;
use serde_json::{Value, json};

use crate::support::*;

/// A self-signed certificate as AWS has one for each region, and its key.
fn region(name: &'static str) -> &'static (String, String) {
    static ONE: OnceLock<(String, String)> = OnceLock::new();
    static OTHER: OnceLock<(String, String)> = OnceLock::new();
    let kept = if name == "eu-central-1" { &ONE } else { &OTHER };
    kept.get_or_init(|| {
        let authority = Authority::root("Region", Algorithm::Rs256, hours(-24), hours(24)).unwrap();
        let key = authority.signing_key().to_pkcs8_pem().unwrap();
        (authority.certificate_pem(), key.expose().to_owned())
    })
}

fn document() -> Value {
    json!({
        "accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-central-1a", "imageId": "ami-1",
        "instanceId": "i-0abc", "instanceType": "t3.micro", "pendingTime": "2026-11-01T00:00:00Z",
        "privateIp": "10.0.0.4", "region": "eu-central-1", "version": "2017-09-30"
    })
}

fn evidence(document: &Value, region_name: &'static str, options: &[&str]) -> Value {
    let (certificate, key) = region(region_name);
    let signed = signed(certificate, key, document.to_string().as_bytes(), options);
    // In lines, as the metadata service has it.
    let text = STANDARD.encode(signed);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    json!({"rsa2048": lines.join("\n")})
}

const USUAL: [&str; 5] = ["-nodetach", "-nocerts", "-md", "sha256", "-nosmimecap"];

fn attestors_here() -> Attestors {
    let files = Arc::new(MemoryFiles::default());
    files.put("/fra.pem", region("eu-central-1").0.as_bytes());
    files.put("/iad.pem", region("us-east-1").0.as_bytes());
    let certificates = json!({"eu-central-1": "/fra.pem", "us-east-1": "/iad.pem"});
    attestors(&world(files), json!({"aws": {"certificates": certificates, "accounts": ["123456789012"]}}))
}

async fn refused(evidence: &Value) -> String {
    clause(&attestors_here(), Kind::Aws, evidence).await
}

#[tokio::test]
async fn accepts_a_document_of_its_region_for_the_first_time() {
    let stream = ["-nodetach", "-nocerts", "-md", "sha256", "-stream"];
    let plain = ["-nodetach", "-nocerts", "-md", "sha256", "-noattr"];
    // With signed attributes, with lengths that are not told, without attributes.
    for options in [USUAL, stream, plain] {
        let evidence = evidence(&document(), "eu-central-1", &options);
        let attested = attestors_here().verify(Kind::Aws, &evidence, &NONCE).await.unwrap();
        assert_eq!(attested.path, "aws/123456789012/eu-central-1/i-0abc");
        assert_eq!(attested.once, Once::FirstUse);
        assert!(texts(&attested).contains(&"aws:instance-id:i-0abc".to_owned()));
        assert_eq!(attested.selectors.len(), 6);
    }
}

#[tokio::test]
async fn rejects_a_document_that_another_region_has_signed() {
    assert_eq!(refused(&evidence(&document(), "us-east-1", &USUAL)).await, "region");
}

#[tokio::test]
async fn rejects_an_account_that_is_not_allowed() {
    let mut bent = document();
    bent["accountId"] = json!("999999999999");
    assert_eq!(refused(&evidence(&bent, "eu-central-1", &USUAL)).await, "account");
}

#[tokio::test]
async fn rejects_a_document_that_was_changed() {
    let good = evidence(&document(), "eu-central-1", &["-nodetach", "-nocerts", "-md", "sha256", "-noattr"]);
    let text: String = good["rsa2048"].as_str().unwrap().split('\n').collect();
    let mut der = STANDARD.decode(text).unwrap();
    let at = der.windows(6).position(|window| window == b"i-0abc").unwrap();
    der[at] = b'j';
    assert_eq!(refused(&json!({"rsa2048": STANDARD.encode(&der)})).await, "signature");
}

#[tokio::test]
async fn rejects_a_document_whose_content_was_changed_behind_its_signed_digest() {
    let good = evidence(&document(), "eu-central-1", &USUAL);
    let text: String = good["rsa2048"].as_str().unwrap().split('\n').collect();
    let mut der = STANDARD.decode(text).unwrap();
    let at = der.windows(6).position(|window| window == b"i-0abc").unwrap();
    der[at] = b'j';
    assert_eq!(refused(&json!({"rsa2048": STANDARD.encode(&der)})).await, "form");
}

#[tokio::test]
async fn rejects_what_is_no_document_with_its_content_inside() {
    let detached = ["-nocerts", "-md", "sha256", "-nosmimecap"];
    assert_eq!(refused(&evidence(&document(), "eu-central-1", &detached)).await, "form");
    assert_eq!(refused(&evidence(&json!({"region": "eu-central-1"}), "eu-central-1", &USUAL)).await, "form");
    assert_eq!(refused(&json!({"rsa2048": "*"})).await, "form");
    assert_eq!(refused(&json!({"rsa2048": "AAAA"})).await, "form");
}

#[tokio::test]
async fn rejects_a_digest_that_is_not_sha_256() {
    let weak = ["-nodetach", "-nocerts", "-md", "sha1", "-nosmimecap"];
    assert_eq!(refused(&evidence(&document(), "eu-central-1", &weak)).await, "form");
}

#[tokio::test]
async fn the_agent_takes_a_session_first() {
    let http = Arc::new(ScriptedHttp::default().answer(200, "session").answer(200, "AAAA\nBBBB\n"));
    let context = Context { http: Arc::<ScriptedHttp>::clone(&http), ..world(Arc::default()) };
    let evidence = gather(&context, json!({"aws": {}})).await.unwrap();
    assert_eq!(evidence, json!({"rsa2048": "AAAA\nBBBB"}));
    let requests = http.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].url.path()), ("PUT", "/latest/api/token"));
    assert_eq!(requests[1].headers.get("x-aws-ec2-metadata-token").unwrap(), "session");
}
