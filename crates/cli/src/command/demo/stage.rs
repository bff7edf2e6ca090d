//! The sandbox that the rows play in, and a context that reaches it under the clouds' real names.

use std::{
    collections::BTreeMap,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{Context, Error, MapEnvironment, NewFile, SystemClock, SystemRandom, replace_files};
use carnet_net::{Client, Settings};
use carnet_route::{Config, Registry, Route};
use carnet_sandbox::{Flavour, MintRequest, Options, Sandbox, kubernetes};
use carnet_trust::Refusal;
use tokio::sync::OnceCell;

use super::{cluster::Cluster, domain::Domain, gate};
use crate::{command::guest::Guest, world};

/// The file in which a row finds a token, in [`Stage::folder`].
pub(super) const TOKEN: &str = "token.jwt";

/// A pod of an emulated cluster.
#[derive(Clone, Copy)]
pub(super) struct PodName {
    pub(super) cluster: &'static str,
    pub(super) name: &'static str,
}

/// The running sandbox and how rows reach it.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    environment: BTreeMap<String, String>,
    gate: Guest,
    cluster: Cluster,
    domain: OnceCell<Domain>,
}

impl Stage {
    /// Starts the sandbox.
    pub(super) async fn open() -> Result<Self, Error> {
        let (gate, cluster) = (Guest::new(), Cluster::new());
        let guests = vec![gate::service(&gate), cluster.service()];
        let options = Options { parent: world::temporary_folder(), guests, ..Options::default() };
        let sandbox = Sandbox::start(options, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
        let environment = sandbox.environment(Flavour::Proxy).await?.into_iter().collect();
        Ok(Self { sandbox, environment, gate, cluster, domain: OnceCell::new() })
    }

    /// Stops it and removes its folder.
    pub(super) async fn close(self) {
        if let Some(domain) = self.domain.into_inner() {
            domain.close().await;
        }
        self.sandbox.stop().await;
    }

    /// A private folder for what rows write.
    pub(super) fn folder(&self) -> PathBuf {
        self.sandbox.folder().join("demo")
    }

    /// The trust domain, opened when it is needed first. What [`Self::context`] gives from then on knows where it is.
    pub(super) async fn domain(&self) -> Result<&Domain, Error> {
        self.domain
            .get_or_try_init(|| async {
                let folder = self.folder().join("domain");
                let made = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder);
                made.map_err(|error| Error::internal("make the folder of the trust domain").because(error))?;
                Domain::open(folder, &self.gate, &self.context(None)?).await
            })
            .await
    }

    /// What a process in the sandbox sees; with `job`, what a job of that CI system sees.
    pub(super) fn context(&self, job: Option<(&str, Option<&str>)>) -> Result<Context, Error> {
        match job {
            Some((system, audience)) => Ok(self.context_with(self.sandbox.job_environment(system, audience)?)),
            None => Ok(self.context_with(Vec::new())),
        }
    }

    /// What a process in this pod of an emulated cluster sees: the variables that the kubelet would set.
    pub(super) fn context_in(&self, pod: &PodName) -> Result<Context, Error> {
        let place =
            self.sandbox.folder().join("kubernetes").join(pod.cluster).join(kubernetes::NAMESPACE).join(pod.name);
        let variables = std::fs::read_to_string(place.join("environment"))
            .map_err(|error| Error::internal("read the variables of a pod").because(error))?;
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        Ok(self.context_with(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    fn context_with(&self, more: Vec<(String, String)>) -> Context {
        let mut variables = self.environment.clone();
        variables.extend(more);
        variables.insert("CLIENT_SECRET".to_owned(), carnet_sandbox::oci::EXCHANGE_CLIENT_SECRET.to_owned());
        variables.insert("OCI_REGION".to_owned(), carnet_sandbox::oci::REGION.to_owned());
        variables.insert("DEMO".to_owned(), self.folder().to_string_lossy().into_owned());
        if let Some(domain) = self.domain.get() {
            variables.extend(domain.variables().map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let environment = MapEnvironment(variables);
        let http = Client::new(Settings::from_environment(&environment));
        let mut context = carnet_route::system::context(Arc::new(http));
        context.environment = Arc::new(environment);
        context
    }

    /// The last refusal of an emulated service after decision number `before`.
    pub(super) fn last_refusal(&self, before: u64) -> Option<Refusal> {
        let decided = self.sandbox.world().decisions.since(before);
        decided.into_iter().rev().find_map(|one| one.decision.refusal().cloned())
    }

    /// A token of an emulated issuer, good or bent, in a private file that routes read.
    pub(super) fn put_token(&self, name: &str, request: &MintRequest) -> Result<PathBuf, Error> {
        let token = self.sandbox.mint(request)?;
        let path = self.folder().join(name);
        replace_files(&[NewFile::new(&path, token)])?;
        Ok(path)
    }

    /// What a pod with this service account finds, in the file that routes read.
    pub(super) fn put_pod_token(&self, service_account: &str, audience: &str) -> Result<(), Error> {
        let token = self.cluster.token(&self.context(None)?, service_account, audience)?;
        replace_files(&[NewFile::new(self.folder().join(TOKEN), token.expose())])
    }
}

/// The route in this text of configuration.
pub(super) fn route(text: &str, context: &Context) -> Result<Route, Error> {
    let config = Config::parse(text, Some(Path::new("demo.toml")), &Registry::standard(), &*context.environment)?;
    config.route("demo").cloned()
}
