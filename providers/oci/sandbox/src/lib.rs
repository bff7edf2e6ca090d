//! Oracle Cloud Infrastructure, emulated: identity domain, auth service, instance metadata, identity, object storage and
//! core, each of which verifies signatures, tokens and policies and refuses what the cloud refuses.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its
//! own test. Only the trust model is shared, because there the question is ours and must have one answer.

use std::path::{Path, PathBuf};

use carnet_core::Error;
use carnet_sandbox_kit::{Emulator, Service, Urls, World};

mod auth;
mod domain;
pub mod seed;
mod state;

pub use state::OciState;

use domain::Domain;

/// The emulated services of Oracle Cloud Infrastructure over this world.
pub fn emulator(world: World) -> impl Emulator {
    OciEmulator::new(world)
}

/// Oracle's services over one shared state.
#[derive(Debug)]
struct OciEmulator {
    state: OciState,
    domain: Domain,
}

impl OciEmulator {
    fn new(world: World) -> Self {
        let state = OciState::seeded(world);
        let domain = Domain::new(state.clone());
        Self { state, domain }
    }
}

impl Emulator for OciEmulator {
    fn services(&self) -> Vec<Service> {
        vec![self.domain.service()]
    }

    fn files(&self, urls: &Urls) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        self.domain.files(urls)
    }

    fn environment(&self, urls: &Urls, folder: &Path) -> Vec<(String, String)> {
        self.domain.environment(urls, folder)
    }

    fn warm(&self) {
        self.state.warm();
        self.domain.warm();
    }

    fn rotate_keys(&self, service: &str) {
        match service {
            "oci-auth" => self.state.auth().rotate(),
            "oci-domain" => self.domain.rotate_keys(),
            _ => {}
        }
    }
}
