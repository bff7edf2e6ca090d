//! Google Cloud, emulated: token service, service account credentials, IAM, resource manager, storage, the metadata
//! server, and Google's own OIDC issuer, each of which verifies what it is given and refuses what Google refuses.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its
//! own test. Only the trust model is shared, because there the question is ours and must have one answer.

use std::{path::Path, sync::Arc};

use carnet_sandbox_kit::{Emulator, Host, Service, Urls, World};

mod access;
mod call;
mod certs;
mod credentials;
mod iam;
mod issuers;
mod keys;
mod metadata;
mod project;
mod reply;
pub mod seed;
mod state;
mod storage;
mod sts;
mod tokens;

pub use credentials::parse_lifetime;
pub use iam::{Resource, parse_resource};
pub use storage::parse_multipart;
pub use sts::{ExchangeRequest, RequestMistake, SubjectType, parse_caller_identity, parse_exchange};

use state::State;

/// The emulated services of Google Cloud over this world.
pub fn emulator(world: World) -> impl Emulator {
    GcpEmulator(Arc::new(State::seeded(world)))
}

/// Google's services over one shared state.
#[derive(Debug)]
struct GcpEmulator(Arc<State>);

impl Emulator for GcpEmulator {
    fn services(&self) -> Vec<Service> {
        let state = &self.0;
        let service = |name, hosts: Vec<Host>| Service::new(name, hosts, call::router(Arc::clone(state), name));
        let rpc = |name, hosts| service(name, hosts).error_body(reply::rpc_error_body);
        vec![
            service(
                sts::SERVICE,
                vec![
                    Host::Exact("sts.googleapis.com"),
                    Host::Exact("sts.mtls.googleapis.com"),
                    Host::Between("sts.", ".rep.googleapis.com"),
                ],
            )
            .error_body(reply::sts_error_body),
            rpc(
                credentials::SERVICE,
                vec![Host::Exact("iamcredentials.googleapis.com"), Host::Exact("iamcredentials.mtls.googleapis.com")],
            ),
            rpc(iam::SERVICE, vec![Host::Exact("iam.googleapis.com")]),
            rpc(project::SERVICE, vec![Host::Exact("cloudresourcemanager.googleapis.com")]),
            service(storage::SERVICE, vec![Host::Exact("storage.googleapis.com")])
                .error_body(reply::storage_error_body),
            rpc(certs::SERVICE, vec![Host::Exact("accounts.google.com"), Host::Exact("www.googleapis.com")]),
            service(
                metadata::SERVICE,
                vec![
                    // Other clouds have their servers there too; the sandbox tells them apart by path.
                    Host::Exact("169.254.169.254"),
                    Host::Exact("metadata.google.internal"),
                    Host::Exact("metadata.google.internal."),
                    Host::Exact("metadata"),
                ],
            ),
        ]
    }

    fn environment(&self, urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        let mut variables = vec![
            ("GOOGLE_CLOUD_PROJECT".to_owned(), seed::PROJECT.to_owned()),
            ("CLOUDSDK_CORE_PROJECT".to_owned(), seed::PROJECT.to_owned()),
        ];
        if let Some(metadata) = urls.get(metadata::SERVICE) {
            // Python's detection pings the address, everything else asks the host; neither takes a scheme.
            let host = metadata.plain_origin().trim_start_matches("http://").to_owned();
            variables.push(("GCE_METADATA_HOST".to_owned(), host.clone()));
            variables.push(("GCE_METADATA_ROOT".to_owned(), host.clone()));
            variables.push(("GCE_METADATA_IP".to_owned(), host));
        }
        for (service, name) in [
            (sts::SERVICE, "STS"),
            (credentials::SERVICE, "IAMCREDENTIALS"),
            (iam::SERVICE, "IAM"),
            (project::SERVICE, "CLOUDRESOURCEMANAGER"),
            (storage::SERVICE, "STORAGE"),
        ] {
            if let Some(urls) = urls.get(service) {
                // gcloud joins its own paths to the end of it.
                variables.push((format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}"), urls.plain.to_string()));
            }
        }
        if let Some(storage) = urls.get(storage::SERVICE) {
            // Unlike `STORAGE_EMULATOR_HOST` it keeps the credential.
            variables.push(("API_ENDPOINT_OVERRIDE".to_owned(), storage.plain_origin()));
        }
        variables
    }

    fn warm(&self) {
        self.0.keys.warm();
    }

    fn rotate_keys(&self, service: &str) {
        if [certs::SERVICE, credentials::SERVICE, metadata::SERVICE].contains(&service) {
            self.0.keys.rotate();
        }
    }
}
