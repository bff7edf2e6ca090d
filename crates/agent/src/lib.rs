//! The agent on a node: who is calling, and which identities that caller has.

mod attest;
mod process;
mod settings;
mod upstream;

pub use attest::{
    Attestation, AttestationLimits, Caller, Container, Executables, Kubelet, Kubernetes, Names, Systemd, Unix,
    WorkloadAttestor,
};
pub use process::{Credentials, Process, Processes};
pub use settings::{SdsSettings, Settings, SocketSettings};
pub use upstream::{AgentIdentity, Upstream, UpstreamError};
