//! Where bundles come from.

use std::{fs, path::Path, pin::Pin, sync::Arc, time::Duration};

use carnet_discovery::{EndpointProfile, Follower, Source, SourceHealth};
use carnet_grpc::{
    spiffe_workload::{
        JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
        ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
        X509BundlesRequest, X509BundlesResponse, X509svidRequest, X509svidResponse,
        spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer},
    },
    spire::api::{
        server::bundle::v1::{
            GetBundleRequest,
            bundle_server::{Bundle as BundleService, BundleServer},
        },
        types,
    },
    tonic::{self, Request, Response, Status, service::Routes},
};
use carnet_jose::Algorithm;
use carnet_net::{Limits, Settings as Network, UnixSocket};
use carnet_spiffe::Bundle;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{authority, bundle, context, domain, key, now, until};

/// Long enough for whoever asks on, short enough that nobody waits.
const EVERY: Duration = Duration::from_millis(1);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A Workload API and a SPIRE server in one, that give what a test says.
#[derive(Clone)]
struct Spire(watch::Receiver<Result<Bundle, Status>>);

impl Spire {
    fn bundle<T>(&self, _request: &Request<T>) -> Result<Bundle, Status> {
        self.0.borrow().clone()
    }
}

fn once<T: Send + 'static>(answer: T) -> Response<Answers<T>> {
    Response::new(Box::pin(stream::iter([Ok(answer)]).chain(stream::pending())))
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Spire {
    type FetchX509SVIDStream = Answers<X509svidResponse>;
    type FetchX509BundlesStream = Answers<X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<WitsvidResponse>;
    type FetchWITBundlesStream = Answers<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        _request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let bundle = self.bundle(&request)?;
        let bundles = [(bundle.trust_domain.id().to_string(), bundle.x509_der())].into_iter().collect();
        Ok(once(X509BundlesResponse { bundles, ..X509BundlesResponse::default() }))
    }

    async fn fetch_jwtsvid(&self, _request: Request<JwtsvidRequest>) -> Result<Response<JwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let bundle = self.bundle(&request)?;
        let jwks = bundle.jwks_json(false).unwrap().to_string().into_bytes();
        let bundles = [(bundle.trust_domain.id().to_string(), jwks)].into_iter().collect();
        Ok(once(JwtBundlesResponse { bundles }))
    }

    async fn validate_jwtsvid(
        &self,
        _request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_witsvid(
        &self,
        _request: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_wit_bundles(
        &self,
        _request: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl BundleService for Spire {
    async fn get_bundle(&self, request: Request<GetBundleRequest>) -> Result<Response<types::Bundle>, Status> {
        let bundle = self.bundle(&request)?;
        let x509 = |der: &Vec<u8>| types::X509Certificate { asn1: der.clone(), ..types::X509Certificate::default() };
        // A key named so has expired, and one named so is to be replaced.
        let jwt = |(kid, key): (&String, &carnet_jose::PublicKey)| types::JwtKey {
            public_key: key.to_spki(),
            key_id: kid.clone(),
            expires_at: if kid == "expired" { now().as_second() } else { now().as_second() + 60 },
            tainted: kid == "tainted",
        };
        Ok(Response::new(types::Bundle {
            trust_domain: bundle.trust_domain.to_string(),
            x509_authorities: bundle.x509_authorities.iter().map(x509).collect(),
            jwt_authorities: bundle.jwt_authorities.iter().map(jwt).collect(),
            refresh_hint: 60,
            sequence_number: bundle.sequence.unwrap_or_default(),
        }))
    }
}

/// Both APIs on a socket.
fn spire(folder: &Path, gives: Result<Bundle, Status>) -> (String, watch::Sender<Result<Bundle, Status>>) {
    let (sender, receiver) = watch::channel(gives);
    let path = folder.join("api.sock");
    let spire = Spire(receiver);
    let mut services = Routes::builder();
    services.add_service(SpiffeWorkloadApiServer::new(spire.clone())).add_service(BundleServer::new(spire));
    let socket = UnixSocket::bind(&path, 0o600).unwrap();
    let router = services.routes().into_axum_router();
    tokio::spawn(carnet_net::serve_unix(socket, router, Limits::default(), CancellationToken::new()));
    (format!("unix://{}", path.display()), sender)
}

type Watched = watch::Receiver<Option<Arc<Bundle>>>;

fn follow(source: Source) -> (Watched, Arc<SourceHealth>, CancellationToken) {
    let follower = Arc::new(Follower::new(source, EVERY, context(), &Network::default()).unwrap());
    let (bundle, health, shutdown) = (follower.watch(), follower.health(), CancellationToken::new());
    tokio::spawn(follower.run(shutdown.clone()));
    (bundle, health, shutdown)
}

async fn with_kid(watched: &mut Watched, kid: &str) -> Arc<Bundle> {
    let wait = watched.wait_for(|bundle| bundle.as_ref().is_some_and(|bundle| bundle.jwt_authority(kid).is_some()));
    let found = tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it comes in time").unwrap();
    found.clone().unwrap()
}

/// What both APIs have in common: keys are taken, changes are seen, failures change nothing.
async fn follows_a_server(source: impl FnOnce(String) -> Source) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, three) =
        (key(Algorithm::Rs256, "one"), key(Algorithm::Es256, "two"), key(Algorithm::Es384, "three"));
    let x509_authorities = vec![authority(&domain()).certificate().to_vec()];
    let first = Bundle { x509_authorities, sequence: Some(3), ..bundle(&[&one]) };
    let (address, gives) = spire(folder.path(), Ok(first.clone()));
    let (mut watched, health, _shutdown) = follow(source(address));
    let found = with_kid(&mut watched, "one").await;
    assert_eq!(found.x509_authorities, first.x509_authorities);
    assert_eq!(found.jwt_authority("one").unwrap().to_spki(), one.public_spki());
    assert!(health.is_ready() && health.is_live());

    let _before = gives.send_replace(Ok(bundle(&[&one, &two])));
    with_kid(&mut watched, "two").await;
    let _before = gives.send_replace(Err(Status::unavailable("starting")));
    until(async || health.last_error()).await;
    assert!(watched.borrow().as_ref().unwrap().jwt_authority("two").is_some(), "the last good one stays");
    assert!(health.is_ready(), "one failure is none");
    let _before = gives.send_replace(Ok(bundle(&[&three])));
    assert!(with_kid(&mut watched, "three").await.jwt_authority("one").is_none());
    assert_eq!(health.last_error(), None);
}

#[tokio::test]
async fn the_workload_api_is_a_source() {
    follows_a_server(|endpoint| Source::WorkloadApi { endpoint, trust_domain: domain() }).await;
}

#[tokio::test]
async fn the_api_of_a_spire_server_is_a_source() {
    follows_a_server(|endpoint| Source::ServerApi { endpoint }).await;
}

#[tokio::test]
async fn keys_of_a_spire_server_that_have_expired_are_left_out_and_tainted_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ["good", "expired", "tainted"].map(|kid| key(Algorithm::Es256, kid));
    let one = Bundle { sequence: Some(9), ..bundle(&keys.iter().collect::<Vec<_>>()) };
    let (endpoint, _gives) = spire(folder.path(), Ok(one));
    let (mut watched, _health, _shutdown) = follow(Source::ServerApi { endpoint });
    let found = with_kid(&mut watched, "good").await;
    assert_eq!(found.jwt_authorities.keys().collect::<Vec<_>>(), ["good", "tainted"]);
    assert_eq!((found.sequence, found.refresh_hint.map(|hint| hint.as_secs())), (Some(9), Some(60)));
}

