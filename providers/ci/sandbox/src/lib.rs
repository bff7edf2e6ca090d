//! OIDC issuers that play CI systems: their discovery documents, their key sets, their claims, and how a job of each gets its token, by
//! variables, by an endpoint or by a program.
//!
//! GitHub Actions (also with an enterprise's own issuer, data residency and Enterprise Server), GitLab (also of one's own), Bitbucket
//! Pipelines, CircleCI, Buildkite, Azure Pipelines, HCP Terraform, Spacelift and Jenkins. A build of Google Cloud Build has the metadata
//! server of the emulated Google Cloud.
//!
//! Tokens carry the real issuer names and are signed with keys that the sandbox makes when it starts, so whoever trusts
//! the real keys refuses them. [`CiEmulator::mint`] makes any token, good or broken in one place, for tests and demos.

mod azure_devops;
mod bitbucket;
mod buildkite;
mod circleci;
mod github;
mod gitlab;
mod keys;
mod mint;
mod oidc;
mod programs;
mod runs;
pub mod seed;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use carnet_core::{Error, ErrorKind};
use carnet_sandbox_kit::{Emulator, FaultKind, Host, Service, Urls, World};
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{keys::KeyRing, mint::mint};
pub use crate::{
    mint::{Flaw, Issuer, MintRequest},
    programs::JobPrograms,
};

/// The emulated CI systems.
pub fn emulator(world: World) -> CiEmulator {
    let request_token = world.random_hex::<32>();
    let keys = Issuer::ALL.map(|issuer| (issuer.service(), KeyRing::new(&issuer.first_kid()))).into();
    CiEmulator(Arc::new(Inner { keys, nobody: KeyRing::new("carnet-sandbox-nobody"), request_token, world }))
}

/// The emulated CI systems. Cheap to clone; clones share keys and clock.
#[derive(Clone, Debug)]
pub struct CiEmulator(Arc<Inner>);

struct Inner {
    world: World,
    /// By service.
    keys: BTreeMap<&'static str, KeyRing>,
    /// In no key set.
    nobody: KeyRing,
    /// What a job shows to get its ID token, where it must ask.
    request_token: String,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CiEmulator")
    }
}

impl Inner {
    fn keys(&self, issuer: Issuer) -> &KeyRing {
        self.keys.get(issuer.service()).unwrap_or(&self.nobody)
    }
}

impl CiEmulator {
    /// A token of this issuer, as it would be given to a job or broken on purpose.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn mint(&self, request: &MintRequest) -> Result<String, Error> {
        let now = self.0.world.now(request.issuer.service());
        mint(self.0.keys(request.issuer), request, now, &self.0.world)
    }

    /// A token for a job: good, unless the fault `expired` is on.
    pub(crate) fn mint_for_job(&self, mut request: MintRequest) -> Result<String, Error> {
        let service = request.issuer.service();
        if self.0.world.faults.hits(FaultKind::Expired, service, "") {
            request = request.flaw(Flaw::Expired);
        }
        self.mint(&request)
    }

    /// The variables that a job of this CI system finds. Not every process in the sandbox is a job, so they are no part
    /// of [`Emulator::environment`]. `id_tokens` are the names and audiences that the definition of a job has, where it has such:
    /// variables for GitLab and Jenkins, tags for HCP Terraform (the empty one is that without a tag), audiences alone for Bitbucket.
    /// Their tokens are made now. Jobs of other systems ask for their tokens themselves, or have one whose audience is fixed.
    ///
    /// # Errors
    /// When a key cannot be made, or `urls` does not say where the service listens.
    pub fn job_environment(
        &self,
        job: Issuer,
        urls: &Urls,
        id_tokens: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, Error> {
        match job {
            Issuer::Github | Issuer::GithubEnterprise | Issuer::GithubResidency | Issuer::GithubServer => {
                github::job_environment(&self.0, job, urls)
            }
            Issuer::Gitlab | Issuer::GitlabSelfManaged => gitlab::job_environment(self, job, id_tokens),
            Issuer::Bitbucket => {
                let audiences: Vec<&str> = id_tokens.iter().map(|(_, audience)| *audience).collect();
                bitbucket::job_environment(self, &audiences)
            }
            Issuer::Circleci | Issuer::CircleciRoot => circleci::job_environment(self),
            Issuer::Buildkite => buildkite::job_environment(self, urls),
            Issuer::AzureDevops => azure_devops::job_environment(self, urls),
            Issuer::HcpTerraform => runs::hcp_environment(self, id_tokens),
            Issuer::Spacelift => runs::spacelift_environment(self),
            Issuer::Jenkins => runs::jenkins_environment(self, id_tokens),
        }
    }

    /// Signs with a new key from now on. The old one stays in the key set for an hour, as an orderly rotation does.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn roll_keys(&self, issuer: Issuer) -> Result<(), Error> {
        Ok(self.0.keys(issuer).roll(self.0.world.now(issuer.service()))?)
    }
}

/// The variable of a build of Cloud Build that no other place has.
const CLOUD_BUILD: (&str, &str) = ("BUILDER_OUTPUT", "/builder/outputs");

/// A build of Google Cloud Build: it asks the metadata server, which the emulated Google Cloud plays.
fn cloud_build_environment(urls: &Urls) -> Result<Vec<(String, String)>, Error> {
    const METADATA: &str = "gcp-metadata";
    let metadata = urls.get(METADATA).ok_or_else(|| Error::internal(format!("find where {METADATA} listens")))?;
    let host = metadata.plain_origin().replacen("http://", "", 1);
    Ok(github::pairs(&[CLOUD_BUILD, ("GCE_METADATA_HOST", &host)]))
}

