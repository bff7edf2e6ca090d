//! No key set may make the parser panic, and every key that it accepts can be written and read again.
#![no_main]

use carnet_jose::{KeySet, PublicKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(keys) = KeySet::from_json(json) else { return };
    assert!(keys.len() <= KeySet::MAX_KEYS);
    for key in keys.iter() {
        let again = PublicKey::from_jwk(&key.to_jwk()).expect("a key that was accepted is accepted again");
        assert_eq!(again.to_spki(), key.to_spki());
        for algorithm in key.algorithms() {
            assert!(!key.verify(algorithm, b"message", &[]));
        }
    }
});
