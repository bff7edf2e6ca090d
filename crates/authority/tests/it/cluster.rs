//! A whole authority that believes the pods of a cluster, by keys that somebody has brought.

use std::{path::Path, sync::Arc, time::Duration};

use carnet_authority::{Authority, AuthorityConfig};
use carnet_core::{
    Context, HttpSend as _, NewFile, Request, SectionConfig as _, SystemFiles, SystemRandom, replace_files,
    test_context,
};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_net::{Client, Settings as Network};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const AUTHORITY: &str = "https://authority.example";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
const AUDIENCE: &str = "https://audience.example";
const RULE: &str = r#"
[[rule]]
name = "pods"
issuer = "https://kubernetes.default.svc.cluster.local"
subject = "system:serviceaccount:example:admin"
identity = "/ns/{kubernetes.io/namespace}/sa/{kubernetes.io/serviceaccount/name}"
issue = ["jwt-svid"]
audiences = ["https://audience.example"]
"#;

fn context() -> Context {
    Context { random: Arc::new(SystemRandom), files: Arc::new(SystemFiles), ..test_context() }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap().with_kid("cluster")
}

fn write_keys(folder: &Path, key: &SigningKey) {
    let keys = json!({ "keys": [key.public_jwk()] }).to_string();
    replace_files(&[NewFile::new(folder.join("cluster.jwks"), keys)]).unwrap();
}

/// The configuration in a folder, with the files that it names.
fn config(folder: &Path, rules: &str) -> AuthorityConfig {
    replace_files(&[NewFile::new(folder.join("rules.toml"), rules)]).unwrap();
    let config = json!({
        "issuer": AUTHORITY,
        "trust_domain": "example.org",
        "store": { "url": "sqlite::memory:" },
        "keys": { "seal": { "key_file": folder.join("seal.key") } },
        "listen": { "public": "127.0.0.1:0", "admin": folder.join("admin.sock") },
        "rules": [folder.join("rules.toml")],
        "cluster": {
            "own": { "issuer": CLUSTER, "keys": { "file": folder.join("cluster.jwks") }, "token_review": false },
        },
    });
    serde_json::from_value(config).unwrap()
}

/// The token of a pod, with this below `kubernetes.io`.
fn token(key: &SigningKey, bound: &Value) -> String {
    let now = context().now().as_second();
    let claims = json!({
        "iss": CLUSTER, "sub": "system:serviceaccount:example:admin", "aud": [AUTHORITY], "iat": now, "exp": now + 3600,
        "kubernetes.io": bound,
    });
    encode_jwt(key, &Map::new(), claims.as_object().unwrap()).unwrap().expose().to_owned()
}

fn bound() -> Value {
    json!({
        "namespace": "example", "serviceaccount": { "name": "admin", "uid": "s-1" }, "pod": { "name": "admin-0", "uid": "p-1" },
    })
}

async fn status(at: std::net::SocketAddr, token: &str) -> u16 {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", token),
        ("audience", AUDIENCE),
    ];
    let request = Request::post_form(format!("http://{at}/oauth2/token").parse().unwrap(), &fields);
    Client::new(Network::default()).send(request).await.unwrap().status.as_u16()
}

#[tokio::test]
async fn an_authority_believes_the_pods_of_its_clusters_and_reads_their_keys_again_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (key(), key());
    write_keys(folder.path(), &first);
    let settings = config(folder.path(), RULE).check().unwrap();
    let authority = Authority::open(settings, context(), Network::default()).await.unwrap();
    let at = authority.addresses().unwrap().public;
    let (reload, reloads) = watch::channel(0);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { authority.run(reloads, stop).await.unwrap() }
    });
    assert_eq!(status(at, &token(&first, &bound())).await, 200);
    assert_eq!(status(at, &token(&first, &json!({ "namespace": "example" }))).await, 400);
    assert_eq!(status(at, &token(&second, &bound())).await, 400);
    write_keys(folder.path(), &second);
    reload.send_modify(|count| *count += 1);
    let taken = async {
        while status(at, &token(&second, &bound())).await != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken).await.unwrap();
    assert_eq!(status(at, &token(&first, &bound())).await, 400);
    stop.cancel();
    running.await.unwrap();
}

#[test]
fn rejects_a_start_without_the_keys_and_with_two_ways_to_verify_one_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let told = |rules: &str| config(folder.path(), rules).check().unwrap().check_files(&context()).unwrap_err();
    let error = told(RULE).to_string();
    assert!(error.contains("the clusters cannot be taken") && error.contains("cluster.own.keys"), "{error}");
    write_keys(folder.path(), &key());
    let error = told(&format!("{RULE}\n[[issuer]]\nissuer = \"{CLUSTER}\"\n")).to_string();
    assert!(error.contains("the configuration has a cluster of this issuer"), "{error}");
}
