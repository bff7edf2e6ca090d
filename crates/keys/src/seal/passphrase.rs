//! A sealing key from a passphrase.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use argon2::{Algorithm, Argon2, Params, Version};
use carnet_core::{BoxFuture, Context, Error, Random, Secret, SecretBytes, hex};
use carnet_store::{AuditRecord, Commit, Committed, Expect, Object, ObjectKind, Op, Outcome, Store};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Sealer,
    blob::{self, Method},
};

/// The object of the store that keeps salts and costs.
const SETTING: &str = "keys.passphrase";
/// Fewer characters are guessed, whatever the cost.
const SHORTEST: usize = 12;
/// Largest file with a passphrase, in bytes.
const LONGEST: usize = 4096;
/// Salts that are kept: the current passphrase and, while keys are rewrapped, the one before.
const KEPT: usize = 2;
/// Most memory that a stored cost may ask for, in KiB: the store may be damaged.
const MAX_MEMORY: u32 = 1 << 20;
/// Most rounds that a stored cost may ask for.
const MAX_ROUNDS: u32 = 64;

/// What one guess costs (Argon2id, RFC 9106, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub rounds: u32,
    /// Lanes.
    pub lanes: u32,
}

/// The second recommendation of RFC 9106, 4: 64 MiB, three passes, four lanes.
impl Default for Cost {
    fn default() -> Self {
        Self { memory: 64 * 1024, rounds: 3, lanes: 4 }
    }
}

/// Where the passphrase is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// In this environment variable.
    Environment(String),
    /// In this file, which only its owner may read. One line break at its end does not belong to it.
    File(PathBuf),
    /// In the systemd credential of this name (`LoadCredential=`, systemd.exec(5)).
    Credential(String),
}

impl PassphraseSource {
    /// Reads it.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when it is not there, other users may read it, or it is too short.
    pub fn read(&self, context: &Context) -> Result<Secret, Error> {
        let text = match self {
            Self::Environment(name) => context.environment.secret(name).ok_or_else(|| {
                Error::configuration(format!("the variable {name} with the passphrase of the keys is not set"))
            })?,
            Self::File(path) => from_file(context, path)?,
            Self::Credential(name) => {
                let folder = context.env("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    Error::configuration(format!("there are no systemd credentials here, and {name:?} should be one"))
                        .hint(format!("LoadCredential={name}:/path in the unit"))
                })?;
                if name.contains('/') {
                    return Err(Error::configuration(format!("{name:?} is no name of a credential")));
                }
                from_file(context, &Path::new(&folder).join(name))?
            }
        };
        if text.expose().chars().count() < SHORTEST {
            let message = format!("the passphrase of the keys is shorter than {SHORTEST} characters");
            return Err(
                Error::configuration(message).hint("several random words, or the output of: openssl rand -base64 24")
            );
        }
        Ok(text)
    }
}

fn from_file(context: &Context, path: &Path) -> Result<Secret, Error> {
    let place = path.display();
    let bytes = context.files.read(path, LONGEST)?;
    let bytes =
        bytes.ok_or_else(|| Error::configuration(format!("the file {place} with the passphrase is missing")))?;
    if context.files.others_may_read(path) {
        let message = format!("read the passphrase in {place}: other users may read it");
        return Err(Error::configuration(message).hint(format!("chmod 600 {place}")));
    }
    let text = std::str::from_utf8(bytes.expose())
        .map_err(|_opaque| Error::configuration(format!("the passphrase in {place} is not UTF-8")))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
}

/// A sealing key derived from a passphrase. Salt and cost are in the store, so that every node derives the same.
pub struct Passphrase {
    key: SecretBytes,
    random: Arc<dyn Random>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Newest first.
    derivations: Vec<Derivation>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Derivation {
    /// Hexadecimal.
    salt: String,
    cost: Cost,
    /// What the fingerprint of the derived key must be, hexadecimal.
    check: String,
}

impl Passphrase {
    /// The sealing key of this passphrase. The first to come writes salt and `cost` into the store; later the stored ones
    /// are used.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when it is not the passphrase of this store, and whatever the store says.
    pub async fn open(store: &dyn Store, context: &Context, passphrase: &Secret, cost: Cost) -> Result<Self, Error> {
        let found = match load(store).await? {
            Some(found) => found,
            None => match Self::add(store, context, passphrase, cost, None).await? {
                Some(made) => return Ok(made),
                // Another node was faster.
                None => load(store).await?.ok_or_else(|| Error::internal("the passphrase's salt came and went"))?,
            },
        };
        for derivation in found.1.derivations {
            let key = derive(passphrase, &derivation).await?;
            if hex(&blob::fingerprint(&key)) == derivation.check {
                return Ok(Self { key, random: Arc::clone(&context.random) });
            }
        }
        Err(Error::configuration("the passphrase is not the one that the keys of this store are sealed with")
            .hint("use the passphrase that was set when the store was made"))
    }

