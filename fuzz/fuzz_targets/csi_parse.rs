//! What a kubelet may send is a volume below its folder, or is refused with words; what `/proc` says of mounts is read or not.
#![no_main]

use std::path::Path;

use carnet_csi::{mount_id, mount_options, target_to_publish, target_to_unpublish};
use carnet_grpc::{
    csi::v1::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest},
    prost::Message as _,
    tonic::{Code, Status},
};
use libfuzzer_sys::fuzz_target;

const KUBELET: &str = "/var/lib/kubelet";

fuzz_target!(|bytes: &[u8]| {
    let kubelet = Path::new(KUBELET);
    if let Ok(request) = NodePublishVolumeRequest::decode(bytes) {
        match target_to_publish(&request, kubelet) {
            Ok(target) => {
                assert!(request.readonly && request.volume_capability.is_some());
                below(&target.path(), &request.target_path);
            }
            Err(status) => refused(&status),
        }
    }
    if let Ok(request) = NodeUnpublishVolumeRequest::decode(bytes) {
        match target_to_unpublish(&request, kubelet) {
            Ok(target) => below(&target.path(), &request.target_path),
            Err(status) => refused(&status),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let id = mount_id(text).unwrap_or(36);
        if let Some((options, _shared)) = mount_options(text, id) {
            assert!(!options.is_empty());
        }
    }
});

/// The path is the one that was said, and leads down from the kubelet's folder.
fn below(path: &Path, said: &str) {
    assert_eq!(path.to_str(), Some(said));
    assert!(path.starts_with(KUBELET) && said.len() > KUBELET.len());
    assert!(!said.split('/').any(|part| part == ".." || part == "."));
}

/// What is said goes into the kubelet's log and into events.
fn refused(status: &Status) {
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(!status.message().is_empty() && !status.message().contains(char::is_control));
}
