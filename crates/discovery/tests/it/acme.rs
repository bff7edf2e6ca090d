//! Certificates by ACME, from Pebble: the test server of those who run Let's Encrypt.

use std::{
    fs,
    net::{SocketAddr, TcpListener as StdListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use carnet_core::{Context, FixedClock, HttpSend as _, Request};
use carnet_discovery::{
    CertificatePlan, Discovery, DiscoveryPlan, ListenPlan, Settings, Source,
    acme::{Acme, AcmeChallenge, AcmeSettings},
};
use carnet_net::{Client, Settings as Network};
use carnet_x509::{Authority, Certificate};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{authority, context, domain, listen, svid, tls, until, web_pem};

const NAME: &str = "oidc.example.org";
const LOOPBACK: &str = "127.0.0.1:0";

/// Ends the process that it holds.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Pebble, with a name server that leads every name to this machine.
pub(crate) struct Pebble {
    folder: TempDir,
    authority: Authority,
    directory: String,
    management: String,
    _processes: [Running; 2],
}

/// A port that nobody has, for a server that must be told one. Below those that the kernel hands out by itself (32768 and
/// up), so that no other test is given it meanwhile; each process begins elsewhere.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(64);
    let mut tried =
        std::iter::repeat_with(|| 20_000 + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    let free = tried.find_map(|port| StdListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).ok());
    free.unwrap().local_addr().unwrap().port()
}

fn spawn(program: &str, arguments: &[&str]) -> Running {
    let child = Command::new(program)
        .args(arguments)
        // Unless told not to, Pebble waits for seconds before it looks at a proof, and refuses good nonces by chance.
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(child.unwrap_or_else(|error| panic!("{program}: {error}; it is in Debian's package `pebble`")))
}

impl Pebble {
    /// It looks for proofs of `http-01` at this port.
    async fn start(http_port: u16) -> Self {
        Self::start_with(json!({ "httpPort": http_port })).await
    }

    /// It has these settings besides those that all have.
    pub(crate) async fn start_with(more: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority(&domain());
        let (chain, key) = web_pem(&authority);
        fs::write(folder.path().join("ca.pem"), authority.certificate_pem()).unwrap();
        fs::write(folder.path().join("tls.crt"), chain).unwrap();
        fs::write(folder.path().join("tls.key"), key).unwrap();
        let [names, names_management, port, management] = [(); 4].map(|()| free_port());
        let mut config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.path().join("tls.crt"),
            "privateKey": folder.path().join("tls.key"),
            "httpPort": 1,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        config["pebble"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config_path = folder.path().join("pebble.json");
        fs::write(&config_path, config.to_string()).unwrap();
        let names_address = format!("127.0.0.1:{names}");
        let processes = [
            spawn(
                "pebble-challtestsrv",
                &[
                    "-dns01",
                    &names_address,
                    "-http01",
                    "",
                    "-https01",
                    "",
                    "-tlsalpn01",
                    "",
                    "-defaultIPv6",
                    "",
                    "-management",
                    &format!("127.0.0.1:{names_management}"),
                ],
            ),
            spawn("pebble", &["-strict", "-dnsserver", &names_address, "-config", config_path.to_str().unwrap()]),
        ];
        let pebble = Self {
            folder,
            authority,
            directory: format!("https://127.0.0.1:{port}/dir"),
            management: format!("https://127.0.0.1:{management}"),
            _processes: processes,
        };
        until(async || pebble.get(&pebble.directory).await).await;
        until(async || tokio::net::TcpStream::connect(("127.0.0.1", names_management)).await.ok()).await;
        pebble
    }

    async fn get(&self, url: &str) -> Option<Vec<u8>> {
        let mut request = Request::get(url.parse().unwrap()).timeout(Duration::from_secs(5));
        request.ca_pem = Some(self.authority.certificate_pem().into());
        let answer = Client::new(Network::default()).send(request).await.ok()?;
        (answer.status == 200).then(|| answer.body.expose().to_vec())
    }

    /// The root of the certificates that it issues.
    async fn root(&self) -> Vec<u8> {
        self.get(&format!("{}/roots/0", self.management)).await.expect("it gives its root")
    }

    pub(crate) fn settings(&self, cache: &Path) -> AcmeSettings {
        AcmeSettings {
            directory_url: self.directory.clone(),
            email: "admin@example.org".to_owned(),
            domains: vec![NAME.to_owned()],
            challenge: AcmeChallenge::Http01(LOOPBACK.parse().unwrap()),
            external_account: None,
            cache_dir: cache.to_owned(),
            ca_file: Some(self.folder.path().join("ca.pem")),
        }
    }
}

/// The serial number of what is shown.
fn shown(acme: &Arc<Acme>) -> Option<Vec<u8>> {
    let certificate = acme.current()?;
    let leaf = Certificate::from_der(certificate.chain().next().unwrap()).unwrap();
    assert_eq!(leaf.dns_names(), [NAME]);
    Some(leaf.serial().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_had_proved_kept_and_renewed() {
    let cache = tempfile::tempdir().unwrap();
    let challenges = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = challenges.local_addr().unwrap().port();
    let pebble = Pebble::start(port).await;
    let acme = Acme::new(pebble.settings(cache.path()), context()).unwrap();
    assert!(shown(&acme).is_none() && acme.expires_at().is_none());
    let router = acme.challenge_router();
    let first_proofs = CancellationToken::new();
    tokio::spawn(carnet_net::serve(challenges, router, None, first_proofs.clone()));
    acme.obtain().await.unwrap();
    let first = shown(&acme).unwrap();

    let files: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "account and certificate: {files:?}");
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }

    // Another process finds it, and asks nobody while it is good.
    let later = |clock: FixedClock| Context { clock: Arc::new(clock), ..context() };
    let again = Acme::new(pebble.settings(cache.path()), context()).unwrap();
    assert_eq!(shown(&again), Some(first.clone()));
    let written = AcmeSettings { domains: vec![NAME.to_uppercase()], ..pebble.settings(cache.path()) };
    assert_eq!(shown(&Acme::new(written, context()).unwrap()), Some(first.clone()), "names have no case");
    let other_names = AcmeSettings { domains: vec!["other.example".to_owned()], ..pebble.settings(cache.path()) };
    assert!(shown(&Acme::new(other_names, context()).unwrap()).is_none(), "it is not for other names");

    let expiry = again.expires_at().unwrap();
    let expired = later(FixedClock::at(expiry + SignedDuration::from_secs(1)));
    assert!(shown(&Acme::new(pebble.settings(cache.path()), expired).unwrap()).is_none());

    // What has a third of its life left is renewed with the same account, and shown until there is a new one.
    first_proofs.cancel();
    let due = Acme::new(pebble.settings(cache.path()), later(FixedClock::at(expiry - SignedDuration::from_hours(24))));
    let due = due.unwrap();
    assert_eq!(shown(&due), Some(first.clone()));
    let account = |folder: &Path| {
        let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        fs::read(files.find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap()).unwrap()
    };
    let before = account(cache.path());
    let listener = until(async || tokio::net::TcpListener::bind(("127.0.0.1", port)).await.ok()).await;
    tokio::spawn(carnet_net::serve(listener, due.challenge_router(), None, CancellationToken::new()));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&due).run(shutdown.clone()));
    until(async || shown(&due).filter(|serial| *serial != first)).await;
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(account(cache.path()), before);
    assert_eq!(shown(&Acme::new(pebble.settings(cache.path()), context()).unwrap()), shown(&due));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_has_its_certificate_by_itself_and_is_believed_under_its_name() {
    let cache = tempfile::tempdir().unwrap();
    let challenge_port = free_port();
    let pebble = Pebble::start(challenge_port).await;
    let settings = pebble.settings(cache.path());
    let challenge = AcmeChallenge::Http01(([127, 0, 0, 1], challenge_port).into());
    let plan = service(cache.path(), LOOPBACK.parse().unwrap(), AcmeSettings { challenge, ..settings });
    believed(&plan, &pebble).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_proves_its_name_in_the_handshake_on_the_listener_that_the_certificate_is_for() {
    let cache = tempfile::tempdir().unwrap();
    let port = free_port();
    // Nobody answers at the port of `http-01`.
    let pebble = Pebble::start_with(json!({ "tlsPort": port })).await;
    let settings = AcmeSettings { challenge: AcmeChallenge::TlsAlpn01, ..pebble.settings(cache.path()) };
    believed(&service(cache.path(), ([127, 0, 0, 1], port).into(), settings), &pebble).await;
}

/// The service with a certificate by ACME.
fn service(folder: &Path, address: SocketAddr, settings: AcmeSettings) -> DiscoveryPlan {
    let path = folder.join("bundle.json");
    fs::write(&path, "{\"keys\":[]}").unwrap();
    DiscoveryPlan {
        settings: Settings::of_issuer(format!("https://{NAME}")),
        source: Source::File { path, trust_domain: domain() },
        bootstrap: None,
        poll: Duration::from_millis(10),
        listen: ListenPlan::Tls(address, CertificatePlan::Acme(settings)),
        bundle: None,
        health: None,
        diagnostics: None,
        telemetry: None,
        log_requests: false,
    }
}

/// Runs it until OpenSSL believes the certificate that it shows.
async fn believed(plan: &DiscoveryPlan, pebble: &Pebble) {
    let service = Discovery::bind(plan, &context(), &Network::default()).unwrap();
    let port = service.address().unwrap().port();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(service.run(shutdown.clone()));
    let root = pebble.folder.path().join("root.pem");
    fs::write(&root, pebble.root().await).unwrap();
    // Another TLS library looks at the chain, the dates and the name.
    let verified = until(async || {
        let arguments = [
            "s_client",
            "-connect",
            &format!("127.0.0.1:{port}"),
            "-servername",
            NAME,
            "-verify_hostname",
            NAME,
            "-verify_return_error",
            "-CAfile",
            root.to_str().unwrap(),
        ];
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success() && text.contains("BEGIN CERTIFICATE")).then_some(text)
    })
    .await;
    assert!(verified.contains("Verify return code: 0 (ok)"), "{verified}");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_a_name_at_which_somebody_else_ends_tls_and_says_so() {
    let cache = tempfile::tempdir().unwrap();
    // A server that knows nothing of the proof.
    let id = "spiffe://example.org/web".parse().unwrap();
    let other = tls(svid(&authority(&domain()), &id));
    let (address, _running) = listen(axum::Router::new(), Some(other)).await;
    let pebble = Pebble::start_with(json!({ "tlsPort": address.port() })).await;
    let settings = AcmeSettings { challenge: AcmeChallenge::TlsAlpn01, ..pebble.settings(cache.path()) };
    let acme = Acme::new(settings, context()).unwrap();
    let error = acme.obtain().await.unwrap_err();
    let text = carnet_core::chain(&error).join(": ");
    assert!(text.contains("prove to the authority") && text.contains("acme:error:"), "{text}");
    assert!(error.hints()[0].contains("port 443"));
    assert!(shown(&acme).is_none() && acme.proof_of(NAME).is_none(), "the proof is withdrawn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_names_that_cannot_be_proved_and_says_what_the_authority_said() {
    let cache = tempfile::tempdir().unwrap();
    // Somebody else answers at the port of the proofs.
    let (address, _running) = listen(axum::Router::new().fallback(|| async { "something else" }), None).await;
    let pebble = Pebble::start(address.port()).await;
    let acme = Acme::new(pebble.settings(cache.path()), context()).unwrap();
    let error = acme.obtain().await.unwrap_err();
    let text = carnet_core::chain(&error).join(": ");
    assert!(text.contains("prove to the authority") && text.contains("unauthorized"), "{text}");
    assert!(error.hints()[0].contains("port 80"));
    assert!(shown(&acme).is_none());
}

#[tokio::test]
async fn proofs_are_given_for_known_tokens_only() {
    let cache = tempfile::tempdir().unwrap();
    let settings = AcmeSettings {
        directory_url: "https://127.0.0.1:9/dir".to_owned(),
        email: "admin@example.org".to_owned(),
        domains: vec![NAME.to_owned()],
        challenge: AcmeChallenge::Http01(LOOPBACK.parse().unwrap()),
        external_account: None,
        cache_dir: cache.path().to_owned(),
        ca_file: None,
    };
    let acme = Acme::new(settings, context()).unwrap();
    let (address, _running) = listen(acme.challenge_router(), None).await;
    for path in ["/.well-known/acme-challenge/unknown", "/.well-known/acme-challenge/", "/"] {
        assert_eq!(crate::support::get(&format!("http://{address}{path}")).await.status, 404, "{path}");
    }
    assert!(acme.obtain().await.is_err(), "nobody is there");
}
