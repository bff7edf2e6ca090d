//! Looking up and revoking (RFC 7662, RFC 7009).

use axum::body::Body;
use carnet_core::Secret;
use carnet_issuer::{Caller, Rule, RuleSet};
use carnet_store::Outcome;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    support::{ACCESS_TOKEN, Answer, BEARER_ASSERTION, EXCHANGE, form},
    world::{AUDIENCE, World, claims, claims_with, domain, rule, rule_with, sign},
};

fn resource_server() -> Secret {
    sign(&claims_with(json!({ "sub": "service:api", "jti": "rs" })))
}

pub(crate) fn lookup_rule(audiences: Value) -> Rule {
    rule_with(json!({
        "name": "lookup", "subject": "service:api", "condition": null, "issue": [], "audiences": [], "identity": null,
        "introspect": audiences,
    }))
}

pub(crate) async fn world_with(members: Value) -> World {
    World::new(vec![rule_with(members), lookup_rule(json!([AUDIENCE]))]).await
}

pub(crate) async fn look_up(world: &World, token: &Secret, more: &[(&str, &str)]) -> Answer {
    let by = resource_server();
    let fields =
        [("token", token.expose()), ("client_assertion_type", BEARER_ASSERTION), ("client_assertion", by.expose())];
    world.post("/oauth2/introspect", &[&fields, more].concat()).await
}

/// The token is inactive, and nothing else is said; the audit says why.
pub(crate) async fn assert_inactive(world: &World, token: &Secret, clause: &str) {
    let answer = look_up(world, token, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "active": false })));
    let row = world.last().await;
    assert_eq!((row.action.as_str(), row.outcome), ("token.introspect", Outcome::Refused));
    assert_eq!(row.clause.as_deref(), Some(clause), "{row:?}");
}

#[tokio::test]
async fn an_active_token_is_shown_to_who_may_see_it() {
    let world = world_with(json!({ "scopes": ["read"] })).await;
    let token = world.access_token().await;
    let body = look_up(&world, &token, &[]).await.json();
    assert_eq!(
        (&body["active"], &body["scope"], &body["token_type"]),
        (&json!(true), &json!("read"), &json!("Bearer"))
    );
    assert_eq!((&body["sub"], &body["aud"]), (&json!("spiffe://example.org/ci/42/web"), &json!([AUDIENCE])));
    assert_eq!(body["client_id"], "repo:org/app:main");
    let row = world.last().await;
    assert_eq!((row.actor.as_str(), row.rule.as_deref()), ("service:api", Some("lookup")));
    assert_eq!(row.outcome, Outcome::Allowed);
}

