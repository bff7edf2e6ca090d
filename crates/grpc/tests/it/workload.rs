use carnet_core::{ErrorKind, Secret};
use carnet_grpc::{
    spiffe_workload::{JwtsvidRequest, spiffe_workload_api_client::SpiffeWorkloadApiClient},
    tonic::{Code, transport::Endpoint},
};
use serde_json::json;

use crate::support::{Desk, Running, jwt_svid, routes, stage};

#[tokio::test]
async fn jwt_svids_come_with_their_labels_and_hidden_tokens() {
    let mut labelled = jwt_svid("second");
    labelled.hint = "internal".into();
    let (_server, desk, api) = stage(Desk::with_jwt(vec![jwt_svid("first"), labelled])).await;

    let svids = api.fetch_jwt_svid(&["b", "a"], Some("spiffe://example.org/a")).await.unwrap();

    assert_eq!(svids.len(), 2);
    assert_eq!((svids[0].token.expose(), svids[0].hint.as_deref()), ("first", None));
    assert_eq!((svids[1].token.expose(), svids[1].hint.as_deref()), ("second", Some("internal")));
    assert_eq!(svids[0].spiffe_id, "spiffe://example.org/a");
    assert!(!format!("{svids:?}").contains("first"), "{svids:?}");
    let asked = JwtsvidRequest { audience: vec!["b".into(), "a".into()], spiffe_id: "spiffe://example.org/a".into() };
    assert_eq!(*desk.asked.lock().unwrap(), [asked]);
}

#[tokio::test]
async fn without_an_identity_named_all_are_asked_for() {
    let (_server, desk, api) = stage(Desk::with_jwt(vec![jwt_svid("t")])).await;
    api.fetch_jwt_svid(&["a"], None).await.unwrap();
    assert_eq!(desk.asked.lock().unwrap()[0].spiffe_id, "");
}

#[tokio::test]
async fn rejects_a_request_for_no_audience_without_asking() {
    let (_server, desk, api) = stage(Desk::with_jwt(vec![jwt_svid("t")])).await;
    let error = api.fetch_jwt_svid(&[] as &[&str], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(desk.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn x509_svids_come_with_key_and_bundles() {
    let (_server, _desk, api) = stage(Desk::default()).await;
    let context = api.fetch_x509_svid().await.unwrap();
    assert_eq!(context.svids.len(), 1);
    let svid = &context.svids[0];
    assert_eq!(svid.spiffe_id, "spiffe://example.org/a");
    assert_eq!(
        (&svid.certificates[..], svid.private_key.expose(), &svid.bundle[..]),
        (&b"leaf"[..], &b"key"[..], &b"ca"[..])
    );
    assert_eq!(svid.hint.as_deref(), Some("internal"));
    assert_eq!(context.federated_bundles["spiffe://other.org"], b"other");
}

#[tokio::test]
async fn bundles_of_both_kinds_come_by_trust_domain() {
    let (_server, _desk, api) = stage(Desk::default()).await;
    let x509 = api.fetch_x509_bundles().await.unwrap();
    assert_eq!(x509.bundles["spiffe://example.org"], b"der");
    assert_eq!(x509.crls, [b"crl"]);
    let jwt = api.fetch_jwt_bundles().await.unwrap();
    assert_eq!(jwt.bundles["spiffe://example.org"], br#"{"keys":[]}"#);
}

#[tokio::test]
async fn a_good_token_is_told_with_its_claims() {
    let (_server, _desk, api) = stage(Desk::default()).await;
    let validated = api.validate_jwt_svid("api", &Secret::new("b")).await.unwrap();
    assert_eq!(validated.spiffe_id, "spiffe://example.org/b");
    assert_eq!(serde_json::Value::Object(validated.claims), json!({"aud": "api"}));
}

/// The proof that the server of these tests looks: every other test passes only because the client sends the header.
#[tokio::test]
async fn the_server_of_these_tests_refuses_a_call_without_the_security_header() {
    let server = Running::start(routes(Desk::with_jwt(vec![jwt_svid("t")])).1);
    let channel = Endpoint::from_shared(server.address()).unwrap().connect().await.unwrap();
    let status = SpiffeWorkloadApiClient::new(channel).fetch_jwtsvid(JwtsvidRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}
