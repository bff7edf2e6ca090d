//! Sealing under a key that a service keeps: envelope encryption.

use std::{fmt, sync::Arc};

use carnet_core::{BoxFuture, Context, Error, Random, SecretBytes};

use super::{
    Sealer,
    blob::{self, Method},
};

/// A service that wraps small secrets under a key it does not give away.
pub trait Kms: Send + Sync + fmt::Debug {
    /// Which key of which service, for people.
    fn describe(&self) -> String;

    /// Wraps 32 bytes; at most 8 KiB come back. `associated` is bound to them if the service can do that.
    ///
    /// # Errors
    /// When the service does not do it.
    fn wrap<'a>(&'a self, key: &'a SecretBytes, associated: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>>;

    /// The inverse.
    ///
    /// # Errors
    /// When the service does not do it, for instance because it was wrapped under another key.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], associated: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>>;
}

/// Seals each private key under a data key of its own, which the service wraps. The private key never goes there.
pub struct Envelope {
    kms: Arc<dyn Kms>,
    random: Arc<dyn Random>,
}

impl Envelope {
    /// Under the key of this service.
    pub fn new(kms: Arc<dyn Kms>, context: &Context) -> Self {
        Self { kms, random: Arc::clone(&context.random) }
    }
}

impl Sealer for Envelope {
    fn describe(&self) -> String {
        self.kms.describe()
    }

    fn seal<'a>(&'a self, plain: &'a SecretBytes, associated: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        Box::pin(async move {
            let mut key = [0; 32];
            self.random.fill(&mut key);
            let key = SecretBytes::new(key);
            let wrapped = self.kms.wrap(&key, associated).await?;
            blob::encrypt(Method::Kms, &wrapped, &key, plain, associated, &*self.random)
        })
    }

    fn open<'a>(&'a self, sealed: &'a [u8], associated: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        Box::pin(async move {
            let blob = blob::parse(Method::Kms, sealed)?;
            let key = self.kms.unwrap(blob.header, associated).await?;
            blob::decrypt(&blob, &key, associated)
        })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("kms", &self.kms).finish_non_exhaustive()
    }
}
