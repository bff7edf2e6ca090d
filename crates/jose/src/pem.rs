//! Private keys out of PEM files.

use carnet_core::{Secret, SecretBytes};

use crate::KeyError;

/// The private key in a PEM file as PKCS#8 DER: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`), SEC 1, encrypted PKCS#8 and the
/// traditional `Proc-Type: 4,ENCRYPTED` form that `oci setup keys` writes.
pub fn private_key_from_pem(pem: &[u8], passphrase: Option<&Secret>) -> Result<SecretBytes, KeyError> {
    let _ = (pem, passphrase);
    todo!()
}
