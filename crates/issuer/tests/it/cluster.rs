//! Pods of clusters: of the one that the authority runs in, and of another. Their tokens are believed by keys, and by asking the API
//! server.

use std::sync::Arc;

use carnet_core::{Context, HttpSend as _, MapEnvironment, MemoryFiles, Request, Secret};
use carnet_issuer::{Issuer, IssuerParts, IssuerSettings, Rule};
use carnet_kubernetes::relying::ClusterConfig;
use carnet_kubernetes_sandbox::{KubernetesEmulator, emulator, seed};
use carnet_sandbox_kit::{Emulator, Internet, World as Sandbox};
use http::Method;
use serde_json::{Value, json};

use crate::{
    support::Answer,
    world::{AUDIENCE, AUTHORITY, World, claims, issuer_key, object, rule_with, sign},
};

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
/// Where the authority has what the other cluster gave it.
const OTHER_TOKEN: &str = "/etc/carnet/prod/token";
const OTHER_CA: &str = "/etc/carnet/prod/ca.crt";
/// A cluster of which there are but keys.
const PINNED: &str = "https://cluster.example";

/// An authority as a pod of the cluster `dev`, whose account may review tokens, there and in the cluster `prod`.
struct Clusters {
    world: World,
    internet: Arc<Internet>,
    emulator: KubernetesEmulator,
}

fn seeded(name: &str) -> &'static seed::Cluster {
    seed::CLUSTERS.iter().find(|cluster| cluster.name == name).unwrap()
}

fn rule(name: &str, issuer: &str) -> Rule {
    rule_with(json!({
        "name": name, "issuer": issuer, "subject": "system:serviceaccount:example:admin", "claims": {},
        "condition": Value::Null, "identity": format!("/pods/{name}"),
    }))
}

/// That it runs in: the usual issuer, whose keys only the API server has.
fn own() -> Value {
    json!({ "issuer": seed::DEFAULT_ISSUER })
}

fn other() -> Value {
    let api = json!({
        "url": format!("https://{}", seeded("prod").host), "ca_file": OTHER_CA, "token_file": OTHER_TOKEN,
    });
    json!({ "issuer": seed::PUBLIC_ISSUER, "api": api })
}

fn pinned() -> Value {
    json!({ "issuer": PINNED, "keys": { "jwks": { "keys": [issuer_key().public_jwk()] } }, "token_review": false })
}

impl Clusters {
    async fn new() -> Self {
        Self::of(&[own(), other(), pinned()]).await
    }

    async fn of(clusters: &[Value]) -> Self {
        let internet = Arc::new(Internet::default());
        let rules = vec![rule("own", seed::DEFAULT_ISSUER), rule("other", seed::PUBLIC_ISSUER), rule("pinned", PINNED)];
        let mut world = World::with(rules, &[], IssuerSettings::default()).await;
        let sandbox = Sandbox::new(
            Arc::<carnet_core::FixedClock>::clone(&world.clock),
            Arc::new(carnet_core::SystemRandom),
            Arc::clone(&internet) as _,
        );
        let emulator = emulator(&sandbox);
        internet.open(emulator.services());
        world.network.open(Arc::clone(&internet) as _);
        let files = Arc::<MemoryFiles>::default();
        for (cluster, token, ca) in [("dev", TOKEN, CA), ("prod", OTHER_TOKEN, OTHER_CA)] {
            let own = emulator.projected_token(cluster, seed::AUTHORITY.0, "authority-0", None).unwrap();
            files.put(token, own.expose());
            files.put(ca, "PEM");
        }
        let variables = [("KUBERNETES_SERVICE_HOST", seeded("dev").host), ("KUBERNETES_SERVICE_PORT", "443")];
        let environment = Arc::new(MapEnvironment::of(&variables));
        let context = Context { files, environment, ..world.context.clone() };
        let clusters: Vec<_> = clusters
            .iter()
            .map(|config| serde_json::from_value::<ClusterConfig>(config.clone()).unwrap().load(&context).unwrap())
            .collect();
        let issuer = Issuer::new(IssuerParts { context, ..world.parts() }).unwrap();
        issuer.set_clusters(clusters);
        world.issuer = Arc::new(issuer);
        world.router = Arc::clone(&world.issuer).router();
        Self { world, internet, emulator }
    }

    /// What the kubelet projects into a pod for the authority.
    fn token(&self, cluster: &str, pod: &str) -> Secret {
        self.emulator.projected_token(cluster, seed::NAMESPACE, pod, Some(AUTHORITY)).unwrap()
    }

