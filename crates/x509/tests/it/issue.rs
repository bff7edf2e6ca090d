use std::sync::Arc;

use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::{Authority, Certificate, LeafProfile};
use jiff::Timestamp;

use crate::support::{hours, intermediate, message, openssl_prints, profile, root, strictly};

#[test]
fn openssl_verifies_our_chains_in_strict_mode() {
    for key in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let root = root(key);
        let intermediate = intermediate(&root);
        let leaf = LeafProfile { key, server: true, ..profile() };
        let issued = intermediate.issue(&leaf).unwrap();
        strictly(&root, &intermediate, &issued.certificate, "sslclient").unwrap();
        strictly(&root, &intermediate, &issued.certificate, "sslserver").unwrap();
    }
}

#[test]
fn openssl_verifies_a_leaf_whose_only_names_are_alternative_ones() {
    let root = root(Algorithm::Es256);
    let intermediate = intermediate(&root);
    let leaf = intermediate.issue(&LeafProfile { subject: Vec::new(), ..profile() }).unwrap();
    strictly(&root, &intermediate, &leaf.certificate, "sslclient").unwrap();
}

#[test]
fn openssl_refuses_what_we_would_refuse() {
    let root = root(Algorithm::Es256);
    let intermediate = intermediate(&root);
    let leaf = intermediate.issue(&profile()).unwrap().certificate;
    assert!(strictly(&root, &intermediate, &leaf, "sslserver").unwrap_err().contains("unsuitable certificate purpose"));
    let other = crate::support::root(Algorithm::Es256);
    strictly(&other, &intermediate, &leaf, "sslclient").unwrap_err();
}

#[test]
fn the_extensions_are_those_that_strict_verifiers_want() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(Algorithm::Es256);
    let text = |pem: &str| {
        let printed = openssl_prints(folder.path(), &["x509", "-noout", "-text"], pem.as_bytes());
        String::from_utf8(printed).unwrap()
    };
    let authority = text(&intermediate(&root).certificate_pem());
    for line in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(authority.contains(line), "{line} in {authority}");
    }
    let leaf = text(&intermediate(&root).issue(&profile()).unwrap().certificate_pem());
    for line in [
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Client Authentication\n",
        "DNS:leaf.example, URI:spiffe://example.org/workload, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "Subject: CN = instance, OU = opc-certtype:instance, OU = opc-compartment:ocid1.compartment.oc1..a, \
         OU = opc-instance:ocid1.instance.oc1..b, OU = opc-tenant:ocid1.tenancy.oc1..c",
    ] {
        assert!(leaf.replace("CN=", "CN = ").replace("OU=", "OU = ").contains(line), "{line} in {leaf}");
    }
}

#[test]
fn the_key_of_a_leaf_is_the_one_that_is_handed_out() {
    for key in [Algorithm::Es256, Algorithm::Rs256] {
        let issued = root(Algorithm::Es256).issue(&LeafProfile { key, ..profile() }).unwrap();
        let private = SigningKey::from_pkcs8(key, &issued.private_key).unwrap();
        assert_eq!(Certificate::from_der(&issued.certificate).unwrap().spki(), private.public_spki());
    }
}

#[test]
fn serial_numbers_are_positive_and_never_twice_the_same() {
    let root = root(Algorithm::Es256);
    let serial = || Certificate::from_der(&root.issue(&profile()).unwrap().certificate).unwrap().serial().to_vec();
    let mut all: Vec<Vec<u8>> = (0..50).map(|_| serial()).collect();
    assert!(all.iter().all(|serial| serial.len() == 16 && serial[0] & 0x80 == 0));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 50);
}

#[test]
fn an_authority_that_was_kept_issues_as_before() {
    let root = root(Algorithm::Es256);
    let first = intermediate(&root);
    let second = Authority::from_key(first.certificate(), Arc::clone(first.signing_key())).unwrap();
    let leaf = second.issue(&profile()).unwrap();
    strictly(&root, &first, &leaf.certificate, "sslclient").unwrap();
    assert!(message(second.intermediate("x", Algorithm::Es256, hours(-1), hours(1))).contains("leaves only"));
}

#[test]
fn rejects_an_authority_whose_parts_do_not_belong_together() {
    let (one, other) = (root(Algorithm::Es256), root(Algorithm::Es256));
    let from = |certificate: &[u8]| Authority::from_key(certificate, Arc::clone(other.signing_key()));
    assert!(message(from(one.certificate())).contains("not the one of the certificate"));
    let leaf = one.issue(&profile()).unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::Es256, &leaf.private_key).unwrap();
    let own = Authority::from_key(&leaf.certificate, Arc::new(key));
    assert!(message(own).contains("not one of an authority"));
}

#[test]
fn rejects_profiles_that_cannot_be_written() {
    let root = root(Algorithm::Es256);
    let refused = |profile: LeafProfile| message(root.issue(&profile));
    assert!(refused(LeafProfile { not_after: hours(-2), ..profile() }).contains("ends before it begins"));
    assert!(
        refused(LeafProfile { subject: vec![("XX", "x".to_owned())], ..profile() }).contains("\"XX\" is not known")
    );
    assert!(refused(LeafProfile { subject: vec![("C", "é".to_owned())], ..profile() }).contains("cannot hold"));
    assert!(refused(LeafProfile { dns: vec!["bücher.example".to_owned()], ..profile() }).contains("DNS name"));
    assert!(refused(LeafProfile { dns: vec![String::new()], ..profile() }).contains("DNS name"));
    assert!(refused(LeafProfile { uri: vec!["a b".to_owned()], ..profile() }).contains("URI"));
    assert!(refused(LeafProfile { key: Algorithm::EdDsa, ..profile() }).contains("not with EdDSA"));
    assert!(refused(LeafProfile { not_before: Timestamp::MIN, ..profile() }).contains("cannot stand in a certificate"));
    let nameless = LeafProfile { subject: vec![], dns: vec![], ip: vec![], uri: vec![], ..profile() };
    assert!(refused(nameless).contains("needs a subject"));
}

#[test]
fn years_beyond_2049_can_be_written() {
    let end: Timestamp = "2061-01-02T03:04:05Z".parse().unwrap();
    let issued = root(Algorithm::Es256).issue(&LeafProfile { not_after: end, ..profile() }).unwrap();
    assert_eq!(Certificate::from_der(&issued.certificate).unwrap().not_after(), end);
}
