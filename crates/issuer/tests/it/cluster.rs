//! Pods of the cluster that the authority runs in: their tokens are believed by keys, and by asking the API server.

use std::sync::Arc;

use carnet_core::{Context, HttpSend as _, MapEnvironment, MemoryFiles, Request, Secret};
use carnet_issuer::{Issuer, IssuerParts, Rule, TrustedIssuer};
use carnet_kubernetes_sandbox::{KubernetesEmulator, emulator, seed};
use carnet_sandbox_kit::{Emulator, Internet, World as Sandbox};
use http::Method;
use serde_json::{Value, json};

use crate::{
    support::Answer,
    world::{AUDIENCE, AUTHORITY, World, rule_with},
};

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// An authority in a cluster, as a pod whose account may review tokens.
struct Cluster {
    world: World,
    internet: Arc<Internet>,
    emulator: KubernetesEmulator,
}

fn prod() -> &'static seed::Cluster {
    seed::CLUSTERS.iter().find(|cluster| cluster.name == "prod").unwrap()
}

fn rule() -> Rule {
    rule_with(json!({
        "name": "pod", "issuer": prod().issuer, "subject": "system:serviceaccount:example:admin", "claims": {},
        "condition": Value::Null, "identity": "/pods/admin",
    }))
}

impl Cluster {
    async fn new() -> Self {
        Self::of(TrustedIssuer { token_review: true, ..TrustedIssuer::new(prod().issuer) }, true).await
    }

    /// One that believes this issuer, in a pod or not.
    async fn of(issuer: TrustedIssuer, in_pod: bool) -> Self {
        let internet = Arc::new(Internet::default());
        let mut world = World::with(vec![rule()], &[issuer], carnet_issuer::IssuerSettings::default()).await;
        let sandbox = Sandbox::new(
            Arc::<carnet_core::FixedClock>::clone(&world.clock),
            Arc::new(carnet_core::SystemRandom),
            Arc::clone(&internet) as _,
        );
        let emulator = emulator(&sandbox);
        internet.open(emulator.services());
        world.network.open(Arc::clone(&internet) as _);
        if in_pod {
            let files = Arc::<MemoryFiles>::default();
            let own = emulator.projected_token("prod", seed::AUTHORITY.0, "authority-0", None).unwrap();
            files.put(TOKEN, own.expose());
            files.put(CA, "PEM");
            let variables = [("KUBERNETES_SERVICE_HOST", prod().host), ("KUBERNETES_SERVICE_PORT", "443")];
            let environment = Arc::new(MapEnvironment::of(&variables));
            let context = Context { files, environment, ..world.context.clone() };
            let issuer = Issuer::new(IssuerParts { context, ..world.parts() }).unwrap();
            world.issuer = Arc::new(issuer);
            world.router = Arc::clone(&world.issuer).router();
        }
        Self { world, internet, emulator }
    }

    /// What the kubelet projects into a pod for the authority.
    fn token(&self, cluster: &str, pod: &str) -> Secret {
        self.emulator.projected_token(cluster, seed::NAMESPACE, pod, Some(AUTHORITY)).unwrap()
    }

    async fn show(&self, token: &Secret) -> Answer {
        self.world.exchange(token, &[("audience", AUDIENCE)]).await
    }

    async fn delete(&self, pod: &str) {
        let url = format!("https://{}/api/v1/namespaces/{}/pods/{pod}", prod().host, seed::NAMESPACE);
        let request = Request::new(Method::DELETE, url.parse().unwrap());
        let request = request.bearer(&Secret::new(prod().admin_token)).unwrap();
        assert_eq!(self.internet.send(request).await.unwrap().status, 200);
    }

    async fn refused(&self, token: &Secret, error: &str, clause: &str) {
        let answer = self.show(token).await;
        assert_eq!((answer.error().as_str(), self.world.clause().await.as_str()), (error, clause), "{}", answer.text);
    }

    /// From now on the API server says this of every token.
    fn say(&self, status: &Value) {
        let url = format!("https://{}/apis/authentication.k8s.io/v1/tokenreviews", prod().host);
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status });
        self.world.network.answer(&url, review.to_string());
    }
}

