//! The private keys that this process has at hand, and the ring that is made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use carnet_core::{Error, SecretBytes};
use carnet_jose::{PublicKey, SigningKey};
use carnet_store::KeyRow;

use super::{
    KeyManager,
    state::{RowExt, State},
};
use crate::{ActiveAuthority, KeyRing, PublishedKey, Purpose, Stage, ca, purpose::algorithm_of, ring::Signer};

/// What this process has at hand.
#[derive(Default)]
pub(super) struct Kept {
    /// By `kid`: those that wait or sign.
    keys: BTreeMap<String, Arc<SigningKey>>,
    /// Those that another backend made.
    foreign: BTreeSet<String>,
    /// The chain above our authorities, as it was last read.
    pub(super) chain: Option<[u8; 32]>,
    /// Whether that chain has changed and no authority stands below it yet.
    pub(super) new_chain: bool,
    /// How many changes the ring shows.
    pub(super) seen: Option<u64>,
    /// The authority that signs, so that it is made once.
    authority: Option<Arc<ActiveAuthority>>,
}

impl Kept {
    pub(super) fn is_foreign(&self, kid: &str) -> bool {
        self.foreign.contains(kid)
    }
}

/// What is sealed: the backend's name, a zero byte, what the backend needs.
pub(super) fn with_backend(name: &str, material: &SecretBytes) -> SecretBytes {
    SecretBytes::new([name.as_bytes(), &[0], material.expose()].concat())
}

/// What a sealed private key is bound to: a row's key cannot be put into another row.
pub(super) fn associated(kid: &str, purpose: Purpose) -> Vec<u8> {
    format!("carnet signing key\0{kid}\0{purpose}").into_bytes()
}

