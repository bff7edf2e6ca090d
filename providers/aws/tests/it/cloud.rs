//! AWS and GitHub in memory, and a client among them.

use std::{path::Path, sync::Arc};

use carnet_aws_sandbox::seed;
use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{
    AwsKeys, Context, Credential, Error, ExchangeConfig, FixedClock, FixedRandom, Found, MapEnvironment, Material,
    MemoryFiles, Request, Response, Secret, SourceConfig, Want, test_context,
};
use carnet_jose::SubjectToken;
use carnet_sandbox_kit::{Emulator, Internet, SandboxClock, Urls, World};
use carnet_sigv4::{Scope, sign};
use jiff::Timestamp;
use serde_json::Value;

pub(crate) struct Cloud {
    ci: CiEmulator,
    aws: Box<dyn Emulator>,
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
        let aws = carnet_aws_sandbox::emulator(world.clone());
        internet.open([ci.services(), aws.services()].concat());
        let files = Arc::new(MemoryFiles::default());
        let context = Context {
            clock: Arc::clone(&world.clock) as _,
            http: internet,
            files: Arc::clone(&files) as _,
            environment: Arc::new(MapEnvironment::of(variables)),
            ..test_context()
        };
        Self { ci, aws: Box::new(aws), clock: world.clock, files, context }
    }

    /// A file that the emulator writes, for instance the token of a pod.
    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        let files = self.aws.files(&Urls::new(), Path::new("/nowhere")).unwrap();
        files.into_iter().find(|(path, _)| path.ends_with(name)).unwrap().1
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

    /// A signed request.
    pub(crate) async fn signed(&self, request: Request, service: &str, credential: &Credential) -> Response {
        let Material::AwsKeys(keys) = &credential.material else { panic!("no keys") };
        let scope = Scope { time: self.context.now(), region: seed::REGION, service };
        self.context.http.send(sign(request, keys, &scope).unwrap()).await.unwrap()
    }

    /// What storage answers to whoever asks for the list of buckets with these keys.
    pub(crate) async fn buckets(&self, credential: &Credential) -> (u16, String) {
        let url = format!("https://s3.{}.amazonaws.com/", seed::REGION).parse().unwrap();
        let response = self.signed(Request::get(url), "s3", credential).await;
        (response.status.as_u16(), response.text().unwrap_or_default().to_owned())
    }

    /// A request of the set-up of Roles Anywhere, by the user who may do everything.
    pub(crate) async fn set_up(&self, path: &str, body: &Value) -> Value {
        let builder = Credential::new(Material::AwsKeys(AwsKeys {
            access_key_id: seed::ACCESS_KEY_ID.to_owned(),
            secret_access_key: Secret::new(seed::SECRET_ACCESS_KEY),
            session_token: None,
        }));
        let url = format!("https://rolesanywhere.{}.amazonaws.com{path}", seed::REGION).parse().unwrap();
        let response = self.signed(Request::post_json(url, body), "rolesanywhere", &builder).await;
        assert!(response.status.is_success(), "{:?}", response.text());
        response.json("what was made").unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now()
    }
}

/// What AWS says to this token; neither the error nor its hints show it.
pub(crate) async fn refused(request: &MintRequest, section: Value) -> Error {
    let cloud = Cloud::new(&[]);
    let subject = cloud.subject(request);
    let error = cloud.exchange::<carnet_aws::Aws>(section, &subject).await.unwrap_err();
    assert!(!error.hints().is_empty(), "{error:?}");
    let Material::Jwt(token) = &subject.material else { panic!("no JWT") };
    assert!(!format!("{error:?} {:?}", error.hints()).contains(token.expose()), "the token is shown");
    error
}
