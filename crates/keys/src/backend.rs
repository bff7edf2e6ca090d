//! Where private keys are.

mod pkcs11;
mod software;

use std::fmt;

use carnet_core::{BoxFuture, Error, SecretBytes};
use carnet_jose::{Algorithm, SigningKey};

pub use pkcs11::{Pkcs11, Pkcs11Settings};
pub use software::Software;

/// A new key and what brings it back.
#[derive(Debug)]
pub struct Generated {
    /// It signs. Without `kid`.
    pub key: SigningKey,
    /// What [`Backend::load`] needs: the private key itself, or the name of a key that stays where it is. It is sealed either way.
    pub material: SecretBytes,
}

/// Makes keys and finds them again.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Its name, which rows keep, so that keys of another backend are known for what they are. ASCII without control characters.
    fn name(&self) -> &'static str;

    /// Makes a key for this algorithm. `kid` is unique and may serve as its name there.
    ///
    /// # Errors
    /// When the algorithm is not supported there, or the key cannot be made.
    fn generate<'a>(&'a self, kid: &'a str, algorithm: Algorithm) -> BoxFuture<'a, Result<Generated, Error>>;

    /// Finds a key again.
    ///
    /// # Errors
    /// When it is not there, or not what it should be.
    fn load<'a>(
        &'a self,
        kid: &'a str,
        algorithm: Algorithm,
        material: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SigningKey, Error>>;

    /// Removes a key that will never sign again. One that is gone already is no error.
    ///
    /// # Errors
    /// When it may still be there.
    fn destroy<'a>(&'a self, kid: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}
