//! A sandbox with one small emulator.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::{Request as Incoming, State},
    http::{HeaderValue, Method, StatusCode, header},
    routing::{get, post},
};
use bytes::Bytes;
use carnet_core::{Error, HttpError, HttpSend, MapEnvironment, Request, Response, SystemClock, SystemRandom};
use carnet_net::{Client, Settings};
use carnet_sandbox::{Emulators, Options, Sandbox};
use carnet_sandbox_kit::{Emulator, Host, Service, ShownCertificates, Urls, World};
use carnet_x509::Certificate;
use serde_json::Value;

/// What the test emulator was asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Requests that reached a service, faults not counted.
    pub(crate) requests: AtomicUsize,
    /// Services whose keys were replaced.
    pub(crate) rotated: Mutex<Vec<String>>,
}

struct Echo {
    world: World,
    asked: Arc<Asked>,
}

/// Answers with its name, the method, the target as it was sent, the host, and its time.
#[derive(Clone)]
struct Answering {
    name: &'static str,
    world: World,
    asked: Arc<Asked>,
}

async fn echo(State(answering): State<Answering>, request: Incoming) -> String {
    answering.asked.requests.fetch_add(1, Ordering::SeqCst);
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("-");
    let now = answering.world.now(answering.name);
    format!("{} {} {} {host} {now}", answering.name, request.method(), request.uri())
}

/// Fetches under a real name, as an emulator does that verifies another cloud's token.
async fn fetch(State(answering): State<Answering>) -> String {
    let request = Request::get("https://keys.example.com/jwks".parse().unwrap());
    answering.world.http.send(request).await.unwrap().text().unwrap().to_owned()
}

/// Who the client is by the certificate that it has shown.
async fn shown(shown: Option<Extension<ShownCertificates>>) -> String {
    shown.map_or("nobody".to_owned(), |Extension(ShownCertificates(chain))| {
        Certificate::from_der(chain.first().unwrap()).unwrap().uris().concat()
    })
}

impl Echo {
    fn service(&self, name: &'static str, hosts: Vec<Host>) -> Service {
        let state = Answering { name, world: self.world.clone(), asked: Arc::clone(&self.asked) };
        Service::new(
            name,
            hosts,
            Router::new().route("/fetch", get(fetch)).route("/shown", get(shown)).fallback(echo).with_state(state),
        )
    }
}

impl Emulator for Echo {
    fn services(&self) -> Vec<Service> {
        vec![
            self.service("test-token", vec![Host::Between("auth.", ".example.com")]),
            self.service("test-keys", vec![Host::Exact("keys.example.com")])
                .error_body(|status| ("application/problem+json", format!("vendor says {}", status.as_u16()))),
            self.service("oci-imds", vec![Host::Exact("169.254.169.254"), Host::Exact("fd00:c1::a9fe:a9fe")]),
            self.service("test-nameless", Vec::new()),
            self.service("gcp-metadata", vec![Host::Exact("169.254.169.254"), Host::Exact("metadata.google.internal")]),
        ]
    }

    fn files(&self, urls: &Urls, _folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        Ok(vec![(PathBuf::from("test/config"), urls["test-token"].plain_origin().into_bytes())])
    }

    fn environment(&self, urls: &Urls, folder: &Path) -> Vec<(String, String)> {
        vec![
            ("TEST_ENDPOINT".to_owned(), urls["test-token"].plain_origin()),
            ("TEST_NAMELESS".to_owned(), urls["test-nameless"].plain_origin()),
            ("TEST_METADATA".to_owned(), format!("{}/opc/v2", urls["oci-imds"].plain_origin())),
            ("TEST_CONFIG".to_owned(), folder.join("test/config").to_string_lossy().into_owned()),
        ]
    }

    fn rotate_keys(&self, service: &str) {
        self.asked.rotated.lock().unwrap().push(service.to_owned());
    }

    fn control(&self) -> Option<Router> {
        Some(Router::new().route("/mint", post(|body: String| async move { format!("minted for {body}") })))
    }
}

/// A running sandbox and what its emulator was asked.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) asked: Arc<Asked>,
}

impl std::ops::Deref for Stage {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

pub(crate) async fn start() -> Stage {
    start_with(Options { slow: Duration::from_millis(1), ..Options::default() }).await
}

pub(crate) async fn start_with(options: Options) -> Stage {
    let asked = Arc::new(Asked::default());
    let emulators = |world: &World| -> Emulators {
        vec![("ci", Arc::new(Echo { world: world.clone(), asked: Arc::clone(&asked) }))]
    };
    let sandbox = Sandbox::start_with(options, Arc::new(SystemClock), Arc::new(SystemRandom), emulators).await.unwrap();
    Stage { sandbox, asked }
}

impl Stage {
    /// A client that comes to the sandbox directly and trusts its authority.
    pub(crate) async fn direct(&self, url: &str) -> Result<Response, HttpError> {
        Client::new(Settings::default()).send(self.request(url)).await
    }

    /// A client that has the sandbox's proxy.
    pub(crate) async fn proxied(&self, url: &str) -> Result<Response, HttpError> {
        let proxy = self.proxy_url().as_str();
        let environment = MapEnvironment::of(&[("https_proxy", proxy), ("http_proxy", proxy)]);
        Client::new(Settings::from_environment(&environment)).send(self.request(url)).await
    }

    pub(crate) fn request(&self, url: &str) -> Request {
        let mut request = Request::get(url.parse().unwrap()).timeout(Duration::from_secs(5));
        request.ca_pem = Some(Bytes::from(self.ca_pem().to_owned()));
        request
    }

    /// Asks the control API, with the token.
    pub(crate) async fn control(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        let url = self.control_url().join(path).unwrap();
        let token = format!("Bearer {}", self.control_token().expose());
        let request = Request::new(method, url)
            .header(header::AUTHORIZATION, HeaderValue::from_str(&token).unwrap())
            .body(body.to_owned());
        let answer = Client::new(Settings::default()).send(request).await.unwrap();
        let text = answer.text().unwrap();
        (answer.status, serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
    }
}