    async fn show(&self, token: &Secret) -> Answer {
        self.world.exchange(token, &[("audience", AUDIENCE)]).await
    }

    async fn delete(&self, cluster: &str, pod: &str) {
        let url = format!("https://{}/api/v1/namespaces/{}/pods/{pod}", seeded(cluster).host, seed::NAMESPACE);
        let request = Request::new(Method::DELETE, url.parse().unwrap());
        let request = request.bearer(&Secret::new(seeded(cluster).admin_token)).unwrap();
        assert_eq!(self.internet.send(request).await.unwrap().status, 200);
    }

    async fn accepted(&self, token: &Secret, identity: &str) {
        let token = self.show(token).await.token();
        let verified = self.world.verify(&token, AUDIENCE, "JWT");
        assert_eq!(verified.claims().str("sub"), Some(identity));
    }

    async fn refused(&self, token: &Secret, clause: &str) {
        self.told(token, "invalid_request", clause).await;
    }

    /// Nobody is believed, and may come again.
    async fn later(&self, token: &Secret, clause: &str) {
        self.told(token, "temporarily_unavailable", clause).await;
    }

    async fn told(&self, token: &Secret, error: &str, clause: &str) {
        let answer = self.show(token).await;
        assert_eq!((answer.error().as_str(), self.world.clause().await.as_str()), (error, clause), "{}", answer.text);
    }

    /// From now on the API server of the cluster `dev` says this of every token.
    fn say(&self, status: &Value) {
        let url = format!("https://{}/apis/authentication.k8s.io/v1/tokenreviews", seeded("dev").host);
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status });
        self.world.network.answer(&url, review.to_string());
    }
}

/// A token of the cluster of which there are but keys, bent.
fn signed(bend: impl FnOnce(&mut Value)) -> Secret {
    let mut value = Value::Object(claims());
    value["iss"] = json!(PINNED);
    value["sub"] = json!("system:serviceaccount:example:admin");
    value["kubernetes.io"] = json!({
        "namespace": "example", "serviceaccount": { "name": "admin", "uid": "s-1" }, "pod": { "name": "admin-0", "uid": "p-1" },
    });
    bend(&mut value);
    sign(&object(value))
}

#[tokio::test]
async fn accepts_pods_of_the_own_cluster_and_of_another() {
    let clusters = Clusters::new().await;
    clusters.accepted(&clusters.token("dev", "admin-0"), "spiffe://example.org/pods/own").await;
    clusters.accepted(&clusters.token("prod", "admin-0"), "spiffe://example.org/pods/other").await;
    clusters.accepted(&signed(|_| {}), "spiffe://example.org/pods/pinned").await;
}

#[tokio::test]
async fn accepts_by_keys_that_the_issuer_publishes() {
    let mut public = other();
    public["keys"] = json!("discovery");
    let clusters = Clusters::of(&[public]).await;
    clusters.accepted(&clusters.token("prod", "admin-0"), "spiffe://example.org/pods/other").await;
}

#[tokio::test]
async fn rejects_a_pod_that_is_gone_in_whichever_cluster_it_was() {
    let clusters = Clusters::new().await;
    for cluster in ["dev", "prod"] {
        let token = clusters.token(cluster, "admin-0");
        clusters.delete(cluster, "admin-0").await;
        clusters.refused(&token, "token").await;
    }
}

#[tokio::test]
async fn by_keys_alone_a_pod_that_is_gone_is_believed_until_its_token_ends() {
    let mut careless = own();
    careless["token_review"] = json!(false);
    let clusters = Clusters::of(&[careless]).await;
    let token = clusters.token("dev", "admin-0");
    clusters.delete("dev", "admin-0").await;
    clusters.accepted(&token, "spiffe://example.org/pods/own").await;
}

#[tokio::test]
async fn rejects_the_pod_of_another_cluster_that_calls_itself_alike() {
    let clusters = Clusters::new().await;
    clusters.refused(&clusters.token("basic", "admin-0"), "key").await;
}

#[tokio::test]
async fn rejects_a_token_for_the_api_server_or_for_nobody() {
    let clusters = Clusters::new().await;
    let own = clusters.emulator.projected_token("dev", seed::NAMESPACE, "admin-0", None).unwrap();
    clusters.refused(&own, "audience").await;
    let asked = clusters.world.network.requests();
    let for_nobody = signed(|claims| {
        claims.as_object_mut().unwrap().remove("aud").unwrap();
    });
    clusters.refused(&for_nobody, "audience").await;
    clusters.refused(&signed(|claims| claims["aud"] = json!([])), "audience").await;
    assert_eq!(clusters.world.network.requests(), asked);
}

