//! AWS, emulated: Security Token Service, IAM, Roles Anywhere, S3, the instance metadata service, the credential
//! endpoints of ECS and EKS, and the issuers of an account and of a cluster, each of which verifies what it is given
//! and refuses what AWS refuses.
//!
//! The requests are parsed here and not by the client crate, and signatures are verified by code of its own, so that
//! one wrong reading of a document cannot pass its own test. Only the trust model is shared, because there the question
//! is ours and must have one answer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use carnet_core::Error;
use carnet_sandbox_kit::{Emulator, Host, Service, Urls, World};

mod access;
mod call;
mod container;
mod control;
mod files;
mod iam;
mod imds;
mod issuer;
mod issuers;
mod keys;
mod pods;
mod policy;
mod principal;
mod reply;
mod roles_anywhere;
mod s3;
pub mod seed;
mod sessions;
mod sigv4;
mod state;
mod sts;
mod xml;

pub use policy::{PolicyDocument, PolicyMistake};
pub use sigv4::{Authorization, ChunkMistake, Chunked, decode_chunks};

use state::State;

/// The emulated services of AWS over this world.
pub fn emulator(world: World) -> impl Emulator {
    AwsEmulator(Arc::new(State::seeded(world)))
}

/// AWS's services over one shared state.
#[derive(Debug)]
struct AwsEmulator(Arc<State>);

impl Emulator for AwsEmulator {
    fn services(&self) -> Vec<Service> {
        let service =
            |name: &'static str, hosts: Vec<Host>| Service::new(name, hosts, call::router(Arc::clone(&self.0), name));
        vec![
            service(
                sts::SERVICE,
                vec![
                    Host::Exact("sts.amazonaws.com"),
                    Host::Between("sts.", ".amazonaws.com"),
                    Host::Between("sts-fips.", ".amazonaws.com"),
                    Host::Between("sts.", ".amazonaws.com.cn"),
                ],
            )
            .error_head(reply::query_error_head)
            .error_body(reply::sts_error_body),
            service(iam::SERVICE, vec![Host::Exact("iam.amazonaws.com")])
                .error_head(reply::query_error_head)
                .error_body(reply::iam_error_body),
            service(roles_anywhere::SERVICE, vec![Host::Between("rolesanywhere.", ".amazonaws.com")])
                .error_head(reply::json_error_head)
                .error_body(reply::json_error_body),
            service(s3::SERVICE, s3::hosts()).error_head(reply::s3_error_head).error_body(reply::s3_error_body),
            service(
                imds::SERVICE,
                // Other clouds have their servers at the first address too; the sandbox tells them apart by path.
                vec![Host::Exact("169.254.169.254"), Host::Exact("fd00:ec2::254")],
            )
            .error_body(reply::text_error_body),
            service(container::SERVICE, vec![Host::Exact("169.254.170.2")]).error_body(reply::container_error_body),
            service(pods::SERVICE, vec![Host::Exact("169.254.170.23"), Host::Exact("fd00:ec2::23")])
                .error_body(reply::text_error_body),
            service(pods::AUTH_SERVICE, vec![Host::Between("eks-auth.", ".api.aws")])
                .error_head(reply::json_error_head)
                .error_body(reply::json_error_body),
            service(
                issuer::SERVICE,
                vec![Host::Between("", ".tokens.sts.global.api.aws"), Host::Between("oidc.eks.", ".amazonaws.com")],
            )
            .error_body(reply::text_error_body),
        ]
    }

    fn files(&self, _urls: &Urls, _folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        files::files(&self.0)
    }

    fn environment(&self, urls: &Urls, folder: &Path) -> Vec<(String, String)> {
        files::environment(urls, folder)
    }

    fn job_environment(
        &self,
        job: &str,
        _audience: Option<&str>,
        urls: &Urls,
    ) -> Option<Result<Vec<(String, String)>, Error>> {
        files::job_environment(&self.0, job, urls)
    }

    fn warm(&self) {
        self.0.keys.warm();
    }

    fn rotate_keys(&self, service: &str) {
        if [issuer::SERVICE, sts::SERVICE].contains(&service) {
            self.0.keys.rotate();
        }
    }

    fn control(&self) -> Option<Router> {
        Some(control::router(Arc::clone(&self.0)))
    }
}
