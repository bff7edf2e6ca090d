//! What SPIFFE needs of certificates (X509-SVID, 2 to 5).

use std::sync::Arc;

use carnet_jose::{Algorithm, ExternalSigner, KeyError, SigningKey};
use carnet_x509::{
    Authority, AuthorityProfile, Certificate, CertificateRequest, ChainFault, ChainUsage, KeyUsage, LeafProfile,
    RequestProfile, der_to_pem, split_der, verify_path,
};
use x509_cert::der::{Decode, Encode};

use crate::support::{authority_profile, hours, message, now, openssl_prints, profile, put, root, strictly};

fn key(algorithm: Algorithm) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm).unwrap())
}

fn subordinate_profile(path_length: Option<u8>) -> AuthorityProfile {
    AuthorityProfile { subject: vec![("O", "below".to_owned())], path_length, ..authority_profile() }
}

fn leaf_profile() -> LeafProfile {
    let uri = vec!["spiffe://example.org/workload".to_owned()];
    LeafProfile { subject: Vec::new(), dns: Vec::new(), ip: Vec::new(), uri, server: true, client: true, ..profile() }
}

/// A key that is elsewhere, as far as the authority can tell.
#[derive(Debug)]
struct Elsewhere(SigningKey);

impl ExternalSigner for Elsewhere {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_spki(&self) -> Vec<u8> {
        self.0.public_spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.sign(message)
    }
}

#[test]
fn openssl_verifies_the_chains_of_every_key_type_in_strict_mode() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let root = Authority::self_signed(&authority_profile(), key(algorithm)).unwrap();
        let below = root.subordinate(&subordinate_profile(Some(0)), key(algorithm)).unwrap();
        let leaf = below.issue_for_key(&leaf_profile(), &key(algorithm).public_spki()).unwrap();
        for purpose in ["sslclient", "sslserver"] {
            strictly(&root, &below, &leaf, purpose).unwrap();
        }
    }
}

#[test]
fn an_authority_whose_key_is_elsewhere_issues_as_any_other() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let signer = Elsewhere(SigningKey::generate(algorithm).unwrap());
        let key_elsewhere = Arc::new(SigningKey::external(Arc::new(signer)).unwrap());
        let root = Authority::self_signed(&authority_profile(), key_elsewhere).unwrap();
        let below = root.subordinate(&subordinate_profile(Some(0)), key(Algorithm::Es256)).unwrap();
        let leaf = below.issue(&leaf_profile()).unwrap();
        strictly(&root, &below, &leaf.certificate, "sslclient").unwrap();
    }
}

#[test]
fn openssl_reads_the_extensions_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let text = |der: &[u8]| {
        let printed = openssl_prints(folder.path(), &["x509", "-noout", "-text"], der_to_pem(der).as_bytes());
        String::from_utf8(printed).unwrap()
    };
    let root = Authority::self_signed(&authority_profile(), key(Algorithm::Es256)).unwrap();
    let authority = text(root.certificate());
    for line in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE\n",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
        "X509v3 Subject Alternative Name: \n                URI:spiffe://example.org\n",
    ] {
        assert!(authority.contains(line), "{line} in {authority}");
    }
    let leaf = text(&root.issue(&leaf_profile()).unwrap().certificate);
    for line in [
        "X509v3 Subject Alternative Name: critical\n                URI:spiffe://example.org/workload\n",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Server Authentication, TLS Web Client Authentication\n",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(leaf.contains(line), "{line} in {leaf}");
    }
}

#[test]
fn the_usages_of_a_certificate_can_be_read() {
    let root = Authority::self_signed(&authority_profile(), key(Algorithm::Es256)).unwrap();
    let authority = Certificate::from_der(root.certificate()).unwrap();
    let usage = authority.key_usage().unwrap();
    assert!(usage.contains(KeyUsage::KEY_CERT_SIGN) && usage.contains(KeyUsage::CRL_SIGN));
    assert!(!usage.contains(KeyUsage::DIGITAL_SIGNATURE));
    assert_eq!((authority.extended_key_usage(), authority.uris()), (None, vec!["spiffe://example.org".to_owned()]));

    let leaf = Certificate::from_der(&root.issue(&leaf_profile()).unwrap().certificate).unwrap();
    assert_eq!(leaf.key_usage().unwrap().to_string(), "digitalSignature");
    let purposes = leaf.extended_key_usage().unwrap();
    assert!(purposes.server_auth && purposes.client_auth && !purposes.any);
}

#[test]
fn rejects_an_authority_below_one_that_allows_none() {
    let root = Authority::self_signed(&authority_profile(), key(Algorithm::Es256)).unwrap();
    let one = root.subordinate(&subordinate_profile(Some(1)), key(Algorithm::Es256)).unwrap();
    for path_length in [Some(1), None] {
        let refused = message(one.subordinate(&subordinate_profile(path_length), key(Algorithm::Es256)));
        assert_eq!(refused, "below this authority a path length of at most 0 is allowed");
    }
    let none = one.subordinate(&subordinate_profile(Some(0)), key(Algorithm::Es256)).unwrap();
    let refused = message(none.subordinate(&subordinate_profile(Some(0)), key(Algorithm::Es256)));
    assert!(refused.contains("leaves only"));
}

#[test]
fn rejects_an_authority_without_a_subject_and_one_with_a_key_that_signs_no_certificates() {
    let nameless = AuthorityProfile { subject: Vec::new(), ..authority_profile() };
    assert_eq!(message(Authority::self_signed(&nameless, key(Algorithm::Es256))), "an authority needs a subject");
    let refused = message(Authority::self_signed(&authority_profile(), key(Algorithm::EdDsa)));
    assert!(refused.contains("not with EdDSA"));
}

