//! Who gets in, and who does not.

use std::sync::Arc;

use axum::extract::ConnectInfo;
use carnet_core::{HttpSend as _, Secret};
use carnet_issuer::{Caller, SubjectType, TokenRequest};
use carnet_net::{Client, ClientCertificates, ClientTls, PeerCertificates, TlsCertificate, TlsServerConfig, serve};
use carnet_store::Outcome;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::world::{ADMIN_ID, AUTHORITY, World, admin_rule, entry};

/// An access token by [`admin_rule`], bent.
async fn token(world: &World, rule: Value, scope: Option<&str>) -> Secret {
    world.rule(rule).await;
    let svid = world.jwt_svid("spiffe://example.org/ops/alice").await;
    let request = TokenRequest {
        audiences: vec![AUTHORITY.to_owned()],
        scope: scope.map(ToOwned::to_owned),
        ..TokenRequest::exchange(svid, SubjectType::JwtSvid)
    };
    world.issuer.exchange(request, Caller::at("192.0.2.1:1")).await.unwrap().access_token
}

/// What the audit log has of the last refusal.
async fn refused(world: &World, status: u16, clause: &str, answer: &super::world::Answer) {
    let row = world.last().await.record;
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!((row.action.as_str(), row.outcome), ("admin.access", Outcome::Refused), "{row:?}");
    assert_eq!(row.clause.as_deref(), Some(clause), "{row:?}");
    assert_eq!(answer.body["error"]["request_id"], row.request_id);
    // Nothing but this is told.
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(["who asks is not known here", "who asks may not use the admin API"].contains(&message), "{message}");
}

#[tokio::test]
async fn accepts_the_own_user_on_the_socket_and_names_it_in_the_audit() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/info").await.status, 200);
    assert_eq!(world.post("/v1/entries", entry("/a")).await.status, 201);
    let row = world.last().await.record;
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!((row.action.as_str(), row.actor), ("entry.create", format!("uid:{uid}")));
    assert!(row.peer.unwrap().contains(&format!("uid {uid}")));
}

#[tokio::test]
async fn accepts_root_and_listed_users() {
    let world = World::new().await;
    assert_eq!(world.as_user(0).await.status, 200);
    assert_eq!(world.as_user(4711).await.status, 200);
}

#[tokio::test]
async fn rejects_another_user() {
    let world = World::new().await;
    let answer = world.as_user(4712).await;
    refused(&world, 403, "uid", &answer).await;
    assert_eq!(world.last().await.record.actor, "uid:4712");
}

#[tokio::test]
async fn rejects_the_user_that_stands_for_all_who_have_no_number_here() {
    let world = World::new().await;
    let answer = world.as_user(65_534).await;
    refused(&world, 403, "uid", &answer).await;
}

#[tokio::test]
async fn a_join_token_in_a_refused_path_is_not_in_the_audit_log() {
    let world = World::new().await;
    let made = world.post("/v1/join-tokens", json!({})).await;
    let token = made.body["token"].as_str().unwrap();
    for (path, shown) in [
        (format!("/v1/join-tokens/{token}"), "DELETE /v1/join-tokens/{hash}"),
        (format!("/v1/join-tokens/{token}/"), "DELETE a path that is not known"),
    ] {
        let answer = world
            .as_caller(|request| {
                *request.method_mut() = http::Method::DELETE;
                *request.uri_mut() = path.parse().unwrap();
            })
            .await;
        refused(&world, 401, "identity", &answer).await;
        let row = world.last().await.record;
        assert_eq!(row.details["request"], shown);
        assert!(!format!("{row:?}").contains(token), "{row:?}");
    }
}

#[tokio::test]
async fn rejects_who_shows_nothing() {
    let world = World::new().await;
    let answer = world.as_caller(|_| ()).await;
    refused(&world, 401, "identity", &answer).await;
}

#[tokio::test]
async fn rejects_paths_that_do_not_exist_like_all_others() {
    let world = World::new().await;
    let answer = world.as_caller(|request| *request.uri_mut() = "/v1/nothing".parse().unwrap()).await;
    refused(&world, 401, "identity", &answer).await;
}

async fn with_chain(world: &World, chain: Vec<Vec<u8>>) -> super::world::Answer {
    world.as_caller(|request| drop(request.extensions_mut().insert(PeerCertificates(Arc::new(chain))))).await
}