impl Emulator for CiEmulator {
    fn services(&self) -> Vec<Service> {
        let inner = || Arc::clone(&self.0);
        let service = |issuer: Issuer, hosts: &[Host], router: Router| Service::new(issuer.service(), hosts, router);
        let exact = |name: &'static str| [Host::Exact(name)];
        let face = |issuer: Issuer, host: &'static str, jwks: &'static str| {
            service(issuer, &exact(host), oidc::router(inner(), issuer, jwks))
        };
        let github = [
            Host::Exact("token.actions.githubusercontent.com"),
            Host::Exact("pipelines.actions.githubusercontent.com"),
        ];
        let azure = [Host::Exact("dev.azure.com"), Host::Exact("vstoken.dev.azure.com")];
        let circleci = oidc::router(inner(), Issuer::Circleci, circleci::JWKS).merge(oidc::router(
            inner(),
            Issuer::CircleciRoot,
            circleci::ROOT_JWKS,
        ));
        vec![
            service(Issuer::Github, &github, github::router(inner(), &[Issuer::Github, Issuer::GithubEnterprise])),
            service(
                Issuer::GithubResidency,
                &exact("token.actions.carnet-sandbox.ghe.com"),
                github::router(inner(), &[Issuer::GithubResidency]),
            ),
            service(
                Issuer::GithubServer,
                &exact("github.carnet-sandbox.example"),
                github::router(inner(), &[Issuer::GithubServer]),
            ),
            service(Issuer::Gitlab, &exact("gitlab.com"), gitlab::router(inner(), Issuer::Gitlab)),
            service(
                Issuer::GitlabSelfManaged,
                &exact("gitlab.carnet-sandbox.example"),
                gitlab::router(inner(), Issuer::GitlabSelfManaged),
            ),
            face(Issuer::Bitbucket, "api.bitbucket.org", bitbucket::JWKS),
            service(Issuer::Circleci, &exact("oidc.circleci.com"), circleci),
            service(Issuer::Buildkite, &exact("agent.buildkite.com"), buildkite::router(self)),
            service(Issuer::AzureDevops, &azure, azure_devops::router(self)),
            face(Issuer::HcpTerraform, "app.terraform.io", runs::HCP_JWKS),
            face(Issuer::Spacelift, "carnet-sandbox.app.spacelift.io", runs::SPACELIFT_JWKS),
            face(Issuer::Jenkins, "jenkins.carnet-sandbox.example", runs::JENKINS_JWKS),
        ]
    }

    fn environment(&self, _urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        Vec::new()
    }

    fn job_environment(
        &self,
        job: &str,
        audience: Option<&str>,
        urls: &Urls,
    ) -> Option<Result<Vec<(String, String)>, Error>> {
        if let Some(variables) = github::named_job(&self.0, job, urls) {
            return Some(variables);
        }
        let (issuer, name) = match job {
            "gitlab" => (Issuer::Gitlab, seed::GITLAB_VARIABLE),
            "gitlab-self-managed" => (Issuer::GitlabSelfManaged, seed::GITLAB_VARIABLE),
            "bitbucket" => (Issuer::Bitbucket, ""),
            "circleci" => (Issuer::Circleci, ""),
            "buildkite" => (Issuer::Buildkite, ""),
            "azure-devops" => (Issuer::AzureDevops, ""),
            "hcp-terraform" => (Issuer::HcpTerraform, ""),
            "spacelift" => (Issuer::Spacelift, ""),
            "jenkins" => (Issuer::Jenkins, seed::GITLAB_VARIABLE),
            "google-cloud-build" => return Some(cloud_build_environment(urls)),
            _ => return None,
        };
        // Where the definition fixes the audience, a job without one has no token for it.
        let id_tokens: Vec<(&str, &str)> = audience.map(|audience| (name, audience)).into_iter().collect();
        Some(Self::job_environment(self, issuer, urls, &id_tokens))
    }

    fn warm(&self) {
        // A key that cannot be made is reported by the first request that needs it. The others are made when somebody asks.
        drop((self.0.keys(Issuer::Github).active(), self.0.keys(Issuer::Gitlab).active()));
    }

    fn rotate_keys(&self, service: &str) {
        if let Some(keys) = self.0.keys.get(service) {
            keys.replace();
        }
    }

    fn control(&self) -> Option<Router> {
        let router = Router::new().route("/mint", post(mint_route)).route("/roll", post(roll_route));
        Some(router.with_state(self.clone()))
    }
}

async fn mint_route(State(emulator): State<CiEmulator>, body: Bytes) -> Response {
    answer(read(&body).and_then(|request| emulator.mint(&request)).map(|token| json!({ "token": token })))
}

/// What a person or a script asks for; the message names what is not known, and what is.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::configuration(format!("read what is asked for: {error}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    issuer: Issuer,
}

async fn roll_route(State(emulator): State<CiEmulator>, body: Bytes) -> Response {
    answer(read(&body).and_then(|request: Roll| emulator.roll_keys(request.issuer)).map(|()| json!({})))
}

fn answer(result: Result<serde_json::Value, Error>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(error) => {
            let asked = error.kind() == ErrorKind::Configuration;
            let status = if asked { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
            (status, Json(json!({ "error": error.to_string() }))).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
