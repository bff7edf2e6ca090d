//! Google and GitHub in memory: requests go to the emulator that answers for their host, and nowhere else.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use carnet_ci_sandbox::{CiEmulator, MintRequest};
use carnet_core::{
    BoxFuture, Clock, Context, Credential, Delivery, DeliveryConfig, Error, Exchange, ExchangeConfig, FixedClock,
    FixedRandom, Found, HttpError, HttpErrorKind, HttpSend, MapEnvironment, MemoryFiles, Request, Response,
    SecretBytes, Source, SourceConfig, Want, test_context,
};
use carnet_jose::SubjectToken;
use carnet_sandbox_kit::{Emulator, SandboxClock, Service, ShownCertificates, World};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Every emulated service, reached under its real host name.
#[derive(Default)]
struct Internet(OnceLock<Vec<Service>>);

impl std::fmt::Debug for Internet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Internet")
    }
}

impl HttpSend for Internet {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            let host = request.url.host_str().unwrap_or_default().to_owned();
            let services = self.0.get().into_iter().flatten();
            let service = services.into_iter().find(|service| service.hosts.iter().any(|name| name.matches(&host)));
            let Some(service) = service else {
                return Err(HttpError { kind: HttpErrorKind::Connect, message: format!("reach {host}"), cause: None });
            };
            let shown = ShownCertificates::of(&request);
            let mut inner = http::Request::new(Body::from(request.body));
            if let Some(shown) = shown {
                inner.extensions_mut().insert(shown);
            }
            *inner.method_mut() = request.method;
            *inner.uri_mut() = request.url.as_str().parse().unwrap();
            *inner.headers_mut() = request.headers;
            inner.headers_mut().insert(http::header::HOST, host.parse().unwrap());
            let (head, body) = service.router.clone().oneshot(inner).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok(Response { status: head.status, headers: head.headers, body: SecretBytes::new(body) })
        })
    }
}

/// The emulated clouds, and a client in them.
pub(crate) struct Cloud {
    pub(crate) ci: CiEmulator,
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
        let gcp = carnet_gcp_sandbox::emulator(world.clone());
        let aws = carnet_aws_sandbox::emulator(world.clone());
        assert!(internet.0.set([ci.services(), gcp.services(), aws.services()].concat()).is_ok());
        let files = Arc::new(MemoryFiles::default());
        let context = Context {
            clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
            http: internet,
            files: Arc::clone(&files) as _,
            environment: Arc::new(MapEnvironment::of(&[("GCE_METADATA_HOST", "metadata.google.internal")])),
            ..test_context()
        };
        Self { ci, clock: world.clock, files, context }
    }

    /// A subject token as the emulated issuer makes it.
    pub(crate) fn subject(&self, request: &MintRequest) -> Credential {
        let token = self.ci.mint(request).unwrap();
        SubjectToken::parse(token.into()).unwrap().into_credential()
    }

    pub(crate) async fn exchange<C: ExchangeConfig>(
        &self,
        section: Value,
        subject: &Credential,
    ) -> Result<Credential, Error> {
        let exchange: Arc<dyn Exchange> = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        exchange.exchange(&self.context, subject, &Want::default()).await
    }

    pub(crate) async fn find<C: SourceConfig>(&self, section: Value, audience: Option<&str>) -> Result<Found, Error> {
        let source: Arc<dyn Source> = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        source.find(&self.context, &Want { audience: audience.map(ToOwned::to_owned) }).await
    }

    pub(crate) async fn deliver<C: DeliveryConfig>(&self, section: Value, credential: &Credential) {
        let delivery: Arc<dyn Delivery> = serde_json::from_value::<C>(section).unwrap().build().unwrap();
        delivery.deliver(&self.context, credential).await.unwrap();
    }

    /// Makes a provider of the pool for GitHub with this id, and lets the whole pool become the service account `reader`.
    pub(crate) async fn provide(&self, id: &str, provider: Value) {
        let metadata = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";
        let flavour = (http::HeaderName::from_static("metadata-flavor"), http::HeaderValue::from_static("Google"));
        let request = Request::get(metadata.parse().unwrap()).header(flavour.0, flavour.1);
        let token: Value = self.context.http.send(request).await.unwrap().json("the token").unwrap();
        let token = carnet_core::Secret::new(token["access_token"].as_str().unwrap());
        let pool = "projects/123456789012/locations/global/workloadIdentityPools/github";
        let member = format!("principalSet://iam.googleapis.com/{pool}/*");
        let policy = json!({ "bindings": [{ "role": "roles/iam.workloadIdentityUser", "members": [member] }] });
        for (path, body) in [
            (format!("{pool}/providers?workloadIdentityPoolProviderId={id}"), provider),
            (
                format!("projects/-/serviceAccounts/{}:setIamPolicy", carnet_gcp_sandbox::seed::READER),
                json!({ "policy": policy }),
            ),
        ] {
            let url = format!("https://iam.googleapis.com/v1/{path}").parse().unwrap();
            let request = Request::post_json(url, &body).bearer(&token).unwrap();
            let response = self.context.http.send(request).await.unwrap();
            assert!(response.status.is_success(), "{:?}", response.text());
        }
    }

    /// The names of the buckets that Google shows to whoever has this access token, or the status of the refusal.
    pub(crate) async fn buckets(&self, credential: &Credential) -> Result<Vec<String>, u16> {
        let carnet_core::Material::AccessToken(access) = &credential.material else { panic!("no access token") };
        let url = "https://storage.googleapis.com/storage/v1/b?project=carnet-sandbox".parse().unwrap();
        let request = Request::get(url).bearer(&access.token).unwrap();
        let response = self.context.http.send(request).await.unwrap();
        if !response.status.is_success() {
            return Err(response.status.as_u16());
        }
        let list: Value = response.json("the list of buckets").unwrap();
        let names = list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned());
        Ok(names.collect())
    }
}

/// What the exchange says to this token.
pub(crate) async fn refused(request: &MintRequest, section: Value) -> Error {
    let cloud = Cloud::new();
    cloud.exchange::<carnet_gcp::Gcp>(section, &cloud.subject(request)).await.unwrap_err()
}
