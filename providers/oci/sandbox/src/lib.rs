//! Oracle Cloud Infrastructure, emulated: identity domain, auth service, instance metadata, identity, object storage, core
//! and the proxymux of clusters of Kubernetes Engine, each of which verifies signatures, tokens and policies and refuses
//! what the cloud refuses.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its
//! own test. Only the trust model is shared, because there the question is ours and must have one answer.

use std::path::{Path, PathBuf};

use axum::{Json, Router, routing::get};
use carnet_core::Error;
use carnet_sandbox_kit::{Emulator, KeyMaker, Service, Urls, World};

mod audit;
mod auth;
mod call;
mod client_files;
mod compute;
pub mod domain;
mod identity;
mod imds;
mod network;
mod object_storage;
mod proxymux;
mod reply;
mod scim;
pub mod seed;
mod state;
mod storage;

pub use audit::AuditEvent;
pub use state::OciState;

use domain::Domain;

/// Parsers of what comes from outside, for fuzz targets.
pub mod parsers {
    pub use crate::{
        domain::{Form, FormError},
        scim::{AttributePath, Filter, FilterError, Operator, PathError},
    };
}

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
        let mut services = vec![
            self.domain.service(),
            auth::service(&self.state),
            imds::service(&self.state),
            identity::service(&self.state),
            object_storage::service(&self.state),
            network::service(&self.state),
        ];
        services.extend(proxymux::services(&self.state));
        services
    }

    fn files(&self, urls: &Urls, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        let mut files = client_files::files(&self.state, folder)?;
        files.extend(self.domain.files(urls)?);
        Ok(files)
    }

    fn environment(&self, urls: &Urls, folder: &Path) -> Vec<(String, String)> {
        let mut variables = client_files::environment(urls, folder);
        variables.extend(self.domain.environment(urls, folder));
        variables
    }

    /// The administrator's and the function's, whose private halves are in the files.
    fn file_keys(&self) -> Vec<KeyMaker> {
        let (admin, function) = (self.state.clone(), self.state.clone());
        vec![Box::new(move || drop(admin.admin_key())), Box::new(move || drop(function.compute().function_key()))]
    }

    /// In the order in which a first exchange needs them: session tokens, access tokens, then what instances ask for.
    fn warm(&self) {
        self.state.auth().warm();
        self.domain.warm();
        self.state.compute().warm();
    }

    fn rotate_keys(&self, service: &str) {
        match service {
            "oci-auth" => self.state.auth().rotate(),
            "oci-domain" => self.domain.rotate_keys(),
            "oci-imds" => self.state.compute().rotate_leaf(),
            _ => {}
        }
    }

    /// `GET /audit`: the last requests of the signed services, with the reasons that callers are not told.
    fn control(&self) -> Option<Router> {
        let state = self.state.clone();
        Some(Router::new().route("/audit", get(move || async move { Json(state.audit_events()) })))
    }
}
