//! Logins with tokens of service accounts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_vault_sandbox::seed;
use serde_json::{Map, Value, json};

use crate::support::{NOW, Sandbox};

const REVIEW: &str = "https://cluster.example/apis/authentication.k8s.io/v1/tokenreviews";

struct Cluster {
    sandbox: Sandbox,
    key: SigningKey,
}

fn pem(key: &SigningKey) -> String {
    let text = STANDARD.encode(key.public_spki());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// A server with a role `app`; with the cluster's key, or else asking it.
async fn cluster(with_keys: bool, fields: Value) -> Cluster {
    let (sandbox, key) = (Sandbox::new(), SigningKey::generate(Algorithm::Es256).unwrap());
    assert_eq!(sandbox.root("POST", "sys/auth/kubernetes", json!({ "type": "kubernetes" })).await.0, 204);
    let mut config = json!({ "kubernetes_host": "https://cluster.example/", "token_reviewer_jwt": "reviewer" });
    if with_keys {
        config["pem_keys"] = json!([pem(&key)]);
    }
    let (status, body) = sandbox.root("POST", "auth/kubernetes/config", config).await;
    assert_eq!(status, 204, "{body}");
    let mut role = json!({ "bound_service_account_names": "app", "bound_service_account_namespaces": ["prod", "dev-*"],
        "audience": "vault", "token_policies": seed::ROLE });
    role.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let (status, body) = sandbox.root("POST", "auth/kubernetes/role/app", role).await;
    assert_eq!(status, 204, "{body}");
    Cluster { sandbox, key }
}

impl Cluster {
    fn token(&self, change: &Value) -> String {
        let about = json!({ "namespace": "prod", "serviceaccount": { "name": "app", "uid": "u-1" } });
        let mut claims = json!({ "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:prod:app",
            "aud": ["vault"], "iat": NOW, "exp": NOW + 600, "kubernetes.io": about });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        encode_jwt(&self.key, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
    }

    async fn login(&self, change: Value) -> (u16, Value) {
        let body = json!({ "role": "app", "jwt": self.token(&change) });
        self.sandbox.send("vault", "POST", "auth/kubernetes/login", &[], body).await
    }

    fn knows(&self, status: &Value) {
        self.sandbox.serve(REVIEW, json!({ "kind": "TokenReview", "status": status }));
    }
}

fn status() -> Value {
    let user = json!({ "username": "system:serviceaccount:prod:app", "uid": "u-1" });
    json!({ "authenticated": true, "audiences": ["vault"], "user": user })
}

#[track_caller]
fn refused((status, body): (u16, Value), wanted: u16, text: &str) {
    assert_eq!(status, wanted, "{body}");
    assert!(body["errors"][0].as_str().unwrap().contains(text), "{text}: {body}");
}

#[tokio::test]
async fn an_account_reads_a_secret_by_the_keys_of_the_mount() {
    let cluster = cluster(true, json!({})).await;
    let (status, body) = cluster.login(json!({})).await;
    let metadata = &body["auth"]["metadata"];
    assert_eq!((status, &metadata["service_account_name"]), (200, &json!("app")), "{body}");
    assert_eq!(
        (&metadata["service_account_namespace"], &metadata["service_account_uid"]),
        (&json!("prod"), &json!("u-1"))
    );
    let token = body["auth"]["client_token"].as_str().unwrap();
    assert_eq!(cluster.sandbox.with(token, "GET", "secret/data/app/db", Value::Null).await.0, 200);
    let other = json!({ "namespace": "dev-1", "serviceaccount": { "name": "app", "uid": "u-2" } });
    let change = json!({ "kubernetes.io": other, "sub": "system:serviceaccount:dev-1:app" });
    assert_eq!(cluster.login(change).await.0, 200, "a namespace may be a pattern");
}

#[tokio::test]
async fn rejects_each_token_that_is_bent_in_one_place() {
    let about = |namespace: &str, name: &str| json!({ "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name, "uid": "u-1" } } });
    for (change, text) in [
        (about("test", "app"), "namespace not authorized"),
        (about("prod", "other"), "service account name not authorized"),
        (json!({ "sub": "system:serviceaccount:prod:other" }), "invalid subject (sub) claim"),
        (json!({ "aud": ["other"] }), "invalid audience (aud) claim"),
        (json!({ "exp": NOW - 61 }), "token is expired"),
        (json!({ "kubernetes.io": {} }), "permission denied"),
    ] {
        refused(cluster(true, json!({})).await.login(change).await, 403, text);
    }
    let cluster = cluster(true, json!({})).await;
    let stranger = Cluster { sandbox: Sandbox::new(), key: SigningKey::generate(Algorithm::Es256).unwrap() };
    let body = json!({ "role": "app", "jwt": stranger.token(&json!({})) });
    let answer = cluster.sandbox.send("vault", "POST", "auth/kubernetes/login", &[], body).await;
    refused(answer, 403, "error verifying token signature");
}

#[tokio::test]
async fn rejects_logins_without_role_token_or_configuration() {
    let cluster = cluster(true, json!({})).await;
    for (body, text) in [
        (json!({ "jwt": "a.b.c" }), "missing role"),
        (json!({ "role": "app" }), "missing jwt"),
        (json!({ "role": "none", "jwt": "a.b.c" }), "invalid role name \"none\""),
    ] {
        refused(cluster.sandbox.send("vault", "POST", "auth/kubernetes/login", &[], body).await, 400, text);
    }
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("POST", "sys/auth/kubernetes", json!({ "type": "kubernetes" })).await.0, 204);
    let role = json!({ "bound_service_account_names": "*", "bound_service_account_namespaces": "*" });
    assert_eq!(sandbox.root("POST", "auth/kubernetes/role/app", role).await.0, 204);
    let body = json!({ "role": "app", "jwt": cluster.token(&json!({})) });
    let answer = sandbox.send("vault", "POST", "auth/kubernetes/login", &[], body).await;
    refused(answer, 400, "could not load backend configuration");
}

#[tokio::test]
async fn without_keys_the_cluster_is_asked() {
    let cluster = cluster(false, json!({ "alias_name_source": "serviceaccount_name" })).await;
    cluster.knows(&status());
    let (status, body) = cluster.login(json!({})).await;
    assert_eq!(status, 200, "{body}");
    let request = cluster.sandbox.asked();
    assert_eq!(request.headers["authorization"], "Bearer reviewer");
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&asked["kind"], &asked["spec"]["audiences"]), (&json!("TokenReview"), &json!(["vault"])));
}

#[tokio::test]
async fn rejects_tokens_that_the_cluster_does_not_confirm() {
    let cluster = cluster(false, json!({})).await;
    refused(cluster.login(json!({})).await, 403, "permission denied");
    for (pointer, value) in [
        ("/authenticated", json!(false)),
        ("/audiences", json!([])),
        ("/user/username", json!("system:serviceaccount:prod:other")),
        ("/user/uid", json!("u-2")),
    ] {
        let mut bent = status();
        *bent.pointer_mut(pointer).unwrap() = value;
        cluster.knows(&bent);
        refused(cluster.login(json!({})).await, 403, "permission denied");
    }
    cluster.knows(&status());
    assert_eq!(cluster.login(json!({})).await.0, 200);
}

#[tokio::test]
async fn rejects_roles_and_configurations_that_cannot_be() {
    let sandbox = cluster(true, json!({})).await.sandbox;
    for (path, body, text) in [
        ("role/x", json!({ "bound_service_account_namespaces": "a" }), "can not be empty"),
        ("role/x", json!({ "bound_service_account_names": "a" }), "can not be empty"),
        (
            "role/x",
            json!({ "bound_service_account_names": "a,*", "bound_service_account_namespaces": "a" }),
            "can not mix",
        ),
        ("role/app", json!({ "alias_name_source": "other" }), "invalid alias_name_source"),
        ("role/app", json!({ "bound_service_account_namespace_selector": "{}" }), "labels of namespaces"),
        ("config", json!({}), "no host provided"),
        ("config", json!({ "kubernetes_host": "https://a", "pem_keys": ["none"] }), "error parsing public key"),
    ] {
        refused(sandbox.root("POST", &format!("auth/kubernetes/{path}"), body).await, 400, text);
    }
    let (_, body) = sandbox.root("GET", "auth/kubernetes/config", Value::Null).await;
    assert_eq!(body["data"]["token_reviewer_jwt_set"], true, "{body}");
    assert!(!body.to_string().contains("\"reviewer\""), "{body}");
}
