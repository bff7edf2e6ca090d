//! Authorities that are not to be relied on any more, and what was issued below them.

use std::collections::BTreeSet;

use carnet_core::hex;
use carnet_x509::Certificate;

/// The authorities above a certificate, as far as its chain names them: subject key identifiers in lower-case hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Above(Vec<String>);

impl Above {
    /// Of the chain as it goes over the wire. What cannot be read is above nothing: verifying a chain is another matter.
    pub(crate) fn of(chain: &[Vec<u8>]) -> Self {
        let read = chain.iter().filter_map(|der| Certificate::from_der(der).ok());
        Self(read.filter_map(|certificate| certificate.authority_key_id().map(hex)).collect())
    }
}

/// The authorities of [`carnet_attest::protocol::State::tainted`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tainted(BTreeSet<String>);

impl Tainted {
    pub(crate) fn new(key_ids: BTreeSet<String>) -> Self {
        Self(key_ids)
    }

    /// Whether what stands below these authorities must be replaced.
    pub(crate) fn concerns(&self, above: &Above) -> bool {
        !self.0.is_empty() && above.0.iter().any(|key_id| self.0.contains(key_id))
    }
}