#[tokio::test]
async fn accepts_a_listed_certificate_over_tls() {
    let world = World::new().await;
    let (server, server_key) = world.svid("spiffe://example.org/carnet/authority").await;
    let shown = TlsCertificate::from_der(&server, &server_key.to_pkcs8().unwrap()).unwrap();
    let config = TlsServerConfig::new(
        Arc::new(move || Some(shown.clone())),
        ClientCertificates::Optional(Arc::new(|_chain| Ok(()))),
    )
    .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    tokio::spawn(serve(listener, world.router.clone(), Some(Arc::new(config)), shutdown));
    let (chain, key) = world.svid(ADMIN_ID).await;
    let own = TlsCertificate::from_der(&chain, &key.to_pkcs8().unwrap()).unwrap();
    let tls = ClientTls::new().identity(Arc::new(move || Some(own.clone()))).verifier(Arc::new(|_chain| Ok(())));
    let client = Client::new(carnet_net::Settings::default()).with_tls(tls);
    let url = format!("https://{address}/v1/keys/rotate").parse().unwrap();
    let request = carnet_core::Request::post_json(url, &json!({ "purpose": "jwt:ES256" }));
    assert_eq!(client.send(request).await.unwrap().status, 200);
    let row = world.last().await.record;
    assert_eq!((row.action.as_str(), row.actor.as_str()), ("key.rotate", ADMIN_ID));
}

#[tokio::test]
async fn accepts_a_certificate_of_an_entry_with_admin_until_it_is_gone() {
    let world = World::new().await;
    let mut admin = entry("/ops/bob");
    admin["id"] = json!("bob");
    admin["admin"] = json!(true);
    assert_eq!(world.post("/v1/entries", admin).await.status, 201);
    let (chain, _) = world.svid("spiffe://example.org/ops/bob").await;
    assert_eq!(with_chain(&world, chain.clone()).await.status, 200);
    assert_eq!(world.delete("/v1/entries/bob").await.status, 200);
    let answer = with_chain(&world, chain).await;
    refused(&world, 403, "spiffe-id", &answer).await;
}

#[tokio::test]
async fn rejects_a_certificate_of_an_entry_without_admin() {
    let world = World::new().await;
    assert_eq!(world.post("/v1/entries", entry("/app")).await.status, 201);
    let (chain, _) = world.svid("spiffe://example.org/app").await;
    let answer = with_chain(&world, chain).await;
    refused(&world, 403, "spiffe-id", &answer).await;
    assert_eq!(world.last().await.record.actor, "spiffe://example.org/app");
}

#[tokio::test]
async fn rejects_a_certificate_of_an_authority_of_the_same_name() {
    let (world, other) = (World::new().await, World::new().await);
    let (chain, _) = other.svid(ADMIN_ID).await;
    let answer = with_chain(&world, chain).await;
    refused(&world, 401, "certificate", &answer).await;
}

#[tokio::test]
async fn rejects_a_certificate_that_expired_on_an_open_connection() {
    let world = World::new().await;
    let (chain, _) = world.svid(ADMIN_ID).await;
    world.clock.advance(SignedDuration::from_hours(2));
    let answer = with_chain(&world, chain).await;
    refused(&world, 401, "certificate", &answer).await;
}

