//! What the server says when it is not the active one of its cluster.

use carnet_vault_sandbox::seed;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::support::Sandbox;

async fn health(sandbox: &Sandbox, query: &str) -> (u16, Value) {
    sandbox.send("vault", "GET", &format!("sys/health{query}"), &[], Value::Null).await
}

#[tokio::test]
async fn health_tells_the_part_that_the_server_plays() {
    let sandbox = Sandbox::new();
    for (node, status, standby, performance, disaster) in [
        ("active", 200, false, false, "disabled"),
        ("standby", 429, true, false, "disabled"),
        ("performance-standby", 473, true, true, "disabled"),
        ("dr-secondary", 472, false, false, "secondary"),
    ] {
        sandbox.behave(json!({ "node": node })).await;
        let (seen, body) = health(&sandbox, "").await;
        assert_eq!(seen, status, "{node}: {body}");
        let said = (&body["standby"], &body["performance_standby"], &body["replication_dr_mode"]);
        assert_eq!(said, (&json!(standby), &json!(performance), &json!(disaster)), "{node}");
    }
    sandbox.behave(json!({})).await;
    assert_eq!(sandbox.root("PUT", "sys/seal", Value::Null).await.0, 204);
    sandbox.behave(json!({ "node": "dr-secondary" })).await;
    assert_eq!(health(&sandbox, "").await.0, 503, "a seal comes before the part");
}

#[tokio::test]
async fn health_answers_with_the_status_that_was_asked_for() {
    let sandbox = Sandbox::new();
    for (node, query, status) in [
        ("active", "?activecode=204", 204),
        ("active", "?standbycode=299", 200),
        ("standby", "?standbyok=true", 200),
        ("standby", "?standbyok=true&activecode=299", 299),
        ("standby", "?standbyok=false", 429),
        ("standby", "?standbyok", 429),
        ("standby", "?perfstandbyok=true", 429),
        ("standby", "?standbycode=299", 299),
        ("performance-standby", "?perfstandbyok=1", 200),
        ("performance-standby", "?standbyok=true", 473),
        ("performance-standby", "?performancestandbycode=299", 299),
        ("dr-secondary", "?standbyok=true&perfstandbyok=true", 472),
        ("dr-secondary", "?drsecondarycode=200", 200),
    ] {
        sandbox.behave(json!({ "node": node })).await;
        assert_eq!(health(&sandbox, query).await.0, status, "{node} {query}");
    }
}

#[tokio::test]
async fn rejects_health_with_a_parameter_that_cannot_be_read() {
    let sandbox = Sandbox::new();
    for (node, query) in [
        ("active", "?activecode=x"),
        ("active", "?activecode=99"),
        ("active", "?sealedcode=x"),
        ("active", "?performancestandbycode="),
        ("standby", "?standbyok=maybe"),
        ("performance-standby", "?perfstandbyok=2"),
    ] {
        sandbox.behave(json!({ "node": node })).await;
        assert_eq!(health(&sandbox, query).await, (400, json!({ "errors": [] })), "{node} {query}");
    }
}

#[tokio::test]
async fn a_standby_sends_everybody_to_the_active_server() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "node": "standby", "active_address": "https://active.example:8200/ui" })).await;
    for (method, path) in [
        (Method::GET, "/v1/secret/data/app/db?version=1"),
        (Method::PUT, "/v1/auth/jwt/login"),
        (Method::POST, "/v1/secret/data/a%20b"),
    ] {
        let request = Request::builder().method(method).uri(path).header("x-vault-token", seed::ROOT_TOKEN);
        let response = sandbox.respond("vault", request.body("{}".into()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(response.headers()["location"], format!("https://active.example:8200{path}").as_str());
    }
    let (status, leader) = sandbox.root("GET", "sys/leader", Value::Null).await;
    assert_eq!((status, &leader["ha_enabled"], &leader["is_self"]), (200, &json!(true), &json!(false)));
    assert_eq!(leader["leader_address"], "https://active.example:8200/ui");
    assert_eq!(sandbox.root("GET", "sys/seal-status", Value::Null).await.0, 200, "each server has its own seal");
}

#[tokio::test]
async fn a_standby_without_an_active_server_is_no_use() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "node": "standby" })).await;
    let refused = sandbox.root("GET", "secret/data/app/db", Value::Null).await;
    assert_eq!(refused, (503, json!({ "errors": ["no active Vault instance found"] })));
}

#[tokio::test]
async fn a_dr_secondary_answers_nobody() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "node": "dr-secondary" })).await;
    let wanted = (400, json!({ "errors": ["path disabled in replication DR secondary mode"] }));
    assert_eq!(sandbox.root("GET", "sys/mounts", Value::Null).await, wanted);
    assert_eq!(sandbox.login("x").await, wanted);
}

#[tokio::test]
async fn a_server_that_is_behind_takes_logins_and_refuses_reads() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "node": "performance-standby", "behind": true })).await;
    let token = sandbox.token().await;
    let wanted = (412, json!({ "errors": ["required index state not present"] }));
    assert_eq!(sandbox.with(&token, "GET", "secret/data/app/db", Value::Null).await, wanted);
    assert_eq!(sandbox.with(&token, "LIST", "secret/metadata/app", Value::Null).await, wanted);
    let index = [("x-vault-index", "djE6")];
    assert_eq!(sandbox.send("vault", "GET", "sys/internal/ui/mounts", &index, Value::Null).await, wanted);
    assert_eq!(sandbox.with(&token, "POST", "sys/capabilities-self", json!({ "paths": "a" })).await.0, 200);
    sandbox.behave(json!({ "node": "performance-standby" })).await;
    assert_eq!(sandbox.with(&token, "GET", "secret/data/app/db", Value::Null).await.0, 200);
}

#[tokio::test]
async fn what_was_switched_is_shown_and_concerns_one_server() {
    let sandbox = Sandbox::new();
    let shown = json!({ "node": "active", "active_address": "", "behind": false });
    assert_eq!(sandbox.control("GET", Value::Null).await, (200, shown));
    let wanted = json!({ "node": "standby", "active_address": "http://127.0.0.1:8200", "behind": true });
    assert_eq!(sandbox.control("PUT", wanted.clone()).await, (200, wanted.clone()));
    assert_eq!(sandbox.control("GET", Value::Null).await, (200, wanted));
    assert_eq!(sandbox.send("vault-new", "GET", "sys/health", &[], Value::Null).await.0, 501);
    assert_eq!(sandbox.control("PUT", json!({})).await.0, 200);
    assert_eq!(health(&sandbox, "").await.0, 200);
}

#[tokio::test]
async fn rejects_behaviour_that_there_is_not() {
    let sandbox = Sandbox::new();
    for (change, says) in [
        (json!({ "node": "leader" }), "leader"),
        (json!({ "nodes": "standby" }), "unknown field"),
        (json!({ "active_address": "active.example" }), "active_address is"),
        (json!({ "active_address": "ftp://active.example" }), "active_address is"),
    ] {
        let (status, body) = sandbox.control("PUT", change.clone()).await;
        assert!((400..500).contains(&status), "{change}: {status}");
        assert!(body["error"].as_str().unwrap().contains(says), "{change}: {body}");
    }
}
