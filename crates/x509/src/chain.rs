//! Believing.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    anchor_from_trusted_cert,
};

use crate::{Certificate, X509Error};

/// What a leaf must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainUsage {
    /// Anything: an extended key usage is not looked at. For certificates that identify an instance in a protocol of its
    /// own, such as OCI's.
    Any,
    /// TLS clients, if the leaf has an extended key usage at all.
    Client,
    /// TLS servers, if the leaf has an extended key usage at all.
    Server,
}

/// Whether `leaf` leads to one of `roots` through `intermediates` at `now` (RFC 5280, 6), for client authentication.
/// All are DER.
pub fn verify_chain(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), X509Error> {
    verify_chain_for(ChainUsage::Client, leaf, intermediates, roots, now)
}

/// As [`verify_chain`], for this usage. A root must be an authority and must not have expired.
pub fn verify_chain_for(
    usage: ChainUsage,
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), X509Error> {
    let refused = |error: Error| X509Error(explain(&error, now));
    let roots = usable_roots(roots, now)?;
    let anchors = roots.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let intermediates: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let seconds = u64::try_from(now.as_second())
        .map_err(|_negative| X509Error(format!("certificates cannot be checked at {now}, before 1970")))?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf).map_err(refused)?;
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &intermediates, time, usage, None, None)
        .map(drop)
        .map_err(refused)
}

/// The path algorithm takes a root as given (RFC 5280, 6.1.1, d). We do not: one that has expired or is no authority was
/// not meant to be believed any more.
fn usable_roots(roots: &[Vec<u8>], now: Timestamp) -> Result<Vec<CertificateDer<'_>>, X509Error> {
    if roots.is_empty() {
        return Err(X509Error("no root is trusted, so no certificate can be".to_owned()));
    }
    let mut usable = Vec::new();
    for (position, der) in roots.iter().enumerate() {
        let root = Certificate::from_der(der)
            .map_err(|X509Error(message)| X509Error(format!("trusted root {position}: {message}")))?;
        if !root.is_authority() {
            return Err(X509Error(format!("trusted root {position} is not the certificate of an authority")));
        }
        if root.not_before() <= now && now <= root.not_after() {
            usable.push(CertificateDer::from(der.as_slice()));
        }
    }
    if usable.is_empty() {
        return Err(X509Error(format!("no trusted root is valid now, at {now}")));
    }
    Ok(usable)
}

fn explain(error: &Error, now: Timestamp) -> String {
    let at = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    match error {
        Error::CertExpired { not_after, .. } => {
            format!("the certificate expired at {}, and now it is {now}", at(not_after))
        }
        Error::CertNotValidYet { not_before, .. } => {
            format!("the certificate is not valid before {}, and now it is only {now}", at(not_before))
        }
        Error::UnknownIssuer => "the certificate leads to no trusted root".to_owned(),
        Error::InvalidSignatureForPublicKey => "the signature of a certificate does not verify".to_owned(),
        Error::EndEntityUsedAsCa => "an issuer in the chain is not an authority".to_owned(),
        Error::CaUsedAsEndEntity => "the certificate is an authority's, not a leaf".to_owned(),
        Error::RequiredEkuNotFoundContext(_) => "the certificate is not for this usage".to_owned(),
        Error::PathLenConstraintViolated => {
            "there are more authorities in the chain than one of them allows".to_owned()
        }
        Error::BadDer | Error::TrailingData(_) => "a certificate is not X.509 in DER".to_owned(),
        other => format!("the chain is refused: {other:?}"),
    }
}

impl ExtendedKeyUsageValidator for ChainUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        match self {
            Self::Any => Ok(()),
            Self::Client => KeyUsage::client_auth().validate(purposes),
            Self::Server => KeyUsage::server_auth().validate(purposes),
        }
    }
}
