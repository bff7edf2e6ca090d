//! The keys as the store has them.

use carnet_core::Error;
use carnet_store::{Expect, KeyRow, ObjectKind, Op, Store, StoreClock};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{KeyManager, keep::Kept};
use crate::{KeyFacts, Purpose, Stage, Times};

/// The object of the store that counts the changes of keys. Each changes it, so that of two at once only one happens.
const SETTING: &str = "keys.bundle";

/// The count of changes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    /// Of the bundle.
    sequence: u64,
    /// Of everything.
    changes: u64,
}

/// What was read. `rows` is not older than `count`: a change after it makes every commit on it a conflict.
pub(super) struct State {
    pub(super) rows: Vec<KeyRow>,
    count: Count,
    expect: Expect,
    /// What the store goes by when it forgets.
    clock: StoreClock,
}

/// Rows as the manager speaks of them.
pub(super) trait RowExt {
    fn purpose(&self) -> Result<Purpose, Error>;
    fn stage(&self) -> Result<Stage, Error>;
    fn is_waiting_or_signing(&self) -> bool;
    /// The row of the same key in another stage. What does not sign any more loses its private half.
    fn moved_to(&self, stage: Stage, now: Timestamp) -> KeyRow;
}

impl RowExt for KeyRow {
    fn purpose(&self) -> Result<Purpose, Error> {
        Purpose::of_row(&self.purpose, &self.algorithm)
    }

    fn stage(&self) -> Result<Stage, Error> {
        self.stage.parse()
    }

    fn is_waiting_or_signing(&self) -> bool {
        self.revoked_at.is_none() && matches!(self.stage(), Ok(Stage::Prepared | Stage::Active))
    }

    fn moved_to(&self, stage: Stage, now: Timestamp) -> KeyRow {
        let mut row = self.clone();
        stage.name().clone_into(&mut row.stage);
        match stage {
            Stage::Prepared => {}
            Stage::Active => row.activate_at = now,
            Stage::Retired | Stage::Tainted => {
                row.retire_at = row.retire_at.min(now);
                row.sealed = Vec::new();
            }
        }
        row
    }
}

impl State {
    /// What the plan looks at.
    pub(super) fn facts(&self, kept: &Kept) -> Result<Vec<KeyFacts>, Error> {
        let facts = |row: &KeyRow| {
            Ok(KeyFacts {
                kid: row.kid.clone(),
                purpose: row.purpose()?,
                stage: row.stage()?,
                created_at: row.created_at,
                activate_at: row.activate_at,
                retire_at: row.retire_at,
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
                usable: !kept.is_foreign(&row.kid),
                revision: row.revision,
            })
        };
        self.rows.iter().map(facts).collect()
    }

    /// The times that the plan goes by, with this one of the own clock.
    pub(super) fn times(&self, now: Timestamp) -> Times {
        Times::new(now, &self.clock)
    }

    pub(super) fn row(&self, kid: &str) -> Result<&KeyRow, Error> {
        self.rows.iter().find(|row| row.kid == kid).ok_or_else(|| {
            Error::configuration(format!("there is no key {:?}", carnet_core::safe_text(kid)))
                .hint("list the keys; one that has long expired is gone")
        })
    }

    /// How many changes there were.
    pub(super) fn changes(&self) -> u64 {
        self.count.changes
    }

    pub(super) fn sequence(&self) -> u64 {
        self.count.sequence
    }

    /// The effect that makes a change the only one on this state. A store that was lost begins at a later count than the
    /// one before it ended at, because the count is at least the time in seconds.
    pub(super) fn claim(&self, now: Timestamp, changes_bundle: bool) -> Result<Op, Error> {
        let Count { sequence, changes } = self.count;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let sequence = if changes_bundle { sequence.saturating_add(1).max(seconds) } else { sequence };
        let body = serde_json::to_value(Count { sequence, changes: changes.saturating_add(1) })
            .map_err(|error| Error::internal("the count of changes cannot be written").because(error))?;
        Ok(Op::PutObject { kind: ObjectKind::Setting, name: SETTING.to_owned(), body, expect: self.expect })
    }
}

impl KeyManager {
    pub(super) async fn read(&self) -> Result<State, Error> {
        read(&*self.store).await
    }

    /// Whether something was done to keys since the ring was made. Other changes of the store are no reason to look at them.
    pub(super) async fn has_news(&self) -> Result<bool, Error> {
        let (count, _) = read_count(&*self.store).await?;
        Ok(self.kept.lock().await.seen != Some(count.changes))
    }
}

pub(super) async fn read(store: &dyn Store) -> Result<State, Error> {
    let (count, expect) = read_count(store).await?;
    let mut rows = store.keys().await?;
    rows.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
    let clock = store.clock().await?;
    Ok(State { rows, count, expect, clock })
}

async fn read_count(store: &dyn Store) -> Result<(Count, Expect), Error> {
    let Some(object) = store.object(ObjectKind::Setting, SETTING.to_owned()).await? else {
        return Ok((Count::default(), Expect::Absent));
    };
    let count = serde_json::from_value(object.body).map_err(|error| {
        Error::configuration(format!("the setting {SETTING} of the store is damaged")).because(error)
    })?;
    Ok((count, Expect::Revision(object.revision)))
}