    /// A sealing key of a new passphrase beside the old one, for [`crate::KeyManager::rewrap`]. The old one opens the
    /// store until the next change.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn change(store: &dyn Store, context: &Context, passphrase: &Secret, cost: Cost) -> Result<Self, Error> {
        let found = load(store).await?;
        Self::add(store, context, passphrase, cost, found)
            .await?
            .ok_or_else(|| Error::refused("another change of the passphrase came in between").hint("try again"))
    }

    async fn add(
        store: &dyn Store,
        context: &Context,
        passphrase: &Secret,
        cost: Cost,
        found: Option<(Object, Stored)>,
    ) -> Result<Option<Self>, Error> {
        let salt = context.random_hex::<16>();
        let mut derivation = Derivation { salt, cost, check: String::new() };
        let key = derive(passphrase, &derivation).await?;
        derivation.check = hex(&blob::fingerprint(&key));
        let (expect, before) = match found {
            Some((object, stored)) => (Expect::Revision(object.revision), stored.derivations),
            None => (Expect::Absent, Vec::new()),
        };
        let derivations = std::iter::once(derivation).chain(before).take(KEPT).collect();
        let body = serde_json::to_value(Stored { derivations })
            .map_err(|error| Error::internal("the passphrase's salt cannot be written").because(error))?;
        let commit = Commit {
            ops: vec![Op::PutObject { kind: ObjectKind::Setting, name: SETTING.to_owned(), body, expect }],
            audit: AuditRecord::new(context.now(), "keys.passphrase", Outcome::Allowed),
            refused: None,
        };
        match store.commit(commit).await? {
            Committed::Done { .. } => Ok(Some(Self { key, random: Arc::clone(&context.random) })),
            Committed::Conflict(_) => Ok(None),
        }
    }
}

async fn load(store: &dyn Store) -> Result<Option<(Object, Stored)>, Error> {
    let Some(object) = store.object(ObjectKind::Setting, SETTING.to_owned()).await? else { return Ok(None) };
    let stored = serde_json::from_value(object.body.clone()).map_err(|error| {
        Error::configuration(format!("the setting {SETTING} of the store is damaged")).because(error)
    })?;
    Ok(Some((object, stored)))
}

/// Takes a tenth of a second and the memory of the cost: not on the runtime's threads.
async fn derive(passphrase: &Secret, derivation: &Derivation) -> Result<SecretBytes, Error> {
    let Derivation { salt, cost, .. } = derivation.clone();
    if cost.memory > MAX_MEMORY || cost.rounds > MAX_ROUNDS {
        return Err(Error::configuration(format!(
            "the setting {SETTING} of the store asks for more than any machine has"
        )));
    }
    let bad =
        |error: argon2::Error| Error::configuration(format!("the cost of the passphrase is not possible: {error}"));
    let parameters = Params::new(cost.memory, cost.rounds, cost.lanes, Some(32)).map_err(bad)?;
    let passphrase = passphrase.clone();
    let work = move || {
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase.expose().as_bytes(), salt.as_bytes(), &mut *key)
            .map_err(bad)
            .map(|()| SecretBytes::new(*key))
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("deriving the sealing key was cut short").because(error))?
}

impl Sealer for Passphrase {
    fn describe(&self) -> String {
        "passphrase".to_owned()
    }

    fn seal<'a>(&'a self, plain: &'a SecretBytes, associated: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        let header = blob::fingerprint(&self.key);
        let sealed = blob::encrypt(Method::Passphrase, &header, &self.key, plain, associated, &*self.random);
        Box::pin(async move { sealed })
    }

    fn open<'a>(&'a self, sealed: &'a [u8], associated: &'a [u8]) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        Box::pin(async move {
            let blob = blob::parse(Method::Passphrase, sealed)?;
            if blob.header != blob::fingerprint(&self.key) {
                return Err(Error::configuration("the private key was sealed with another passphrase")
                    .hint("use the passphrase that was set when the key was made"));
            }
            blob::decrypt(&blob, &self.key, associated)
        })
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}
