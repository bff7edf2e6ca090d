//! Azure and GitHub in memory, and a client among them.

use std::sync::Arc;

use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{
    Context, Credential, Error, ExchangeConfig, FixedClock, FixedRandom, Found, MapEnvironment, Material, MemoryFiles,
    Request, Response, SourceConfig, Want, test_context,
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
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let internet = Arc::new(Internet::default());
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(FixedRandom::default()), Arc::clone(&internet) as _);
        let ci = carnet_ci_sandbox::emulator(world.clone());
        internet.open([ci.services(), carnet_azure_sandbox::emulator(world.clone()).services()].concat());
        let files = Arc::new(MemoryFiles::default());
        let context = Context {
            clock: Arc::clone(&world.clock) as _,
            http: internet,
            files: Arc::clone(&files) as _,
            environment: Arc::new(MapEnvironment::of(variables)),
            ..test_context()
        };
        Self { ci, clock: world.clock, files, context }
    }

    /// A job's token as the emulated issuer makes it.
    pub(crate) fn subject(&self, request: &MintRequest) -> Credential {
        SubjectToken::parse(self.ci.mint(request).unwrap().into()).unwrap().into_credential()
    }

    pub(crate) async fn exchange<C: ExchangeConfig>(
        &self,
        section: Value,
        subject: &Credential,
    ) -> Result<Credential, Error> {
        let exchange = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        exchange.exchange(&self.context, subject, &Want::default()).await
    }

    pub(crate) async fn find<C: SourceConfig>(&self, section: Value, audience: Option<&str>) -> Credential {
        match self.look::<C>(section, audience).await.unwrap() {
            Found::Credential(credential) => *credential,
            Found::NotHere(reason) => panic!("{reason}"),
        }
    }

    pub(crate) async fn look<C: SourceConfig>(&self, section: Value, audience: Option<&str>) -> Result<Found, Error> {
        let source = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        let want = Want { audience: audience.map(ToOwned::to_owned) };
        source.find(&self.context, &want).await
    }

    /// A request for a blob or a container, shown an access token.
    pub(crate) async fn blob(
        &self,
        method: http::Method,
        path: &str,
        body: &'static str,
        token: &Credential,
    ) -> Response {
        let Material::AccessToken(access) = &token.material else { panic!("no access token") };
        let url = format!("https://{}.blob.core.windows.net{path}", carnet_azure_sandbox::seed::ACCOUNT);
        let header = http::HeaderName::from_static;
        let request = Request::new(method, url.parse().unwrap())
            .header(header("x-ms-version"), http::HeaderValue::from_static("2026-10-06"))
            .header(header("x-ms-blob-type"), http::HeaderValue::from_static("BlockBlob"))
            .body(body)
            .bearer(&access.token)
            .unwrap();
        self.context.http.send(request).await.unwrap()
    }
}

/// What Entra says to this token; neither the error nor its hints show it.
pub(crate) async fn refused(request: &MintRequest, section: Value) -> Error {
    let cloud = Cloud::new(&[]);
    let subject = cloud.subject(request);
    let error = cloud.exchange::<carnet_azure::Entra>(section, &subject).await.unwrap_err();
    assert!(!error.hints().is_empty(), "{error:?}");
    let Material::Jwt(token) = &subject.material else { panic!("no JWT") };
    assert!(!format!("{error:?} {:?}", error.hints()).contains(token.expose()), "the token is shown");
    error
}
