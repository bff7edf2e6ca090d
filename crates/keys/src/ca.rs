//! Certificates of the authority itself.

use std::sync::Arc;

use carnet_core::Error;
use carnet_jose::{Algorithm, SigningKey};
use carnet_spiffe::{SpiffeId, TrustDomain, authority_profile, svid_profile};
use carnet_x509::{Authority, Certificate, ChainUsage, verify_path};
use jiff::Timestamp;

use crate::{schedule::SKEW, upstream::Issuing};

/// Our authorities issue leaves only.
const PATH_LENGTH: u8 = 0;

/// What a new authority is to say.
pub(crate) struct AuthorityPlan<'a> {
    pub(crate) trust_domain: &'a TrustDomain,
    pub(crate) subject: &'a [(&'static str, String)],
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// The certificates for a new key: its own first, the root last; one and the same when it is a root. A leaf below it
/// has been seen to verify.
pub(crate) fn certify(
    plan: &AuthorityPlan<'_>,
    key: Arc<SigningKey>,
    upstream: Option<&Issuing>,
) -> Result<Vec<Vec<u8>>, Error> {
    // Nodes whose clocks are late believe it, too.
    let not_before = plan.now.saturating_sub(SKEW).unwrap_or(plan.now);
    let not_before = upstream.map_or(not_before, |upstream| not_before.max(upstream.not_before));
    let profile =
        authority_profile(plan.trust_domain, plan.subject.to_vec(), Some(PATH_LENGTH), not_before, plan.expires_at);
    let (authority, above) = match upstream {
        None => (Authority::self_signed(&profile, key)?, Vec::new()),
        Some(upstream) => (upstream.authority.subordinate(&profile, key)?, upstream.chain.clone()),
    };
    let chain: Vec<Vec<u8>> = std::iter::once(authority.certificate().to_vec()).chain(above).collect();
    try_out(plan, &authority, &chain)?;
    Ok(chain)
}

/// The authority of certificates that were made before.
pub(crate) fn restore(certificates: &[Vec<u8>], key: Arc<SigningKey>) -> Result<Authority, Error> {
    let own = certificates.first().ok_or_else(|| Error::internal("the authority has no certificate"))?;
    Ok(Authority::from_key(own, key)?)
}

/// What goes over the wire behind a leaf.
pub(crate) fn between(certificates: &[Vec<u8>]) -> &[Vec<u8>] {
    certificates.split_last().map_or(&[], |(_root, between)| between)
}

/// The end of a certificate's validity.
pub(crate) fn not_after(certificate: &[u8]) -> Result<Timestamp, Error> {
    Ok(Certificate::from_der(certificate)?.not_after())
}

/// An authority that nobody would believe is not published.
fn try_out(plan: &AuthorityPlan<'_>, authority: &Authority, chain: &[Vec<u8>]) -> Result<(), Error> {
    let id = SpiffeId::new(plan.trust_domain, "/carnet/trial")
        .map_err(|error| Error::internal("name a trial certificate").because(error))?;
    let leaf = SigningKey::generate(Algorithm::Es256)
        .map_err(|error| Error::internal("make the key of a trial certificate").because(error))?;
    let profile = svid_profile(&id, &[], plan.now, plan.expires_at);
    let leaf = authority.issue_for_key(&profile, &leaf.public_spki())?;
    let root = chain.last().cloned().unwrap_or_default();
    verify_path(ChainUsage::Client, &leaf, between(chain), &[root], plan.now).map_err(|error| {
        let hint =
            "the chain of the upstream authority must lead to its root, and its constraints must admit what we issue";
        Error::configuration("a leaf of the new certificate authority would not verify").because(error).hint(hint)
    })
}
