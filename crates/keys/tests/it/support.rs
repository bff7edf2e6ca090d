//! A world with a store, a clock that is moved by hand, and managers that share both.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{Context, FixedClock, FixedRandom, test_context};
use carnet_jose::Algorithm;
use carnet_keys::{KeyFile, KeyManager, KeyParts, KeySettings, KeyView, Purpose, Software, Stage, Upstream};
use carnet_spiffe::TrustDomain;
use carnet_store::{AuditRecord, Commit, Committed, Op, Options, Outcome, Store};
use jiff::{SignedDuration, Timestamp};

/// The trust domain of the tests.
pub(crate) const DOMAIN: &str = "example.org";

/// One store, one clock.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) context: Context,
    pub(crate) settings: KeySettings,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) seal: PathBuf,
}

impl World {
    pub(crate) async fn new(algorithms: &[Algorithm]) -> Self {
        let start = Timestamp::from_second(1_795_262_400).unwrap();
        let clock = Arc::new(FixedClock::at(start));
        let random = Arc::new(FixedRandom::default());
        let context = Context { clock: Arc::<FixedClock>::clone(&clock), random, ..test_context() };
        Self {
            store: carnet_store::open("sqlite::memory:", Options::default()).await.unwrap(),
            clock,
            context,
            settings: KeySettings::new(domain(), algorithms.to_vec()),
            upstream: None,
            seal: PathBuf::from("/var/lib/carnet/seal.key"),
        }
    }

    pub(crate) fn key_file(&self) -> Arc<KeyFile> {
        Arc::new(KeyFile::new(&self.context, &self.seal, true).unwrap())
    }

    pub(crate) fn parts(&self) -> KeyParts {
        KeyParts {
            store: Arc::clone(&self.store),
            context: self.context.clone(),
            sealer: self.key_file(),
            backend: Arc::new(Software),
            upstream: self.upstream.clone(),
            settings: self.settings.clone(),
        }
    }

    pub(crate) async fn manager(&self) -> Arc<KeyManager> {
        KeyManager::open(self.parts()).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now()
    }

    /// Has the store go by the clock, as if it had looked at it all the time.
    pub(crate) async fn believe(&self) {
        let ops = vec![Op::BelieveClock { now: self.now(), reopen: false }];
        let audit = AuditRecord::new(self.now(), "store.believe-clock", Outcome::Allowed);
        let done = self.store.commit(Commit { ops, audit, refused: None }).await.unwrap();
        assert!(matches!(done, Committed::Done { .. }), "{done:?}");
    }

    pub(crate) fn advance(&self, hours: i64) {
        self.clock.advance(SignedDuration::from_hours(hours));
    }
}

pub(crate) fn domain() -> TrustDomain {
    DOMAIN.parse().unwrap()
}

/// Keys of this purpose in this stage.
pub(crate) fn in_stage(keys: &[KeyView], purpose: Purpose, stage: Stage) -> Vec<&KeyView> {
    keys.iter().filter(|key| key.purpose == purpose && key.stage == stage && key.revoked_at.is_none()).collect()
}