#[tokio::test]
async fn accepts_a_pod_that_is_there() {
    let cluster = Cluster::new().await;
    let token = cluster.show(&cluster.token("prod", "admin-0")).await.token();
    let verified = cluster.world.verify(&token, AUDIENCE, "JWT");
    assert_eq!(verified.claims().str("sub"), Some("spiffe://example.org/pods/admin"));
}

#[tokio::test]
async fn rejects_a_pod_that_is_gone() {
    let cluster = Cluster::new().await;
    let token = cluster.token("prod", "admin-0");
    cluster.delete("admin-0").await;
    cluster.refused(&token, "invalid_request", "token").await;
    // By its keys alone it is good until it expires.
    let careless = Cluster::of(TrustedIssuer::new(prod().issuer), true).await;
    let token = careless.token("prod", "admin-0");
    careless.delete("admin-0").await;
    careless.show(&token).await.token();
}

#[tokio::test]
async fn what_the_keys_refuse_is_not_asked_about() {
    let cluster = Cluster::new().await;
    cluster.show(&cluster.token("prod", "admin-0")).await.token();
    let asked = cluster.world.network.requests();
    let (admin, viewer) = (cluster.token("prod", "admin-0"), cluster.token("prod", "viewer-0"));
    let (signed, _) = viewer.expose().rsplit_once('.').unwrap();
    let (_, signature) = admin.expose().rsplit_once('.').unwrap();
    cluster.refused(&Secret::new(format!("{signed}.{signature}")), "invalid_request", "signature").await;
    assert_eq!(cluster.world.network.requests(), asked);
}

#[tokio::test]
async fn rejects_a_review_that_speaks_of_another_pod_or_account() {
    let user = |name: &str, pod: &str| {
        json!({ "authenticated": true, "audiences": [AUTHORITY], "user": {
            "username": format!("system:serviceaccount:example:{name}"), "uid": "u",
            "extra": {
                "authentication.kubernetes.io/pod-name": [pod], "authentication.kubernetes.io/pod-uid": ["p"],
            },
        } })
    };
    for status in [user("admin", "admin-0"), user("viewer", "admin-0")] {
        let cluster = Cluster::new().await;
        cluster.say(&status);
        cluster.refused(&cluster.token("prod", "admin-0"), "invalid_request", "claims").await;
    }
}

#[tokio::test]
async fn rejects_a_review_for_another_audience() {
    let cluster = Cluster::new().await;
    cluster.say(&json!({ "authenticated": true, "audiences": ["https://somebody.else"], "user": {
        "username": "system:serviceaccount:example:admin", "uid": "u",
    } }));
    cluster.refused(&cluster.token("prod", "admin-0"), "invalid_request", "audience").await;
}

#[tokio::test]
async fn nobody_is_believed_while_the_api_server_does_not_answer() {
    let cluster = Cluster::new().await;
    cluster.show(&cluster.token("prod", "admin-0")).await.token();
    for status in [401, 403, 410, 429, 500, 503] {
        cluster.world.network.answer_all(status);
        cluster.refused(&cluster.token("prod", "admin-0"), "temporarily_unavailable", "token-review").await;
    }
    cluster.world.network.answer_all(0);
    cluster.show(&cluster.token("prod", "admin-0")).await.token();
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_is_waited_for_a_bounded_time() {
    let cluster = Cluster::new().await;
    cluster.show(&cluster.token("prod", "admin-0")).await.token();
    cluster.world.network.hang();
    cluster.refused(&cluster.token("prod", "admin-0"), "temporarily_unavailable", "token-review").await;
}

#[tokio::test]
async fn outside_of_a_cluster_nobody_is_believed() {
    let issuer = TrustedIssuer { token_review: true, ..TrustedIssuer::new(prod().issuer) };
    let cluster = Cluster::of(issuer, false).await;
    cluster.refused(&cluster.token("prod", "admin-0"), "temporarily_unavailable", "token-review").await;
}