#[tokio::test]
async fn accepts_a_token_whose_rule_grants_the_scope() {
    let world = World::new().await;
    let token = token(&world, admin_rule(), None).await;
    assert_eq!(world.with_token(token.expose()).await.status, 200);
    let authorization = format!("Bearer {}", token.expose());
    let body = Some(entry("/by-token"));
    let answer = world.call("POST", "/v1/entries", body, &[("authorization", &authorization)]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let row = world.last().await.record;
    assert_eq!(row.actor, "spiffe://example.org/ops/alice (rule operators)");
}

#[tokio::test]
async fn rejects_a_token_with_another_scope() {
    let world = World::new().await;
    let token = token(&world, admin_rule(), Some("other")).await;
    let answer = world.with_token(token.expose()).await;
    refused(&world, 403, "scope", &answer).await;
    assert_eq!(world.last().await.record.rule.as_deref(), Some("operators"));
}

#[tokio::test]
async fn rejects_a_token_whose_rule_does_not_grant_it_any_more() {
    let world = World::new().await;
    let token = token(&world, admin_rule(), None).await;
    let mut less = admin_rule();
    less["scopes"] = json!(["other"]);
    world.rule(less).await;
    let answer = world.with_token(token.expose()).await;
    refused(&world, 403, "rule", &answer).await;
}

#[tokio::test]
async fn rejects_a_revoked_token() {
    let world = World::new().await;
    let token = token(&world, admin_rule(), None).await;
    let id = carnet_jose::UnverifiedJwt::parse(token.expose()).unwrap();
    let id = id.unverified_claims().str("jti").unwrap().to_owned();
    assert_eq!(world.post(&format!("/v1/tokens/{id}/revoke"), json!({})).await.status, 200);
    let answer = world.with_token(token.expose()).await;
    refused(&world, 401, "revoked", &answer).await;
}

#[tokio::test]
async fn rejects_an_expired_token() {
    let world = World::new().await;
    let token = token(&world, admin_rule(), None).await;
    world.clock.advance(SignedDuration::from_hours(12));
    let answer = world.with_token(token.expose()).await;
    refused(&world, 401, "token", &answer).await;
}

#[tokio::test]
async fn rejects_a_token_for_somebody_else() {
    let world = World::new().await;
    let mut rule = admin_rule();
    rule["audiences"] = json!([AUTHORITY, "https://elsewhere.example"]);
    world.rule(rule).await;
    let svid = world.jwt_svid("spiffe://example.org/ops/alice").await;
    let request = TokenRequest {
        audiences: vec!["https://elsewhere.example".to_owned()],
        ..TokenRequest::exchange(svid, SubjectType::JwtSvid)
    };
    let token = world.issuer.exchange(request, Caller::at("192.0.2.1:1")).await.unwrap().access_token;
    let answer = world.with_token(token.expose()).await;
    refused(&world, 401, "token", &answer).await;
}

#[tokio::test]
async fn rejects_a_jwt_svid_in_place_of_an_access_token() {
    let world = World::new().await;
    let svid = world.jwt_svid(ADMIN_ID).await;
    let answer = world.with_token(svid.expose()).await;
    refused(&world, 401, "token", &answer).await;
}

#[tokio::test]
async fn rejects_a_token_of_an_authority_of_the_same_name() {
    let (world, other) = (World::new().await, World::new().await);
    let token = token(&other, admin_rule(), None).await;
    let answer = world.with_token(token.expose()).await;
    refused(&world, 401, "token", &answer).await;
}

#[tokio::test]
async fn rejects_a_bad_token_even_of_root() {
    let world = World::new().await;
    let answer = world.call("GET", "/v1/info", None, &[("authorization", "Bearer x.y.z")]).await;
    refused(&world, 401, "token", &answer).await;
    let answer = world.call("GET", "/v1/info", None, &[("authorization", "Basic eDp5")]).await;
    refused(&world, 401, "header", &answer).await;
}

#[tokio::test]
async fn a_token_is_good_within_its_networks_only() {
    let world = World::new().await;
    let mut rule = admin_rule();
    rule["networks"] = json!(["192.0.2.0/24"]);
    let token = token(&world, rule, None).await;
    let from = async |address: &str| {
        let (address, value) = (address.parse::<std::net::SocketAddr>().unwrap(), format!("Bearer {}", token.expose()));
        world
            .as_caller(|request| {
                request.extensions_mut().insert(ConnectInfo(address));
                request.headers_mut().insert("authorization", value.parse().unwrap());
            })
            .await
    };
    assert_eq!(from("192.0.2.9:5").await.status, 200);
    let answer = from("198.51.100.9:5").await;
    refused(&world, 403, "network", &answer).await;
}

#[tokio::test]
async fn a_token_whose_uses_are_counted_is_used_up() {
    let world = World::new().await;
    let mut rule = admin_rule();
    rule["uses"] = json!(1);
    let token = token(&world, rule, None).await;
    assert_eq!(world.with_token(token.expose()).await.status, 200);
    assert_eq!(world.last().await.record.action, "admin.use-token");
    let answer = world.with_token(token.expose()).await;
    refused(&world, 401, "uses", &answer).await;
}

#[tokio::test]
async fn strangers_cannot_fill_the_audit_log() {
    let world = World::new().await;
    let before = world.audit().await.len();
    for _ in 0..50 {
        assert_eq!(world.as_user(4712).await.status, 403);
    }
    assert_eq!(world.audit().await.len() - before, 20);
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(world.as_user(4712).await.status, 403);
    assert_eq!(world.last().await.record.details["unrecorded"], 30);
}
