//! A sealing key from a passphrase.

use std::{fmt, sync::Arc};

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
    /// [`carnet_core::ErrorKind::Configuration`] when it is not the passphrase of this store or is shorter than 12 characters, and
    /// whatever the store says.
    pub async fn open(store: &dyn Store, context: &Context, passphrase: &Secret, cost: Cost) -> Result<Self, Error> {
        check_length(passphrase)?;
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
    /// When it is shorter than 12 characters, and whatever the store says.
    pub async fn change(store: &dyn Store, context: &Context, passphrase: &Secret, cost: Cost) -> Result<Self, Error> {
        check_length(passphrase)?;
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

fn check_length(passphrase: &Secret) -> Result<(), Error> {
    if passphrase.expose().chars().count() >= SHORTEST {
        return Ok(());
    }
    Err(Error::configuration(format!("the passphrase of the keys is shorter than {SHORTEST} characters"))
        .hint("take several random words, or what this prints: openssl rand -base64 24"))
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
