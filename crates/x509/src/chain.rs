//! Believing.

use jiff::Timestamp;

use crate::X509Error;

/// Whether `leaf` leads to one of `roots` through `intermediates` at `now` (RFC 5280, 6), for client authentication.
/// All are DER.
pub fn verify_chain(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), X509Error> {
    let _ = (leaf, intermediates, roots, now);
    todo!()
}
