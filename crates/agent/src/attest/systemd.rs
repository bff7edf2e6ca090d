//! The unit of the system's manager.

use carnet_core::{BoxFuture, Error};
use carnet_spiffe::Selector;

use super::{Caller, WorkloadAttestor, cgroup::Cgroups, push};

const KIND: &str = "systemd";

/// `systemd:id:api.service`: the service or scope of the system's manager that the process is in.
///
/// It is read from the path of the control group, in which the manager keeps each unit (systemd.resource-control(5)), and not
/// asked over D-Bus: there is no other service whose answer could be late or missing, and the answer is the same. For
/// a process of a user's own service it is the unit of that user's manager, `user@1000.service`. The file that a unit
/// is made from (`fragment_path`) cannot be known this way and is no selector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemd;

impl WorkloadAttestor for Systemd {
    fn name(&self) -> &'static str {
        KIND
    }

    fn attest<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async move {
            let cgroups = Cgroups::of(caller)?;
            let mut selectors = Vec::new();
            if let Some(unit) = cgroups.unit() {
                push(&mut selectors, KIND, &format!("id:{unit}"));
            }
            Ok(selectors)
        })
    }
}
