//! No SVID may make the verifiers panic, and none is believed that nobody here has signed.
#![no_main]

use carnet_jose::{Algorithm, SigningKey};
use carnet_spiffe::{Bundle, BundleMap, TrustDomain, verify_jwt_svid, verify_x509_svid};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// A bundle whose private key nobody has kept.
static BUNDLES: LazyLock<BundleMap> = LazyLock::new(|| {
    let domain: TrustDomain = "example.org".parse().expect("a trust domain");
    let key = SigningKey::generate(Algorithm::Es256).expect("a key").with_kid("k");
    let mut bundle = Bundle::empty(domain);
    bundle.jwt_authorities.insert("k".to_owned(), key.public_key().expect("a public key"));
    [bundle.shared()].into_iter().collect()
});

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_second(1_795_262_400).expect("a time");
    assert!(verify_x509_svid(&[bytes.to_vec()], &BUNDLES, now).is_err());
    let Ok(token) = std::str::from_utf8(bytes) else { return };
    assert!(verify_jwt_svid(token, &["a"], &BUNDLES, now, SignedDuration::ZERO).is_err());
});
