//! Starting, the plain ways in, and stopping.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use carnet_core::{HttpErrorKind, Request, SystemClock, SystemRandom};
use carnet_sandbox::{Emulators, Options, Sandbox};
use carnet_sandbox_kit::{Emulator, KeyMaker, Service, Urls, World};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::support::{start, start_with};

#[tokio::test]
async fn a_service_answers_on_its_plain_port() {
    let stage = start().await;
    let origin = stage.urls()["test-token"].plain_origin();
    let answer = stage.direct(&format!("{origin}/a%2Fb?c=%20")).await.unwrap();
    assert!(answer.text().unwrap().starts_with("test-token GET /a%2Fb?c=%20 127.0.0.1:"), "{answer:?}");
}

#[tokio::test]
async fn a_service_answers_on_its_tls_port_by_name_and_by_address() {
    let stage = start().await;
    let port = stage.urls()["test-token"].tls.port().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let answer = stage.direct(&format!("https://{host}:{port}/x")).await.unwrap();
        assert!(answer.text().unwrap().starts_with("test-token GET /x"), "{answer:?}");
    }
}

#[tokio::test]
async fn emulators_reach_each_other_under_real_names() {
    let stage = start().await;
    let origin = stage.urls()["test-token"].plain_origin();
    let answer = stage.direct(&format!("{origin}/fetch")).await.unwrap();
    assert!(answer.text().unwrap().starts_with("test-keys GET /jwks keys.example.com "), "{answer:?}");
}

#[tokio::test]
async fn the_inner_client_refuses_every_other_host() {
    let stage = start().await;
    let error = stage.http().send(Request::get("https://example.org/secret".parse().unwrap())).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Blocked);
    assert!(!error.message.contains("secret"), "{error}");
    assert_eq!(stage.refused_hosts(), ["example.org:443"]);
}

#[tokio::test]
async fn the_inner_client_keeps_its_limits() {
    let stage = start().await;
    stage.add_fault(carnet_sandbox::Fault::new(carnet_sandbox::FaultKind::Huge).times(1)).unwrap();
    let request = || Request::get("https://keys.example.com/".parse().unwrap());
    let error = stage.http().send(request()).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::TooLarge);
    stage.add_fault(carnet_sandbox::Fault::new(carnet_sandbox::FaultKind::Hang)).unwrap();
    let error = stage.http().send(request().timeout(Duration::from_millis(20))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Timeout);
}

#[tokio::test]
async fn the_folder_is_private_and_gone_at_the_end() {
    let stage = start().await;
    let folder = stage.folder().to_owned();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for file in ["ca.pem", "control-token"] {
        assert_eq!(std::fs::metadata(folder.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    stage.sandbox.stop().await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_folder_of_ones_own_is_used() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let stage = start_with(Options { folder: Some(folder.clone()), ..Options::default() }).await;
    assert!(folder.join("ca.pem").exists());
    drop(stage);
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_callers_token_stops_it_even_while_a_request_hangs() {
    let shutdown = CancellationToken::new();
    let stage = start_with(Options { shutdown: shutdown.clone(), ..Options::default() }).await;
    stage.add_fault(carnet_sandbox::Fault::new(carnet_sandbox::FaultKind::Hang)).unwrap();
    let origin = stage.urls()["test-token"].plain_origin();
    let (hanging, ()) = tokio::join!(stage.direct(&origin), async { shutdown.cancel() });
    assert!(hanging.is_err());
    assert!(stage.shutdown().is_cancelled());
    tokio::time::timeout(Duration::from_secs(5), stage.sandbox.stop()).await.unwrap();
}

/// Tells when it is to make keys.
struct Keys(UnboundedSender<&'static str>);

impl Emulator for Keys {
    fn services(&self) -> Vec<Service> {
        Vec::new()
    }

    fn environment(&self, _urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        Vec::new()
    }

    fn file_keys(&self) -> Vec<KeyMaker> {
        let make = |name| -> KeyMaker {
            let told = self.0.clone();
            Box::new(move || told.send(name).unwrap())
        };
        vec![make("one of a file"), make("another of a file")]
    }

    fn warm(&self) {
        self.0.send("the others").unwrap();
    }
}

#[tokio::test]
async fn keys_are_made_before_somebody_asks_and_each_once() {
    let (told, mut made) = tokio::sync::mpsc::unbounded_channel();
    let emulators = |_: &World| -> Emulators { vec![("keys", Arc::new(Keys(told)))] };
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let sandbox = Sandbox::start_with(Options::default(), clock, random, emulators).await.unwrap();
    let mut all = [made.recv().await.unwrap(), made.recv().await.unwrap(), made.recv().await.unwrap()];
    all.sort_unstable();
    assert_eq!(all, ["another of a file", "one of a file", "the others"]);
    sandbox.stop().await;
    assert_eq!(made.recv().await, None);
}

#[tokio::test]
async fn two_sandboxes_stand_side_by_side() {
    let (one, other) = (start().await, start().await);
    assert_ne!(one.proxy_url(), other.proxy_url());
    assert_ne!(one.folder(), other.folder());
    assert_ne!(one.control_token(), other.control_token());
}