#[tokio::test]
async fn rejects_a_token_that_does_not_say_what_it_is_bound_to() {
    let clusters = Clusters::new().await;
    let without = |path: &'static str, name: &'static str| {
        signed(move |claims| {
            claims.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        })
    };
    clusters.refused(&without("", "kubernetes.io"), "claims").await;
    clusters.refused(&without("/kubernetes.io", "serviceaccount"), "claims").await;
    clusters.refused(&without("/kubernetes.io/pod", "uid"), "claims").await;
    clusters.refused(&without("/kubernetes.io", "pod"), "binding").await;
    clusters.refused(&signed(|claims| claims["kubernetes.io"]["namespace"] = json!("other")), "claims").await;
}

#[tokio::test]
async fn accepts_a_token_that_is_bound_to_no_pod_where_that_is_said() {
    let mut loose = pinned();
    loose["binding"] = json!("account");
    let clusters = Clusters::of(&[loose]).await;
    let free = signed(|claims| {
        claims["kubernetes.io"].as_object_mut().unwrap().remove("pod").unwrap();
    });
    clusters.accepted(&free, "spiffe://example.org/pods/pinned").await;
}

#[tokio::test]
async fn rejects_an_account_that_the_cluster_is_not_to_vouch_for() {
    let mut narrow = own();
    narrow["service_accounts"] = json!(["carnet:*"]);
    let clusters = Clusters::of(&[narrow]).await;
    clusters.refused(&clusters.token("dev", "admin-0"), "service-account").await;
}

#[tokio::test]
async fn what_the_keys_refuse_is_not_asked_about() {
    let clusters = Clusters::new().await;
    clusters.show(&clusters.token("dev", "admin-0")).await.token();
    let asked = clusters.world.network.requests();
    let (admin, viewer) = (clusters.token("dev", "admin-0"), clusters.token("dev", "viewer-0"));
    let (signed, _) = viewer.expose().rsplit_once('.').unwrap();
    let (_, signature) = admin.expose().rsplit_once('.').unwrap();
    clusters.refused(&Secret::new(format!("{signed}.{signature}")), "signature").await;
    assert_eq!(clusters.world.network.requests(), asked);
}

#[tokio::test]
async fn a_cluster_of_which_no_rule_speaks_is_not_asked() {
    let clusters = Clusters::new().await;
    clusters.world.rules.send_replace(Arc::default());
    clusters.refused(&clusters.token("dev", "admin-0"), "issuer").await;
    assert_eq!(clusters.world.network.requests(), 0);
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
        let clusters = Clusters::new().await;
        clusters.say(&status);
        clusters.refused(&clusters.token("dev", "admin-0"), "claims").await;
    }
}

#[tokio::test]
async fn rejects_a_review_for_another_audience() {
    let clusters = Clusters::new().await;
    clusters.say(&json!({ "authenticated": true, "audiences": ["https://somebody.else"], "user": {
        "username": "system:serviceaccount:example:admin", "uid": "u",
    } }));
    clusters.refused(&clusters.token("dev", "admin-0"), "audience").await;
}

#[tokio::test]
async fn nobody_is_believed_while_the_api_server_does_not_review() {
    let clusters = Clusters::new().await;
    let token = clusters.token("dev", "admin-0");
    clusters.show(&token).await.token();
    for status in [401, 403, 410, 429, 500, 503] {
        clusters.world.network.answer_all(status);
        clusters.later(&token, "token-review").await;
        assert!(clusters.world.last().await.details["seen"].as_str().unwrap().contains(&status.to_string()));
    }
    clusters.world.network.answer_all(0);
    clusters.show(&token).await.token();
    clusters.world.network.cut();
    clusters.later(&token, "token-review").await;
}

#[tokio::test]
async fn nobody_is_believed_while_there_are_no_keys() {
    for status in [403, 410, 429, 503] {
        let clusters = Clusters::new().await;
        clusters.world.network.answer_all(status);
        clusters.later(&clusters.token("dev", "admin-0"), "keys").await;
    }
    let clusters = Clusters::new().await;
    clusters.world.network.cut();
    clusters.later(&clusters.token("dev", "admin-0"), "keys").await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_is_waited_for_a_bounded_time() {
    let clusters = Clusters::new().await;
    clusters.world.network.hang();
    clusters.later(&clusters.token("dev", "admin-0"), "api-server").await;
    let clusters = Clusters::new().await;
    let token = clusters.token("dev", "admin-0");
    clusters.show(&token).await.token();
    clusters.world.network.hang();
    clusters.later(&token, "api-server").await;
}
