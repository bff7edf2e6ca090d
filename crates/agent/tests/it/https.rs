//! The authority over HTTPS, with real TLS on both sides.

use std::sync::{Arc, Mutex};

use axum::{
    Extension, Json, Router,
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use carnet_agent::{
    Agent, AgentParts, Bootstrap, HttpsSettings, HttpsUpstream, Phase, Processes, Upstream, UpstreamError,
};
use carnet_attest::{
    Evidence,
    protocol::{
        AttestRequest, BundleAnswer, JwtRequest, Refusal, RefusalCode, RenewRequest, StartAnswer, StartRequest,
        UpdatesQuery, X509Request, authority_id, paths,
    },
};
use carnet_core::{Context, ErrorKind, NewFile, ScriptedHttp, chain, hex, replace_files};
use carnet_grpc::WorkloadApi;
use carnet_net::{ClientCertificates, PeerCertificates, TlsCertificate, TlsServerConfig, serve};
use carnet_spiffe::{SpiffeId, svid_profile};
use carnet_x509::Certificate;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{Desk, Told, context, domain, entry, selectors, settings};

fn answer<T: Serialize>(outcome: Result<T, UpstreamError>) -> Response {
    match outcome {
        Ok(answer) => Json(answer).into_response(),
        Err(UpstreamError::Refused(refusal)) => {
            (StatusCode::from_u16(refusal.code.status()).unwrap(), Json(refusal)).into_response()
        }
        Err(UpstreamError::Failed(_)) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Who has come, by the certificate.
fn agent(peer: Option<Extension<PeerCertificates>>) -> Result<(), UpstreamError> {
    let leaf = peer.and_then(|Extension(PeerCertificates(chain))| Certificate::from_der(&chain[0]).ok());
    match leaf {
        Some(leaf) if leaf.uris() == ["spiffe://example.org/carnet/agent/join-token/web-1"] => Ok(()),
        _ => Err(UpstreamError::Refused(Refusal::new(RefusalCode::MustAttest, "who are you?"))),
    }
}

type Peer = Option<Extension<PeerCertificates>>;

fn router(desk: &Arc<Desk>) -> Router {
    macro_rules! with {
        (|$desk:ident $(, $argument:ident: $type:ty)*| $body:expr) => {{
            let desk = Arc::clone(desk);
            move |$($argument: $type),*| { let $desk = Arc::clone(&desk); async move { answer($body) } }
        }};
    }
    let bundle = with!(|desk| Ok(BundleAnswer { trust_domain: domain(), bundle: desk.keys.bundle.to_json().unwrap() }));
    let start = with!(|desk, body: Json<StartRequest>| {
        let attempt = format!("{}-{}", body.kind, desk.now());
        Ok(StartAnswer { attempt, nonce: vec![7; 32].into() })
    });
    let attest = with!(|desk, body: Json<AttestRequest>| {
        assert_eq!(body.attempt, format!("{}-{}", body.kind, desk.now()));
        if body.payload == json!({ "token": "s3cr3t" }) {
            desk.attest(body.csr.0.clone()).await
        } else {
            Err(UpstreamError::Refused(Refusal::new(RefusalCode::NotAttested, "no such token").hint("make one")))
        }
    });
    let renew = with!(|desk, peer: Peer, body: Json<RenewRequest>| match agent(peer) {
        Ok(()) => desk.renew(body.csr.0.clone()).await,
        Err(error) => Err(error),
    });
    let updates = with!(|desk, peer: Peer, query: Query<UpdatesQuery>| match agent(peer) {
        Ok(()) => desk.updates(query.0).await,
        Err(error) => Err(error),
    });
    let x509 = with!(|desk, peer: Peer, body: Json<Vec<X509Request>>| match agent(peer) {
        Ok(()) => desk.x509(body.0).await,
        Err(error) => Err(error),
    });
    let jwt = with!(|desk, peer: Peer, body: Json<Vec<JwtRequest>>| match agent(peer) {
        Ok(()) => desk.jwt(body.0).await,
        Err(error) => Err(error),
    });
    Router::new()
        .route(paths::BUNDLE, get(bundle))
        .route(paths::ATTEST_START, post(start))
        .route(paths::ATTEST, post(attest))
        .route(paths::RENEW, post(renew))
        .route(paths::UPDATES, get(updates))
        .route(paths::X509, post(x509))
        .route(paths::JWT, post(jwt))
}

/// The authority's listener as somebody, and its port.
async fn listen(desk: &Arc<Desk>, id: &SpiffeId) -> u16 {
    let now = desk.now();
    let leaf = desk.keys.root.issue(&svid_profile(id, &[], now, now + SignedDuration::from_hours(9))).unwrap();
    let certificate = TlsCertificate::from_der(&[leaf.certificate], &leaf.private_key).unwrap();
    let source = Arc::new(move || Some(certificate.clone()));
    let tls = TlsServerConfig::new(source, ClientCertificates::Optional(Arc::new(|_| Ok(())))).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, router(desk), Some(Arc::new(tls)), CancellationToken::new()));
    port
}

fn upstream(folder: &TempDir, port: u16, bootstrap: Bootstrap, context: Context) -> HttpsUpstream {
    let file = folder.path().join("token");
    let evidence: Evidence = serde_json::from_value(json!({ "join-token": { "file": file } })).unwrap();
    let address = format!("https://127.0.0.1:{port}/").parse().unwrap();
    let net = carnet_net::Settings::default();
    HttpsUpstream::new(HttpsSettings { address, trust_domain: domain(), evidence, bootstrap, net }, context).unwrap()
}

/// A folder with a token and the bundle.
fn folder(desk: &Desk, token: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bundle = desk.keys.bundle.to_json().unwrap().to_string();
    let (token, bundle) =
        (NewFile::new(folder.path().join("token"), token), NewFile::new(folder.path().join("bundle"), bundle));
    replace_files(&[token, bundle]).unwrap();
    folder
}

fn csr() -> Vec<u8> {
    let key = Arc::new(carnet_jose::SigningKey::generate(carnet_jose::Algorithm::Es256).unwrap());
    carnet_x509::RequestProfile::default().sign(&key).unwrap()
}

#[tokio::test]
async fn an_agent_attests_follows_and_signs_over_https() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("api", 0)]);
    let folder = folder(&desk, "s3cr3t");
    let port = listen(&desk, &authority_id(&domain()).unwrap()).await;
    let upstream = upstream(&folder, port, Bootstrap::File(folder.path().join("bundle")), context(&desk));
    let agent = Agent::start(AgentParts {
        upstream: Arc::new(upstream),
        attestors: vec![Arc::new(Told(Mutex::new(selectors(&["told:app:api"]))))],
        processes: Processes::of_this_machine(),
        context: context(&desk),
        settings: settings(folder.path()),
    })
    .unwrap();
    agent.reach(Phase::Serving).await.unwrap();
    let api = WorkloadApi::connect(&format!("unix://{}", folder.path().join("api.sock").display())).await.unwrap();
    assert_eq!(api.fetch_x509_svid().await.unwrap().svids[0].spiffe_id, "spiffe://example.org/api");
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap()[0].spiffe_id, "spiffe://example.org/api");
    desk.clock.advance(SignedDuration::from_mins(40));
    agent.refresh();
    crate::support::until("its SVID was renewed", || desk.renewed.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    assert!(agent.facts().problem.is_none(), "{:?}", agent.facts());
}

