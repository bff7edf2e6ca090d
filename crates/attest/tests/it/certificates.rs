//! `x509pop` and `oci`: certificates with proof of possession.

use std::sync::Arc;

use carnet_attest::{Attestors, Kind, Once};
use carnet_core::{Context, MemoryFiles, ScriptedHttp};
use carnet_jose::Algorithm;
use carnet_x509::{Authority, LeafProfile};
use serde_json::{Value, json};

use crate::support::*;

struct Pop {
    context: Context,
    attestors: Attestors,
    files: Arc<MemoryFiles>,
    root: Authority,
}

impl Pop {
    fn new() -> Self {
        let files = Arc::new(MemoryFiles::default());
        let context = world(Arc::<MemoryFiles>::clone(&files));
        let root = root();
        files.put("/ca.pem", root.certificate_pem());
        let attestors = attestors(&context, json!({"x509pop": {"ca_file": "/ca.pem"}}));
        Self { context, attestors, files, root }
    }

    async fn evidence_of(&self, root: &Authority, profile: LeafProfile) -> Value {
        let issued = root.issue(&profile).unwrap();
        self.files.put("/c.pem", issued.certificate_pem());
        self.files.put("/k.pem", pem(&issued.private_key, profile.key));
        let evidence = json!({"x509pop": {"certificate_file": "/c.pem", "key_file": "/k.pem"}});
        gather(&self.context, evidence).await.unwrap()
    }

    async fn good(&self) -> Value {
        let mut profile = leaf(vec![("CN", "web-1".to_owned())]);
        profile.dns = vec!["web-1.example".to_owned()];
        self.evidence_of(&self.root, profile).await
    }

    async fn clause(&self, evidence: &Value) -> String {
        clause(&self.attestors, Kind::X509pop, evidence).await
    }
}

#[tokio::test]
async fn accepts_a_certificate_of_a_known_authority_with_any_type_of_key() {
    let pop = Pop::new();
    for key in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let profile = LeafProfile { key, ..leaf(vec![("CN", "web-1".to_owned())]) };
        let evidence = pop.evidence_of(&pop.root, profile).await;
        pop.attestors.verify(Kind::X509pop, &evidence, &NONCE).await.unwrap();
    }
}

#[tokio::test]
async fn the_selectors_name_subject_authority_serial_number_and_other_names() {
    let pop = Pop::new();
    let attested = pop.attestors.verify(Kind::X509pop, &pop.good().await, &NONCE).await.unwrap();
    assert_eq!(attested.once, Once::Again);
    assert_eq!(attested.path.len(), "x509pop/".len() + 64);
    let texts = texts(&attested);
    let authority = carnet_core::hex(&carnet_jose::sha256(pop.root.certificate()));
    assert!(texts.contains(&format!("x509pop:ca:fingerprint:{authority}")), "{texts:?}");
    assert!(texts.contains(&"x509pop:subject:cn:web-1".to_owned()));
    assert!(texts.contains(&"x509pop:san:dns:web-1.example".to_owned()));
    assert!(texts.iter().any(|text| text.starts_with("x509pop:serialnumber:")));
}

#[tokio::test]
async fn rejects_the_answer_to_another_nonce() {
    let pop = Pop::new();
    let refused = pop.attestors.verify(Kind::X509pop, &pop.good().await, &[8; 32]).await.unwrap_err();
    assert_eq!(refused.failed_clause(), Some("signature"));
}

#[tokio::test]
async fn rejects_a_signature_of_another_key() {
    let pop = Pop::new();
    let (mut good, other) = (pop.good().await, pop.good().await);
    good["proof"] = other["proof"].clone();
    assert_eq!(pop.clause(&good).await, "signature");
}

#[tokio::test]
async fn rejects_an_own_nonce_of_another_length() {
    let pop = Pop::new();
    let mut good = pop.good().await;
    good["proof"]["nonce"] = json!("AAAA");
    assert_eq!(pop.clause(&good).await, "nonce");
}

#[tokio::test]
async fn rejects_a_certificate_of_another_authority() {
    let pop = Pop::new();
    let other = Authority::root("Root", Algorithm::Es256, hours(-24), hours(24)).unwrap();
    let evidence = pop.evidence_of(&other, leaf(vec![("CN", "web-1".to_owned())])).await;
    assert_eq!(pop.clause(&evidence).await, "chain");
}

