//! What publishing and unpublishing do, before a kernel that a test decides about.

use std::{fs, os::unix::fs::PermissionsExt as _};

use carnet_csi::{FolderId, Mounted};
use carnet_grpc::csi::v1::volume_capability::{AccessMode, access_mode::Mode};

use crate::support::stage;

#[tokio::test]
async fn a_volume_is_published_and_unpublished_and_nothing_remains() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    stage.publish(stage.request()).await.unwrap();
    let seen = mounts.state(|state| state.at[&stage.target()].clone());
    let shows = Some(FolderId::at(&stage.agent()).unwrap());
    assert_eq!(seen, [Mounted { shows, locked: true, shared: true }]);
    assert_eq!(fs::metadata(stage.target()).unwrap().permissions().mode() & 0o7777, 0o750);

    stage.unpublish(&stage.target()).await.unwrap();
    assert_eq!(mounts.layers(&stage.target()), 0);
    assert!(!stage.target().exists());
    assert!(stage.target().parent().unwrap().is_dir(), "the parent is the kubelet's");
}

#[tokio::test]
async fn publishing_twice_mounts_once() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    for _again in 0..3 {
        stage.publish(stage.request()).await.unwrap();
    }
    assert_eq!(mounts.state(|state| (state.attached, state.detached)), (1, 0));
}

#[tokio::test]
async fn many_at_once_mount_once() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    let calls: Vec<_> = (0..20)
        .map(|_number| {
            let (mut node, request) = (stage.node(), stage.request());
            tokio::spawn(async move { node.node_publish_volume(request).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(mounts.layers(&stage.target()), 1);
    assert_eq!(mounts.state(|state| state.attached), 1);
}

#[tokio::test]
async fn unpublishing_what_was_never_published_is_as_good() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    for _again in 0..2 {
        stage.unpublish(&stage.target()).await.unwrap();
    }
    fs::create_dir(stage.target()).unwrap();
    stage.unpublish(&stage.target()).await.unwrap();
    assert!(!stage.target().exists());
    stage.unpublish(&folder.path().join("kubelet/pods/of-yesterday/volumes/x/mount")).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_there_already_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    fs::create_dir(stage.target()).unwrap();
    stage.publish(stage.request()).await.unwrap();
    assert_eq!(mounts.layers(&stage.target()), 1);
}

#[tokio::test]
async fn a_folder_that_was_there_already_is_left_when_a_mount_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    fs::create_dir(stage.target()).unwrap();
    mounts.state(|state| state.failing.insert("attach", 5));
    stage.publish(stage.request()).await.unwrap_err();
    assert!(stage.target().is_dir());
}

#[tokio::test]
async fn stale_mounts_are_replaced_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    fs::create_dir(stage.target()).unwrap();
    let gone = Mounted { shows: None, locked: true, shared: true };
    let another = Mounted { shows: Some(FolderId { device: 1, inode: 1 }), ..gone };
    let writable = Mounted { shows: Some(FolderId::at(&stage.agent()).unwrap()), locked: false, shared: true };
    for stale in [vec![gone], vec![another], vec![writable], vec![gone, another, writable]] {
        let layers = stale.len();
        mounts.state(|state| state.at.insert(stage.target(), stale));
        mounts.state(|state| state.detached = 0);
        stage.publish(stage.request()).await.unwrap();
        assert_eq!(mounts.state(|state| state.detached), layers);
        let seen = mounts.state(|state| state.at[&stage.target()].clone());
        assert_eq!(seen, [Mounted { locked: true, ..writable }]);
    }
}

#[tokio::test]
async fn unpublishing_takes_all_mounts_away() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    fs::create_dir(stage.target()).unwrap();
    let gone = Mounted { shows: None, locked: false, shared: false };
    mounts.state(|state| state.at.insert(stage.target(), vec![gone; 5]));
    stage.unpublish(&stage.target()).await.unwrap();
    assert_eq!(mounts.layers(&stage.target()), 0);
    assert!(!stage.target().exists());
}

#[tokio::test]
async fn somebody_who_mounts_all_the_time_is_not_followed_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    fs::create_dir(stage.target()).unwrap();
    let gone = Mounted { shows: None, locked: false, shared: false };
    mounts.state(|state| state.at.insert(stage.target(), vec![gone; 1000]));
    let status = stage.unpublish(&stage.target()).await.unwrap_err();
    assert!(status.message().contains("more than 64 mounts"), "{status:?}");
}

#[tokio::test]
async fn the_modes_of_one_node_that_writers_have_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    for mode in [Mode::SingleNodeWriter, Mode::SingleNodeSingleWriter, Mode::SingleNodeMultiWriter] {
        let mut request = stage.request();
        request.volume_capability.as_mut().unwrap().access_mode = Some(AccessMode { mode: mode.into() });
        stage.publish(request).await.unwrap();
    }
}

#[tokio::test]
async fn attributes_that_are_not_known_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    let mut request = stage.request();
    request.volume_context.insert("somebodys".to_owned(), "attribute".to_owned());
    stage.publish(request).await.unwrap();
    assert_eq!(mounts.layers(&stage.target()), 1);
}
