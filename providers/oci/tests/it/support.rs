//! A sandbox and a workload in it.

use std::{
    path::Path,
    sync::{Arc, Weak},
};

use carnet_core::{
    Context, Credential, DeliveryConfig, Error, ExchangeConfig, FixedClock, Found, MapEnvironment, Material,
    NoCommands, Response, Secret, SourceConfig, SystemFiles, SystemRandom, Want,
};
use carnet_oci::client::call;
use carnet_sandbox::{Flavour, Issuer, MintRequest, Options, Sandbox};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

pub(crate) use carnet_sandbox::oci as seed;

/// The metadata service under its real address.
pub(crate) const METADATA: (&str, &str) = ("OCI_METADATA_BASE_URL", "http://169.254.169.254/opc/v2");

/// The world that tests share as long as one of them uses it. Keys are what makes a sandbox slow to start.
static SHARED: Mutex<Weak<World>> = Mutex::const_new(Weak::new());

/// The sandbox, the time, and the variables that a workload finds.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<FixedClock>,
    variables: Vec<(String, String)>,
}

impl World {
    /// A world that nobody changes.
    pub(crate) async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(world) = shared.upgrade() {
            return world;
        }
        let world = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&world);
        world
    }

    /// A world of one's own, to change.
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap()));
        let sandbox = Sandbox::start(Options::default(), clock.clone(), Arc::new(SystemRandom)).await.unwrap();
        let variables = sandbox.environment(Flavour::Proxy).await.unwrap();
        Self { sandbox, clock, variables }
    }

    /// What a workload sees: the sandbox's variables of these names, and these others.
    pub(crate) fn context(&self, names: &[&str], others: &[(&str, &str)]) -> Context {
        let known = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut variables: Vec<_> =
            known.filter(|(name, _)| names.iter().any(|start| name.starts_with(start))).collect();
        variables.extend(others);
        Context {
            clock: self.clock.clone(),
            random: Arc::new(SystemRandom),
            http: self.sandbox.http(),
            environment: Arc::new(MapEnvironment::of(&variables)),
            files: Arc::new(SystemFiles),
            commands: Arc::new(NoCommands),
        }
    }

    /// A workload that has nothing but the client secret.
    pub(crate) fn elsewhere(&self) -> Context {
        self.context(&[], &[("OCI_TOKEN_EXCHANGE_CLIENT_SECRET", seed::domain::EXCHANGE_CLIENT_SECRET)])
    }

    /// A workload on the sandbox's instance. The variable names the real address, which this process answers, and
    /// says that an answer is worth waiting for: making certificates takes a busy machine more than a second.
    pub(crate) fn on_the_instance(&self) -> Context {
        self.context(&[], &[METADATA])
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.sandbox.folder().join(name).display().to_string()
    }

    pub(crate) fn jwt(&self, request: &MintRequest) -> Credential {
        Credential::new(Material::Jwt(Secret::new(self.sandbox.mint(request).unwrap())))
    }
}

pub(crate) fn github() -> MintRequest {
    MintRequest::new(Issuer::Github, seed::domain::GITHUB_AUDIENCE)
}

pub(crate) fn gitlab() -> MintRequest {
    MintRequest::new(Issuer::Gitlab, seed::DOMAIN_URL)
}

pub(crate) async fn find<C: SourceConfig>(config: Value, context: &Context) -> Result<Credential, Error> {
    let source = serde_json::from_value::<C>(config).unwrap().build().unwrap();
    match source.find(context, &Want::default()).await? {
        Found::Credential(credential) => Ok(*credential),
        Found::NotHere(reason) => Err(Error::not_here(reason)),
    }
}

pub(crate) async fn exchange<C: ExchangeConfig>(
    config: Value,
    context: &Context,
    credential: &Credential,
) -> Result<Credential, Error> {
    let mut fields = json!({"url": seed::DOMAIN_URL});
    fields.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let exchange = serde_json::from_value::<C>(fields).unwrap().build().unwrap();
    exchange.prepare();
    exchange.exchange(context, credential, &Want::default()).await
}

pub(crate) async fn deliver<C: DeliveryConfig>(
    config: Value,
    context: &Context,
    credential: &Credential,
) -> carnet_core::Delivered {
    let delivery = serde_json::from_value::<C>(config).unwrap().build().unwrap();
    delivery.deliver(context, credential).await.unwrap()
}

/// The OAuth client of the sandbox.
pub(crate) fn client(extra: &Value) -> Value {
    let mut fields = json!({"client_id": seed::domain::EXCHANGE_CLIENT_ID, "region": "iad"});
    fields.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    fields
}

pub(crate) fn url(service: &str, path: &str) -> Url {
    Url::parse(&format!("https://{service}.{}.oraclecloud.com{path}", seed::REGION)).unwrap()
}

pub(crate) async fn get(
    context: &Context,
    credential: &Credential,
    service: &str,
    path: &str,
) -> Result<Response, Error> {
    call(context, credential, Method::GET, url(service, path), None).await
}

/// The buckets of the compartment, which is the call that every workload here may make.
pub(crate) async fn buckets(context: &Context, credential: &Credential) -> Result<Vec<String>, Error> {
    let path = format!("/n/{}/b?compartmentId={}", seed::NAMESPACE, seed::COMPARTMENT);
    let list: Vec<Value> = get(context, credential, "objectstorage", &path).await?.json("the buckets")?;
    Ok(list.iter().map(|bucket| bucket["name"].as_str().unwrap().to_owned()).collect())
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
