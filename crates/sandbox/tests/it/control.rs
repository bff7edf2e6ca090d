//! The control API.

use axum::http::{HeaderValue, Method, StatusCode, header};
use carnet_core::{Clock, HttpSend, Request, SystemClock};
use carnet_net::{Client, Settings};
use serde_json::json;

use crate::support::{Stage, start};

/// The status of a request with these headers and nothing else.
async fn knock(stage: &Stage, path: &str, headers: &[(header::HeaderName, &str)]) -> StatusCode {
    let mut request = Request::get(stage.control_url().join(path).unwrap());
    for (name, value) in headers {
        request = request.header(name.clone(), HeaderValue::from_str(value).unwrap());
    }
    Client::new(Settings::default()).send(request).await.unwrap().status
}

#[tokio::test]
async fn nothing_answers_without_the_token() {
    let stage = start().await;
    for path in ["/status", "/decisions", "/urls", "/environment", "/clock", "/faults", "/emulator/ci/mint", "/nowhere"]
    {
        assert_eq!(knock(&stage, path, &[]).await, 401, "{path}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let stage = start().await;
    let right = stage.control_token().expose().to_owned();
    let (shorter, longer) = (&right[..right.len() - 1], format!("{right}0"));
    let swapped = format!("{}x", &right[1..]);
    for wrong in ["", shorter, &longer, &swapped] {
        let value = format!("Bearer {wrong}");
        assert_eq!(knock(&stage, "/status", &[(header::AUTHORIZATION, &value)]).await, 401);
    }
    assert_eq!(knock(&stage, "/status", &[(header::AUTHORIZATION, &right)]).await, 401, "without the scheme");
}

#[tokio::test]
async fn a_host_that_is_not_loopback_is_refused_even_with_the_token() {
    let stage = start().await;
    let value = format!("Bearer {}", stage.control_token().expose());
    let port = stage.control_url().port().unwrap();
    for host in ["rebound.example", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.1"] {
        let headers = [(header::AUTHORIZATION, value.as_str()), (header::HOST, host)];
        assert_eq!(knock(&stage, "/status", &headers).await, 403, "{host}");
    }
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), "127.0.0.1".to_owned()] {
        let headers = [(header::AUTHORIZATION, value.as_str()), (header::HOST, &host)];
        assert_eq!(knock(&stage, "/status", &headers).await, 200, "{host}");
    }
}

#[tokio::test]
async fn says_what_it_is_and_where() {
    let stage = start().await;
    let (status, answer) = stage.control(Method::GET, "/status", "").await;
    assert_eq!((status, &answer["offset_seconds"], &answer["faults"]), (StatusCode::OK, &json!(0), &json!([])));
    assert_eq!(answer["services"], json!(["gcp-metadata", "oci-imds", "test-keys", "test-nameless", "test-token"]));
    let (_, urls) = stage.control(Method::GET, "/urls", "").await;
    assert_eq!(urls["test-keys"]["tls"], stage.urls()["test-keys"].tls_origin());
}

