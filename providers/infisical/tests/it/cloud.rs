//! Infisical, GitHub, Oracle, AWS and a cluster in memory, and a client among them.

use std::{path::Path, sync::Arc};

use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{
    AccessToken, AwsKeys, Context, Credential, Delivered, DeliveryConfig, Error, ExchangeConfig, FixedClock,
    MapEnvironment, Material, MemoryFiles, OciApiKey, Secret, SystemRandom, Want, test_context,
};
use carnet_infisical::{Infisical, InfisicalSecrets};
use carnet_infisical_sandbox::seed;
use carnet_jose::{SubjectToken, private_key_from_pem};
use carnet_kubernetes_sandbox::KubernetesEmulator;
use carnet_sandbox_kit::{Emulator, Internet, SandboxClock, Urls, World};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) struct Cloud {
    ci: CiEmulator,
    oci: Box<dyn Emulator>,
    kubernetes: KubernetesEmulator,
    pub(crate) clock: Arc<SandboxClock>,
    pub(crate) files: Arc<MemoryFiles>,
    context: Context,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let internet = Arc::new(Internet::default());
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(SystemRandom), Arc::clone(&internet) as _);
        let ci = carnet_ci_sandbox::emulator(world.clone());
        let oci: Box<dyn Emulator> = Box::new(carnet_oci_sandbox::emulator(world.clone()));
        let kubernetes = carnet_kubernetes_sandbox::emulator(&world);
        let others = [
            kubernetes.services(),
            carnet_aws_sandbox::emulator(world.clone()).services(),
            carnet_infisical_sandbox::emulator(world.clone()).services(),
        ];
        internet.open([ci.services(), oci.services(), others.concat()].concat());
        let files = Arc::new(MemoryFiles::default());
        let context = Context {
            clock: Arc::clone(&world.clock) as _,
            http: internet,
            files: Arc::clone(&files) as _,
            environment: Arc::new(MapEnvironment::of(&[("INFISICAL_DOMAIN", "https://infisical.test")])),
            ..test_context()
        };
        Self { ci, oci, kubernetes, clock: world.clock, files, context }
    }

    /// A job's token as the emulated issuer makes it.
    pub(crate) fn job(&self, request: &MintRequest) -> Credential {
        SubjectToken::parse(self.ci.mint(request).unwrap().into()).unwrap().into_credential()
    }

    /// The token that the kubelet of the emulated cluster `prod` writes into a pod.
    pub(crate) fn pod(&self, pod: &str, audience: Option<&str>) -> Credential {
        let token = self.kubernetes.projected_token("prod", seed::SERVICE_ACCOUNT.0, pod, audience).unwrap();
        SubjectToken::parse(token).unwrap().into_credential()
    }

    /// The API key of the administrator, from the files that the emulator makes for clients.
    pub(crate) fn oci_key(&self) -> Credential {
        let files = self.oci.files(&Urls::default(), Path::new("/sandbox")).unwrap();
        let file = |name: &str| files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1.clone();
        let profile = String::from_utf8(file("oci/config")).unwrap();
        let field = |name: &str| {
            let line = profile.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap().to_owned()
        };
        Credential::new(Material::OciApiKey(OciApiKey {
            tenancy: field("tenancy"),
            user: field("user"),
            fingerprint: field("fingerprint"),
            private_key: private_key_from_pem(&file("oci/admin.pem"), None).unwrap(),
            region: Some(field("region")),
        }))
    }

    /// The keys of the user of the emulated AWS.
    pub(crate) fn aws_keys() -> Credential {
        Credential::new(Material::AwsKeys(AwsKeys {
            access_key_id: carnet_aws_sandbox::seed::ACCESS_KEY_ID.to_owned(),
            secret_access_key: Secret::new(carnet_aws_sandbox::seed::SECRET_ACCESS_KEY),
            session_token: None,
        }))
    }

    /// The client secret of the worker, as a source gives it.
    pub(crate) fn client_secret() -> Credential {
        let token = Secret::new(seed::WORKER_CLIENT_SECRET);
        Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() }))
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) async fn login(&self, section: Value, subject: &Credential) -> Result<Credential, Error> {
        let exchange = serde_json::from_value::<Infisical>(section).unwrap().build().unwrap();
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

/// The section of a login by this method.
pub(crate) fn by(method: &str) -> Value {
    json!({ "method": method, "identity_id": seed::IDENTITY })
}

/// The section of a delivery of secrets of the seeded project.
pub(crate) fn secrets(more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no fields") };
    let mut item = json!({ "project_id": seed::PROJECT, "environment": seed::ENVIRONMENT, "export": true });
    item.as_object_mut().unwrap().extend(more);
    json!({ "secrets": [item] })
}

/// The password that a token of Infisical reads.
pub(crate) async fn password(cloud: &Cloud, token: &Credential) -> String {
    let done = cloud.deliver::<InfisicalSecrets>(secrets(json!({ "name": "DB_PASSWORD" })), token).await.unwrap();
    done.environment[0].1.expose().to_owned()
}

/// What Infisical says to this token; neither the error nor its hints show it.
pub(crate) async fn refused(request: &MintRequest, section: Value) -> Error {
    let cloud = Cloud::new();
    let subject = cloud.job(request);
    let error = cloud.login(section, &subject).await.unwrap_err();
    assert!(!error.hints().is_empty(), "{error:?}");
    let Material::Jwt(token) = &subject.material else { panic!("no JWT") };
    assert!(!format!("{error:?} {:?}", error.hints()).contains(token.expose()), "the token is shown");
    error
}