#[tokio::test]
async fn rejects_a_server_that_is_not_the_authority() {
    let desk = Desk::new();
    let folder = folder(&desk, "s3cr3t");
    let file = || Bootstrap::File(folder.path().join("bundle"));
    for id in
        ["spiffe://example.org/carnet/agent/x", "spiffe://example.org/carnet/authority/x", "spiffe://example.org/a"]
    {
        let port = listen(&desk, &id.parse().unwrap()).await;
        let refused = upstream(&folder, port, file(), context(&desk)).attest(csr()).await.unwrap_err();
        assert!(refused.code().is_none(), "{id}: {refused}");
    }
    // The right name under another root.
    let other = Desk::new();
    let port = listen(&other, &authority_id(&domain()).unwrap()).await;
    assert!(upstream(&folder, port, file(), context(&desk)).attest(csr()).await.unwrap_err().code().is_none());
    let port = listen(&desk, &authority_id(&domain()).unwrap()).await;
    upstream(&folder, port, file(), context(&desk)).attest(csr()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_advice() {
    let desk = Desk::new();
    let folder = folder(&desk, "wrong");
    let port = listen(&desk, &authority_id(&domain()).unwrap()).await;
    let upstream = upstream(&folder, port, Bootstrap::File(folder.path().join("bundle")), context(&desk));
    let refused = upstream.attest(csr()).await.unwrap_err();
    assert_eq!(refused.code(), Some(RefusalCode::NotAttested));
    let error = carnet_core::Error::from(refused);
    assert_eq!((error.kind(), error.hints()), (ErrorKind::Refused, vec!["make one"]));
    // Whoever is nobody cannot renew.
    assert!(upstream.renew(csr()).await.is_err());
}

#[tokio::test]
async fn a_pinned_bundle_must_be_the_one_that_was_pinned() {
    let desk = Desk::new();
    let folder = folder(&desk, "s3cr3t");
    let port = listen(&desk, &authority_id(&domain()).unwrap()).await;
    let bundle = desk.keys.bundle.to_json().unwrap().to_string();
    let digest = carnet_jose::sha256(bundle.as_bytes());
    let attest = async |sha256: [u8; 32]| {
        let http = Arc::new(ScriptedHttp::default().answer(200, bundle.clone()));
        let pinned = Bootstrap::Pinned { url: "https://example.org/bundle".parse().unwrap(), sha256 };
        upstream(&folder, port, pinned, Context { http, ..context(&desk) }).attest(csr()).await
    };
    attest(digest).await.unwrap();
    let refused = carnet_core::Error::from(attest([0; 32]).await.unwrap_err());
    assert_eq!(refused.failed_clause(), Some("sha256"));
    assert!(refused.hints()[0].contains(&hex(&digest)), "{refused:?}");
}

#[tokio::test]
async fn without_a_bundle_the_first_one_is_believed_and_no_other() {
    let desk = Desk::new();
    let folder = folder(&desk, "s3cr3t");
    let port = listen(&desk, &authority_id(&domain()).unwrap()).await;
    let insecure = upstream(&folder, port, Bootstrap::Insecure, context(&desk));
    insecure.attest(csr()).await.unwrap();
    // Nothing is believed by accident: the file is not there.
    let missing = upstream(&folder, port, Bootstrap::File(folder.path().join("none")), context(&desk));
    let error = missing.attest(csr()).await.unwrap_err();
    assert!(chain(&error).join(": ").contains("does not exist"), "{error}");
}
