//! Trust stores that Google does not take.

use carnet_x509::{AuthorityProfile, LeafProfile};

use super::{
    certificate::{at, below, pem, root, x509},
    *,
};

const ANCHORS: &str = "x509.trustStore.trustAnchors";
const INTERMEDIATES: &str = "x509.trustStore.intermediateCas";

fn checked(change: impl FnOnce(&mut TrustStore)) -> Result<CheckedProvider, Vec<carnet_core::Mistake>> {
    let mut x509 = x509();
    change(&mut x509.trust_store);
    CheckedProvider::new("spire", Provider { x509: Some(x509), ..Provider::default() })
}

#[track_caller]
fn refused(change: impl FnOnce(&mut TrustStore), field: &str, message: &str) {
    let mistakes = checked(change).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].field, field);
    assert!(mistakes[0].message.contains(message), "{mistakes:?}");
}

/// Where the only anchor is replaced by this text.
#[track_caller]
fn refused_anchor(text: String, message: &str) {
    let change = |store: &mut TrustStore| store.trust_anchors = vec![Pem { pem_certificate: text }];
    refused(change, &format!("{ANCHORS}[0].pemCertificate"), message);
}

#[test]
fn accepts_as_many_as_there_may_be() {
    let change = |store: &mut TrustStore| {
        store.trust_anchors = (0..3).map(|_| pem(&root())).collect();
        store.intermediate_cas = (0..10).map(|at| pem(&below(&root(), &format!("authority {at}")))).collect();
    };
    checked(change).unwrap();
}

#[test]
fn rejects_too_few_and_too_many() {
    refused(|store| store.trust_anchors.clear(), ANCHORS, "without a trust anchor");
    refused(|store| store.trust_anchors = vec![pem(&root()); 4], ANCHORS, "more than 3");
    refused(|store| store.intermediate_cas = vec![pem(&root()); 11], INTERMEDIATES, "more than 10");
}

#[test]
fn rejects_more_than_five_of_the_same_name_and_key() {
    let authority = pem(&below(&root(), "authority"));
    checked(|store| store.intermediate_cas = vec![authority.clone(); 5]).unwrap();
    refused(|store| store.intermediate_cas = vec![authority.clone(); 6], INTERMEDIATES, "more than 5");
}

#[test]
fn rejects_what_is_not_one_certificate() {
    refused_anchor(String::new(), "no certificate");
    refused_anchor("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned(), "X.509");
    refused_anchor(root().certificate_pem().repeat(2), "2 certificates");
    refused_anchor(format!("{}{}", root().certificate_pem(), "x".repeat(33_000)), "longer than 32768 bytes");
}

#[test]
fn rejects_leaves() {
    let profile = LeafProfile {
        subject: vec![("CN", "leaf".to_owned())],
        dns: Vec::new(),
        ip: Vec::new(),
        uri: Vec::new(),
        server: false,
        client: true,
        not_before: at(-1),
        not_after: at(1),
        key: Algorithm::Es256,
    };
    let leaf = root().issue(&profile).unwrap().certificate;
    refused_anchor(carnet_x509::der_to_pem(&leaf), "not the certificate of an authority");
}

#[test]
fn rejects_keys_of_other_kinds() {
    let key = key(None, Algorithm::EdDsa).public_key().unwrap();
    let profile = AuthorityProfile {
        subject: vec![("CN", "authority".to_owned())],
        uri: Vec::new(),
        path_length: None,
        not_before: at(-1),
        not_after: at(1),
    };
    let authority = root().certify_authority(&profile, &key.to_spki()).unwrap();
    refused_anchor(carnet_x509::der_to_pem(&authority), "Ed25519");
}
