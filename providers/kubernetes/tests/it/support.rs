//! Clusters in memory, and pods in them.

use std::sync::Arc;

use carnet_core::{
    Context, Credential, DeliveryConfig, Error, FixedClock, Found, MapEnvironment, Material, MemoryFiles, Request,
    Response, Secret, SourceConfig, SystemRandom, Want, test_context,
};
use carnet_kubernetes::Kubernetes;
use carnet_kubernetes_sandbox::{KubernetesEmulator, emulator, seed};
use carnet_sandbox_kit::{Emulator, Internet, SandboxClock, World};
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Who the tokens are for.
pub(crate) const AUDIENCE: &str = "https://vault.example";

pub(crate) struct Clusters {
    pub(crate) clock: Arc<SandboxClock>,
    pub(crate) emulator: KubernetesEmulator,
    internet: Arc<Internet>,
}

pub(crate) fn cluster(name: &str) -> &'static seed::Cluster {
    seed::CLUSTERS.iter().find(|cluster| cluster.name == name).unwrap()
}

impl Clusters {
    pub(crate) fn new() -> Self {
        let internet = Arc::new(Internet::default());
        let base = FixedClock::at(Timestamp::from_second(1_795_262_400).unwrap());
        let world = World::new(Arc::new(base), Arc::new(SystemRandom), Arc::clone(&internet) as _);
        let emulator = emulator(&world);
        internet.open(emulator.services());
        Self { clock: world.clock, emulator, internet }
    }

    /// What a pod finds: the API server's address, its token and the authorities.
    pub(crate) fn pod(&self, name: &str, namespace: &str, pod: &str) -> (Context, Arc<MemoryFiles>) {
        let files = Arc::new(MemoryFiles::default());
        files.put(TOKEN, self.emulator.projected_token(name, namespace, pod, None).unwrap().expose());
        files.put(CA, "PEM");
        let variables = [("KUBERNETES_SERVICE_HOST", cluster(name).host), ("KUBERNETES_SERVICE_PORT", "443")];
        let context = Context {
            clock: Arc::clone(&self.clock) as _,
            http: Arc::clone(&self.internet) as _,
            files: Arc::clone(&files) as _,
            environment: Arc::new(MapEnvironment::of(&variables)),
            ..test_context()
        };
        (context, files)
    }

    /// One that is in no cluster.
    pub(crate) fn elsewhere(&self) -> Context {
        let (context, _) = self.pod("dev", seed::NAMESPACE, "admin-0");
        Context { files: Arc::new(MemoryFiles::default()), environment: Arc::new(MapEnvironment::default()), ..context }
    }

    /// A token that the kubelet projects for [`AUDIENCE`] into a pod of the namespace `example`.
    pub(crate) fn projected(&self, name: &str, pod: &str) -> Secret {
        self.emulator.projected_token(name, seed::NAMESPACE, pod, Some(AUDIENCE)).unwrap()
    }

    /// A request to an API server with this token.
    pub(crate) async fn api(&self, name: &str, token: &Secret, method: Method, path: &str) -> Response {
        let url = format!("https://{}{path}", cluster(name).host).parse().unwrap();
        let request = Request::new(method, url).bearer(token).unwrap();
        carnet_core::HttpSend::send(&*self.internet, request).await.unwrap()
    }

    /// Takes a pod of the namespace `example` away.
    pub(crate) async fn delete_pod(&self, name: &str, pod: &str) {
        let admin = Secret::new(cluster(name).admin_token);
        let path = format!("/api/v1/namespaces/{}/pods/{pod}", seed::NAMESPACE);
        assert_eq!(self.api(name, &admin, Method::DELETE, &path).await.status, 200);
    }
}

pub(crate) async fn find(context: &Context, config: Value, audience: Option<&str>) -> Result<Credential, Error> {
    let source = serde_json::from_value::<Kubernetes>(config).unwrap().build().unwrap();
    let want = Want { audience: audience.map(str::to_owned) };
    match source.find(context, &want).await? {
        Found::Credential(credential) => Ok(*credential),
        Found::NotHere(reason) => panic!("{reason}"),
    }
}

pub(crate) async fn deliver<C: DeliveryConfig>(context: &Context, credential: &Credential) -> Value {
    let delivery = serde_json::from_value::<C>(serde_json::json!({})).unwrap().build().unwrap();
    let delivered = delivery.deliver(context, credential).await.unwrap();
    serde_json::from_slice(delivered.output.unwrap().expose()).unwrap()
}

pub(crate) fn jwt(credential: &Credential) -> Secret {
    let Material::Jwt(token) = &credential.material else { panic!("no JWT") };
    token.clone()
}
