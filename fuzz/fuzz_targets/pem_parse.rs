//! No PEM text may make the readers panic, whatever the passphrase.
#![no_main]

use carnet_core::Secret;
use carnet_jose::{Algorithm, SigningKey, private_key_from_pem};
use carnet_x509::pem_to_der;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str)| {
    let (pem, passphrase) = input;
    drop(pem_to_der(pem));
    drop(private_key_from_pem(pem, None));
    if let Ok(der) = private_key_from_pem(pem, Some(&Secret::new(passphrase))) {
        for algorithm in Algorithm::ALL {
            drop(SigningKey::from_pkcs8(algorithm, &der));
        }
    }
});