#[tokio::test]
async fn rejects_a_caller_that_is_nobody_or_has_no_rule() {
    let world = world_with(json!({})).await;
    let token = world.access_token().await;
    let answer = world.post("/oauth2/introspect", &[("token", token.expose())]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    // The subject of the first rule may have tokens, and look none up.
    let by = sign(&claims());
    let fields =
        [("token", token.expose()), ("client_assertion_type", BEARER_ASSERTION), ("client_assertion", by.expose())];
    let answer = world.post("/oauth2/introspect", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    assert_eq!(world.clause().await, "rule");
}

#[tokio::test]
async fn a_token_in_the_header_says_who_asks() {
    let world = world_with(json!({})).await;
    let token = world.access_token().await;
    let ask = |header: String| {
        Request::post("/oauth2/introspect")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", header)
            .extension(Caller::at("192.0.2.7"))
            .body(Body::from(form(&[("token", token.expose())])))
            .unwrap()
    };
    let answer = world.send(ask(format!("Bearer {}", resource_server().expose()))).await;
    assert_eq!(answer.json()["active"], true);
    let expired = sign(&claims_with(json!({ "exp": 1 })));
    for (header, challenge) in [
        (format!("Bearer {}", expired.expose()), "Bearer realm=\"carnet\""),
        ("Basic YTpi".to_owned(), "Basic realm=\"carnet\""),
    ] {
        let answer = world.send(ask(header)).await;
        assert_eq!(answer.status.as_u16(), 401);
        assert_eq!(answer.headers["www-authenticate"], challenge);
    }
}

#[tokio::test]
async fn a_token_for_others_is_inactive() {
    let world = World::new(vec![rule(), lookup_rule(json!(["https://other.example"]))]).await;
    let token = world.access_token().await;
    assert_inactive(&world, &token, "introspect").await;
}

#[tokio::test]
async fn forged_foreign_and_other_tokens_are_inactive() {
    let world = world_with(json!({})).await;
    let token = world.access_token().await;
    let (signed, signature) = token.expose().rsplit_once('.').unwrap();
    let changed = signature.replacen(|c: char| c != 'A', "A", 1);
    assert_inactive(&world, &Secret::new(format!("{signed}.{changed}")), "signature").await;
    assert_inactive(&world, &Secret::new("x"), "form").await;
    assert_inactive(&world, &sign(&claims()), "header").await;
    let svid = world.exchange(&sign(&claims()), &[]).await.token();
    assert_inactive(&world, &svid, "header").await;
}

#[tokio::test]
async fn a_revoked_token_is_inactive() {
    let world = world_with(json!({})).await;
    let token = world.access_token().await;
    let answer = world.post("/oauth2/revoke", &[("token", token.expose())]).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    let row = world.last().await;
    assert_eq!((row.action.as_str(), row.outcome), ("token.revoke", Outcome::Allowed));
    assert_inactive(&world, &token, "revoked").await;
}

#[tokio::test]
async fn an_expired_token_is_inactive() {
    let world = world_with(json!({ "lifetime": 60 })).await;
    let token = world.access_token().await;
    world.clock.advance(SignedDuration::from_secs(60));
    assert_inactive(&world, &token, "expired").await;
}

#[tokio::test]
async fn uses_are_counted() {
    let world = world_with(json!({ "uses": 2 })).await;
    let token = world.access_token().await;
    for active in [true, true, false, false] {
        assert_eq!(look_up(&world, &token, &[]).await.json()["active"], active);
    }
    let row = world.last().await;
    assert_eq!((row.clause.as_deref(), &row.details["wanted"]), (Some("uses"), &json!("a token with uses left")));
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", ACCESS_TOKEN), ("subject_token", token.expose())];
    world.ask(&fields).await;
    assert_eq!(world.clause().await, "uses", "nor can it be exchanged");
}

#[tokio::test]
async fn a_token_that_is_bound_to_networks_is_active_there_only() {
    let bound = rule_with(json!({ "networks": ["192.0.2.0/24"] }));
    let world = World::new(vec![bound, lookup_rule(json!([AUDIENCE]))]).await;
    let token = world.access_token().await;
    assert_inactive(&world, &token, "network").await;
    for (address, active) in [("192.0.2.99", true), ("198.51.100.1", false), ("x", false)] {
        let answer = look_up(&world, &token, &[("client_address", address)]).await;
        assert_eq!(answer.json()["active"], active, "{address}");
    }
}

#[tokio::test]
async fn revoking_what_is_not_good_is_answered_with_200() {
    let world = world_with(json!({})).await;
    for token in ["x", sign(&claims()).expose()] {
        let answer = world.post("/oauth2/revoke", &[("token", token)]).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        assert_eq!(world.last().await.outcome, Outcome::Refused);
    }
    let svid = world.exchange(&sign(&claims()), &[]).await.token();
    let answer = world.post("/oauth2/revoke", &[("token", svid.expose())]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "unsupported_token_type"));
}

#[tokio::test]
async fn rejects_a_revocation_by_a_client_that_does_not_prove_itself() {
    let world = world_with(json!({})).await;
    let token = world.access_token().await;
    let bad = sign(&claims_with(json!({ "exp": 1 })));
    let fields =
        [("token", token.expose()), ("client_assertion_type", BEARER_ASSERTION), ("client_assertion", bad.expose())];
    assert_eq!(world.post("/oauth2/revoke", &fields).await.status.as_u16(), 401);
    assert_eq!(look_up(&world, &token, &[]).await.json()["active"], true);
}

#[tokio::test]
async fn rejects_requests_about_no_token_or_two() {
    let world = world_with(json!({})).await;
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        for fields in [&[][..], &[("token", "a"), ("token", "b")], &[("token", "a"), ("client_assertion", "b")]] {
            let answer = world.post(path, fields).await;
            assert_eq!(
                (answer.status.as_u16(), answer.error().as_str()),
                (400, "invalid_request"),
                "{path} {fields:?}"
            );
        }
    }
}

#[tokio::test]
async fn rejects_a_token_whose_rule_is_gone_or_gives_no_access_tokens_any_more() {
    for changed in [json!({ "name": "other" }), json!({ "issue": ["jwt-svid"] })] {
        let world = world_with(json!({})).await;
        let token = world.access_token().await;
        let rules = vec![rule_with(changed), lookup_rule(json!([AUDIENCE]))];
        let rules = RuleSet::load_with(rules, &[], Some(&domain())).unwrap();
        world.rules.send_replace(std::sync::Arc::new(rules));
        assert_inactive(&world, &token, "revoked").await;
        let fields =
            [("grant_type", EXCHANGE), ("subject_token_type", ACCESS_TOKEN), ("subject_token", token.expose())];
        assert_eq!(world.ask(&fields).await.error(), "invalid_request");
        assert_eq!(world.clause().await, "revoked", "nor is it a subject");
        // Taking it back works all the same.
        assert_eq!(world.post("/oauth2/revoke", &[("token", token.expose())]).await.status.as_u16(), 200);
    }
}
