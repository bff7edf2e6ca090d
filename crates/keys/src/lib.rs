//! The signing keys of an authority: prepared, active, retired; sealed at rest.
//!
//! A [`KeyManager`] keeps the keys of a [`carnet_store::Store`] to a schedule ([`plan`], a pure function) and hands out a
//! [`KeyRing`]: what signs now, and what is published. A key is published before it signs and until the last thing that
//! it signed has expired. All nodes of a store do the same; each step is one commit that only the first of them can make, so
//! that there is one active key for each purpose, and a node signs with nothing that is not durable.
//!
//! Private keys are where a [`Backend`] has them, and what the store keeps of them is encrypted by a [`Sealer`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use carnet_jose::Algorithm;
//! use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, Software};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let context = carnet_core::test_context();
//! let store = carnet_store::open("sqlite::memory:", carnet_store::Options::default()).await?;
//! let manager = KeyManager::open(KeyParts {
//!     store,
//!     sealer: Arc::new(KeyFile::new(&context, "/var/lib/carnet/seal.key", true)?),
//!     backend: Arc::new(Software),
//!     upstream: None,
//!     settings: KeySettings::new("example.org".parse()?, vec![Algorithm::Es256]),
//!     context,
//! })
//! .await?;
//! let ring = manager.ring();
//! let signer = ring.signer(Algorithm::Es256).expect("a key for each algorithm");
//! assert!(ring.published().iter().any(|key| Some(key.kid.as_str()) == signer.kid()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod ca;
mod manager;
mod purpose;
mod ring;
mod schedule;
mod seal;
mod secret_source;
mod settings;
mod upstream;

pub use backend::{Backend, Generated, Pkcs11, Pkcs11Settings, Software};
pub use manager::{KeyManager, KeyParts, KeyView, Rotated, Timing, Withdrawn};
pub use purpose::{Purpose, Stage};
pub use ring::{ActiveAuthority, KeyRing, PublishedKey};
pub use schedule::{Action, KeyFacts, Schedule, Times, plan};
pub use seal::{Cost, Envelope, KeyFile, Kms, Passphrase, Sealer};
pub use secret_source::SecretSource;
pub use settings::KeySettings;
pub use upstream::Upstream;
