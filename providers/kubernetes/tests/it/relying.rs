//! Somebody believes the tokens of a cluster: from inside of it, from outside, by keys and by asking.

use carnet_core::{Context, Request, Secret};
use carnet_kubernetes::relying::{ClusterConfig, ClusterVerifier};
use carnet_kubernetes_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Clusters, cluster};

fn verifier(context: &Context, extra: Value) -> ClusterVerifier {
    let mut config =
        json!({"audiences": [AUDIENCE], "service_accounts": ["example:admin"], "issuer": seed::DEFAULT_ISSUER});
    let Value::Object(extra) = extra else { panic!("fields are an object") };
    config.as_object_mut().unwrap().extend(extra);
    let mut mistakes = Vec::new();
    let config: ClusterConfig = serde_json::from_value(config).unwrap();
    config.check("cluster", context, &mut mistakes).unwrap_or_else(|| panic!("{mistakes:?}"))
}

async fn clause(verifier: &ClusterVerifier, token: &Secret) -> Option<&'static str> {
    verifier.decide(token).await.unwrap().refusal().map(|refusal| refusal.clause)
}

/// The authority's own pod, whose account may review tokens.
fn authority(clusters: &Clusters, name: &str) -> Context {
    clusters.pod(name, seed::AUTHORITY.0, "authority-0").0
}

#[tokio::test]
async fn an_authority_in_the_cluster_reads_the_keys_and_reviews_tokens() {
    let clusters = Clusters::new();
    let context = authority(&clusters, "dev");
    for ways in [
        json!({"keys": {"in-cluster": {}}}),
        json!({"token_review": {}}),
        json!({"keys": {"in-cluster": {}}, "token_review": {}}),
    ] {
        let verifier = verifier(&context, ways);
        let decision = verifier.decide(&clusters.projected("dev", "admin-0")).await.unwrap();
        let grant = decision.grant().unwrap_or_else(|| panic!("{decision:?}"));
        assert_eq!(grant.attributes["node-name"], seed::NODE);
        assert_eq!(clause(&verifier, &clusters.projected("dev", "viewer-0")).await, Some("service-account"));
        // For the API server, and not for us.
        let own = clusters.emulator.projected_token("dev", seed::NAMESPACE, "admin-0", None).unwrap();
        assert!(matches!(clause(&verifier, &own).await, Some("audience" | "token")));
    }
}

#[tokio::test]
async fn rejects_the_token_of_another_cluster_with_the_same_issuer() {
    let clusters = Clusters::new();
    let context = authority(&clusters, "dev");
    let foreign = clusters.projected("basic", "admin-0");
    let by_keys = verifier(&context, json!({"keys": {"in-cluster": {}}}));
    assert_eq!(clause(&by_keys, &foreign).await, Some("key"));
    let by_review = verifier(&context, json!({"token_review": {}}));
    assert_eq!(clause(&by_review, &foreign).await, Some("token"));
}

#[tokio::test]
async fn a_pod_that_is_gone_is_known_to_the_api_server_alone() {
    let clusters = Clusters::new();
    let context = authority(&clusters, "dev");
    let token = clusters.projected("dev", "admin-0");
    clusters.delete_pod("dev", "admin-0").await;
    assert_eq!(clause(&verifier(&context, json!({"keys": {"in-cluster": {}}})), &token).await, None);
    assert_eq!(clause(&verifier(&context, json!({"token_review": {}})), &token).await, Some("token"));
    let both = json!({"keys": {"in-cluster": {}}, "token_review": {}});
    assert_eq!(clause(&verifier(&context, both), &token).await, Some("token"));
}

#[tokio::test]
async fn the_keys_of_a_public_issuer_are_read_from_anywhere() {
    let clusters = Clusters::new();
    let context = clusters.elsewhere();
    let public = json!({"issuer": seed::PUBLIC_ISSUER, "keys": "discovery"});
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
    let verifier = verifier(&context, json!({"keys": {"jwks": uploaded}}));
    assert_eq!(clause(&verifier, &clusters.projected("dev", "admin-0")).await, None);
}

#[tokio::test]
async fn rejects_a_token_that_is_over() {
    let clusters = Clusters::new();
    let context = authority(&clusters, "dev");
    let token = clusters.projected("dev", "admin-0");
    let by_keys = verifier(&context, json!({"keys": {"in-cluster": {}}}));
    assert_eq!(clause(&by_keys, &token).await, None);
    clusters.clock.advance(SignedDuration::from_mins(61));
    assert_eq!(clause(&by_keys, &token).await, Some("expired"));
    assert_eq!(clause(&verifier(&context, json!({"token_review": {}})), &token).await, Some("token"));
}

#[tokio::test]
async fn an_account_that_may_not_review_believes_nobody() {
    let clusters = Clusters::new();
    let (context, _) = clusters.pod("dev", seed::NAMESPACE, "viewer-0");
    let verifier = verifier(&context, json!({"token_review": {}}));
    let error = verifier.decide(&clusters.projected("dev", "admin-0")).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("rbac"));
}
