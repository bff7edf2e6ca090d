//! The relying parties of the OAuth catalogue, emulated: one service each, with its own paths, checks, codes and
//! bodies.
//!
//! ```text
//! request ─► entrance (path, body, members) ─► token (form, issuer, keys, signature, times) ─► trust
//!                                                                                                │
//!              resource (who are you?) ◄── token of the party ◄──────────────────────────────────┘
//! ```
//!
//! A `Face` says what is particular to a party; everything else is shared. What a face says was read from the pages
//! again and not from the catalogue of the client, so that one wrong reading cannot pass its own test. Only the trust
//! model is shared, because there the question is ours and must have one answer.

mod call;
mod control;
mod exchange;
mod face;
mod faces;
mod index;
mod issuers;
mod reply;
mod request;
mod resource;
pub mod seed;
mod state;
mod tokens;
mod trusts;
mod upload;
mod verify;

use std::{path::Path, sync::Arc};

use axum::Router;
use carnet_oauth::trust::Trust;
use carnet_sandbox_kit::{Emulator, Service, Urls, World};

use state::State;

/// The emulated relying parties over this world, with the trusts of [`seed`].
pub fn emulator(world: World) -> OauthEmulator {
    OauthEmulator(Arc::new(State::seeded(world)))
}

/// The emulated relying parties. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct OauthEmulator(Arc<State>);

/// Why a trust was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no party of this name.
    UnknownParty,
    /// There are as many trusts as a sandbox holds.
    Full,
}

impl OauthEmulator {
    /// The names of the parties, which are those of the catalogue.
    pub fn parties() -> impl Iterator<Item = &'static str> {
        faces::FACES.iter().map(|face| face.name)
    }

    /// Adds a trust to a party.
    ///
    /// # Errors
    /// An unknown party, or too many trusts.
    pub fn add_trust(&self, party: &str, trust: Trust) -> Result<(), NotTaken> {
        let face = faces::find(party).ok_or(NotTaken::UnknownParty)?;
        if self.0.lock().trusts.add(face, trust) { Ok(()) } else { Err(NotTaken::Full) }
    }
}

impl Emulator for OauthEmulator {
    fn services(&self) -> Vec<Service> {
        let service = |face: &'static face::Face| {
            Service::new(face.service, face.hosts.to_vec(), call::router(Arc::clone(&self.0), face))
                .error_body(face.style.error_body())
        };
        faces::FACES.into_iter().map(service).collect()
    }

    fn environment(&self, _urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        // No library of these parties is pointed elsewhere by a variable that others would not stumble over: they are
        // reached under their real names, or by `origin`.
        Vec::new()
    }

    fn control(&self) -> Option<Router> {
        Some(control::router(self.clone()))
    }
}
