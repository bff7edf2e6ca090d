//! The CSI driver of a node: the socket of the SPIFFE Workload API as a volume for pods.
//!
//! The kubelet speaks the Container Storage Interface (CSI, version 1) to [`Driver`] over a Unix socket. For a pod with an inline
//! volume of this driver it asks for the volume at a path in the kubelet's folder, and the driver mounts there the folder in which
//! the agent has its socket: read-only, without devices, set-user-ID and execution. No pod needs a `hostPath` for that.
//!
//! ```text
//! kubelet ── NodePublishVolume ──► volume (may it be?) ──► Target ──► Place (no symbolic links) ──► Mounts ──► kernel
//! ```
//!
//! What is accepted and refused, and with which words, is in this crate's README. What the kernel is asked is behind
//! [`Mounts`], so that everything else can be looked at without its rights.

mod driver;
mod identity;
mod mounts;
mod node;
mod place;
mod settings;
mod target;
mod volume;
mod volumes;

pub use driver::Driver;
pub use mounts::{FolderId, KernelMounts, Mounted, Mounts, mount_id, mount_options};
pub use place::Place;
pub use settings::{DEFAULT_DRIVER_NAME, DEFAULT_KUBELET, Settings, endpoint_path};
pub use target::{Target, TargetError};
pub use volume::{target_to_publish, target_to_unpublish};
