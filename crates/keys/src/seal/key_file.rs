//! A sealing key in a file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use carnet_core::{BoxFuture, Context, Error, NewFile, SecretBytes};
use tokio::sync::OnceCell;

use super::{
    Sealer,
    blob::{self, Method},
};

/// 256 bits, as they are.
const LENGTH: usize = 32;

/// 32 random bytes in a file that only its owner may read. It is made with the first key that is sealed, when that is allowed,
/// and never when something is to be opened: a missing file is then an error.
pub struct KeyFile {
    context: Context,
    path: PathBuf,
    create: bool,
    key: OnceCell<SecretBytes>,
}

impl KeyFile {
    /// The sealing key in this file. With `create`, a missing one is made when the first private key is sealed.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when it can be read by others, cannot be read, does not have 32 bytes, or is
    /// missing and may not be made.
    pub fn new(context: &Context, path: impl Into<PathBuf>, create: bool) -> Result<Self, Error> {
        let path = path.into();
        let found = read(context, &path)?;
        if found.is_none() && !create {
            return Err(missing(&path));
        }
        Ok(Self { context: context.clone(), path, create, key: OnceCell::new_with(found) })
    }

    async fn for_sealing(&self) -> Result<&SecretBytes, Error> {
        self.key
            .get_or_try_init(|| async {
                if !self.create {
                    return Err(missing(&self.path));
                }
                // Two nodes that share a folder make one file.
                let held = self.context.files.hold(&self.path).await?;
                if let Some(key) = read(&self.context, &self.path)? {
                    return Ok(key);
                }
                let mut key = [0; LENGTH];
                self.context.random.fill(&mut key);
                let key = SecretBytes::new(key);
                self.context.files.replace(&[NewFile::new(held.path(), key.expose())])?;
                tracing::info!(path = %self.path.display(), "made the key file that private keys are sealed with; back it up");
                Ok(key)
            })
            .await
    }

    fn for_opening(&self) -> Result<SecretBytes, Error> {
        match self.key.get() {
            Some(key) => Ok(key.clone()),
            None => read(&self.context, &self.path)?.ok_or_else(|| missing(&self.path)),
        }
    }
}

impl Sealer for KeyFile {
    fn describe(&self) -> String {
        format!("key file {}", self.path.display())
    }

    fn seal<'a>(&'a self, plain: &'a SecretBytes, associated: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        Box::pin(async move {
            let key = self.for_sealing().await?;
            let header = blob::fingerprint(key);
            blob::encrypt(Method::KeyFile, &header, key, plain, associated, &*self.context.random)
        })
    }

    fn open<'a>(&'a self, sealed: &'a [u8], associated: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        Box::pin(async move {
            let blob = blob::parse(Method::KeyFile, sealed)?;
            let key = self.for_opening()?;
            if blob.header != blob::fingerprint(&key) {
                let message = format!("the private key was sealed with another key file than {}", self.path.display());
                return Err(
                    Error::configuration(message).hint("bring back the file that was there when the key was made")
                );
            }
            blob::decrypt(&blob, &key, associated)
        })
    }
}

fn read(context: &Context, path: &Path) -> Result<Option<SecretBytes>, Error> {
    let Some(key) = context.files.read(path, LENGTH + 1)? else { return Ok(None) };
    if context.files.others_may_read(path) {
        let message = format!("read the key file {}: other users may read it", path.display());
        return Err(Error::configuration(message).hint(format!("chmod 600 {}", path.display())));
    }
    if key.len() != LENGTH {
        let message = format!("read the key file {}: it has {} bytes, not {LENGTH}", path.display(), key.len());
        return Err(Error::configuration(message).hint("bring back the file that carnet made"));
    }
    Ok(Some(key))
}

fn missing(path: &Path) -> Error {
    Error::configuration(format!("the key file {} is missing", path.display()))
        .hint("bring back the file that was there when the keys were sealed; without it they are lost")
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish_non_exhaustive()
    }
}
