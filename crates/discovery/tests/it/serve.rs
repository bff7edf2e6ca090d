//! The whole service.

use std::{fs, path::Path, sync::Arc, time::Duration};

use carnet_core::{Error, HttpSend, Request, Response};
use carnet_discovery::{
    BundleSettings, CertificatePlan, Discovery, DiscoveryPlan, FilesPlan, HealthPlan, ListenPlan, Settings, Source,
};
use carnet_jose::Algorithm;
use carnet_net::{Client, Settings as Network, TrustedProxies};
use carnet_x509::Authority;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{authority, bundle, context, domain, get, key, until, web_pem};

const LOOPBACK: &str = "127.0.0.1:0";

pub(crate) fn plan(folder: &Path, listen: ListenPlan) -> DiscoveryPlan {
    let path = folder.join("bundle.json");
    let one = bundle(&[&key(Algorithm::Es256, "one")]);
    fs::write(&path, one.to_json().unwrap().to_string()).unwrap();
    DiscoveryPlan {
        settings: Settings::of_issuer("https://oidc.example.org"),
        source: Source::File { path, trust_domain: domain() },
        bootstrap: None,
        poll: Duration::from_millis(1),
        listen,
        bundle: Some(BundleSettings { path: "/bundle".to_owned(), ..BundleSettings::default() }),
        health: None,
        diagnostics: None,
        telemetry: None,
        log_requests: true,
    }
}

pub(crate) fn tls_listener(files: FilesPlan) -> ListenPlan {
    ListenPlan::Tls(LOOPBACK.parse().unwrap(), CertificatePlan::Files(files))
}

pub(crate) fn start(plan: &DiscoveryPlan) -> (Discovery, CancellationToken) {
    let discovery = Discovery::bind(plan, &context(), &Network::default()).unwrap();
    (discovery, CancellationToken::new())
}

/// The answer, once there is a document.
pub(crate) async fn document(ask: impl AsyncFn() -> Response) -> Value {
    let answer = until(async || Some(ask().await).filter(|answer| answer.status == 200)).await;
    serde_json::from_slice(answer.body.expose()).unwrap()
}

#[tokio::test]
async fn a_plain_listener_serves_everything_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let health = HealthPlan {
        address: LOOPBACK.parse().unwrap(),
        ready_path: "/ready".to_owned(),
        live_path: "/live".to_owned(),
    };
    let plan = plan(folder.path(), ListenPlan::Plain(LOOPBACK.parse().unwrap()));
    let (service, shutdown) = start(&DiscoveryPlan { health: Some(health), ..plan });
    let (base, health) = (service.address().unwrap(), service.health_address().unwrap());
    let running = tokio::spawn(service.run(shutdown.clone()));
    let keys = document(async || get(&format!("http://{base}/keys")).await).await;
    assert_eq!((&keys["keys"][0]["kid"], &keys["keys"][0]["use"]), (&"one".into(), &"sig".into()));
    let configuration = document(async || get(&format!("http://{base}/.well-known/openid-configuration")).await).await;
    assert_eq!(configuration["issuer"], "https://oidc.example.org");
    let found = document(async || get(&format!("http://{base}/bundle")).await).await;
    assert_eq!(found["keys"][0]["use"], "jwt-svid");
    assert_eq!(get(&format!("http://{health}/ready")).await.status, 200);
    assert_eq!(get(&format!("http://{health}/live")).await.status, 200);
    assert_eq!(get(&format!("http://{health}/keys")).await.status, 404);
    shutdown.cancel();
    running.await.unwrap();
    let request = Request::get(format!("http://{base}/keys").parse().unwrap());
    assert!(Client::new(Network::default()).send(request).await.is_err());
}

#[tokio::test]
async fn it_is_alive_and_not_ready_while_the_source_is_awaited() {
    let folder = tempfile::tempdir().unwrap();
    let health =
        HealthPlan { address: LOOPBACK.parse().unwrap(), ready_path: "/r".to_owned(), live_path: "/l".to_owned() };
    let source = Source::File { path: folder.path().join("none.json"), trust_domain: domain() };
    let plan = plan(folder.path(), ListenPlan::Plain(LOOPBACK.parse().unwrap()));
    let (service, shutdown) = start(&DiscoveryPlan { health: Some(health), source, ..plan });
    let (base, health) = (service.address().unwrap(), service.health_address().unwrap());
    tokio::spawn(service.run(shutdown));
    assert_eq!(get(&format!("http://{health}/r")).await.status, 503);
    assert_eq!(get(&format!("http://{health}/l")).await.status, 200);
    assert_eq!(get(&format!("http://{base}/keys")).await.status, 503);
}