#[tokio::test]
async fn moves_the_clock() {
    let stage = start().await;
    let ahead = |stage: &Stage| stage.clock().now().duration_since(SystemClock.now()).as_mins();
    let (status, answer) = stage.control(Method::POST, "/clock", r#"{"advance":"1h 10m"}"#).await;
    assert_eq!((status, &answer["offset_seconds"]), (StatusCode::OK, &json!(4200)));
    stage.control(Method::POST, "/clock", r#"{"advance":"-10m"}"#).await;
    assert!((59..=60).contains(&ahead(&stage)));
    stage.control(Method::POST, "/clock", r#"{"reset":true}"#).await;
    assert_eq!(ahead(&stage), 0);
    let (_, answer) = stage.control(Method::POST, "/clock", r#"{"set":"2030-01-01T00:00:00Z"}"#).await;
    assert!(answer["now"].as_str().unwrap().starts_with("2030-01-01T00:00:0"), "{answer}");
}

#[tokio::test]
async fn a_move_that_cannot_be_read_changes_nothing() {
    let stage = start().await;
    for body in ["", "{}", r#"{"advance":"ten"}"#, r#"{"advance":"1m","set":"x"}"#, r#"{"sett":1}"#] {
        let (status, answer) = stage.control(Method::POST, "/clock", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(r#"{"advance":"10m"}"#), "{answer}");
    }
    assert!(stage.clock().offset().is_zero());
}

#[tokio::test]
async fn switches_faults_on_and_off() {
    let stage = start().await;
    let fault = r#"{"kind":"unavailable","service":"test-token","path":"/v1","times":3}"#;
    let (status, answer) = stage.control(Method::POST, "/faults", fault).await;
    assert_eq!(status, 200);
    let expected = json!([{ "kind": "unavailable", "service": "test-token", "path": "/v1", "times": 3 }]);
    assert_eq!(answer["faults"], expected);
    let url = format!("{}/v1", stage.urls()["test-token"].plain_origin());
    assert_eq!(stage.direct(&url).await.unwrap().status, 503);
    assert_eq!(stage.control(Method::DELETE, "/faults", "").await.1, json!({ "faults": [] }));
    assert_eq!(stage.direct(&url).await.unwrap().status, 200);
}

#[tokio::test]
async fn refuses_a_fault_that_does_not_exist() {
    let stage = start().await;
    for fault in [r#"{"kind":"nonsense"}"#, r#"{"kind":"slow","service":"nobody"}"#, "slow"] {
        assert_eq!(stage.control(Method::POST, "/faults", fault).await.0, 400, "{fault}");
    }
    for (fault, named) in [
        (r#"{"kind":"nonsense"}"#, ["key-rotated", "too-many-requests"]),
        (r#"{"kind":"slow","service":"nobody"}"#, ["test-keys", "test-token"]),
    ] {
        let (_, answer) = stage.control(Method::POST, "/faults", fault).await;
        let hints = answer["hints"].to_string();
        assert!(named.iter().all(|name| hints.contains(name)), "{answer}");
    }
    assert!(stage.world().faults.list().is_empty());
}

#[tokio::test]
async fn passes_minting_on_to_the_emulator() {
    let stage = start().await;
    assert_eq!(stage.control(Method::POST, "/token", "github").await.1, json!("minted for github"));
    assert_eq!(stage.control(Method::POST, "/emulator/ci/mint", "gitlab").await.1, json!("minted for gitlab"));
}

#[tokio::test]
async fn stops_when_told() {
    let stage = start().await;
    assert_eq!(stage.control(Method::POST, "/shutdown", "").await.0, 202);
    stage.shutdown().cancelled().await;
}

#[tokio::test]
async fn gives_the_environment_in_both_flavours() {
    let stage = start().await;
    let (_, proxy) = stage.control(Method::GET, "/environment", "").await;
    let (_, direct) = stage.control(Method::GET, "/environment?flavour=direct", "").await;
    assert!(proxy.get("HTTPS_PROXY").is_some() && direct.get("HTTPS_PROXY").is_none());
    assert_eq!(stage.control(Method::GET, "/environment?flavour=sweet", "").await.0, 400);
}

#[tokio::test]
async fn tells_what_was_decided_and_why() {
    let stage = start().await;
    let refusal = carnet_trust::Refusal::new("audience", "seen", "wanted", "invalid_grant", "fix");
    stage.world().decisions.refused("test-token", &refusal);
    stage.world().decisions.refused("test-keys", &refusal);
    let (_, answer) = stage.control(Method::GET, "/decisions?after=1", "").await;
    let decisions = answer["decisions"].as_array().unwrap();
    assert_eq!((decisions.len(), &decisions[0]["service"]), (1, &json!("test-keys")));
    assert!(decisions[0]["decision"].to_string().contains("audience"), "{answer}");
}