#[test]
fn a_request_of_ours_is_read_by_us_and_verified_by_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = RequestProfile {
        subject: vec![("O", "SPIFFE".to_owned())],
        dns: vec!["leaf.example".to_owned()],
        uri: vec!["spiffe://example.org/workload".to_owned()],
    };
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256] {
        let key = key(algorithm);
        let der = wanted.sign(&key).unwrap();
        let read = CertificateRequest::from_der(&der).unwrap();
        assert_eq!(read.spki(), key.public_spki());
        assert_eq!(read.subject(), [("O".to_owned(), "SPIFFE".to_owned())]);
        assert_eq!(read.dns_names(), ["leaf.example"]);
        assert_eq!(read.uris(), ["spiffe://example.org/workload"]);
        put(folder.path(), "request.der", &der);
        let arguments = ["req", "-verify", "-noout", "-text", "-inform", "DER", "-in", "request.der"];
        let text = String::from_utf8(openssl_prints(folder.path(), &arguments, b"")).unwrap();
        assert!(text.contains("URI:spiffe://example.org/workload"), "{text}");
    }
}

#[test]
fn a_request_that_asks_for_nothing_is_for_the_key_alone() {
    let key = key(Algorithm::Es256);
    let read = CertificateRequest::from_der(&RequestProfile::default().sign(&key).unwrap()).unwrap();
    assert!(read.subject().is_empty() && read.uris().is_empty() && read.dns_names().is_empty());
    let root = root(Algorithm::Es256);
    let leaf = root.sign_csr(&RequestProfile::default().sign(&key).unwrap(), &leaf_profile()).unwrap();
    assert_eq!(Certificate::from_der(&leaf).unwrap().spki(), key.public_spki());
}

#[test]
fn a_row_of_certificates_is_taken_apart() {
    let root = root(Algorithm::Es256);
    let leaf = root.issue(&profile()).unwrap().certificate;
    let row = [leaf.as_slice(), root.certificate()].concat();
    assert_eq!(split_der(&row).unwrap(), [leaf.clone(), root.certificate().to_vec()]);
    assert!(split_der(&[]).unwrap().is_empty());
    assert!(message(split_der(&row[..row.len() - 1])).starts_with("certificate 1 "));
    assert!(message(split_der(&[leaf.as_slice(), b"x"].concat())).starts_with("certificate 1 "));
}

#[test]
fn rejects_a_certificate_with_an_extension_twice() {
    let leaf = root(Algorithm::Es256).issue(&leaf_profile()).unwrap().certificate;
    Certificate::from_der(&leaf).unwrap();
    let mut doubled = x509_cert::Certificate::from_der(&leaf).unwrap();
    let extensions = doubled.tbs_certificate.extensions.as_mut().unwrap();
    let again = extensions.last().unwrap().clone();
    extensions.push(again);
    assert_eq!(message(Certificate::from_der(&doubled.to_der().unwrap())), "it is not an X.509 certificate in DER");
}

#[test]
fn rejects_a_certificate_whose_usage_cannot_be_read() {
    let leaf = root(Algorithm::Es256).issue(&leaf_profile()).unwrap().certificate;
    let usage = x509_cert::der::oid::db::rfc5280::ID_CE_EXT_KEY_USAGE;
    let mut broken = x509_cert::Certificate::from_der(&leaf).unwrap();
    let extensions = broken.tbs_certificate.extensions.as_mut().unwrap();
    let extension = extensions.iter_mut().find(|extension| extension.extn_id == usage).unwrap();
    extension.extn_value = x509_cert::der::asn1::OctetString::new(*b"no sequence").unwrap();
    assert_eq!(message(Certificate::from_der(&broken.to_der().unwrap())), "it is not an X.509 certificate in DER");
}

#[test]
fn the_reason_of_a_refusal_is_told_by_a_word() {
    let (own, other) = (root(Algorithm::Es256), root(Algorithm::Es256));
    let leaf = own.issue(&leaf_profile()).unwrap().certificate;
    let fault = |leaf: &[u8], root: &Authority, at| {
        verify_path(ChainUsage::Any, leaf, &[], &[root.certificate().to_vec()], at).unwrap_err().fault
    };
    verify_path(ChainUsage::Any, &leaf, &[], &[own.certificate().to_vec()], now()).unwrap();
    assert_eq!(fault(&leaf, &own, hours(2)), ChainFault::Expired);
    assert_eq!(fault(&leaf, &own, hours(-2)), ChainFault::NotYet);
    assert_eq!(fault(&leaf, &own, hours(48)), ChainFault::Expired);
    assert_eq!(fault(&leaf, &other, now()), ChainFault::Signature, "the names are the same, the keys are not");
    let stranger = Authority::root("Stranger", Algorithm::Es256, hours(-1), hours(1)).unwrap();
    assert_eq!(fault(&leaf, &stranger, now()), ChainFault::UnknownIssuer);
    assert_eq!(fault(b"no certificate", &own, now()), ChainFault::Form);
    assert_eq!(fault(own.certificate(), &own, now()), ChainFault::Authority);
    let none = verify_path(ChainUsage::Any, &leaf, &[], &[], now()).unwrap_err();
    assert_eq!(none.fault, ChainFault::Roots);
    let usage = own.issue(&LeafProfile { server: false, ..leaf_profile() }).unwrap().certificate;
    let for_server = verify_path(ChainUsage::Server, &usage, &[], &[own.certificate().to_vec()], now());
    assert_eq!(for_server.unwrap_err().fault, ChainFault::Usage);
}
