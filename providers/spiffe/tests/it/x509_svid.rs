use carnet_jose::Algorithm;
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, SvidClause, SvidError, svid_profile, verify_x509_svid};
use carnet_x509::LeafProfile;
use jiff::Timestamp;
use proptest::prelude::*;
use x509_cert::{
    TbsCertificate,
    der::{
        Encode,
        asn1::OctetString,
        oid::{
            AssociatedOid,
            db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH},
        },
    },
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages},
};

use crate::support::{Domain, ID, bundles, domain, now, resigned, seconds};

fn verify_at(domain: &Domain, chain: &[Vec<u8>], at: Timestamp) -> Result<SpiffeId, SvidError> {
    verify_x509_svid(chain, &bundles(&[domain]), at)
}

/// The clause that refuses a leaf of this profile below the intermediate.
fn refused(bend: impl FnOnce(&mut LeafProfile)) -> SvidClause {
    let domain = domain();
    let mut profile = svid_profile(&ID.parse().unwrap(), &[], seconds(-10), seconds(3600));
    bend(&mut profile);
    let leaf = domain.intermediate.issue(&profile).unwrap().certificate;
    verify_at(&domain, &[leaf, domain.intermediate.certificate().to_vec()], now()).unwrap_err().clause
}

/// What becomes of a good leaf whose extension of this type is another, or is taken out.
fn with_extension<E: AssociatedOid + Encode>(extension: Option<&E>) -> Result<SpiffeId, SvidError> {
    let domain = domain();
    let mut chain = domain.chain(ID);
    chain[0] = resigned(&chain[0], &domain.intermediate, |tbs| put(tbs, extension));
    verify_at(&domain, &chain, now())
}

fn put<E: AssociatedOid + Encode>(tbs: &mut TbsCertificate, extension: Option<&E>) {
    let extensions = tbs.extensions.as_mut().unwrap();
    let at = extensions.iter().position(|known| known.extn_id == E::OID).unwrap();
    match extension {
        Some(content) => extensions[at].extn_value = OctetString::new(content.to_der().unwrap()).unwrap(),
        None => drop(extensions.remove(at)),
    }
}

fn clause(result: Result<SpiffeId, SvidError>) -> SvidClause {
    result.unwrap_err().clause
}

#[test]
fn accepts_a_leaf_through_an_intermediate_and_without_one() {
    let domain = domain();
    assert_eq!(verify_at(&domain, &domain.chain(ID), now()).unwrap().as_str(), ID);
    let id: SpiffeId = ID.parse().unwrap();
    let names = ["api.example.org".to_owned()];
    let direct = domain.root.issue(&svid_profile(&id, &names, seconds(-10), seconds(60))).unwrap();
    assert_eq!(verify_at(&domain, &[direct.certificate], now()).unwrap(), id);
}

#[test]
fn accepts_a_leaf_that_is_signed_again_as_it_was() {
    let domain = domain();
    let mut chain = domain.chain(ID);
    chain[0] = resigned(&chain[0], &domain.intermediate, |_| {});
    verify_at(&domain, &chain, now()).unwrap();
}

#[test]
fn rejects_no_certificate_too_many_and_what_is_none() {
    let domain = domain();
    let chain = domain.chain(ID);
    assert_eq!(clause(verify_at(&domain, &[], now())), SvidClause::Form);
    assert_eq!(clause(verify_at(&domain, &[b"x".to_vec()], now())), SvidClause::Form);
    assert_eq!(clause(verify_at(&domain, &[chain[0].clone(), b"x".to_vec()], now())), SvidClause::Form);
    let long = [vec![chain[0].clone()], vec![chain[1].clone(); 16]].concat();
    assert_eq!(clause(verify_at(&domain, &long, now())), SvidClause::Form);
}

#[test]
fn rejects_no_uri_two_uris_and_other_uris() {
    assert_eq!(refused(|leaf| leaf.uri.push("spiffe://example.org/other".to_owned())), SvidClause::UriSan);
    assert_eq!(refused(|leaf| leaf.uri.push("https://example.org".to_owned())), SvidClause::UriSan);
    assert_eq!(refused(|leaf| leaf.uri.clear()), SvidClause::UriSan);
    assert_eq!(refused(|leaf| leaf.uri = vec!["https://example.org/a".to_owned()]), SvidClause::Subject);
    assert_eq!(refused(|leaf| leaf.uri = vec!["spiffe://Example.org/a".to_owned()]), SvidClause::Subject);
}

#[test]
fn rejects_the_id_of_the_trust_domain_itself() {
    assert_eq!(refused(|leaf| leaf.uri = vec!["spiffe://example.org".to_owned()]), SvidClause::Subject);
}

#[test]
fn rejects_a_trust_domain_without_a_bundle() {
    assert_eq!(refused(|leaf| leaf.uri = vec!["spiffe://other.example/a".to_owned()]), SvidClause::TrustDomain);
}

