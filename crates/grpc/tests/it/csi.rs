//! The Container Storage Interface: its field numbers, against bytes that are put together here from the published tables.

use carnet_grpc::{
    csi::v1::{
        GetPluginCapabilitiesResponse, GetPluginInfoResponse, NodeGetCapabilitiesResponse, NodeGetInfoResponse,
        NodePublishVolumeRequest, NodeUnpublishVolumeRequest, ProbeResponse, identity_server, node_server,
        volume_capability::{AccessType, access_mode::Mode},
    },
    prost::{Message, Name},
};

use crate::wire::{entry, field, message, number};

#[test]
fn publishing_is_read_by_number() {
    let mount = message(&[field(1, "ext4"), field(2, "noatime"), field(2, "sync"), field(3, "1000")]);
    let capability = message(&[field(2, mount), field(3, number(1, 1))]);
    let bytes = message(&[
        field(1, "id"),
        field(2, entry("published", "x")),
        field(3, "/staged"),
        field(4, "/target"),
        field(5, capability),
        number(6, 1),
        field(7, entry("secret", "s3cr3t")),
        field(8, entry("csi.storage.k8s.io/ephemeral", "true")),
    ]);
    let request = NodePublishVolumeRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!((request.volume_id.as_str(), request.target_path.as_str(), request.readonly), ("id", "/target", true));
    assert_eq!(request.volume_context["csi.storage.k8s.io/ephemeral"], "true");
    let capability = request.volume_capability.unwrap();
    assert_eq!(capability.access_mode.unwrap().mode(), Mode::SingleNodeWriter);
    let Some(AccessType::Mount(mount)) = capability.access_type else { panic!("no folder") };
    assert_eq!((mount.fs_type.as_str(), mount.volume_mount_group.as_str()), ("ext4", "1000"));
    assert_eq!(mount.mount_flags, ["noatime", "sync"]);
}

#[test]
fn secrets_are_not_even_read() {
    let bytes = message(&[field(1, "id"), field(7, entry("secret", "s3cr3t"))]);
    let request = NodePublishVolumeRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!(request.encode_to_vec(), field(1, "id"));
}

#[test]
fn a_volume_that_is_to_be_a_device_is_told_from_a_folder() {
    let bytes = field(5, field(1, ""));
    let capability = NodePublishVolumeRequest::decode(bytes.as_slice()).unwrap().volume_capability.unwrap();
    assert!(matches!(capability.access_type, Some(AccessType::Block(_))), "{capability:?}");
}

#[test]
fn access_modes_have_their_numbers() {
    let modes = [
        Mode::Unknown,
        Mode::SingleNodeWriter,
        Mode::SingleNodeReaderOnly,
        Mode::MultiNodeReaderOnly,
        Mode::MultiNodeSingleWriter,
        Mode::MultiNodeMultiWriter,
        Mode::SingleNodeSingleWriter,
        Mode::SingleNodeMultiWriter,
    ];
    assert_eq!(modes.map(i32::from), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn unpublishing_and_answers_are_read_and_written_by_number() {
    let bytes = message(&[field(1, "id"), field(2, "/target")]);
    let request = NodeUnpublishVolumeRequest::decode(bytes.as_slice()).unwrap();
    assert_eq!((request.volume_id.as_str(), request.target_path.as_str()), ("id", "/target"));

    let info = GetPluginInfoResponse {
        name: "csi.example.org".into(),
        vendor_version: "1".into(),
        manifest: [("a".to_owned(), "b".to_owned())].into(),
    };
    assert_eq!(info.encode_to_vec(), message(&[field(1, "csi.example.org"), field(2, "1"), field(3, entry("a", "b"))]));
    // google.protobuf.BoolValue has its value in field 1, and none when it is false.
    assert_eq!(ProbeResponse { ready: Some(true) }.encode_to_vec(), field(1, number(1, 1)));
    assert_eq!(ProbeResponse { ready: Some(false) }.encode_to_vec(), field(1, ""));
    let node = NodeGetInfoResponse { node_id: "node".into(), max_volumes_per_node: 3 };
    assert_eq!(node.encode_to_vec(), message(&[field(1, "node"), number(2, 3)]));
    let one = field(1, field(1, number(1, 2)));
    assert_eq!(NodeGetCapabilitiesResponse::decode(one.as_slice()).unwrap().capabilities.len(), 1);
    assert_eq!(GetPluginCapabilitiesResponse::decode(one.as_slice()).unwrap().capabilities.len(), 1);
}

#[test]
fn services_and_messages_have_their_names() {
    assert_eq!((identity_server::SERVICE_NAME, node_server::SERVICE_NAME), ("csi.v1.Identity", "csi.v1.Node"));
    assert_eq!(NodePublishVolumeRequest::full_name(), "csi.v1.NodePublishVolumeRequest");
}
