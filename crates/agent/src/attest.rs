//! Workload attestation: who is calling, in selectors.
//!
//! | attestor | selectors | page |
//! | --- | --- | --- |
//! | [`Unix`] | `unix:uid:`, `user:`, `gid:`, `group:`, `supplementary_gid:`, `supplementary_group:`, `path:`, `sha256:` | any process |
//! | [`Systemd`] | `systemd:id:` | services and scopes of the system's manager |
//! | [`Container`] | `container:id:`, `container:runtime:` | Docker, Podman, containerd, CRI-O |
//! | [`Kubernetes`] | `k8s:ns:`, `k8s:sa:` and the other names that SPIRE has | pods, through the kubelet |

pub(crate) mod attestation;
mod cgroup;
mod container;
mod kubernetes;
mod names;
mod shared;
mod systemd;
mod unix;
mod version;

use std::{fmt, sync::Arc};

use carnet_core::{BoxFuture, Error};
use carnet_spiffe::Selector;

use crate::process::{Credentials, Process};

pub use attestation::{Attestation, AttestationLimits};
pub use container::Container;
pub use kubernetes::{Kubelet, Kubernetes};
pub use names::Names;
pub use systemd::Systemd;
pub use unix::{Executables, Unix};

/// Finds out one sort of facts about a caller.
pub trait WorkloadAttestor: Send + Sync + fmt::Debug {
    /// Its name for logs; the kind of its selectors.
    fn name(&self) -> &'static str;

    /// What it finds. Nothing is no error: a process without a container has no selectors of one.
    ///
    /// It runs within a deadline and is dropped when that ends. It must read the process through
    /// [`Caller::process`] only, never by its number.
    ///
    /// # Errors
    /// When it could not look. The other attestors' selectors count all the same.
    fn attest<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>>;
}

/// A process that asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its number, for logs.
    pub pid: i32,
    /// Its effective ids, the same at the connection and now.
    pub credentials: Credentials,
    process: Arc<Process>,
}

impl Caller {
    /// The process itself.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }
}

/// A selector of this kind; what cannot be one (for instance a label with a control character) is left out.
fn push(selectors: &mut Vec<Selector>, kind: &str, value: &str) {
    match Selector::new(kind, value) {
        Ok(selector) => selectors.push(selector),
        Err(error) => tracing::debug!(%error, selector.kind = kind, "a fact about a workload cannot be a selector"),
    }
}
