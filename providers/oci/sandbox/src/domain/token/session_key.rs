//! The public key that a session token is bound to.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, Jwk, PublicKey};

use super::TokenError;

/// Longest key that is read: 8192 bits in base64.
const MAX_LENGTH: usize = 4_096;

/// Reads `public_key`: base64 of a DER SubjectPublicKeyInfo in one line, RSA of at least 2048 bits.
///
/// PEM armour, line breaks, and the blanks that are left when `+` was not escaped are refused, as the A-Team's list of
/// common mistakes has it.
pub(super) fn read(text: &str) -> Result<Jwk, TokenError> {
    let refused = || TokenError::request("The parameter public_key is not a base64 encoded RSA public key.");
    if text.len() > MAX_LENGTH {
        return Err(refused());
    }
    let der = STANDARD.decode(text).map_err(|_not_base64| refused())?;
    let key = PublicKey::from_spki(&der).map_err(|_not_a_key| refused())?;
    if key.allows(Algorithm::Rs256) { Ok(key.to_jwk()) } else { Err(refused()) }
}
