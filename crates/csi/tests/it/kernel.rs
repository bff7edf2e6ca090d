//! Real mounts.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::Arc,
};

use carnet_csi::KernelMounts;
use carnet_grpc::tonic::Code;
use rustix::mount::mount_bind;

use crate::{
    namespace::{in_a_namespace, mounts, mounts_at, share},
    support::Stage,
};

async fn stage(folder: &Path) -> Stage {
    Stage::start(folder, Arc::new(KernelMounts)).await
}

/// The one mount at the target, which nothing can be done through but to connect.
fn assert_locked(target: &Path) {
    let mounts = mounts_at(target);
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    let options: Vec<&str> = mounts[0].split(',').collect();
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(options.contains(&option), "{option} in {options:?}");
    }
    let written = fs::File::create(target.join("written"));
    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn a_pod_finds_the_socket_and_cannot_write_beside_it() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        let listener = UnixListener::bind(stage.agent().join("api.sock")).unwrap();
        let before = mounts();
        stage.publish(stage.request()).await.unwrap();
        assert_locked(&stage.target());

        let mut workload = UnixStream::connect(stage.target().join("api.sock")).unwrap();
        let (mut agent, _address) = listener.accept().unwrap();
        agent.write_all(b"identity").unwrap();
        let mut said = [0; 8];
        workload.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"identity");
        assert_eq!(mounts(), before + 1);

        stage.unpublish(&stage.target()).await.unwrap();
        assert_eq!(mounts(), before);
        assert!(!stage.target().exists());
        assert!(stage.agent().join("api.sock").exists(), "the agent's folder is as it was");
    });
}

#[test]
fn an_agent_that_was_restarted_is_found_in_the_same_volume() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        stage.publish(stage.request()).await.unwrap();
        let socket = stage.agent().join("api.sock");
        for _restart in 0..2 {
            let _listener = UnixListener::bind(&socket).unwrap();
            UnixStream::connect(stage.target().join("api.sock")).unwrap();
            fs::remove_file(&socket).unwrap();
        }
    });
}

#[test]
fn the_host_sees_the_volume_as_locked_as_the_driver_does_and_sees_it_go() {
    in_a_namespace(async |folder| {
        let host = folder.join("host");
        share(&folder.join("kubelet"), &host);
        let stage = stage(&folder).await;
        stage.publish(stage.request()).await.unwrap();
        let seen = host.join(stage.target().strip_prefix(folder.join("kubelet")).unwrap());
        assert_locked(&stage.target());
        assert_locked(&seen);
        stage.unpublish(&stage.target()).await.unwrap();
        assert!(mounts_at(&seen).is_empty() && !seen.exists());
    });
}

#[test]
fn publishing_again_leaves_one_mount() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        let before = mounts();
        for _again in 0..3 {
            stage.publish(stage.request()).await.unwrap();
        }
        assert_locked(&stage.target());
        assert_eq!(mounts(), before + 1);
    });
}

#[test]
fn a_volume_that_shows_a_folder_of_yesterday_is_replaced() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        stage.publish(stage.request()).await.unwrap();
        fs::remove_dir(stage.agent()).unwrap();
        fs::create_dir(stage.agent()).unwrap();
        fs::create_dir(stage.agent().join("of-today")).unwrap();
        assert!(!stage.target().join("of-today").exists());
        stage.publish(stage.request()).await.unwrap();
        assert!(stage.target().join("of-today").exists());
        assert_locked(&stage.target());
    });
}

#[test]
fn a_volume_that_can_be_written_is_replaced() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        fs::create_dir(stage.target()).unwrap();
        mount_bind(stage.agent(), stage.target()).unwrap();
        mount_bind(stage.agent(), stage.target()).unwrap();
        stage.publish(stage.request()).await.unwrap();
        assert_locked(&stage.target());
    });
}

#[test]
fn all_that_lies_at_a_target_is_taken_away() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        let before = mounts();
        fs::create_dir(stage.target()).unwrap();
        for _layer in 0..3 {
            mount_bind(stage.agent(), stage.target()).unwrap();
        }
        stage.unpublish(&stage.target()).await.unwrap();
        assert_eq!(mounts(), before);
        assert!(!stage.target().exists());
    });
}

#[test]
fn a_volume_in_use_can_be_unpublished() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        fs::File::create(stage.agent().join("seen")).unwrap();
        stage.publish(stage.request()).await.unwrap();
        let in_use = fs::File::open(stage.target().join("seen")).unwrap();
        stage.unpublish(&stage.target()).await.unwrap();
        assert!(!stage.target().exists() && mounts_at(&stage.target()).is_empty());
        drop(in_use);
    });
}

#[test]
fn a_file_at_the_target_is_not_mounted_on_and_stays() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        let before = mounts();
        fs::File::create(stage.target()).unwrap();
        let status = stage.publish(stage.request()).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().starts_with("unable to mount"), "{status:?}");
        assert_eq!(mounts(), before);
        assert!(stage.target().is_file());
    });
}

#[test]
fn a_link_to_a_volume_does_not_unmount_it() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        stage.publish(stage.request()).await.unwrap();
        let link = folder.join("kubelet/pods/mount");
        std::os::unix::fs::symlink(stage.target(), &link).unwrap();
        let status = stage.unpublish(&link).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_locked(&stage.target());
    });
}

#[test]
fn a_driver_that_starts_leaves_the_mounts_as_they_were() {
    in_a_namespace(async |folder| {
        let before = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let _stage = stage(&folder).await;
        assert_eq!(fs::read_to_string("/proc/thread-self/mountinfo").unwrap(), before);
    });
}

#[test]
fn a_hundred_pods_get_a_hundred_volumes() {
    in_a_namespace(async |folder| {
        let stage = stage(&folder).await;
        let before = mounts();
        let pods = folder.join("kubelet/pods");
        let targets: Vec<_> = (0..100).map(|pod| pods.join(format!("pod-{pod}")).join("mount")).collect();
        for target in &targets {
            fs::create_dir(target.parent().unwrap()).unwrap();
            let request = carnet_grpc::csi::v1::NodePublishVolumeRequest {
                target_path: target.display().to_string(),
                ..stage.request()
            };
            stage.publish(request).await.unwrap();
        }
        assert_eq!(mounts(), before + targets.len());
        for target in &targets {
            stage.unpublish(target).await.unwrap();
        }
        assert_eq!(mounts(), before);
    });
}
