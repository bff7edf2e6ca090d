//! Each fault, once.

use std::{sync::atomic::Ordering, time::Duration};

use carnet_core::{HttpError, HttpErrorKind, HttpSend, Response};
use carnet_net::{Client, Settings};
use carnet_sandbox::{Fault, FaultKind, Options};

use crate::support::{Stage, start, start_with};

async fn ask(stage: &Stage, service: &str, path: &str) -> Result<Response, HttpError> {
    stage.direct(&format!("{}{path}", stage.urls()[service].plain_origin())).await
}

#[tokio::test]
async fn unavailable_is_worded_by_the_service() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::Unavailable)).unwrap();
    let answer = ask(&stage, "test-keys", "/").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text()), (503, Some("vendor says 503")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let answer = ask(&stage, "test-token", "/").await.unwrap();
    assert_eq!(answer.text(), Some(r#"{"error":{"code":503,"message":"Service Unavailable"}}"#));
    assert_eq!(stage.asked.requests.load(Ordering::SeqCst), 0, "the service did not act");
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_again() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::TooManyRequests).service("test-token").path("/v1/").times(1)).unwrap();
    assert_eq!(ask(&stage, "test-keys", "/v1/x").await.unwrap().status.as_u16(), 200);
    assert_eq!(ask(&stage, "test-token", "/v2/x").await.unwrap().status.as_u16(), 200);
    let answer = ask(&stage, "test-token", "/v1/x").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("1")));
    assert_eq!(ask(&stage, "test-token", "/v1/x").await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn hang_never_answers() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::Hang)).unwrap();
    let url = stage.urls()["test-token"].plain_origin();
    let request = stage.request(&url).timeout(Duration::from_millis(50));
    let error = Client::new(Settings::default()).send(request).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Timeout);
}

#[tokio::test]
async fn slow_answers_in_the_end() {
    let stage = start_with(Options { slow: Duration::from_millis(60), ..Options::default() }).await;
    stage.add_fault(Fault::new(FaultKind::Slow)).unwrap();
    let url = stage.urls()["test-token"].plain_origin();
    let impatient = stage.request(&url).timeout(Duration::from_millis(20));
    let error = Client::new(Settings::default()).send(impatient).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Timeout);
    assert_eq!(ask(&stage, "test-token", "/").await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn cut_ends_in_mid_answer() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::Cut)).unwrap();
    let error = ask(&stage, "test-token", "/").await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Protocol, "the head arrived: {error}");
    let error = stage.direct(&stage.urls()["test-token"].tls_origin()).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Protocol, "the same under TLS: {error}");
}

#[tokio::test]
async fn huge_is_more_than_a_client_reads() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::Huge)).unwrap();
    assert_eq!(ask(&stage, "test-token", "/").await.unwrap_err().kind, HttpErrorKind::TooLarge);
    let request = stage.request(&stage.urls()["test-token"].plain_origin()).max_response(10 << 20);
    assert_eq!(Client::new(Settings::default()).send(request).await.unwrap().body.len(), 10 << 20);
}

#[tokio::test]
async fn a_key_is_replaced_once_when_it_is_switched_on() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::KeyRotated).service("test-keys")).unwrap();
    ask(&stage, "test-keys", "/").await.unwrap();
    ask(&stage, "test-keys", "/").await.unwrap();
    assert_eq!(*stage.asked.rotated.lock().unwrap(), ["test-keys"]);
}

#[tokio::test]
async fn skew_puts_one_services_clock_ahead() {
    let stage = start().await;
    stage.add_fault(Fault::new(FaultKind::Skew).service("test-token")).unwrap();
    let now = async |service| -> jiff::Timestamp {
        let text = ask(&stage, service, "/").await.unwrap().text().unwrap().to_owned();
        text.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let ahead = now("test-token").await.duration_since(now("test-keys").await);
    assert!(ahead > jiff::SignedDuration::from_mins(9), "{ahead}");
}

#[tokio::test]
async fn a_fault_of_no_service_is_refused_with_the_names() {
    let stage = start().await;
    let error = stage.add_fault(Fault::new(FaultKind::Slow).service("tset-token")).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("test-token")), "{error:?}");
}