impl KeyManager {
    /// Gets the private keys of all rows that wait or sign, and forgets the others.
    ///
    /// # Errors
    /// When one cannot be opened or found. The others are there all the same.
    pub(super) async fn load(&self, kept: &mut Kept, state: &State) -> Result<(), Error> {
        let now = self.context.now();
        let wanted = |row: &&KeyRow| row.is_waiting_or_signing() && now < row.expires_at;
        let rows: BTreeMap<&str, &KeyRow> =
            state.rows.iter().filter(wanted).map(|row| (row.kid.as_str(), row)).collect();
        kept.keys.retain(|kid, _| rows.contains_key(kid.as_str()));
        kept.foreign.retain(|kid| rows.contains_key(kid.as_str()));
        let mut failure = None;
        for (kid, row) in rows {
            if kept.keys.contains_key(kid) || kept.foreign.contains(kid) {
                continue;
            }
            match self.load_one(row).await {
                Ok(Some(key)) => {
                    kept.keys.insert(kid.to_owned(), Arc::new(key));
                }
                Ok(None) => {
                    tracing::warn!(kid, "another backend made this key; a new one takes its place");
                    kept.foreign.insert(kid.to_owned());
                }
                Err(error) => {
                    let sealer = self.sealer().describe();
                    let message =
                        format!("the signing key {kid} ({}) cannot be used with the {sealer}", row.purpose()?);
                    failure.get_or_insert(Error::new(error.kind(), message).because(error));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn load_one(&self, row: &KeyRow) -> Result<Option<SigningKey>, Error> {
        let opened = self.sealer().open(&row.sealed, &associated(&row.kid, row.purpose()?)).await?;
        let damaged = || Error::configuration("what is sealed is not a key of carnet");
        let mut parts = opened.expose().splitn(2, |byte| *byte == 0);
        let (Some(backend), Some(material)) = (parts.next(), parts.next()) else { return Err(damaged()) };
        if backend != self.backend.name().as_bytes() {
            return Ok(None);
        }
        let material = SecretBytes::new(material);
        let key = self.backend.load(&row.kid, algorithm_of(&row.algorithm)?, &material).await?;
        if key.public_spki() != row.public {
            return Err(Error::configuration("the private key is not the one of the public key in the store")
                .hint("restore the store from a backup, or revoke the key"));
        }
        Ok(Some(key.with_kid(row.kid.clone())))
    }

    /// Makes a ring of rows that are durable, and tells of it when it differs. Answers whether it does.
    pub(super) fn publish(&self, kept: &mut Kept, state: &State) -> Result<bool, Error> {
        let ring = self.ring_of(kept, state)?;
        kept.seen = Some(state.changes());
        Ok(self.ring.send_if_modified(|current| {
            let differs = !same(current, &ring);
            if differs {
                *current = Arc::new(ring);
            }
            differs
        }))
    }

    fn ring_of(&self, kept: &mut Kept, state: &State) -> Result<KeyRing, Error> {
        let mut ring = KeyRing {
            sequence: state.sequence(),
            refresh_hint: Some(self.settings.refresh_hint),
            ..KeyRing::default()
        };
        let mut authority = None;
        for row in &state.rows {
            if row.revoked_at.is_some() {
                // Below an upstream authority the root stays in the bundle, and chains to a revoked authority verify on.
                ring.tainted.extend(row.certificate.first().cloned());
                continue;
            }
            let phase = row.stage()?;
            let signs = kept.keys.get(&row.kid).filter(|_| phase == Stage::Active);
            match row.purpose()? {
                Purpose::Jwt(algorithm) => {
                    ring.published.push(published(row, phase)?);
                    if let Some(key) = signs {
                        ring.signers.insert(algorithm, Signer { key: Arc::clone(key), until: row.expires_at });
                    }
                }
                Purpose::X509 => {
                    let root = row.certificate.last().cloned();
                    ring.roots.extend(root.filter(|root| !ring.roots.contains(root)));
                    if phase == Stage::Tainted {
                        ring.tainted.extend(row.certificate.first().cloned());
                    }
                    if let Some(key) = signs {
                        authority = Some((row, Arc::clone(key)));
                    }
                }
            }
        }
        kept.authority = match authority {
            None => None,
            Some((row, key)) => match kept.authority.take().filter(|kept| kept.kid == row.kid) {
                Some(kept) => Some(kept),
                None => Some(Arc::new(ActiveAuthority {
                    authority: ca::restore(&row.certificate, key)?,
                    upstream: ca::between(&row.certificate).to_vec(),
                    not_after: row.expires_at,
                    kid: row.kid.clone(),
                })),
            },
        };
        ring.authority.clone_from(&kept.authority);
        Ok(ring)
    }
}

fn published(row: &KeyRow, stage: Stage) -> Result<PublishedKey, Error> {
    let algorithm = algorithm_of(&row.algorithm)?;
    let unreadable =
        |error| Error::configuration(format!("the public key {} of the store is damaged", row.kid)).because(error);
    let mut jwk = PublicKey::from_spki(&row.public).map_err(unreadable)?.to_jwk();
    jwk.kid = Some(row.kid.clone());
    jwk.key_use = Some("sig".to_owned());
    jwk.alg = Some(algorithm.name().to_owned());
    let public = PublicKey::from_jwk(&jwk).map_err(unreadable)?;
    Ok(PublishedKey { kid: row.kid.clone(), algorithm, jwk, stage, expires_at: row.expires_at, public })
}

/// Whether nobody would see a difference.
fn same(one: &KeyRing, other: &KeyRing) -> bool {
    let published = |ring: &KeyRing| -> Vec<_> {
        ring.published.iter().map(|key| (key.kid.clone(), key.stage, key.expires_at)).collect()
    };
    let signers = |ring: &KeyRing| -> Vec<_> {
        ring.signers.values().map(|signer| (signer.key.kid().map(str::to_owned), signer.until)).collect()
    };
    let authority = |ring: &KeyRing| ring.authority.as_ref().map(|authority| authority.kid.clone());
    one.sequence == other.sequence
        && one.refresh_hint == other.refresh_hint
        && one.roots == other.roots
        && one.tainted == other.tainted
        && authority(one) == authority(other)
        && signers(one) == signers(other)
        && published(one) == published(other)
}
