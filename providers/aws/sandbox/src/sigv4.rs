//! Verifying AWS Signature Version 4 ("Create a signed AWS API request", IAM user guide), written apart from what
//! signs.

mod canonical;
mod checksum;
mod chunks;
mod fault;
mod parse;
mod verify;

pub(crate) use canonical::canonical_request;
pub(crate) use checksum::{Checksum, encode};
pub(crate) use chunks::verify_chunks;
pub use chunks::{ChunkMistake, Chunked, decode_chunks};
pub(crate) use fault::{Fault, Kind};
pub use parse::Authorization;
pub(crate) use verify::{Payload, Verified, is_region, region_of, verify};

use carnet_core::hex;
use carnet_jose::{hmac_sha256, sha256};

/// The algorithm with a shared secret.
pub(crate) const HMAC: &str = "AWS4-HMAC-SHA256";

/// The digest of something as it stands in canonical requests.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// The key of one day, region and service.
fn signing_key(secret: &str, authorization: &Authorization) -> [u8; 32] {
    let first = hmac_sha256(format!("AWS4{secret}").as_bytes(), authorization.date.as_bytes());
    let rest = [authorization.region.as_str(), authorization.service.as_str(), "aws4_request"];
    rest.iter().fold(first, |key, part| hmac_sha256(&key, part.as_bytes()))
}

/// The signature of a text.
fn signature(key: &[u8; 32], text: &str) -> String {
    hex(&hmac_sha256(key, text.as_bytes()))
}

/// Whether two texts are equal, in a time that does not tell where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    sha256(one.as_bytes()) == sha256(other.as_bytes())
}

#[cfg(test)]
mod tests;
