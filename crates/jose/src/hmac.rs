//! Keyed digests that protocols ask for.

use aws_lc_rs::hmac;

/// HMAC with SHA-256 (RFC 2104, FIPS 198-1). For signatures with a shared secret, such as AWS Signature Version 4; never
/// for tokens, whose algorithms are asymmetric here.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(hmac::sign(&key, message).as_ref()) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_test_case_2_of_rfc_4231() {
        let hex = carnet_core::hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
