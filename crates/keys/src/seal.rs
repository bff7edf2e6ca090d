//! Private keys at rest: encrypted, and bound to the key they belong to.

mod blob;
mod key_file;
mod kms;
mod passphrase;

use std::fmt;

use carnet_core::{BoxFuture, Error, SecretBytes};

pub use key_file::KeyFile;
pub use kms::{Envelope, Kms};
pub use passphrase::{Cost, Passphrase};

/// Seals private keys. What it returns says with what it was sealed, so that opening it with something else fails with
/// that reason.
pub trait Sealer: Send + Sync + fmt::Debug {
    /// What it seals with, for people, for instance `key file /etc/carnet/seal.key`.
    fn describe(&self) -> String;

    /// Encrypts. `associated` is bound to it and must be given again to open it.
    ///
    /// # Errors
    /// When the sealing key cannot be had.
    fn seal<'a>(&'a self, plain: &'a SecretBytes, associated: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>>;

    /// Decrypts.
    ///
    /// # Errors
    /// When it was sealed with something else, belongs to something else, or was changed. Nothing is made anew because of that.
    fn open<'a>(&'a self, sealed: &'a [u8], associated: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>>;
}

#[cfg(test)]
mod tests;
