//! What keeps a driver from starting, and what ends it.

use std::{fs, path::Path, sync::Arc};

use carnet_core::{Error, ErrorKind};
use carnet_csi::{Driver, Mounts, Settings};
use carnet_grpc::tonic::transport::Endpoint;

use crate::support::{FakeMounts, settings, stage};

/// The driver does not start; the error says what to do.
fn does_not_start(settings: Settings, mounts: Arc<dyn Mounts>) -> Error {
    let error = Driver::start(settings, mounts).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
    assert!(!error.hints().is_empty(), "{error:?}");
    error
}

#[tokio::test]
async fn rejects_settings_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = Settings { node_id: String::new(), ..settings(folder.path()) };
    does_not_start(wrong, Arc::new(FakeMounts::default()));
    assert!(!folder.path().join("csi.sock").exists());
}

#[tokio::test]
async fn rejects_a_kubelets_folder_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = does_not_start(settings(folder.path()), Arc::new(FakeMounts::default()));
    assert!(error.hints()[0].contains("--kubelet-dir"), "{error:?}");
    fs::File::create(folder.path().join("kubelet")).unwrap();
    does_not_start(settings(folder.path()), Arc::new(FakeMounts::default()));
}

#[tokio::test]
async fn rejects_a_process_that_may_not_mount() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("kubelet")).unwrap();
    let error = does_not_start(settings(folder.path()), FakeMounts::failing("rehearse", 1));
    assert!(error.hints()[0].contains("CAP_SYS_ADMIN"), "{error:?}");
    let error = does_not_start(settings(folder.path()), FakeMounts::failing("rehearse", 38));
    assert!(error.hints()[0].contains("Linux 5.2"), "{error:?}");
}

#[tokio::test]
async fn rejects_a_socket_in_a_folder_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("kubelet")).unwrap();
    let elsewhere = Settings { endpoint: folder.path().join("missing/csi.sock"), ..settings(folder.path()) };
    does_not_start(elsewhere, Arc::new(FakeMounts::default()));
}

#[tokio::test]
async fn a_driver_starts_before_its_agent() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("kubelet")).unwrap();
    let driver = Driver::start(settings(folder.path()), Arc::new(FakeMounts::default())).unwrap();
    driver.shutdown().await;
}

#[tokio::test]
async fn only_root_may_connect_and_the_socket_goes_with_the_driver() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("kubelet")).unwrap();
    let driver = Driver::start(settings(folder.path()), Arc::new(FakeMounts::default())).unwrap();
    let socket = folder.path().join("csi.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    driver.shutdown().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_was_published_stays_when_the_driver_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (target, mounts) = {
        let (stage, mounts) = stage(folder.path()).await;
        stage.publish(stage.request()).await.unwrap();
        (stage.target(), mounts)
    };
    assert_eq!(mounts.layers(&target), 1);
    assert!(target.is_dir());
}

#[tokio::test]
async fn a_driver_that_was_restarted_knows_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    stage.publish(stage.request()).await.unwrap();
    let request = stage.request();
    let second = Settings { endpoint: folder.path().join("second.sock"), ..settings(folder.path()) };
    let address = format!("unix://{}", Path::new(&second.endpoint).display());
    let _driver = Driver::start(second, Arc::<FakeMounts>::clone(&mounts)).unwrap();
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    carnet_grpc::csi::v1::node_client::NodeClient::new(channel).node_publish_volume(request).await.unwrap();
    assert_eq!(mounts.state(|state| state.attached), 1);
}
