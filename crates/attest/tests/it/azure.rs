//! `azure`: documents signed by openssl(1).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_attest::{Kind, Once};
use carnet_core::{Context, MemoryFiles, ScriptedHttp, hex};
use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::{Authority, LeafProfile, der_to_pem};
use serde_json::{Value, json};

use crate::support::*;

fn document() -> Value {
    json!({
        "licenseType": "", "nonce": hex(&NONCE[..16]),
        "plan": {"name": "", "product": "", "publisher": ""},
        "sku": "22_04-lts", "subscriptionId": "sub-1",
        "timeStamp": {"createdOn": "11/21/26 12:00:00 -0000", "expiresOn": "11/21/26 18:00:00 -0000"},
        "vmId": "vm-1"
    })
}

struct Bent {
    document: Value,
    signer: &'static str,
    encoding: &'static str,
    other_root: bool,
    config: Value,
}

/// The clause that refuses it, or the path and the selectors.
async fn attest(change: impl FnOnce(&mut Bent)) -> Result<(String, Vec<String>), String> {
    let config =
        json!({"ca_file": "/ca.pem", "intermediates_file": "/between.pem", "tenants": {"tenant-1": ["sub-1"]}});
    let mut bent = Bent {
        document: document(),
        signer: "eastus.metadata.azure.com",
        encoding: "pkcs7",
        other_root: false,
        config,
    };
    change(&mut bent);
    let root = root();
    let between = root.intermediate("Between", Algorithm::Es256, hours(-24), hours(24)).unwrap();
    let profile = LeafProfile {
        dns: vec![bent.signer.to_owned()],
        server: true,
        client: false,
        ..leaf(vec![("CN", bent.signer.to_owned())])
    };
    let key = rsa();
    let certificate = der_to_pem(&between.issue_for_key(&profile, &key.public_spki()).unwrap());
    let der = signed(
        &certificate,
        key.to_pkcs8_pem().unwrap().expose(),
        bent.document.to_string().as_bytes(),
        &["-nodetach", "-md", "sha256"],
    );
    let files = Arc::new(MemoryFiles::default());
    let other = Authority::root("Root", Algorithm::Es256, hours(-24), hours(24)).unwrap();
    files.put("/ca.pem", if bent.other_root { other.certificate_pem() } else { root.certificate_pem() });
    files.put("/between.pem", between.certificate_pem());
    let answer = json!({"encoding": bent.encoding, "signature": STANDARD.encode(der)});
    let http = ScriptedHttp::default().answer(200, answer.to_string());
    let context = Context { http: Arc::new(http), ..world(files) };
    let evidence = gather(&context, json!({"azure": {}})).await.unwrap();
    let attestors = attestors(&context, json!({"azure": bent.config}));
    match attestors.verify(Kind::Azure, &evidence, &NONCE).await {
        Ok(attested) => {
            assert_eq!(attested.once, Once::FirstUse);
            Ok((attested.path.clone(), texts(&attested)))
        }
        Err(error) => Err(error.failed_clause().unwrap_or("none").to_owned()),
    }
}

async fn refused(bend: impl FnOnce(&mut Bent)) -> String {
    attest(bend).await.expect_err("it must be refused")
}

#[tokio::test]
async fn accepts_a_machine_of_an_allowed_subscription_for_the_first_time() {
    let (path, selectors) = attest(|_| {}).await.unwrap();
    assert_eq!(path, "azure/tenant-1/sub-1/vm-1");
    let wanted = ["azure:sku:22_04-lts", "azure:subscription-id:sub-1", "azure:tenant-id:tenant-1", "azure:vm-id:vm-1"];
    assert_eq!(selectors, wanted);
}

#[tokio::test]
async fn rejects_another_nonce() {
    assert_eq!(refused(|bent| bent.document["nonce"] = json!("0")).await, "nonce");
}

#[tokio::test]
async fn rejects_a_document_that_has_expired_or_is_of_the_future() {
    let times = |created: &str, expires: &str| json!({"createdOn": created, "expiresOn": expires});
    let old = times("11/21/26 05:00:00 -0000", "11/21/26 11:00:00 -0000");
    assert_eq!(refused(|bent| bent.document["timeStamp"] = old).await, "expired");
    let new = times("11/21/26 13:00:00 -0000", "11/21/26 19:00:00 -0000");
    assert_eq!(refused(|bent| bent.document["timeStamp"] = new).await, "not-yet");
    let form = times("2026-11-21", "2026-11-22");
    assert_eq!(refused(|bent| bent.document["timeStamp"] = form).await, "form");
}

#[tokio::test]
async fn rejects_a_subscription_that_is_not_allowed() {
    assert_eq!(refused(|bent| bent.document["subscriptionId"] = json!("sub-2")).await, "subscription");
}

#[tokio::test]
async fn rejects_a_signer_that_is_not_the_metadata_service() {
    for signer in ["example.com", "notmetadata.azure.com", "metadata.azure.com.example.com"] {
        assert_eq!(refused(|bent| bent.signer = signer).await, "signer", "{signer}");
    }
}

#[tokio::test]
async fn rejects_a_signer_of_another_authority() {
    assert_eq!(refused(|bent| bent.other_root = true).await, "chain");
}

#[tokio::test]
async fn rejects_another_encoding_and_what_is_no_document() {
    assert_eq!(refused(|bent| bent.encoding = "pkcs12").await, "form");
    assert_eq!(refused(|bent| bent.document = json!({})).await, "form");
}

#[tokio::test]
async fn rejects_a_document_that_names_its_signer_and_is_signed_by_another() {
    let root = root();
    let profile = LeafProfile { dns: vec!["metadata.azure.com".to_owned()], ..leaf(vec![("CN", "a".to_owned())]) };
    let other = SigningKey::generate(Algorithm::Rs256).unwrap();
    let theirs = der_to_pem(&root.issue_for_key(&profile, &other.public_spki()).unwrap());
    let mine = der_to_pem(&root.issue_for_key(&profile, &rsa().public_spki()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "theirs.pem", theirs);
    let theirs = folder.path().join("theirs.pem");
    let options = ["-nodetach", "-md", "sha256", "-nocerts", "-certfile", theirs.to_str().unwrap()];
    let der = signed(&mine, rsa().to_pkcs8_pem().unwrap().expose(), document().to_string().as_bytes(), &options);
    let files = Arc::new(MemoryFiles::default());
    files.put("/ca.pem", root.certificate_pem());
    let config = json!({"azure": {"ca_file": "/ca.pem", "tenants": {"tenant-1": ["sub-1"]}}});
    let evidence = json!({"encoding": "pkcs7", "signature": STANDARD.encode(der)});
    assert_eq!(clause(&attestors(&world(files), config), Kind::Azure, &evidence).await, "signature");
}
