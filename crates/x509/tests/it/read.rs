use std::sync::LazyLock;

use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::{Authority, Certificate, LeafProfile, der_to_pem, pem_to_der};
use proptest::prelude::*;

use crate::support::{hours, message, openssl_prints, profile, root};

fn leaf() -> Vec<u8> {
    root(Algorithm::Es256).issue(&profile()).unwrap().certificate
}

#[test]
fn shows_what_stands_in_a_certificate() {
    let certificate = Certificate::from_der(&leaf()).unwrap();
    assert_eq!(
        certificate.subject_values(),
        [
            "instance",
            "opc-certtype:instance",
            "opc-compartment:ocid1.compartment.oc1..a",
            "opc-instance:ocid1.instance.oc1..b",
            "opc-tenant:ocid1.tenancy.oc1..c"
        ]
    );
    let names: Vec<&str> = certificate.subject().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CN", "OU", "OU", "OU", "OU"]);
    assert_eq!(certificate.issuer(), [("CN".to_owned(), "Root".to_owned())]);
    assert_eq!((certificate.not_before(), certificate.not_after()), (hours(-1), hours(1)));
    assert_eq!(certificate.uris(), ["spiffe://example.org/workload"]);
    assert_eq!(certificate.dns_names(), ["leaf.example"]);
    assert_eq!(certificate.ip_addresses().len(), 2);
    assert!(!certificate.is_authority());
    assert!(certificate.public_key().unwrap().allows(Algorithm::Es256));
}

#[test]
fn digests_agree_with_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let der = leaf();
    let certificate = Certificate::from_der(&der).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    for (name, ours) in [("-sha1", hex(&certificate.sha1())), ("-sha256", hex(&certificate.sha256()))] {
        let printed =
            openssl_prints(folder.path(), &["x509", "-noout", "-fingerprint", name], der_to_pem(&der).as_bytes());
        assert!(String::from_utf8_lossy(&printed).trim().ends_with(&ours), "{name}");
    }
}

#[test]
fn reads_what_openssl_writes_with_names_of_any_string_type() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_pem().unwrap();
    crate::support::put(folder.path(), "key.pem", key.expose());
    let config = "[req]\ndistinguished_name=dn\nstring_mask=default\nprompt=no\nutf8=yes\n[dn]\nC=DE\nO=Büro\nCN=π\nemailAddress=a@b.example\n";
    crate::support::put(folder.path(), "request.conf", config);
    let pem = openssl_prints(
        folder.path(),
        &["req", "-x509", "-key", "key.pem", "-config", "request.conf", "-days", "1"],
        b"",
    );
    let certificate = Certificate::from_pem(&pem).unwrap();
    let subject: Vec<(&str, &str)> =
        certificate.subject().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(subject[0], ("C", "DE"));
    assert_eq!(subject[2], ("CN", "π"));
    assert_eq!(subject[3], ("1.2.840.113549.1.9.1", "a@b.example"));
}

#[test]
fn pem_holds_many_certificates_and_other_things() {
    let (one, two) = (leaf(), leaf());
    let key = SigningKey::generate(Algorithm::Es256).unwrap().to_pkcs8_pem().unwrap();
    let text = format!("# a comment\n{}{}\n{}", der_to_pem(&one), key.expose(), der_to_pem(&two));
    assert_eq!(pem_to_der(text.as_bytes()).unwrap(), [one.clone(), two]);
    assert_eq!(Certificate::from_pem(text.as_bytes()).unwrap().der(), one);
}

#[test]
fn rejects_pem_without_a_certificate_or_cut_off() {
    let pem = der_to_pem(&leaf());
    assert_eq!(message(pem_to_der(b"")), "there is no certificate in the PEM text");
    assert_eq!(message(pem_to_der(&pem.as_bytes()[..300])), "the PEM text is malformed");
    assert_eq!(message(pem_to_der(pem.replace("\nM", "\n!").as_bytes())), "the PEM text is malformed");
}

#[test]
fn rejects_der_that_is_cut_extended_or_too_long() {
    let der = leaf();
    assert!(message(Certificate::from_der(&der[..der.len() - 1])).contains("not an X.509 certificate"));
    assert_eq!(message(Certificate::from_der(&[der.as_slice(), &[0]].concat())), "1 bytes follow the certificate");
    assert!(message(Certificate::from_der(&vec![0; Certificate::MAX_LENGTH + 1])).contains("more than"));
    assert!(message(Certificate::from_der(b"")).contains("not an X.509 certificate"));
}

static LEAF: LazyLock<Vec<u8>> = LazyLock::new(leaf);
static ROOT: LazyLock<Authority> = LazyLock::new(|| root(Algorithm::Es256));

proptest! {
    #[test]
    fn reading_never_panics(bytes in any::<Vec<u8>>()) {
        drop(Certificate::from_der(&bytes));
        drop(pem_to_der(&bytes));
    }

    #[test]
    fn reading_a_bent_certificate_never_panics(position in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut der = LEAF.clone();
        let position = position.index(der.len());
        der[position] = value;
        if let Ok(certificate) = Certificate::from_der(&der) {
            prop_assert_eq!(certificate.der(), der);
        }
    }

    #[test]
    fn subjects_come_back_as_they_were_written(values in prop::collection::vec("[^\u{0}]{1,60}", 1..6)) {
        let subject: Vec<(&'static str, String)> = values.iter().map(|value| ("OU", value.clone())).collect();
        let issued = ROOT.issue(&LeafProfile { subject, ..profile() }).unwrap();
        prop_assert_eq!(Certificate::from_der(&issued.certificate).unwrap().subject_values(), values);
    }
}
