//! One good request, bent in one place: one test for each refusal.

use std::{fs, os::unix::fs::symlink, sync::Arc};

use carnet_grpc::{
    csi::v1::{
        NodeExpandVolumeRequest, NodeGetVolumeStatsRequest, NodePublishVolumeRequest, NodeStageVolumeRequest,
        NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest,
        volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume, access_mode::Mode},
    },
    tonic::Code,
};

use crate::support::{FakeMounts, Stage, stage};

/// The good request bent like this is refused as invalid, with words that begin and go on like these; nothing is mounted.
async fn invalid(text: &str, more: &str, bend: impl FnOnce(&mut NodePublishVolumeRequest)) {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    let said = stage.refuses(Code::InvalidArgument, text, bend).await;
    assert!(said.contains(more), "{said}");
    assert_eq!(mounts.state(|state| state.attached), 0);
}

fn access_type(access: AccessType) -> impl FnOnce(&mut NodePublishVolumeRequest) {
    |request| request.volume_capability.as_mut().unwrap().access_type = Some(access)
}

fn mount(mount: MountVolume) -> impl FnOnce(&mut NodePublishVolumeRequest) {
    access_type(AccessType::Mount(mount))
}

async fn mode_is_refused(mode: i32, seen: &str) {
    let bend = |request: &mut NodePublishVolumeRequest| {
        request.volume_capability.as_mut().unwrap().access_mode = Some(AccessMode { mode });
    };
    invalid("request volume capability access mode is not valid", seen, bend).await;
}

#[tokio::test]
async fn rejects_a_volume_without_an_id() {
    invalid("request missing required volume id", "", |request| request.volume_id.clear()).await;
}

#[tokio::test]
async fn rejects_a_volume_without_a_target() {
    invalid("request missing required target path", "", |request| request.target_path.clear()).await;
}

#[tokio::test]
async fn rejects_a_volume_without_a_capability() {
    invalid("request missing required volume capability", "", |request| request.volume_capability = None).await;
}

#[tokio::test]
async fn rejects_a_capability_without_an_access_type() {
    let bend = |request: &mut NodePublishVolumeRequest| request.volume_capability.as_mut().unwrap().access_type = None;
    invalid("request missing required volume capability access type", "", bend).await;
}

#[tokio::test]
async fn rejects_a_block_device() {
    let text = "request volume capability access type must be a simple mount";
    invalid(text, "block device", access_type(AccessType::Block(BlockVolume {}))).await;
}

#[tokio::test]
async fn rejects_a_file_system_type() {
    let text = "request volume capability access type must be a simple mount";
    invalid(text, "leave out fsType", mount(MountVolume { fs_type: "ext4".into(), ..MountVolume::default() })).await;
}

#[tokio::test]
async fn rejects_mount_options() {
    let text = "request volume capability access type must be a simple mount";
    let mount = mount(MountVolume { mount_flags: vec!["exec".into()], ..MountVolume::default() });
    invalid(text, "leave out mount options", mount).await;
}

#[tokio::test]
async fn rejects_a_group_that_shall_own_the_volume() {
    let text = "request volume capability access type must be a simple mount";
    invalid(text, "group", mount(MountVolume { volume_mount_group: "1000".into(), ..MountVolume::default() })).await;
}

#[tokio::test]
async fn rejects_a_capability_without_an_access_mode() {
    let bend = |request: &mut NodePublishVolumeRequest| request.volume_capability.as_mut().unwrap().access_mode = None;
    invalid("request missing required volume capability access mode", "", bend).await;
}

#[tokio::test]
async fn rejects_an_access_mode_that_says_nothing() {
    mode_is_refused(Mode::Unknown.into(), "missing").await;
}

#[tokio::test]
async fn rejects_the_access_mode_of_readers_which_says_readonly_twice() {
    mode_is_refused(Mode::SingleNodeReaderOnly.into(), "SINGLE_NODE_READER_ONLY").await;
}

