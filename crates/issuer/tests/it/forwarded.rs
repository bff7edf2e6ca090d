//! Callers whose requests a proxy brings.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo};
use carnet_net::{ForwardedPeer, PeerCertificates, TrustedProxies};
use http::{Request, StatusCode};
use serde_json::json;

use crate::{
    support::{EXCHANGE, JWT, X509_SVID, form},
    world::{World, claims, rule_with, sign},
};

/// The proxy.
const PROXY: &str = "10.0.0.1:4711";

/// What comes of an exchange under a rule for these networks: the status, the peer in the audit row, the clause of a refusal.
async fn exchange(networks: &[&str], peer: &str, list: Option<&str>) -> (StatusCode, String, String) {
    let world = World::new(vec![rule_with(json!({ "networks": networks }))]).await;
    let mut request = Request::post("/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
    if let Some(list) = list {
        request = request.header("x-forwarded-for", list);
    }
    let token = sign(&claims());
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", JWT), ("subject_token", token.expose())];
    let mut request = request.body(Body::from(form(&fields))).unwrap();
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    let proxies = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
    let router = proxies.name_clients(world.router.clone());
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    let row = world.last().await;
    (answer.status(), row.peer.unwrap_or_default(), row.clause.unwrap_or_default())
}

#[tokio::test]
async fn networks_and_the_audit_mean_the_caller_and_not_the_proxy() {
    let (status, peer, _) = exchange(&["192.0.2.0/24"], PROXY, Some("192.0.2.7")).await;
    assert_eq!((status, peer.as_str()), (StatusCode::OK, "192.0.2.7"));
}

#[tokio::test]
async fn rejects_a_caller_from_elsewhere_whatever_network_its_proxy_is_in() {
    let (status, peer, clause) = exchange(&["10.0.0.0/8"], PROXY, Some("192.0.2.7")).await;
    assert_eq!((status, peer.as_str()), (StatusCode::BAD_REQUEST, "192.0.2.7"));
    assert!(clause.contains("network"), "{clause}");
}

#[tokio::test]
async fn rejects_an_address_that_a_stranger_gives_himself() {
    let (status, peer, clause) = exchange(&["192.0.2.0/24"], "198.51.100.66:1", Some("192.0.2.7")).await;
    assert_eq!((status, peer.as_str()), (StatusCode::BAD_REQUEST, "198.51.100.66:1"));
    assert!(clause.contains("network"), "{clause}");
    let (status, peer, _) = exchange(&["192.0.2.0/24"], PROXY, Some("192.0.2.7, 198.51.100.66")).await;
    assert_eq!((status, peer.as_str()), (StatusCode::BAD_REQUEST, "198.51.100.66"));
}

#[tokio::test]
async fn rejects_a_caller_that_the_proxy_does_not_name() {
    for list in [None, Some(""), Some("unknown"), Some("192.0.2.7, not an address"), Some("192.0.2.7,")] {
        let (status, peer, clause) = exchange(&["10.0.0.0/8", "192.0.2.0/24"], PROXY, list).await;
        assert_eq!((status, peer.as_str()), (StatusCode::BAD_REQUEST, "proxy:10.0.0.1"), "{list:?}");
        assert!(clause.contains("network"), "{clause}");
        let (status, ..) = exchange(&[], PROXY, list).await;
        assert_eq!(status, StatusCode::OK, "a rule for all networks does not ask");
    }
}

#[tokio::test]
async fn rejects_the_certificate_of_a_proxy_as_that_of_a_caller() {
    let world = World::new(vec![rule_with(json!({}))]).await;
    let body = form(&[("grant_type", EXCHANGE), ("subject_token_type", X509_SVID)]);
    let send = async |forwarded: bool| {
        let request = Request::post("/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.body(Body::from(body.clone())).unwrap();
        request.extensions_mut().insert(ConnectInfo(PROXY.parse::<SocketAddr>().unwrap()));
        request.extensions_mut().insert(PeerCertificates(std::sync::Arc::new(vec![vec![0x30, 0x00]])));
        if forwarded {
            request.extensions_mut().insert(ForwardedPeer::Address("192.0.2.7".parse().unwrap()));
        }
        tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
        serde_json::to_string(&world.last().await.details).unwrap()
    };
    assert!(send(true).await.contains("no certificate"));
    assert!(!send(false).await.contains("no certificate"), "without a proxy it is looked at");
}
