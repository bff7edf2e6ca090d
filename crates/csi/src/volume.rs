//! Which volumes there can be. Pure: what a request says, and nothing else.

use std::path::Path;

use carnet_core::safe_text;
use carnet_grpc::{
    csi::v1::{
        NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability,
        volume_capability::{AccessType, MountVolume, access_mode::Mode},
    },
    tonic::Status,
};

use crate::{Target, TargetError};

/// The attribute by which the kubelet says whether a volume lives as long as its pod. It comes with `podInfoOnMount`
/// (Kubernetes, CSIDriver).
const EPHEMERAL: &str = "csi.storage.k8s.io/ephemeral";

/// Where a volume is to be published, when there can be such a volume. Refusals have the words of SPIFFE's own driver
/// where that has any, and then what to do.
///
/// # Errors
/// `InvalidArgument` (CSI, Error Scheme: missing, invalid and unsupported fields).
pub fn target_to_publish(request: &NodePublishVolumeRequest, kubelet: &Path) -> Result<Target, Status> {
    required(&request.volume_id, &request.target_path)?;
    let missing = |what: &str| Status::invalid_argument(format!("request missing required volume capability{what}"));
    let capability = request.volume_capability.as_ref().ok_or_else(|| missing(""))?;
    plain(capability)?;
    let mode = capability.access_mode.as_ref().ok_or_else(|| missing(" access mode"))?;
    access(mode.mode)?;
    if !request.readonly {
        return Err(Status::invalid_argument(
            "pod.spec.volumes[].csi.readOnly must be set to 'true': pods may not write beside the socket",
        ));
    }
    if request.volume_context.get(EPHEMERAL).map(String::as_str) != Some("true") {
        return Err(Status::invalid_argument(
            "only ephemeral volumes are supported: name the driver in pod.spec.volumes[].csi and not in a persistent \
             volume, and have podInfoOnMount: true in its CSIDriver object",
        ));
    }
    target(&request.target_path, kubelet)
}

/// Where a volume was published.
///
/// # Errors
/// `InvalidArgument`.
pub fn target_to_unpublish(request: &NodeUnpublishVolumeRequest, kubelet: &Path) -> Result<Target, Status> {
    required(&request.volume_id, &request.target_path)?;
    target(&request.target_path, kubelet)
}

fn required(volume: &str, target: &str) -> Result<(), Status> {
    if volume.is_empty() {
        return Err(Status::invalid_argument("request missing required volume id"));
    }
    if target.is_empty() {
        return Err(Status::invalid_argument("request missing required target path"));
    }
    Ok(())
}

/// It must be a folder as it is: there is no file system to make, and no option that could be chosen.
fn plain(capability: &VolumeCapability) -> Result<(), Status> {
    let not_simple = |why: &str| {
        Err(Status::invalid_argument(format!("request volume capability access type must be a simple mount: {why}")))
    };
    match &capability.access_type {
        None => Err(Status::invalid_argument("request missing required volume capability access type")),
        Some(AccessType::Block(_)) => not_simple("the volume is a folder and cannot be a block device"),
        Some(AccessType::Mount(MountVolume { fs_type, mount_flags, volume_mount_group })) => {
            if !fs_type.is_empty() {
                return not_simple("leave out fsType");
            }
            if !mount_flags.is_empty() {
                return not_simple("leave out mount options");
            }
            if !volume_mount_group.is_empty() {
                return not_simple("the volume cannot be given to a group, leave out the volume mount group");
            }
            Ok(())
        }
    }
}

/// What an inline volume has: one node. That it is only read is said by `readonly`, and the kubelet sends `SINGLE_NODE_WRITER`.
/// `SINGLE_NODE_READER_ONLY` is refused as SPIFFE's own driver does; it takes the modes of several nodes, which no inline
/// volume can have.
fn access(mode: i32) -> Result<(), Status> {
    let refused = |seen: &str| {
        Err(Status::invalid_argument(format!(
            "request volume capability access mode is not valid: {seen}; ask for SINGLE_NODE_WRITER and set readonly"
        )))
    };
    match Mode::try_from(mode) {
        Ok(Mode::SingleNodeWriter | Mode::SingleNodeSingleWriter | Mode::SingleNodeMultiWriter) => Ok(()),
        Ok(Mode::Unknown) => refused("it is missing"),
        Ok(
            other @ (Mode::SingleNodeReaderOnly
            | Mode::MultiNodeReaderOnly
            | Mode::MultiNodeSingleWriter
            | Mode::MultiNodeMultiWriter),
        ) => refused(&format!("it is {}", other.as_str_name())),
        Err(_) => refused(&format!("{mode} is none that is known")),
    }
}