#[tokio::test]
async fn rejects_access_modes_of_several_nodes() {
    for mode in [Mode::MultiNodeReaderOnly, Mode::MultiNodeSingleWriter, Mode::MultiNodeMultiWriter] {
        mode_is_refused(mode.into(), mode.as_str_name()).await;
    }
}

#[tokio::test]
async fn rejects_an_access_mode_of_the_future() {
    mode_is_refused(99, "99").await;
}

#[tokio::test]
async fn rejects_a_volume_that_can_be_written() {
    let text = "pod.spec.volumes[].csi.readOnly must be set to 'true'";
    invalid(text, "", |request| request.readonly = false).await;
}

#[tokio::test]
async fn rejects_a_volume_of_which_nobody_says_that_it_is_ephemeral() {
    invalid("only ephemeral volumes are supported", "podInfoOnMount", |request| request.volume_context.clear()).await;
}

#[tokio::test]
async fn rejects_a_persistent_volume() {
    for value in ["false", "True", "1", ""] {
        let bend = |request: &mut NodePublishVolumeRequest| {
            request.volume_context.insert("csi.storage.k8s.io/ephemeral".into(), value.into());
        };
        invalid("only ephemeral volumes are supported", "pod.spec.volumes[].csi", bend).await;
    }
}

#[tokio::test]
async fn rejects_a_target_outside_of_the_kubelets_folder() {
    let bend = |request: &mut NodePublishVolumeRequest| request.target_path = "/etc/carnet/mount".into();
    invalid("target path \"/etc/carnet/mount\" is refused", "--kubelet-dir", bend).await;
}

#[tokio::test]
async fn rejects_a_target_with_detours() {
    let bend = |request: &mut NodePublishVolumeRequest| request.target_path.push_str("/../../mount");
    invalid("target path", "may be empty", bend).await;
}

#[tokio::test]
async fn rejects_a_relative_target() {
    let bend = |request: &mut NodePublishVolumeRequest| request.target_path = "pods/mount".into();
    invalid("target path \"pods/mount\" is refused: it must be an absolute path", "", bend).await;
}

#[tokio::test]
async fn rejects_a_target_with_control_characters_and_does_not_repeat_them() {
    let bend = |request: &mut NodePublishVolumeRequest| request.target_path.push_str("\u{1b}[2J");
    invalid("target path", "control character", bend).await;
}

#[tokio::test]
async fn rejects_a_target_below_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    let pods = folder.path().join("kubelet/pods");
    symlink(pods.join("uid"), pods.join("link")).unwrap();
    let bend =
        |request: &mut NodePublishVolumeRequest| request.target_path = request.target_path.replace("/uid/", "/link/");
    let said = stage.refuses(Code::InvalidArgument, "target path is refused", bend).await;
    assert!(said.contains("kubelet/pods/link is a symbolic link"), "{said}");
    assert_eq!(mounts.state(|state| state.attached), 0);
}

#[tokio::test]
async fn rejects_a_target_that_is_a_link_when_publishing_and_when_unpublishing() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    let elsewhere = folder.path().join("kubelet/elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, stage.target()).unwrap();
    let refused = [stage.publish(stage.request()).await, stage.unpublish(&stage.target()).await];
    for status in refused.map(Result::unwrap_err) {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("mount is a symbolic link"), "{status:?}");
    }
    assert!(elsewhere.is_dir() && stage.target().is_symlink());
    assert_eq!(mounts.state(|state| (state.attached, state.detached)), (0, 0));
}

#[tokio::test]
async fn rejects_a_target_below_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    fs::File::create(folder.path().join("kubelet/file")).unwrap();
    let path = folder.path().join("kubelet/file/mount").display().to_string();
    let said = stage.refuses(Code::InvalidArgument, "target path", |request| request.target_path = path).await;
    assert!(said.contains("kubelet/file is not a folder"), "{said}");
}

#[tokio::test]
async fn a_target_whose_parent_is_missing_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    fs::remove_dir(stage.target().parent().unwrap()).unwrap();
    let said = stage.refuses(Code::Internal, "unable to create target path", |_request| ()).await;
    assert!(said.contains("there is no folder"), "{said}");
}

