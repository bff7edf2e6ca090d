//! The container by its control group.

use carnet_core::{BoxFuture, Error};
use carnet_spiffe::Selector;

use super::{Caller, WorkloadAttestor, cgroup::Cgroups, push};

const KIND: &str = "container";

/// The container that the process is in: `container:id:` with 64 hexadecimal digits, and `container:runtime:` with `docker`,
/// `podman`, `containerd` or `cri-o` where the name of the control group tells it. No runtime is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Container;

impl WorkloadAttestor for Container {
    fn name(&self) -> &'static str {
        KIND
    }

    fn attest<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async move {
            let mut selectors = Vec::new();
            if let Some(container) = Cgroups::of(caller)?.container()? {
                push(&mut selectors, KIND, &format!("id:{}", container.id));
                if let Some(runtime) = container.runtime {
                    push(&mut selectors, KIND, &format!("runtime:{runtime}"));
                }
            }
            Ok(selectors)
        })
    }
}
