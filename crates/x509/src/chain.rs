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
    verify_path(usage, leaf, intermediates, roots, now).map_err(|error| X509Error(error.message))
}

/// What of a chain is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChainFault {
    /// A certificate cannot be read.
    Form,
    /// No path leads to a trusted root.
    UnknownIssuer,
    /// A signature does not verify.
    Signature,
    /// A certificate, or every trusted root, has expired.
    Expired,
    /// A certificate is not valid yet.
    NotYet,
    /// The leaf is an authority's, an issuer is none, or there are more authorities than one of them allows.
    Authority,
    /// The leaf is not for this usage.
    Usage,
    /// There is no trusted root that can be used.
    Roots,
    /// Something else, named in the message.
    Other,
}

/// A chain that is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ChainError {
    /// What it is about.
    pub fault: ChainFault,
    /// What is wrong, safe to show.
    pub message: String,
}

impl ChainError {
    fn new(fault: ChainFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }
}

/// As [`verify_chain_for`], for callers that tell the reasons apart.
///
/// # Errors
/// The reason why no path was found; of several, the one of the path that came furthest.
pub fn verify_path(
    usage: ChainUsage,
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), ChainError> {
    let refused = |error: Error| explain(&error, now);
    let roots = usable_roots(roots, now)?;
    let anchors = roots.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let intermediates: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let seconds = u64::try_from(now.as_second()).map_err(|_negative| {
        ChainError::new(ChainFault::Other, format!("certificates cannot be checked at {now}, before 1970"))
    })?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf).map_err(refused)?;
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &intermediates, time, usage, None, None)
        .map(drop)
        .map_err(refused)
}

/// The path algorithm takes a root as given (RFC 5280, 6.1.1, d). We do not: one that has expired or is no authority was
/// not meant to be believed any more.
fn usable_roots(roots: &[Vec<u8>], now: Timestamp) -> Result<Vec<CertificateDer<'_>>, ChainError> {
    let unusable = |message: String| ChainError::new(ChainFault::Roots, message);
    if roots.is_empty() {
        return Err(unusable("no root is trusted, so no certificate can be".to_owned()));
    }
    let mut usable = Vec::new();
    for (position, der) in roots.iter().enumerate() {
        let root = Certificate::from_der(der)
            .map_err(|X509Error(message)| unusable(format!("trusted root {position}: {message}")))?;
        if !root.is_authority() {
            return Err(unusable(format!("trusted root {position} is not the certificate of an authority")));
        }
        if root.not_before() <= now && now <= root.not_after() {
            usable.push(CertificateDer::from(der.as_slice()));
        }
    }
    if usable.is_empty() {
        return Err(ChainError::new(ChainFault::Expired, format!("no trusted root is valid now, at {now}")));
    }
    Ok(usable)
}

fn explain(error: &Error, now: Timestamp) -> ChainError {
    let at = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    let (fault, message) = match error {
        Error::CertExpired { not_after, .. } => {
            (ChainFault::Expired, format!("the certificate expired at {}, and now it is {now}", at(not_after)))
        }
        Error::CertNotValidYet { not_before, .. } => (
            ChainFault::NotYet,
            format!("the certificate is not valid before {}, and now it is only {now}", at(not_before)),
        ),
        Error::UnknownIssuer => (ChainFault::UnknownIssuer, "the certificate leads to no trusted root".to_owned()),
        Error::InvalidSignatureForPublicKey => {
            (ChainFault::Signature, "the signature of a certificate does not verify".to_owned())
        }
        Error::EndEntityUsedAsCa => (ChainFault::Authority, "an issuer in the chain is not an authority".to_owned()),
        Error::CaUsedAsEndEntity => (ChainFault::Authority, "the certificate is an authority's, not a leaf".to_owned()),
        Error::RequiredEkuNotFoundContext(_) => (ChainFault::Usage, "the certificate is not for this usage".to_owned()),
        Error::PathLenConstraintViolated => {
            (ChainFault::Authority, "there are more authorities in the chain than one of them allows".to_owned())
        }
        Error::BadDer | Error::TrailingData(_) => (ChainFault::Form, "a certificate is not X.509 in DER".to_owned()),
        other => (ChainFault::Other, format!("the chain is refused: {other:?}")),
    };
    ChainError { fault, message }
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