#[tokio::test]
async fn a_workload_api_without_the_bundle_wanted_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, _gives) = spire(folder.path(), Ok(bundle(&[])));
    let (watched, health, _shutdown) =
        follow(Source::WorkloadApi { endpoint, trust_domain: "other.example".parse().unwrap() });
    let error = until(async || health.last_error()).await;
    assert!(error.contains("other.example"), "{error}");
    assert!(watched.borrow().is_none() && !health.is_ready() && health.is_live());
}

#[tokio::test]
async fn a_source_that_comes_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("unix://{}/api.sock", folder.path().display());
    let (mut watched, health, _shutdown) = follow(Source::ServerApi { endpoint });
    until(async || health.last_error()).await;
    let (_, _gives) = spire(folder.path(), Ok(bundle(&[&key(Algorithm::Es256, "one")])));
    with_kid(&mut watched, "one").await;
}

#[tokio::test]
async fn a_bundle_in_a_file_is_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    let write = |bundle: &Bundle| {
        let new = folder.path().join("new");
        fs::write(&new, bundle.to_json().unwrap().to_string()).unwrap();
        fs::rename(&new, &path).unwrap();
    };
    let (mut watched, health, _shutdown) = follow(Source::File { path: path.clone(), trust_domain: domain() });
    assert!(until(async || health.last_error()).await.contains("bundle.json"));
    write(&bundle(&[&key(Algorithm::Es256, "one")]));
    with_kid(&mut watched, "one").await;
    fs::write(&path, "{\"keys\":[").unwrap();
    until(async || health.last_error()).await;
    assert!(watched.borrow().as_ref().unwrap().jwt_authority("one").is_some());
    write(&bundle(&[&key(Algorithm::Es256, "two")]));
    with_kid(&mut watched, "two").await;
}

#[tokio::test]
async fn a_bundle_endpoint_is_a_source_that_vouches_for_its_next_authority() {
    let own = authority(&domain());
    let id: carnet_spiffe::SpiffeId = "spiffe://example.org/server".parse().unwrap();
    let now_there =
        Bundle { x509_authorities: vec![own.certificate().to_vec()], ..bundle(&[&key(Algorithm::Es256, "one")]) };
    let router = carnet_discovery::bundle_router(
        crate::support::source(now_there.clone()),
        carnet_discovery::BundleSettings::default(),
        context().clock,
    );
    let (address, _running) =
        crate::support::listen(router, Some(crate::support::tls(crate::support::svid(&own, &id)))).await;
    let source = |bootstrap| Source::Url {
        url: format!("https://{address}/"),
        trust_domain: domain(),
        profile: EndpointProfile::HttpsSpiffe { endpoint_spiffe_id: id.clone() },
        bootstrap,
    };
    let (mut watched, _health, _shutdown) = follow(source(Some(now_there.shared())));
    with_kid(&mut watched, "one").await;
    let (watched, health, _shutdown) = follow(source(None));
    until(async || health.last_error()).await;
    assert!(watched.borrow().is_none());
}
