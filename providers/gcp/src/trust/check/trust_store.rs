//! Authorities of certificates. The limits are those of "Configure Workload Identity Federation with X.509 certificates".

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Mistake;
use carnet_x509::{Certificate, pem_to_der};

use crate::trust::{Pem, TrustStore};

const ANCHORS: &str = "x509.trustStore.trustAnchors";
const INTERMEDIATES: &str = "x509.trustStore.intermediateCas";

/// Most trust anchors.
const MAX_ANCHORS: usize = 3;
/// Most intermediate authorities.
const MAX_INTERMEDIATES: usize = 10;
/// Most intermediate authorities of the same name and key.
const MAX_SAME: usize = 5;
/// Largest certificate as PEM, in bytes.
const MAX_PEM: usize = 32 << 10;
/// Sizes of RSA keys, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Authorities that were checked.
#[derive(Debug)]
pub(in crate::trust) struct Authorities {
    pub(in crate::trust) anchors: Vec<Certificate>,
    pub(in crate::trust) intermediates: Vec<Certificate>,
}

/// What is wrong with a trust store; gives the certificates that are right.
pub(super) fn check(store: &TrustStore, mistakes: &mut Vec<Mistake>) -> Authorities {
    if store.trust_anchors.is_empty() {
        mistakes.push(Mistake::new(ANCHORS, "without a trust anchor no certificate is accepted"));
    }
    let anchors = check_all(ANCHORS, &store.trust_anchors, MAX_ANCHORS, mistakes);
    let intermediates = check_all(INTERMEDIATES, &store.intermediate_cas, MAX_INTERMEDIATES, mistakes);
    let same = |one: &Certificate| {
        let alike = |other: &&Certificate| other.subject() == one.subject() && other.spki() == one.spki();
        intermediates.iter().filter(alike).count()
    };
    if intermediates.iter().any(|one| same(one) > MAX_SAME) {
        mistakes.push(Mistake::new(INTERMEDIATES, format!("more than {MAX_SAME} have the same subject and key")));
    }
    Authorities { anchors, intermediates }
}

fn check_all(field: &str, list: &[Pem], most: usize, mistakes: &mut Vec<Mistake>) -> Vec<Certificate> {
    if list.len() > most {
        mistakes.push(Mistake::new(field, format!("more than {most} certificates")));
        return Vec::new();
    }
    let mut read = Vec::with_capacity(list.len());
    for (position, one) in list.iter().enumerate() {
        match check_one(&one.pem_certificate) {
            Ok(certificate) => read.push(certificate),
            Err(message) => mistakes.push(Mistake::new(format!("{field}[{position}].pemCertificate"), message)),
        }
    }
    read
}

fn check_one(pem: &str) -> Result<Certificate, String> {
    if pem.len() > MAX_PEM {
        return Err(format!("longer than {MAX_PEM} bytes"));
    }
    let der = pem_to_der(pem.as_bytes()).map_err(|error| error.to_string())?;
    let [der] = der.as_slice() else { return Err(format!("{} certificates in place of one", der.len())) };
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    if !certificate.is_authority() {
        return Err("not the certificate of an authority".to_owned());
    }
    check_key(&certificate)?;
    Ok(certificate)
}

/// Whether the key of a certificate is of a kind that Google takes: RSA of 2048 to 4096 bits, P-256, P-384.
///
/// # Errors
/// What it is instead.
pub(in crate::trust) fn check_key(certificate: &Certificate) -> Result<(), String> {
    let other = |seen: &str| Err(format!("a key of {seen}, in place of RSA with 2048 to 4096 bits, P-256 or P-384"));
    let Ok(key) = certificate.public_key() else { return other("a kind that is not supported") };
    let jwk = key.to_jwk();
    match (jwk.kty.as_str(), jwk.crv.as_deref(), jwk.n.as_deref()) {
        ("EC", Some("P-256" | "P-384"), _) => Ok(()),
        ("RSA", _, Some(modulus)) => match bits(modulus) {
            bits if RSA_BITS.contains(&bits) => Ok(()),
            bits => other(&format!("RSA with {bits} bits")),
        },
        (kind, curve, _) => other(curve.unwrap_or(kind)),
    }
}

/// How long a number is that stands in base64url without leading zeros (RFC 7518, 6.3.1.1).
fn bits(number: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(number).unwrap_or_default();
    let first = bytes.first().map_or(0, |first| first.leading_zeros());
    bytes.len().saturating_mul(8).saturating_sub(first as usize)
}