#[tokio::test]
async fn rejects_a_certificate_that_has_expired() {
    let pop = Pop::new();
    let profile =
        LeafProfile { not_after: hours(0) - jiff::SignedDuration::from_secs(1), ..leaf(vec![("CN", "a".to_owned())]) };
    let evidence = pop.evidence_of(&pop.root, profile).await;
    assert_eq!(pop.clause(&evidence).await, "chain");
}

#[tokio::test]
async fn rejects_a_certificate_for_servers_only() {
    let pop = Pop::new();
    let profile = LeafProfile { server: true, client: false, ..leaf(vec![("CN", "a".to_owned())]) };
    let evidence = pop.evidence_of(&pop.root, profile).await;
    assert_eq!(pop.clause(&evidence).await, "chain");
}

#[tokio::test]
async fn rejects_a_key_that_is_not_for_signatures() {
    let pop = Pop::new();
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "ca.pem", pop.root.certificate_pem());
    let ca_key = pop.root.signing_key().to_pkcs8_pem().unwrap();
    put(folder.path(), "ca.key", ca_key.expose());
    put(folder.path(), "ext", "keyUsage=critical,keyAgreement\n");
    let at = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    openssl(folder.path(), &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sec1.pem"]);
    openssl(folder.path(), &["pkcs8", "-topk8", "-nocrypt", "-in", "sec1.pem", "-out", "k.pem"]);
    openssl(folder.path(), &["req", "-new", "-key", "k.pem", "-subj", "/CN=a", "-out", "r.pem"]);
    // Its dates do not matter: the use of the key is looked at first.
    let arguments = [
        "x509",
        "-req",
        "-in",
        "r.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-set_serial",
        "7",
        "-extfile",
        "ext",
        "-days",
        "30",
        "-out",
        "c.pem",
    ];
    openssl(folder.path(), &arguments);
    pop.files.put("/c.pem", at("c.pem"));
    pop.files.put("/k.pem", at("k.pem"));
    let evidence = json!({"x509pop": {"certificate_file": "/c.pem", "key_file": "/k.pem"}});
    let evidence = gather(&pop.context, evidence).await.unwrap();
    assert_eq!(pop.clause(&evidence).await, "key-usage");
}

#[tokio::test]
async fn rejects_no_certificate_and_too_many_and_what_is_none() {
    let pop = Pop::new();
    let good = pop.good().await;
    let one = good["certificates"][0].clone();
    for certificates in [json!([]), Value::from(vec![one; 9]), json!(["AAAA"])] {
        let mut bent = good.clone();
        bent["certificates"] = certificates;
        assert_eq!(pop.clause(&bent).await, "form");
    }
    let mut bent = good;
    bent["more"] = json!(1);
    assert_eq!(pop.clause(&bent).await, "form");
}

#[tokio::test]
async fn the_agent_rejects_a_key_that_is_not_the_certificates() {
    let pop = Pop::new();
    pop.good().await;
    let first = pop.files.get("/k.pem").unwrap();
    pop.good().await;
    pop.files.put("/k.pem", first);
    let evidence = json!({"x509pop": {"certificate_file": "/c.pem", "key_file": "/k.pem"}});
    gather(&pop.context, evidence).await.unwrap_err();
}

const REGION: &str = "eu-frankfurt-1";

fn instance() -> Vec<(&'static str, String)> {
    let unit = |text: &str| ("OU", text.to_owned());
    vec![
        ("CN", "ocid1.instance.oc1.fra.i".to_owned()),
        unit("opc-certtype:instance"),
        unit("opc-compartment:ocid1.compartment.oc1..c"),
        unit("opc-instance:ocid1.instance.oc1.fra.i"),
        unit("opc-tenant:ocid1.tenancy.oc1..t"),
    ]
}

