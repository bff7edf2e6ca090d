//! What the emulators share.

use std::sync::Arc;

use carnet_core::{Clock, Context, HttpSend, MapEnvironment, MemoryFiles, NoCommands, Random};
use carnet_jose::Algorithm;
use jiff::{SignedDuration, Timestamp};

use crate::{Decisions, FaultKind, Faults, LazyKey, SandboxClock};

/// How far ahead a service's clock is under [`FaultKind::Skew`]: more than any of the emulated clouds tolerates
/// (five minutes at OCI for signed requests, less for tokens elsewhere).
const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// The shared world of the emulators. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// One clock for all. Ask [`World::now`] instead, which knows about skew.
    pub clock: Arc<SandboxClock>,
    /// What the services decided and why. Every service notes every refusal and every grant of its own here.
    pub decisions: Arc<Decisions>,
    /// What is made to go wrong.
    pub faults: Arc<Faults>,
    /// For fetching key sets and discovery documents under their real names; never leaves loopback.
    pub http: Arc<dyn HttpSend>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// The RSA key that issuers have at first whose tokens the sandbox writes into files when it starts: one search for all of
    /// them ([`LazyKey::twin`]). Its private half stays in this process.
    pub issuers: Arc<LazyKey>,
}

impl World {
    /// A world without faults whose clock runs with `clock`.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>, http: Arc<dyn HttpSend>) -> Self {
        Self {
            clock: Arc::new(SandboxClock::new(clock)),
            decisions: Arc::default(),
            faults: Arc::default(),
            http,
            random,
            issuers: Arc::new(LazyKey::new(Algorithm::Rs256, "issuers")),
        }
    }

    /// Now, by the clock of this service.
    pub fn now(&self, service: &str) -> Timestamp {
        let now = self.clock.now();
        if self.faults.is_on(FaultKind::Skew, service) {
            return now.saturating_add(SKEW).unwrap_or(now);
        }
        now
    }

    /// What an emulator needs to fetch something by itself: the clock, the randomness and the network of this world, and
    /// nothing of the machine.
    pub fn context(&self) -> Context {
        Context {
            clock: Arc::clone(&self.clock) as _,
            random: Arc::clone(&self.random),
            http: Arc::clone(&self.http),
            environment: Arc::new(MapEnvironment::default()),
            files: Arc::new(MemoryFiles::default()),
            commands: Arc::new(NoCommands),
        }
    }

    /// `N` random bytes as lower-case hexadecimal.
    pub fn random_hex<const N: usize>(&self) -> String {
        let mut bytes = [0_u8; N];
        self.random.fill(&mut bytes);
        carnet_core::hex(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{FixedClock, FixedRandom, NoHttp};

    use super::*;
    use crate::Fault;

    fn world() -> World {
        let clock = FixedClock::at(Timestamp::from_second(1_000_000).unwrap());
        World::new(Arc::new(clock), Arc::new(FixedRandom::default()), Arc::new(NoHttp))
    }

    #[test]
    fn skew_is_of_one_service_and_lasts() {
        let world = world();
        world.faults.add(Fault::new(FaultKind::Skew).service("gcp-sts").times(1));
        assert!(world.now("gcp-sts") > world.now("oci-domain"));
        assert!(world.now("gcp-sts") > world.now("oci-domain"), "it is not used up by looking");
    }

    #[test]
    fn random_hex_has_two_digits_for_each_byte() {
        assert_eq!(world().random_hex::<17>(), "0102030405060708090a0b0c0d0e0f1011");
    }
}
