//! Vault and GitHub in memory, and a client among them.

use std::sync::Arc;

use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{
    Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, FixedClock, FixedRandom, MapEnvironment,
    Material, MemoryFiles, Want, test_context,
};
use carnet_jose::SubjectToken;
use carnet_sandbox_kit::{Emulator, Internet, SandboxClock, World};
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
        let internet = Arc::new(Internet::default());
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(FixedRandom::default()), Arc::clone(&internet) as _);
        let ci = carnet_ci_sandbox::emulator(world.clone());
        internet.open([ci.services(), carnet_vault_sandbox::emulator(world.clone()).services()].concat());
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

/// What Vault says to this token; neither the error nor its hints show it.
pub(crate) async fn refused(request: &MintRequest, section: Value) -> Error {
    let cloud = Cloud::new();
    let subject = cloud.subject(request);
    let error = cloud.exchange::<carnet_vault::Vault>(section, &subject).await.unwrap_err();
    assert!(!error.hints().is_empty(), "{error:?}");
    let Material::Jwt(token) = &subject.material else { panic!("no JWT") };
    assert!(!format!("{error:?} {:?}", error.hints()).contains(token.expose()), "the token is shown");
    error
}
