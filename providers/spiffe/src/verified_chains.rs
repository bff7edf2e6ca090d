//! Chains that were verified before.

use std::{
    collections::HashMap,
    iter::once,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_jose::sha256;
use carnet_x509::Certificate;
use jiff::{SignedDuration, Timestamp};

use crate::{Bundle, SpiffeId, SvidError, verify_x509_svid};

/// After so long a chain is verified again in any case: an authority in the bundle may have come to its end.
const AT_MOST: SignedDuration = SignedDuration::from_mins(1);

/// Verifies X509-SVIDs, and remembers those that were good: whoever sends many requests shows the same chain with each, and two
/// signatures are the better part of what a request costs. What is bad is never remembered.
///
/// A chain is good again only under the very bundle that it was good under (the same [`Arc`]: a bundle with another authority is
/// another one), until the first of its certificates ends and for a minute at most.
#[derive(Debug)]
pub struct VerifiedChains {
    most: usize,
    known: Mutex<HashMap<[u8; 32], Known>>,
}

#[derive(Debug)]
struct Known {
    id: SpiffeId,
    bundle: Arc<Bundle>,
    from: Timestamp,
    until: Timestamp,
}

impl Known {
    fn counts(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl VerifiedChains {
    /// Remembers at most this many.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), known: Mutex::default() }
    }

    /// As [`verify_x509_svid`], with one bundle.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify(&self, chain: &[Vec<u8>], bundle: &Arc<Bundle>, now: Timestamp) -> Result<SpiffeId, SvidError> {
        let name = name(chain);
        if let Some(id) = self.recall(&name, bundle, now) {
            return Ok(id);
        }
        let id = verify_x509_svid(chain, &once(Arc::clone(bundle)).collect(), now)?;
        let ends = chain.iter().filter_map(|der| Certificate::from_der(der).ok()).map(|one| one.not_after());
        let until = ends.fold(now.saturating_add(AT_MOST).unwrap_or(now), Timestamp::min);
        self.remember(name, Known { id: id.clone(), bundle: Arc::clone(bundle), from: now, until });
        Ok(id)
    }

    fn recall(&self, name: &[u8; 32], bundle: &Arc<Bundle>, now: Timestamp) -> Option<SpiffeId> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(name)?;
        (Arc::ptr_eq(&found.bundle, bundle) && found.counts(now)).then(|| found.id.clone())
    }

    fn remember(&self, name: [u8; 32], verified: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most && !known.contains_key(&name) {
            known.retain(|_, one| one.counts(verified.from) && Arc::ptr_eq(&one.bundle, &verified.bundle));
            if known.len() >= self.most {
                known.clear();
            }
        }
        known.insert(name, verified);
    }
}

/// A digest of the certificates and of where each begins.
fn name(chain: &[Vec<u8>]) -> [u8; 32] {
    let digests: Vec<u8> = chain.iter().flat_map(|der| sha256(der)).collect();
    sha256(&digests)
}

#[cfg(test)]
mod tests {
    use carnet_jose::{Algorithm, SigningKey};
    use carnet_x509::Authority;

    use super::*;
    use crate::{TrustDomain, authority_profile, svid_profile};

    const ID: &str = "spiffe://example.org/api";

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_400).unwrap() + SignedDuration::from_secs(seconds)
    }

    /// A chain that ends after so many seconds, and the bundle that it is good under.
    fn good(ends: i64) -> (Vec<Vec<u8>>, Arc<Bundle>) {
        let domain: TrustDomain = "example.org".parse().unwrap();
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let subject = vec![("O", "Root".to_owned())];
        let profile = authority_profile(&domain, subject, None, seconds(-3600), seconds(7200));
        let root = Authority::self_signed(&profile, key).unwrap();
        let leaf = root.issue(&svid_profile(&ID.parse().unwrap(), &[], seconds(-10), seconds(ends))).unwrap();
        let mut bundle = Bundle::empty(domain);
        bundle.x509_authorities.push(root.certificate().to_vec());
        (vec![leaf.certificate], bundle.shared())
    }

    fn remembered(chains: &VerifiedChains) -> usize {
        chains.known.lock().unwrap().len()
    }

    #[test]
    fn a_good_chain_is_remembered_until_its_end() {
        let (chain, bundle) = good(30);
        let chains = VerifiedChains::new(9);
        assert_eq!(chains.verify(&chain, &bundle, seconds(0)).unwrap().as_str(), ID);
        assert_eq!(remembered(&chains), 1);
        assert_eq!(chains.recall(&name(&chain), &bundle, seconds(29)).unwrap().as_str(), ID);
        assert_eq!(chains.recall(&name(&chain), &bundle, seconds(30)), None);
        assert_eq!(chains.recall(&name(&chain), &bundle, seconds(-1)), None, "the clock was put back");
        chains.verify(&chain, &bundle, seconds(31)).unwrap_err();
    }

    #[test]
    fn a_long_lived_chain_is_looked_at_again_after_a_minute() {
        let (chain, bundle) = good(3600);
        let chains = VerifiedChains::new(9);
        chains.verify(&chain, &bundle, seconds(0)).unwrap();
        assert!(chains.recall(&name(&chain), &bundle, seconds(59)).is_some());
        assert!(chains.recall(&name(&chain), &bundle, seconds(60)).is_none());
    }

    #[test]
    fn rejects_under_another_bundle_what_was_good_under_one() {
        let (chain, bundle) = good(3600);
        let chains = VerifiedChains::new(9);
        chains.verify(&chain, &bundle, seconds(0)).unwrap();
        let without = Bundle { x509_authorities: Vec::new(), ..Bundle::clone(&bundle) }.shared();
        chains.verify(&chain, &without, seconds(0)).unwrap_err();
        chains.verify(&chain, &bundle, seconds(0)).unwrap();
    }

    #[test]
    fn rejects_a_chain_that_only_resembles_one_that_was_good() {
        let (chain, bundle) = good(3600);
        let chains = VerifiedChains::new(9);
        chains.verify(&chain, &bundle, seconds(0)).unwrap();
        let mut bent = chain.clone();
        *bent[0].last_mut().unwrap() ^= 1;
        for bent in [bent, [chain.clone(), chain].concat(), Vec::new()] {
            chains.verify(&bent, &bundle, seconds(0)).unwrap_err();
        }
        assert_eq!(remembered(&chains), 1);
    }

    #[test]
    fn a_bounded_number_is_remembered() {
        let chains = VerifiedChains::new(2);
        for _ in 0..5 {
            let (chain, bundle) = good(3600);
            chains.verify(&chain, &bundle, seconds(0)).unwrap();
            assert!(remembered(&chains) <= 2);
        }
    }
}
