//! CI systems, Google Cloud and Vault in memory, and a job among them.

use std::sync::Arc;

use carnet_ci_sandbox::{CiEmulator, Issuer, JobPrograms};
use carnet_core::{
    Clock, Context, Credential, Error, FixedClock, FixedRandom, Found, MapEnvironment, Request, SourceConfig, Want,
    test_context,
};
use carnet_sandbox_kit::{Emulator, Internet, ServiceUrls, Urls, World};
use carnet_vault_sandbox::seed as vault;
use jiff::Timestamp;
use serde_json::Value;

/// Where those services are that a job is told of: by names that they answer for.
const PLACES: [(&str, &str); 6] = [
    ("ci-github", "https://pipelines.actions.githubusercontent.com/"),
    ("ci-github-residency", "https://token.actions.carnet-sandbox.ghe.com/"),
    ("ci-github-server", "https://github.carnet-sandbox.example/"),
    ("ci-buildkite", "https://agent.buildkite.com/"),
    ("ci-azure-devops", "https://dev.azure.com/"),
    ("gcp-metadata", "http://metadata.google.internal/"),
];

/// Everything there is.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) ci: CiEmulator,
    internet: Arc<Internet>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let internet = Arc::new(Internet::default());
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(FixedRandom::default()), Arc::clone(&internet) as _);
        let ci = carnet_ci_sandbox::emulator(world.clone());
        let (gcp, vault) = (carnet_gcp_sandbox::emulator(world.clone()), carnet_vault_sandbox::emulator(world.clone()));
        internet.open([ci.services(), gcp.services(), vault.services()].concat());
        Self { world, ci, internet }
    }

    /// A job by its name in the sandbox, with what its definition names as audience.
    pub(crate) fn named(&self, job: &str, audience: Option<&str>) -> Context {
        self.job(Emulator::job_environment(&self.ci, job, audience, &urls()).unwrap().unwrap())
    }

    /// A job of this issuer, with what its definition names.
    pub(crate) fn defined(&self, issuer: Issuer, id_tokens: &[(&str, &str)]) -> Context {
        self.job(self.ci.job_environment(issuer, &urls(), id_tokens).unwrap())
    }

    /// A process with these variables.
    pub(crate) fn job(&self, variables: Vec<(String, String)>) -> Context {
        Context {
            clock: Arc::clone(&self.world.clock) as Arc<dyn Clock>,
            http: Arc::clone(&self.internet) as _,
            environment: Arc::new(MapEnvironment(variables.iter().cloned().collect())),
            commands: Arc::new(JobPrograms::new(self.ci.clone(), variables)),
            ..test_context()
        }
    }

    /// What the operator of Vault asks of it, with the root token.
    pub(crate) async fn vault(&self, path: &str, body: Value) {
        let url = format!("https://vault.test/v1/{path}").parse().unwrap();
        let mut request = Request::post_json(url, &body);
        request.headers.insert("x-vault-token", vault::ROOT_TOKEN.parse().unwrap());
        let response = self.job(Vec::new()).http.send(request).await.unwrap();
        assert!(response.status.is_success(), "{path}: {:?}", response.text());
    }
}

pub(crate) fn urls() -> Urls {
    let at = |url: &str| {
        let url: url::Url = url.parse().unwrap();
        ServiceUrls { plain: url.clone(), tls: url }
    };
    PLACES.map(|(name, url)| (name, at(url))).into()
}

/// What a source finds in a job that wants this audience.
pub(crate) async fn look(source: impl SourceConfig, job: &Context, audience: Option<&str>) -> Result<Found, Error> {
    let want = Want { audience: audience.map(ToOwned::to_owned) };
    source.build().unwrap().find(job, &want).await
}

/// The credential that must be there.
pub(crate) async fn find(source: impl SourceConfig, job: &Context, audience: &str) -> Result<Credential, Error> {
    match look(source, job, Some(audience)).await? {
        Found::Credential(credential) => Ok(*credential),
        Found::NotHere(reason) => panic!("not here: {reason}"),
    }
}
