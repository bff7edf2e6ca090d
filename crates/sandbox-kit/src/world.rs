//! What the emulators share.

use std::sync::Arc;

use carnet_core::{Clock, HttpSend, Random};
use jiff::{SignedDuration, Timestamp};

use crate::{Decisions, FaultKind, Faults, SandboxClock};

/// The shared world of the emulators. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// One clock for all.
    pub clock: Arc<SandboxClock>,
    /// What is made to go wrong.
    pub faults: Arc<Faults>,
    /// For fetching key sets and discovery documents under their real names; never leaves loopback.
    pub http: Arc<dyn HttpSend>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// What the services decided and why. Every service notes every refusal and every grant of its own here.
    pub decisions: Arc<Decisions>,
}

/// How far ahead a service's clock is under [`FaultKind::Skew`]: more than any of the emulated clouds tolerates.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

impl World {
    /// Now, by the clock of this service.
    pub fn now(&self, service: &str) -> Timestamp {
        let now = self.clock.now();
        if self.faults.hits(FaultKind::Skew, service, "") {
            return now.saturating_add(SKEW).unwrap_or(now);
        }
        now
    }

    /// `N` random bytes as lower-case hexadecimal.
    pub fn random_hex<const N: usize>(&self) -> String {
        let mut bytes = [0_u8; N];
        self.random.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
