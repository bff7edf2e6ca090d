//! What one caller may have of a snapshot.

use std::{collections::BTreeSet, sync::Arc};

use carnet_attest::Registration;
use carnet_spiffe::{Selector, SpiffeId, TrustDomain};
use jiff::Timestamp;

use crate::hub::{MintKey, Minted, Snapshot, X509Svid};

/// An identity of a caller.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) entry: Arc<Registration>,
    pub(crate) spiffe_id: SpiffeId,
    pub(crate) key: MintKey,
}

/// How far the X509-SVID of an identity is.
pub(crate) enum Progress {
    Here(Arc<X509Svid>),
    Coming,
    /// The authority does not give it.
    Refused,
}

/// The identities of a caller with these selectors. The first is the default: that of the oldest entry.
///
/// A hint occurs once: of several entries with one hint the oldest keeps its place and the others are left out
/// (SPIFFE Workload API, 5.2.1).
pub(crate) fn identities(snapshot: &Snapshot, selectors: &BTreeSet<Selector>, now: Timestamp) -> Vec<Identity> {
    let mut hints = BTreeSet::new();
    let mut identities = Vec::new();
    for entry in snapshot.entries.matching(selectors, now) {
        let spiffe_id = match entry.spiffe_id.fill(selectors) {
            Ok(spiffe_id) => spiffe_id,
            Err(error) => {
                tracing::warn!(%error, entry = entry.id, "the identity of an entry cannot be made for a workload");
                continue;
            }
        };
        if !entry.hint.is_empty() && !hints.insert(entry.hint.as_str()) {
            tracing::warn!(entry = entry.id, "an identity is left out, because another one has the same hint");
            continue;
        }
        let key = MintKey::new(&entry.id, entry.spiffe_id.used(selectors));
        identities.push(Identity { entry: Arc::clone(entry), spiffe_id, key });
    }
    identities
}

/// The trust domains whose bundles a caller may see: its own, and those that its entries name.
pub(crate) fn domains(own: &TrustDomain, identities: &[Identity]) -> BTreeSet<TrustDomain> {
    let federated = identities.iter().flat_map(|identity| identity.entry.federates_with.iter().cloned());
    federated.chain([own.clone()]).collect()
}

impl Identity {
    /// Its X509-SVID, unless that is of another identity by now or has expired.
    pub(crate) fn x509(&self, snapshot: &Snapshot, now: Timestamp) -> Progress {
        let minted = snapshot.minted.get(&self.key);
        let counts = |svid: &&Arc<X509Svid>| svid.spiffe_id == self.spiffe_id && svid.expires_at > now;
        if let Some(svid) = minted.and_then(Minted::svid).filter(counts) {
            return Progress::Here(Arc::clone(svid));
        }
        match minted.and_then(|minted| minted.rest(self.entry.revision)) {
            Some(_) => Progress::Refused,
            None => Progress::Coming,
        }
    }
}
