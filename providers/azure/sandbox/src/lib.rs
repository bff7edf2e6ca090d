//! Azure, emulated: Entra's token endpoint, Microsoft Graph, Resource Manager, the three managed identity endpoints and
//! Blob Storage, each of which verifies what it is given and refuses what Azure refuses.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its
//! own test. Only the trust model is shared, because there the question is ours and must have one answer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use carnet_core::Error;
use carnet_sandbox_kit::{Emulator, Host, Service, Urls, World};

mod access;
mod arm;
mod behaviour;
mod blob;
mod call;
mod directory;
mod entra;
mod graph;
mod issuers;
mod managed;
mod reply;
mod roles;
pub mod seed;
mod state;
mod tokens;

pub use arm::{Target, parse_target};
pub use behaviour::Behaviour;
pub use blob::{Place, RangeMistake, parse_range};
pub use entra::{Presented, RequestMistake, TokenRequest, Version, parse_token_request};
pub use graph::{Key, parse_filter, parse_key};

use state::State;

/// The emulated services of Azure over this world.
pub fn emulator(world: World) -> impl Emulator {
    AzureEmulator(Arc::new(State::seeded(world)))
}

/// Azure's services over one shared state.
#[derive(Debug)]
struct AzureEmulator(Arc<State>);

impl Emulator for AzureEmulator {
    fn services(&self) -> Vec<Service> {
        let service = |name, hosts: Vec<Host>| Service::new(name, hosts, call::router(Arc::clone(&self.0), name));
        vec![
            service(
                entra::SERVICE,
                vec![
                    Host::Exact("login.microsoftonline.com"),
                    Host::Exact("login.windows.net"),
                    Host::Exact("sts.windows.net"),
                    Host::Exact("login.chinacloudapi.cn"),
                    Host::Exact("login.partner.microsoftonline.cn"),
                    Host::Exact("login.microsoftonline.us"),
                    // Regional endpoints.
                    Host::Between("", ".login.microsoft.com"),
                ],
            )
            .error_body(entra::error_body),
            service(graph::SERVICE, vec![Host::Exact("graph.microsoft.com")]).error_body(graph::error_body),
            service(arm::SERVICE, vec![Host::Exact("management.azure.com")]).error_body(arm::error_body),
            service(blob::SERVICE, vec![Host::Between("", blob::DOMAIN)]).error_body(blob::error_body),
            // Other clouds have their servers there too; the sandbox tells them apart by path.
            service(managed::IMDS, vec![Host::Exact("169.254.169.254")]).error_body(managed::error_body),
            // These two have no host names: the platform says where they are.
            service(managed::APP_SERVICE, Vec::new()).error_body(managed::app_service::error_body),
            service(managed::ARC, Vec::new()).error_body(managed::error_body),
        ]
    }

    fn files(&self, _urls: &Urls, _folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        // Clients read it in a folder that is fixed; whoever tries Arc out puts it there.
        let name = Path::new("azure").join("arc").join(managed::arc_key_name(&self.0));
        Ok(vec![(name, self.0.arc_key.expose().as_bytes().to_vec())])
    }

    fn environment(&self, urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        if let Some(entra) = urls.get(entra::SERVICE) {
            // The libraries refuse plain http here.
            variables.push(("AZURE_AUTHORITY_HOST".to_owned(), entra.tls_origin()));
        }
        if let Some(imds) = urls.get(managed::IMDS) {
            variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), imds.plain_origin()));
        }
        variables
    }

    fn warm(&self) {
        // Whoever needs it next makes it again and reports the failure.
        drop(self.0.key.get());
    }

    fn rotate_keys(&self, service: &str) {
        if service == entra::SERVICE {
            self.0.key.rotate();
        }
    }

    fn control(&self) -> Option<Router> {
        Some(behaviour::router(Arc::clone(&self.0)))
    }
}
