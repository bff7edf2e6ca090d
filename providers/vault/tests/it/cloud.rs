//! Vault and GitHub in memory, and a client among them.

use std::sync::Arc;

use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{
    Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, FixedClock, FixedRandom, MapEnvironment,
    Material, MemoryFiles, Request, Want, test_context,
};
use carnet_jose::SubjectToken;
use carnet_sandbox_kit::{Emulator, Internet, SandboxClock, Service, World};
use carnet_vault_sandbox::seed;
use jiff::Timestamp;
use serde_json::Value;

pub(crate) struct Cloud {
    ci: CiEmulator,
    pub(crate) clock: Arc<SandboxClock>,
    pub(crate) files: Arc<MemoryFiles>,
    context: Context,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self::beside(|world| carnet_aws_sandbox::emulator(world).services())
    }

    /// With OCI in place of AWS: the metadata services of both are at one address.
    pub(crate) fn with_oci() -> Self {
        Self::beside(|world| carnet_oci_sandbox::emulator(world).services())
    }

    fn beside(others: impl FnOnce(World) -> Vec<Service>) -> Self {
        let internet = Arc::new(Internet::default());
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(FixedRandom::default()), Arc::clone(&internet) as _);
        let ci = carnet_ci_sandbox::emulator(world.clone());
        let vault = carnet_vault_sandbox::emulator(world.clone());
        let control = Service::new("vault-control", Vec::new(), vault.control().unwrap());
        internet.open([ci.services(), others(world.clone()), vault.services(), vec![control]].concat());
        let files = Arc::new(MemoryFiles::default());
        let context = Context {
            clock: Arc::clone(&world.clock) as _,
            http: internet,
            files: Arc::clone(&files) as _,
            environment: Arc::new(MapEnvironment::of(&[("VAULT_ADDR", "https://vault.test")])),
            ..test_context()
        };
        Self { ci, clock: world.clock, files, context }
    }

    /// A job's token as the emulated issuer makes it.
    pub(crate) fn subject(&self, request: &MintRequest) -> Credential {
        SubjectToken::parse(self.ci.mint(request).unwrap().into()).unwrap().into_credential()
    }

    /// What the operator of the server asks of it, with the root token.
    pub(crate) async fn root(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("https://vault.test/v1/{path}").parse().unwrap();
        let mut request = Request::new(method.parse().unwrap(), url);
        request.headers.insert("x-vault-token", seed::ROOT_TOKEN.parse().unwrap());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.context.http.send(request.body(body)).await.unwrap();
        let body: Value = serde_json::from_slice(response.body.expose()).unwrap_or_default();
        assert!(response.status.is_success(), "{method} {path}: {body}");
        body
    }

    /// Switches what the server is among several.
    pub(crate) async fn behave(&self, behaviour: Value) {
        let url = "https://vault-control.test/behaviour".parse().unwrap();
        let mut request = Request::new("PUT".parse().unwrap(), url);
        request.headers.insert("content-type", "application/json".parse().unwrap());
        let response = self.context.http.send(request.body(behaviour.to_string())).await.unwrap();
        assert_eq!(response.status, 200, "{:?}", response.text());
    }

    /// What the client says of a login that this server refuses; neither the error nor its hints show what was sent.
    pub(crate) async fn refused(&self, subject: &Credential, section: Value) -> Error {
        let error = self.exchange::<carnet_vault::Vault>(section, subject).await.unwrap_err();
        assert!(!error.hints().is_empty(), "{error:?}");
        let shown = format!("{error:?} {:?}", error.hints());
        let secrets = match &subject.material {
            Material::Jwt(token) => vec![token.expose()],
            Material::AwsKeys(keys) => vec![keys.secret_access_key.expose()],
            Material::OciSession(session) => vec![session.token.expose()],
            _ => panic!("another kind"),
        };
        assert!(secrets.iter().all(|secret| secret.is_empty() || !shown.contains(secret)), "it is shown: {shown}");
        error
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) async fn exchange<C: ExchangeConfig>(
        &self,
        section: Value,
        subject: &Credential,
    ) -> Result<Credential, Error> {
        let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        exchange.exchange(&self.context, subject, &Want::default()).await
    }

    pub(crate) async fn deliver<C: DeliveryConfig>(
        &self,
        section: Value,
        credential: &Credential,
    ) -> Result<Delivered, Error> {
        let delivery = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        delivery.deliver(&self.context, credential).await
    }
}

/// What a new server says to this token.
pub(crate) async fn refused(request: &MintRequest, section: Value) -> Error {
    let cloud = Cloud::new();
    cloud.refused(&cloud.subject(request), section).await
}
