//! No document may make the readers of bundles panic, and what is accepted can be written and read again.
#![no_main]

use carnet_spiffe::{Bundle, BundleMap, TrustDomain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(domain) = "example.org".parse::<TrustDomain>() else { return };
    drop(Bundle::from_der(&domain, bytes));
    drop(Bundle::parse_jwks(&domain, bytes));
    drop(BundleMap::parse(bytes));
    let Ok(bundle) = Bundle::parse(&domain, bytes) else { return };
    let written = bundle.to_json().expect("what was read can be written");
    let again = Bundle::parse(&domain, written.to_string().as_bytes()).expect("what was written can be read");
    assert_eq!(again.x509_authorities, bundle.x509_authorities);
    assert!(again.jwt_authorities.keys().eq(bundle.jwt_authorities.keys()));
    assert_eq!(again.sequence, bundle.sequence);
});