/// What an instance with this subject gathers from its metadata service, and what an authority says of it.
async fn oci(
    subject: Vec<(&'static str, String)>,
    bend: impl FnOnce(&mut Value, &mut Value),
) -> Result<Vec<String>, String> {
    let files = Arc::new(MemoryFiles::default());
    let root = root();
    let intermediate = root.intermediate("Intermediate", Algorithm::Es256, hours(-24), hours(24)).unwrap();
    files.put("/roots.pem", root.certificate_pem());
    let issued = intermediate.issue(&LeafProfile { key: Algorithm::Rs256, ..leaf(subject) }).unwrap();
    let http = ScriptedHttp::default()
        .answer(200, REGION)
        .answer(200, issued.certificate_pem())
        .answer(200, pem(&issued.private_key, Algorithm::Rs256))
        .answer(200, intermediate.certificate_pem());
    let context = Context { http: Arc::new(http), ..world(files) };
    let mut evidence = gather(&context, json!({"oci": {}})).await.unwrap();
    let mut config =
        json!({"oci": {"roots": {REGION: "/roots.pem"}, "tenancies": ["ocid1.tenancy.oc1..t"], "compartments": null}});
    bend(&mut evidence, &mut config);
    match attestors(&context, config).verify(Kind::Oci, &evidence, &NONCE).await {
        Ok(attested) => {
            assert_eq!(attested.path, "oci/ocid1.tenancy.oc1..t/ocid1.instance.oc1.fra.i");
            assert_eq!(attested.once, Once::Again);
            Ok(texts(&attested))
        }
        Err(error) => Err(error.failed_clause().unwrap_or("none").to_owned()),
    }
}

#[tokio::test]
async fn accepts_an_oci_instance_and_names_it() {
    let selectors = oci(instance(), |_, _| {}).await.unwrap();
    assert_eq!(
        selectors,
        [
            "oci:compartment:ocid1.compartment.oc1..c",
            "oci:instance:ocid1.instance.oc1.fra.i",
            "oci:region:eu-frankfurt-1",
            "oci:tenancy:ocid1.tenancy.oc1..t",
        ]
    );
}

#[tokio::test]
async fn rejects_a_tenancy_or_compartment_that_is_not_allowed() {
    let refused = oci(instance(), |_, config| config["oci"]["tenancies"] = json!(["ocid1.tenancy.oc1..u"])).await;
    assert_eq!(refused, Err("tenancy".to_owned()));
    let refused = oci(instance(), |_, config| config["oci"]["compartments"] = json!(["other"])).await;
    assert_eq!(refused, Err("compartment".to_owned()));
}

#[tokio::test]
async fn rejects_a_region_that_is_not_configured() {
    let refused = oci(instance(), |evidence, _| evidence["region"] = json!("us-ashburn-1")).await;
    assert_eq!(refused, Err("region".to_owned()));
}

#[tokio::test]
async fn rejects_a_certificate_of_another_type() {
    let mut subject = instance();
    subject[1].1 = "opc-certtype:service".to_owned();
    assert_eq!(oci(subject, |_, _| {}).await, Err("certificate-type".to_owned()));
}

#[tokio::test]
async fn rejects_a_subject_with_a_unit_missing_or_twice() {
    for unit in 1..5 {
        let mut subject = instance();
        subject.remove(unit);
        assert_eq!(oci(subject, |_, _| {}).await, Err("subject".to_owned()), "without {unit}");
    }
    let mut subject = instance();
    subject.push(("OU", "opc-tenant:ocid1.tenancy.oc1..u".to_owned()));
    assert_eq!(oci(subject, |_, _| {}).await, Err("subject".to_owned()));
}

#[tokio::test]
async fn rejects_a_chain_without_its_intermediate() {
    let bend = |evidence: &mut Value, _: &mut Value| drop(evidence["certificates"].as_array_mut().unwrap().pop());
    assert_eq!(oci(instance(), bend).await, Err("chain".to_owned()));
}

#[tokio::test]
async fn rejects_a_proof_that_was_changed() {
    let bend = |evidence: &mut Value, _: &mut Value| {
        evidence["proof"]["nonce"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    };
    assert_eq!(oci(instance(), bend).await, Err("signature".to_owned()));
}

#[test]
fn rejects_a_configuration_that_would_allow_all_or_nothing() {
    let context = world(Arc::default());
    let config = json!({"oci": {"roots": {}, "tenancies": []}, "x509pop": {"ca_file": "/none"}});
    let mut found = mistakes(&context, config);
    found.sort();
    assert_eq!(found, ["oci.roots", "oci.tenancies", "x509pop.ca_file"]);
}
