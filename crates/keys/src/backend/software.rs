//! Private keys in this process.

use carnet_core::{BoxFuture, Error, SecretBytes};
use carnet_jose::{Algorithm, KeyError, SigningKey};

use super::{Backend, Generated};

/// Keys that this process makes and holds in memory; at rest they are what is sealed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl Backend for Software {
    fn name(&self) -> &'static str {
        "software"
    }

    fn generate<'a>(&'a self, _kid: &'a str, algorithm: Algorithm) -> BoxFuture<'a, Result<Generated, Error>> {
        Box::pin(async move {
            // The search for RSA primes takes up to 190 ms.
            let search = move || SigningKey::generate_rsa_racing(algorithm);
            let key = tokio::task::spawn_blocking(search)
                .await
                .map_err(|error| Error::internal(format!("making a key for {algorithm} was cut short")).because(error))?
                .map_err(|error| cannot("make", error))?;
            let material = key.to_pkcs8().map_err(|error| cannot("keep", error))?;
            Ok(Generated { key, material })
        })
    }

    fn load<'a>(
        &'a self,
        _kid: &'a str,
        algorithm: Algorithm,
        material: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SigningKey, Error>> {
        Box::pin(async move { SigningKey::from_pkcs8(algorithm, material).map_err(|error| cannot("load", error)) })
    }

    fn destroy<'a>(&'a self, _kid: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        // What is sealed goes with its row.
        Box::pin(async { Ok(()) })
    }
}

fn cannot(verb: &str, error: KeyError) -> Error {
    Error::internal(format!("{verb} a signing key")).because(error)
}