fn target(path: &str, kubelet: &Path) -> Result<Target, Status> {
    Target::below(kubelet, path).map_err(|error| {
        let hint = match error {
            TargetError::Outside => {
                format!(
                    " {}; where the kubelet has another root directory, say so with --kubelet-dir",
                    kubelet.display()
                )
            }
            TargetError::Relative | TargetError::Detour | TargetError::Control | TargetError::Long => String::new(),
        };
        Status::invalid_argument(format!("target path \"{}\" is refused: {error}{hint}", safe_text(path)))
    })
}

#[cfg(test)]
mod tests {
    use carnet_grpc::{
        csi::v1::volume_capability::{AccessMode, BlockVolume},
        prost::Message as _,
        tonic::Code,
    };
    use proptest::prelude::*;

    use super::*;

    const KUBELET: &str = "/var/lib/kubelet";

    fn access_types() -> impl Strategy<Value = Option<AccessType>> {
        let mount = ("(ext4)?", prop::collection::vec("[a-z]{0,4}", 0..2), "(1000)?");
        prop_oneof![
            Just(None),
            Just(Some(AccessType::Block(BlockVolume {}))),
            Just(Some(AccessType::Mount(MountVolume::default()))),
            mount.prop_map(|(fs_type, mount_flags, volume_mount_group)| {
                Some(AccessType::Mount(MountVolume { fs_type, mount_flags, volume_mount_group }))
            }),
        ]
    }

    proptest! {
        #[test]
        fn only_what_is_right_in_everything_is_accepted(
            volume_id in "(v)?",
            path in "(/var/lib/kubelet/[a-z]{1,3}/mount|/etc/x|)",
            access_type in access_types(),
            mode in prop::option::of(-1_i32..10),
            readonly: bool,
            ephemeral in prop::option::of("(true|false|TRUE)"),
        ) {
            let good = !volume_id.is_empty() && path.starts_with("/var") && readonly && ephemeral.as_deref() == Some("true")
                && access_type == Some(AccessType::Mount(MountVolume::default())) && matches!(mode, Some(1 | 6 | 7));
            let request = NodePublishVolumeRequest {
                volume_id,
                target_path: path.clone(),
                volume_capability: Some(VolumeCapability { access_type, access_mode: mode.map(|mode| AccessMode { mode }) }),
                readonly,
                volume_context: ephemeral.into_iter().map(|value| (EPHEMERAL.to_owned(), value)).collect(),
            };
            match target_to_publish(&request, Path::new(KUBELET)) {
                Ok(target) => {
                    prop_assert!(good, "{request:?}");
                    prop_assert_eq!(target.path(), Path::new(&path));
                }
                Err(status) => {
                    prop_assert!(!good, "{request:?} {status:?}");
                    prop_assert_eq!(status.code(), Code::InvalidArgument);
                    prop_assert!(!status.message().is_empty());
                }
            }
        }

        #[test]
        fn any_bytes_are_refused_with_words_or_lead_below_the_kubelets_folder(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(request) = NodePublishVolumeRequest::decode(bytes.as_slice())
                && let Ok(target) = target_to_publish(&request, Path::new(KUBELET))
            {
                prop_assert!(target.path().starts_with(KUBELET));
            }
        }

        #[test]
        fn what_is_refused_repeats_no_control_character(path in "/\\PC{0,20}[\\x00-\\x1f\\x7f]{0,3}\\PC{0,20}") {
            let request = NodeUnpublishVolumeRequest { volume_id: "v".to_owned(), target_path: path };
            if let Err(status) = target_to_unpublish(&request, Path::new(KUBELET)) {
                prop_assert!(!status.message().contains(char::is_control), "{status:?}");
            }
        }
    }
}