#[tokio::test]
async fn nothing_is_published_while_the_agents_folder_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    fs::remove_dir(stage.agent()).unwrap();
    let said = stage.refuses(Code::FailedPrecondition, "the folder ", |_request| ()).await;
    assert!(said.contains("start the agent") && said.contains("--workload-socket"), "{said}");
    fs::File::create(stage.agent()).unwrap();
    stage.refuses(Code::FailedPrecondition, "the folder ", |_request| ()).await;
    assert_eq!(mounts.state(|state| state.attached), 0);
}

#[tokio::test]
async fn a_mount_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), FakeMounts::failing("attach", 5)).await;
    let said = stage.refuses(Code::Internal, "unable to mount", |_request| ()).await;
    assert!(said.contains(&stage.target().display().to_string()), "{said}");
}

#[tokio::test]
async fn a_mount_without_rights_says_which_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), FakeMounts::failing("attach", 1)).await;
    let said = stage.refuses(Code::Internal, "unable to mount", |_request| ()).await;
    assert!(said.contains("CAP_SYS_ADMIN") && said.contains("privileged: true"), "{said}");
}

#[tokio::test]
async fn a_mount_that_can_be_written_is_taken_away_again() {
    let folder = tempfile::tempdir().unwrap();
    let mounts = Arc::new(FakeMounts::default());
    mounts.state(|state| state.forgets_to_lock = true);
    let stage = Stage::start(folder.path(), Arc::<FakeMounts>::clone(&mounts)).await;
    stage.refuses(Code::Internal, "unable to mount", |_request| ()).await;
    assert_eq!(mounts.state(|state| (state.attached, state.detached)), (1, 1));
}

#[tokio::test]
async fn mounts_that_cannot_be_looked_at_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), FakeMounts::failing("at", 5)).await;
    stage.refuses(Code::Internal, "unable to verify mount point", |_request| ()).await;
}

#[tokio::test]
async fn rejects_unpublishing_without_an_id_or_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    for (volume, target, text) in
        [("", "/x", "request missing required volume id"), ("v", "", "request missing required target path")]
    {
        let request = NodeUnpublishVolumeRequest { volume_id: volume.into(), target_path: target.into() };
        let status = stage.node().node_unpublish_volume(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, text));
    }
}

#[tokio::test]
async fn rejects_unpublishing_outside_of_the_kubelets_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let status = stage.unpublish(&elsewhere).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(elsewhere.is_dir());
}

#[tokio::test]
async fn a_target_that_holds_something_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    fs::create_dir(stage.target()).unwrap();
    fs::File::create(stage.target().join("somebodys")).unwrap();
    let status = stage.unpublish(&stage.target()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().starts_with("unable to remove target path"), "{status:?}");
    assert!(stage.target().join("somebodys").exists());
}

#[tokio::test]
async fn an_unmount_that_fails_is_said_and_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mounts) = stage(folder.path()).await;
    stage.publish(stage.request()).await.unwrap();
    mounts.state(|state| state.failing.insert("detach", 5));
    let status = stage.unpublish(&stage.target()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().starts_with("unable to unmount"), "{status:?}");
    assert!(stage.target().is_dir());
}

#[tokio::test]
async fn calls_that_are_not_offered_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let mut node = stage.node();
    let refused = [
        node.node_stage_volume(NodeStageVolumeRequest {}).await.map(|_answer| ()),
        node.node_unstage_volume(NodeUnstageVolumeRequest {}).await.map(|_answer| ()),
        node.node_get_volume_stats(NodeGetVolumeStatsRequest {}).await.map(|_answer| ()),
        node.node_expand_volume(NodeExpandVolumeRequest {}).await.map(|_answer| ()),
    ];
    for status in refused.map(Result::unwrap_err) {
        assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
        assert!(status.message().contains("is not offered: "), "{status:?}");
    }
}
