//! Verifying X509-SVIDs.

use carnet_x509::{Certificate, ChainFault, ChainUsage, KeyUsage, X509Error, verify_path};
use jiff::Timestamp;

use crate::{BundleMap, SpiffeId, SvidClause, SvidError, jwt_svid::bundle_of};

/// Most certificates of one chain.
const MAX_CHAIN: usize = 16;

/// Verifies an X509-SVID: a chain of DER certificates, leaf first, the root left out (X509-SVID, 5). A path must lead to an
/// authority in the bundle of the trust domain that the leaf names, and to no other (RFC 5280, 6); then the leaf must be
/// as X509-SVID, 2 to 4 has it.
///
/// # Errors
/// The first check that failed.
pub fn verify_x509_svid(chain: &[Vec<u8>], bundles: &BundleMap, now: Timestamp) -> Result<SpiffeId, SvidError> {
    let (leaf, intermediates) =
        chain.split_first().ok_or_else(|| SvidError::new(SvidClause::Form, "there is no certificate"))?;
    if chain.len() > MAX_CHAIN {
        let message = format!("there are {} certificates, more than {MAX_CHAIN}", chain.len());
        return Err(SvidError::new(SvidClause::Form, message));
    }
    let certificate = read(leaf, "the leaf")?;
    let id = spiffe_id(&certificate)?;
    let authorities = &bundle_of(&id, bundles)?.x509_authorities;
    check_leaf_is_no_authority(&certificate)?;
    check_path(leaf, intermediates, &usable(authorities), &id, now)?;
    check_intermediates(intermediates)?;
    check_leaf(&certificate)?;
    Ok(id)
}

fn read(der: &[u8], what: &str) -> Result<Certificate, SvidError> {
    Certificate::from_der(der)
        .map_err(|X509Error(wrong)| SvidError::new(SvidClause::Form, format!("{what} cannot be read: {wrong}")))
}

/// X509-SVID, 2: exactly one URI. That of a workload has a path (5.2).
fn spiffe_id(leaf: &Certificate) -> Result<SpiffeId, SvidError> {
    let uris = leaf.uris();
    let [uri] = uris.as_slice() else {
        let message = format!("the certificate has {} URIs in its subject alternative name", uris.len());
        return Err(SvidError::new(SvidClause::UriSan, message).seen(&uris.join(", ")).wanted("exactly one"));
    };
    let fail = |message: String| SvidError::new(SvidClause::Subject, message).seen(uri).wanted("spiffe://DOMAIN/PATH");
    let id: SpiffeId =
        uri.parse().map_err(|error| fail(format!("the URI of the certificate is no SPIFFE ID: {error}")))?;
    if id.is_root() {
        return Err(fail("the certificate names a trust domain and no workload".to_owned()));
    }
    Ok(id)
}

/// One authority that cannot be used does not make the others useless.
fn usable(authorities: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_usable = |der: &&Vec<u8>| Certificate::from_der(der).is_ok_and(|certificate| certificate.is_authority());
    authorities.iter().filter(is_usable).cloned().collect()
}

fn check_leaf_is_no_authority(leaf: &Certificate) -> Result<(), SvidError> {
    if leaf.is_authority() {
        let error = SvidError::new(SvidClause::Authority, "the leaf is the certificate of an authority");
        return Err(error.seen("cA true").wanted("cA false"));
    }
    Ok(())
}

fn check_path(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    authorities: &[Vec<u8>],
    id: &SpiffeId,
    now: Timestamp,
) -> Result<(), SvidError> {
    let domain = id.trust_domain();
    if authorities.is_empty() {
        let message = format!("the bundle of {domain} has no X.509 authority");
        return Err(SvidError::new(SvidClause::Key, message));
    }
    verify_path(ChainUsage::Any, leaf, intermediates, authorities, now).map_err(|error| {
        let clause = match error.fault {
            ChainFault::Expired => SvidClause::Expired,
            ChainFault::NotYet => SvidClause::NotYet,
            ChainFault::Signature => SvidClause::Signature,
            ChainFault::Form => SvidClause::Form,
            _ => SvidClause::Chain,
        };
        SvidError::new(clause, error.message).wanted(format!("a path to an authority of {domain}"))
    })
}

/// RFC 5280, 6.1.4 (n), which the path algorithm in use leaves out; X509-SVID, 4.3 makes the extension mandatory.
fn check_intermediates(intermediates: &[Vec<u8>]) -> Result<(), SvidError> {
    for (position, der) in intermediates.iter().enumerate() {
        let certificate = read(der, &format!("intermediate {position}"))?;
        if !certificate.key_usage().is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN)) {
            let message = format!("intermediate {position} is not for signing certificates");
            return Err(key_usage(message, &certificate, "keyCertSign"));
        }
    }
    Ok(())
}

fn check_leaf(leaf: &Certificate) -> Result<(), SvidError> {
    let wanted = "digitalSignature, and neither keyCertSign nor cRLSign";
    let usage = leaf.key_usage().unwrap_or_default();
    if !usage.contains(KeyUsage::DIGITAL_SIGNATURE) {
        return Err(key_usage("the leaf is not for signing".to_owned(), leaf, wanted));
    }
    if usage.contains(KeyUsage::KEY_CERT_SIGN) || usage.contains(KeyUsage::CRL_SIGN) {
        return Err(key_usage("the leaf is for signing certificates or revocation lists".to_owned(), leaf, wanted));
    }
    match leaf.extended_key_usage() {
        Some(usages) if !(usages.server_auth && usages.client_auth) => {
            let message = "the extended key usage of the leaf has not both serverAuth and clientAuth";
            Err(SvidError::new(SvidClause::ExtendedKeyUsage, message).wanted("both, or no extended key usage"))
        }
        _ => Ok(()),
    }
}

fn key_usage(message: String, certificate: &Certificate, wanted: &str) -> SvidError {
    let seen = certificate.key_usage().map_or_else(|| "no key usage".to_owned(), |usage| usage.to_string());
    SvidError::new(SvidClause::KeyUsage, message).seen(&seen).wanted(wanted)
}
