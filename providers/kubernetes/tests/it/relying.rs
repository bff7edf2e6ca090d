//! Somebody believes the tokens of a cluster: from inside of it, from outside, by keys and by asking.

use carnet_core::{Context, Request, Secret};
use carnet_kubernetes::relying::{ClusterConfig, ClusterVerifier};
use carnet_kubernetes_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Clusters, cluster};

fn verifier(context: &Context, extra: Value) -> ClusterVerifier {
    let mut config = json!({"issuer": seed::DEFAULT_ISSUER, "service_accounts": ["example:admin"]});
    let Value::Object(extra) = extra else { panic!("fields are an object") };
    config.as_object_mut().unwrap().extend(extra);
    let config: ClusterConfig = serde_json::from_value(config).unwrap();
    config.load(context).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

async fn clause(verifier: &ClusterVerifier, token: &Secret) -> Option<&'static str> {
    verifier.verify(token, &[AUDIENCE]).await.unwrap().err().map(|refusal| refusal.clause)
}

/// The authority's own pod, whose account may review tokens.
fn authority(clusters: &Clusters, name: &str) -> Context {
    clusters.pod(name, seed::AUTHORITY.0, "authority-0").0
}

#[tokio::test]
async fn an_authority_in_the_cluster_reads_the_keys_and_reviews_tokens() {
    let clusters = Clusters::new();
    let context = authority(&clusters, "dev");
    for ways in [json!({}), json!({"token_review": false})] {
        let verifier = verifier(&context, ways);
        let believed = verifier.verify(&clusters.projected("dev", "admin-0"), &[AUDIENCE]).await.unwrap().unwrap();
        assert_eq!(believed.bound.node.unwrap().name, seed::NODE);
        assert_eq!(clause(&verifier, &clusters.projected("dev", "viewer-0")).await, Some("service-account"));
        // For the API server, and not for us.
        let own = clusters.emulator.projected_token("dev", seed::NAMESPACE, "admin-0", None).unwrap();
        assert_eq!(clause(&verifier, &own).await, Some("audience"));
    }
}

#[tokio::test]
async fn rejects_the_token_of_another_cluster_with_the_same_issuer() {
    let clusters = Clusters::new();
    let verifier = verifier(&authority(&clusters, "dev"), json!({}));
    assert_eq!(clause(&verifier, &clusters.projected("basic", "admin-0")).await, Some("key"));
}

#[tokio::test]
async fn a_pod_that_is_gone_is_known_to_the_api_server_alone() {
    let clusters = Clusters::new();
    let context = authority(&clusters, "dev");
    let token = clusters.projected("dev", "admin-0");
    clusters.delete_pod("dev", "admin-0").await;
    assert_eq!(clause(&verifier(&context, json!({"token_review": false})), &token).await, None);
    assert_eq!(clause(&verifier(&context, json!({})), &token).await, Some("token"));
}

#[tokio::test]
async fn the_keys_of_a_public_issuer_are_read_from_anywhere() {
    let clusters = Clusters::new();
    let context = clusters.elsewhere();
    let public = json!({"issuer": seed::PUBLIC_ISSUER, "keys": "discovery", "token_review": false});
    let verifier = verifier(&context, public);
    assert_eq!(clause(&verifier, &clusters.projected("prod", "admin-0")).await, None);
    assert_eq!(clause(&verifier, &clusters.projected("dev", "admin-0")).await, Some("issuer"));
}

#[tokio::test]
async fn uploaded_keys_need_nobody() {
    let clusters = Clusters::new();
    let own = clusters.emulator.projected_token("dev", seed::NAMESPACE, "viewer-0", None).unwrap();
    let url = format!("https://{}/openid/v1/jwks", cluster("dev").host).parse().unwrap();
    let context = clusters.elsewhere();
    let keys = context.http.send(Request::get(url).bearer(&own).unwrap()).await.unwrap();
    let uploaded: Value = keys.json("the keys").unwrap();
    let verifier = verifier(&context, json!({"keys": {"jwks": uploaded}, "token_review": false}));
    assert_eq!(clause(&verifier, &clusters.projected("dev", "admin-0")).await, None);
}

#[tokio::test]
async fn rejects_a_token_that_is_over() {
    let clusters = Clusters::new();
    let verifier = verifier(&authority(&clusters, "dev"), json!({}));
    let token = clusters.projected("dev", "admin-0");
    assert_eq!(clause(&verifier, &token).await, None);
    clusters.clock.advance(SignedDuration::from_mins(61));
    assert_eq!(clause(&verifier, &token).await, Some("expired"));
}

#[tokio::test]
async fn an_account_that_may_not_review_believes_nobody() {
    let clusters = Clusters::new();
    let (context, _) = clusters.pod("dev", seed::NAMESPACE, "viewer-0");
    let verifier = verifier(&context, json!({}));
    let error = verifier.verify(&clusters.projected("dev", "admin-0"), &[AUDIENCE]).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("token-review"));
    assert!(error.hints().join(" ").contains("system:auth-delegator"), "{error:?}");
}
