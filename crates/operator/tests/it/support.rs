//! A cluster over TLS, an authority over its socket, and operators between them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use carnet_core::{
    Clock as _, Context, NewFile, SecretBytes, SectionConfig as _, SystemClock, SystemFiles, SystemRandom, test_context,
};
use carnet_jose::Algorithm;
use carnet_kubernetes_sandbox::{KubernetesEmulator, emulator, seed};
use carnet_net::{ClientCertificates, Limits, ServerCertificate, Settings, TlsServerConfig, serve_with};
use carnet_operator::{Operator, OperatorConfig, Timing};
use carnet_sandbox_kit::{Emulator as _, World as Sandbox};
use carnet_x509::{Authority, LeafProfile};
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{authority::Registry, gate::Gate};

/// Longest for anything that is waited for. Nothing takes it unless something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const OWN: &str = "/apis/carnet.dev/v1alpha1";
pub(crate) const PARENT: &str = "spiffe://example.org/nodes/test";

pub(crate) struct World {
    pub(crate) emulator: KubernetesEmulator,
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Registry,
    router: Router,
    folder: tempfile::TempDir,
    url: String,
    changes: watch::Receiver<(u64, u64)>,
    stop: CancellationToken,
}

/// An operator that runs.
pub(crate) struct Running {
    pub(crate) leading: watch::Receiver<bool>,
    pub(crate) health: carnet_ops::Health,
    pub(crate) diagnostics: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// As somebody who stops it in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As somebody who kills it: nothing is given back.
    pub(crate) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }

    pub(crate) async fn lead(&self) {
        let mut leading = self.leading.clone();
        timeout(PATIENCE, leading.wait_for(|leading| *leading)).await.unwrap().unwrap();
    }
}

