//! HashiCorp Vault, emulated: seal, mounts, policies, JWT logins, tokens, key-value secrets, wrapping, namespaces.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its own
//! test. Only the trust model is shared, because there the question is ours and must have one answer.

use std::{path::Path, sync::Arc};

use axum::Router;
use carnet_sandbox_kit::{Emulator, Service, Urls, World};

mod access;
mod auth;
pub mod behaviour;
mod call;
mod duration;
mod fields;
mod identity;
mod issuers;
mod kv;
pub mod policy;
mod reply;
mod route;
pub mod seed;
mod state;
mod sys;
mod tokens;
mod tuning;
mod wrapping;

use state::State;

/// The name of the service that is ready to use.
pub(crate) const SERVICE: &str = "vault";
/// The name of the service that has never been initialised.
pub(crate) const NEW_SERVICE: &str = "vault-new";

/// Two servers over this world: one that is ready to use, and one that has never been initialised.
pub fn emulator(world: World) -> impl Emulator {
    let ready = State::new(world.clone(), SERVICE);
    seed::fill(&ready);
    VaultEmulator([Arc::new(ready), Arc::new(State::new(world, NEW_SERVICE))])
}

#[derive(Debug)]
struct VaultEmulator([Arc<State>; 2]);

impl Emulator for VaultEmulator {
    fn services(&self) -> Vec<Service> {
        // Vault has no host name of its own: everybody runs it under one of theirs.
        let service = |state: &Arc<State>| {
            Service::new(state.service, Vec::new(), call::router(Arc::clone(state))).error_body(reply::error_body)
        };
        self.0.iter().map(service).collect()
    }

    fn environment(&self, urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        let address = urls.get(SERVICE).map(|urls| ("VAULT_ADDR".to_owned(), urls.plain_origin()));
        address.into_iter().collect()
    }

    fn control(&self) -> Option<Router> {
        let [ready, _] = &self.0;
        Some(behaviour::router(Arc::clone(ready)))
    }
}