#[test]
fn rejects_a_leaf_that_another_domains_authority_has_signed() {
    let (own, foreign) = (domain(), Domain::new("other.example", Algorithm::Es256));
    let both = bundles(&[&own, &foreign]);
    verify_x509_svid(&foreign.chain("spiffe://other.example/a"), &both, now()).unwrap();
    let error = verify_x509_svid(&foreign.chain(ID), &both, now()).unwrap_err();
    assert!(matches!(error.clause, SvidClause::Chain | SvidClause::Signature), "{error:?}");
}

#[test]
fn rejects_a_bundle_without_authorities() {
    let domain = domain();
    let revoked: BundleMap = [Bundle::empty(domain.name.clone()).shared()].into_iter().collect();
    assert_eq!(clause(verify_x509_svid(&domain.chain(ID), &revoked, now())), SvidClause::Key);
}

#[test]
fn an_authority_that_cannot_be_used_does_not_take_the_others_with_it() {
    let domain = domain();
    let mut bundle = domain.bundle();
    bundle.x509_authorities.insert(0, b"no certificate".to_vec());
    bundle.x509_authorities.insert(0, domain.chain(ID)[0].clone());
    let bundles: BundleMap = [bundle.shared()].into_iter().collect();
    verify_x509_svid(&domain.chain(ID), &bundles, now()).unwrap();
}

#[test]
fn rejects_a_missing_intermediate() {
    let domain = domain();
    assert_eq!(clause(verify_at(&domain, &domain.chain(ID)[..1], now())), SvidClause::Chain);
}

#[test]
fn rejects_what_is_too_late_or_too_early() {
    let domain = domain();
    assert_eq!(clause(verify_at(&domain, &domain.chain(ID), seconds(3601))), SvidClause::Expired);
    assert_eq!(clause(verify_at(&domain, &domain.chain(ID), seconds(-11))), SvidClause::NotYet);
}

#[test]
fn rejects_a_leaf_that_is_an_authority() {
    let constraints = BasicConstraints { ca: true, path_len_constraint: None };
    assert_eq!(clause(with_extension(Some(&constraints))), SvidClause::Authority);
}

#[test]
fn accepts_a_leaf_without_basic_constraints() {
    with_extension::<BasicConstraints>(None).unwrap();
}

#[test]
fn rejects_a_leaf_that_signs_certificates_or_revocation_lists() {
    for bit in [KeyUsages::KeyCertSign, KeyUsages::CRLSign] {
        let usage = KeyUsage(KeyUsages::DigitalSignature | bit);
        assert_eq!(clause(with_extension(Some(&usage))), SvidClause::KeyUsage, "{bit:?}");
    }
}

#[test]
fn rejects_a_leaf_that_does_not_sign() {
    let usage = KeyUsage(KeyUsages::KeyAgreement | KeyUsages::KeyEncipherment);
    assert_eq!(clause(with_extension(Some(&usage))), SvidClause::KeyUsage);
    assert_eq!(clause(with_extension::<KeyUsage>(None)), SvidClause::KeyUsage);
}

#[test]
fn accepts_the_usages_that_spire_writes() {
    let usage = KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyAgreement | KeyUsages::KeyEncipherment);
    with_extension(Some(&usage)).unwrap();
}

#[test]
fn rejects_half_an_extended_key_usage_and_accepts_none() {
    for purposes in [vec![ID_KP_SERVER_AUTH], vec![ID_KP_CLIENT_AUTH], vec![ANY_EXTENDED_KEY_USAGE]] {
        let result = with_extension(Some(&ExtendedKeyUsage(purposes.clone())));
        assert_eq!(clause(result), SvidClause::ExtendedKeyUsage, "{purposes:?}");
    }
    with_extension::<ExtendedKeyUsage>(None).unwrap();
}

#[test]
fn rejects_an_intermediate_that_may_not_sign_certificates() {
    let domain = domain();
    for usage in [Some(KeyUsage(KeyUsages::CRLSign.into())), None] {
        let mut chain = domain.chain(ID);
        chain[1] = resigned(&chain[1], &domain.root, |tbs| put(tbs, usage.as_ref()));
        assert_eq!(clause(verify_at(&domain, &chain, now())), SvidClause::KeyUsage, "{usage:?}");
    }
}

#[test]
fn rejects_a_bent_leaf() {
    let domain = domain();
    let mut chain = domain.chain(ID);
    let last = chain[0].len() - 1;
    chain[0][last] ^= 1;
    assert_eq!(clause(verify_at(&domain, &chain, now())), SvidClause::Signature);
}

proptest! {
    #[test]
    fn verifying_never_panics(chain in proptest::collection::vec(any::<Vec<u8>>(), 0..4)) {
        prop_assert!(verify_x509_svid(&chain, &BundleMap::default(), now()).is_err());
    }
}