fn cluster() -> &'static seed::Cluster {
    seed::CLUSTERS.iter().find(|cluster| cluster.name == "prod").unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(Arc::new(SystemClock), Arc::new(SystemRandom), Arc::new(carnet_core::NoHttp));
        let emulator = emulator(&sandbox);
        let service = emulator.services().into_iter().find(|service| service.name == cluster().service).unwrap();
        let gate = Arc::new(Gate::default());
        let guarded = gate.clone().guard(service.router.clone());
        let stop = CancellationToken::new();
        let (url, tls, ca) = tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{url}:{}", listener.local_addr().unwrap().port());
        tokio::spawn(serve_with(listener, guarded, Some(tls), Limits::default(), stop.clone()));
        let file = |name: &str, text: &str| NewFile::new(folder.path().join(name), text.to_owned());
        carnet_core::replace_files(&[file("ca.pem", &ca), file("token", cluster().admin_token)]).unwrap();
        let registry = Registry::start(folder.path(), "example.org").await;
        let changes = emulator.changes("prod").unwrap();
        let world = Self { emulator, gate, registry, router: service.router, folder, url, changes, stop };
        for definition in carnet_operator::crd::all() {
            world.made("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn context() -> Context {
        Context {
            files: Arc::new(SystemFiles),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            ..test_context()
        }
    }

    /// What an operator is set to, for both of its tasks.
    pub(crate) fn config(&self) -> Value {
        json!({
            "manage": ["workloads", "registrations"], "parent_id": PARENT, "mark": "m", "namespace": "carnet",
            "api": { "url": self.url, "ca_file": self.path("ca.pem"), "token_file": self.path("token") },
            "authority": { "socket": self.registry.socket() }, "diagnostics": "127.0.0.1:0",
        })
    }

    /// The same with other members.
    pub(crate) fn config_with(&self, members: Value) -> Value {
        let mut config = self.config();
        let members: serde_json::Map<String, Value> = serde_json::from_value(members).unwrap();
        for (name, value) in members {
            if value.is_null() {
                config.as_object_mut().unwrap().remove(&name);
            } else {
                config[name] = value;
            }
        }
        config
    }

    pub(crate) fn operator(&self) -> Running {
        Self::operator_with(self.config(), |_| {})
    }

    pub(crate) fn operator_with(config: Value, bend: impl FnOnce(&mut Timing)) -> Running {
        let config: OperatorConfig = serde_json::from_value(config).unwrap();
        let mut plan = config.check().unwrap();
        plan.timing = Timing {
            lease: Duration::from_secs(1),
            lease_deadline: Duration::from_millis(700),
            lease_retry: Duration::from_millis(50),
            watch: Duration::from_secs(30),
            request: Duration::from_secs(5),
            retry: Duration::from_millis(20),
            longest_retry: Duration::from_millis(200),
            resync: Duration::from_mins(1),
        };
        bend(&mut plan.timing);
        let operator = Operator::bind(&plan, &Self::context(), &Settings::default()).unwrap();
        let (leading, health) = (operator.leading(), operator.health().clone());
        let diagnostics = format!("http://{}", operator.diagnostics_address().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(operator.run(stop.clone()));
        Running { leading, health, diagnostics, stop, task }
    }

    /// As the administrator, past the gate.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header("host", cluster().host);
        let request = request.header("authorization", format!("Bearer {}", cluster().admin_token));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.header("content-type", kind).body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn made(&self, path: &str, body: Value) -> Value {
        let (status, made) = self.ask("POST", path, body).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, found) = self.ask("GET", path, Value::Null).await;
        if status == 200 { found } else { Value::Null }
    }

    pub(crate) async fn patch(&self, path: &str, change: Value) -> Value {
        let (status, now) = self.ask("PATCH", path, change).await;
        assert_eq!(status, 200, "{now}");
        now
    }

    pub(crate) async fn delete(&self, path: &str) {
        assert_eq!(self.ask("DELETE", path, Value::Null).await.0, 200);
    }

    /// Waits until it is so; looks again whenever the cluster or the authority changes.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut(&Self) -> bool) {
        let mut changes = self.changes.clone();
        let mut registered = self.registry.changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                registered.mark_unchanged();
                if is_so(self).await {
                    return;
                }
                tokio::select! {
                    told = changes.changed() => told.unwrap(),
                    told = registered.changed() => told.unwrap(),
                }
            }
        };
        timeout(PATIENCE, wait).await.expect(what);
    }

    /// Waits until a condition of the object has this status and reason. Gives the object.
    pub(crate) async fn condition(&self, path: &str, kind: &str, status: &str, reason: &str) -> Value {
        let what = format!("{path}: {kind} {status} {reason}");
        self.until(&what, async |world| {
            let object = world.get(path).await;
            let found = condition(&object, kind);
            found["status"] == status && found["reason"] == reason
        })
        .await;
        self.get(path).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["type"] == kind).unwrap_or_default()
}

/// A listener's TLS, and the authority that it is believed by.
fn tls() -> (String, Arc<TlsServerConfig>, String) {
    let now = SystemClock.now();
    let (from, until) = (now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(48));
    let authority = Authority::root("test", Algorithm::Es256, from, until).unwrap();
    let pem = authority.certificate_pem();
    let make = move |_name: &str| {
        let profile = LeafProfile {
            subject: vec![("CN", "test".to_owned())],
            dns: vec!["localhost".to_owned()],
            ip: vec!["127.0.0.1".parse().unwrap()],
            uri: Vec::new(),
            server: true,
            client: false,
            not_before: from,
            not_after: now + SignedDuration::from_hours(24),
            key: Algorithm::Es256,
        };
        let issued = authority.issue(&profile).unwrap();
        let private_key = SecretBytes::new(issued.private_key.expose().to_vec());
        Ok(ServerCertificate { chain: vec![issued.certificate], private_key })
    };
    let config = TlsServerConfig::by_name(make, ClientCertificates::None).unwrap();
    ("https://localhost".to_owned(), Arc::new(config), pem)
}

/// An entry of the namespace `example`.
pub(crate) fn entry(name: &str) -> Value {
    json!({
        "apiVersion": "carnet.dev/v1alpha1", "kind": "RegistrationEntry", "metadata": { "name": name },
        "spec": { "spiffeId": format!("spiffe://example.org/ns/example/sa/{name}"), "pods": { "serviceAccount": name } },
    })
}

pub(crate) fn entries() -> String {
    format!("{OWN}/namespaces/example/registrationentries")
}