#[tokio::test]
async fn a_unix_socket_serves_a_proxy_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("oidc.sock");
    let settings = Settings {
        domains: vec!["oidc.example.org".to_owned()],
        trusted_proxies: TrustedProxies::parse(&["unix".to_owned()]).unwrap(),
        ..Settings::default()
    };
    let plan = plan(folder.path(), ListenPlan::Socket(socket.clone(), 0o660));
    let (service, shutdown) = start(&DiscoveryPlan { settings, ..plan });
    assert_eq!(service.address(), None);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    let running = tokio::spawn(service.run(shutdown.clone()));
    let configuration = document(async || {
        let url = "http://localhost/.well-known/openid-configuration";
        let name = http::HeaderName::from_static("x-forwarded-host");
        let request = Request::get(url.parse().unwrap()).header(name, "oidc.example.org".parse().unwrap());
        Client::unix(&socket).send(request).await.unwrap()
    })
    .await;
    assert_eq!(configuration["issuer"], "https://oidc.example.org");
    shutdown.cancel();
    running.await.unwrap();
    assert!(!socket.exists());
}

/// Asks over TLS, believing only this authority.
pub(crate) async fn ask(client: &Client, base: &str, authority: &Authority) -> Result<Response, Error> {
    let mut request = Request::get(format!("{base}/keys").parse().unwrap()).timeout(Duration::from_secs(10));
    request.ca_pem = Some(authority.certificate_pem().into());
    Ok(client.send(request).await?)
}

#[tokio::test]
async fn certificates_from_files_are_reloaded_and_open_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, private_key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let write = |authority: &Authority| {
        let (chain, key) = web_pem(authority);
        fs::write(&certificate, chain).unwrap();
        fs::write(&private_key, key).unwrap();
    };
    let (old, new) = (authority(&domain()), authority(&domain()));
    write(&old);
    let tls = FilesPlan {
        certificate: certificate.clone(),
        private_key: private_key.clone(),
        reload: Duration::from_millis(1),
    };
    let (service, shutdown) = start(&plan(folder.path(), tls_listener(tls)));
    let base = format!("https://{}", service.address().unwrap());
    tokio::spawn(service.run(shutdown));
    let kept = Client::new(Network::default());
    document(async || ask(&kept, &base, &old).await.unwrap()).await;
    let stranger = || Client::new(Network::default());
    assert!(ask(&stranger(), &base, &new).await.is_err());
    write(&new);
    until(async || ask(&stranger(), &base, &new).await.ok()).await;
    assert!(ask(&stranger(), &base, &old).await.is_err(), "new connections are shown the new certificate");
    assert_eq!(ask(&kept, &base, &old).await.unwrap().status, 200, "the open one goes on");
}

#[tokio::test]
async fn rejects_what_cannot_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let bind = async |listen| {
        let plan = plan(folder.path(), listen);
        carnet_core::chain(&Discovery::bind(&plan, &context(), &Network::default()).unwrap_err()).join(": ")
    };
    let taken = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
    assert!(
        bind(ListenPlan::Plain(taken.local_addr().unwrap())).await.contains("listen for relying parties at 127.0.0.1")
    );
    let tls = FilesPlan {
        certificate: folder.path().join("none.crt"),
        private_key: folder.path().join("none.key"),
        reload: Duration::from_secs(1),
    };
    assert!(bind(tls_listener(tls)).await.contains("none.crt"));
    let nowhere = folder.path().join("no/such/folder.sock");
    assert!(bind(ListenPlan::Socket(nowhere, 0o600)).await.contains("folder.sock"));
    let without = Source::WorkloadApi { endpoint: String::new(), trust_domain: domain() };
    let plan = DiscoveryPlan { source: without, ..plan(folder.path(), ListenPlan::Plain(LOOPBACK.parse().unwrap())) };
    let mut context = context();
    context.environment = Arc::new(carnet_core::MapEnvironment::default());
    let error = Discovery::bind(&plan, &context, &Network::default()).unwrap_err();
    assert!(error.hints()[0].contains("SPIFFE_ENDPOINT_SOCKET"), "{error:?}");
}
