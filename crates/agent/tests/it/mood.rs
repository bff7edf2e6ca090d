//! How the authority of the tests is at the moment.

use std::{collections::BTreeSet, sync::Arc};

use carnet_attest::{Registration, protocol::RefusalCode};
use carnet_spiffe::BundleMap;
use carnet_x509::Authority;
use jiff::SignedDuration;

/// How the authority is at the moment.
#[expect(clippy::struct_excessive_bools, reason = "each is a trouble of its own, and tests mix them")]
#[derive(Debug)]
pub(crate) struct Mood {
    pub(crate) entries: Vec<Registration>,
    pub(crate) bundles: BundleMap,
    /// Subject key identifiers.
    pub(crate) tainted: BTreeSet<String>,
    /// What signs in place of the first root.
    pub(crate) root: Option<Arc<Authority>>,
    pub(crate) refuse: Option<RefusalCode>,
    pub(crate) reattestable: bool,
    /// The next call for X509-SVIDs is answered as one that was made with an SVID that has been replaced.
    pub(crate) stale: bool,
    pub(crate) away: bool,
    /// What is answered to each wish for an SVID, in place of one.
    pub(crate) none: Option<RefusalCode>,
    /// How far the authority's clock is ahead.
    pub(crate) ahead: SignedDuration,
    /// The authority that answers knows the entries as they were before their last change.
    pub(crate) lags: bool,
    pub(crate) x509_life: SignedDuration,
    pub(crate) jwt_life: SignedDuration,
}

impl Mood {
    /// One that has no entries and answers.
    pub(crate) fn new(bundles: BundleMap) -> Self {
        Self {
            entries: Vec::new(),
            bundles,
            tainted: BTreeSet::new(),
            root: None,
            refuse: None,
            reattestable: true,
            stale: false,
            away: false,
            none: None,
            ahead: SignedDuration::ZERO,
            lags: false,
            x509_life: SignedDuration::from_hours(1),
            jwt_life: SignedDuration::from_mins(5),
        }
    }
}
