use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::{Certificate, CertificateRequest, verify_chain};
use proptest::prelude::*;

use crate::support::{message, now, openssl_prints, profile, put, root};

/// A request that openssl(1) made with this key, DER.
fn request(key: &SigningKey) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "key.pem", key.to_pkcs8_pem().unwrap().expose());
    let config = "[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\nCN=wish\nOU=a\n[ext]\n\
        subjectAltName=DNS:wish.example,IP:127.0.0.1,URI:spiffe://example.org/wish\n";
    put(folder.path(), "request.conf", config);
    let arguments = ["req", "-new", "-key", "key.pem", "-config", "request.conf", "-outform", "DER"];
    openssl_prints(folder.path(), &arguments, b"")
}

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

#[test]
fn reads_requests_of_every_key_type() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        let key = key(algorithm);
        let read = CertificateRequest::from_der(&request(&key)).unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(read.spki(), key.public_spki());
        assert_eq!(read.subject(), [("CN".to_owned(), "wish".to_owned()), ("OU".to_owned(), "a".to_owned())]);
        assert_eq!(read.dns_names(), ["wish.example"]);
        assert_eq!(read.ip_addresses().len(), 1);
        assert_eq!(read.uris(), ["spiffe://example.org/wish"]);
    }
}

#[test]
fn only_the_key_is_taken_from_a_request() {
    let (root, key) = (root(Algorithm::Es256), key(Algorithm::Es256));
    let der = root.sign_csr(&request(&key), &profile()).unwrap();
    let leaf = Certificate::from_der(&der).unwrap();
    assert_eq!(leaf.spki(), key.public_spki());
    assert_eq!(leaf.subject_values()[0], "instance");
    assert_eq!(leaf.dns_names(), ["leaf.example"]);
    verify_chain(&der, &[], &[root.certificate().to_vec()], now()).unwrap();
}

#[test]
fn rejects_a_request_whose_signature_does_not_verify() {
    let mut der = request(&key(Algorithm::Es256));
    let last = der.len() - 1;
    der[last] ^= 1;
    let refused = message(root(Algorithm::Es256).sign_csr(&der, &profile()));
    assert_eq!(refused, "the signature of the certificate request does not verify");
}

#[test]
fn rejects_what_is_no_request() {
    let der = request(&key(Algorithm::Es256));
    assert_eq!(message(CertificateRequest::from_der(&der[1..])), "it is not a certificate request in DER");
    assert!(message(CertificateRequest::from_der(&[der.as_slice(), &[0]].concat())).contains("follow"));
    assert!(message(CertificateRequest::from_der(&vec![0; Certificate::MAX_LENGTH + 1])).contains("more than"));
}

#[test]
fn rejects_a_request_for_a_weak_key() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.pem", "-subj", "/CN=x", "-outform", "DER"];
    let der = openssl_prints(folder.path(), &arguments, b"");
    assert!(root(Algorithm::Es256).sign_csr(&der, &profile()).is_err());
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in any::<Vec<u8>>()) {
        drop(CertificateRequest::from_der(&bytes));
    }
}
