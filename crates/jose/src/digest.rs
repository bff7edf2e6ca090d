//! Digests that protocols ask for.

use aws_lc_rs::digest;

/// SHA-256. For digests that a protocol carries in the open (`x-content-sha256`, certificate fingerprints), and for
/// keys of caches that must not hold the token itself.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_example_of_fips_180() {
        let hex = carnet_core::hex(&sha256(b"abc"));
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
