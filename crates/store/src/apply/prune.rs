//! Forgetting what is of no use any more.
//!
//! The time that it goes by is that of [`super::clock`].

use jiff::{SignedDuration, Timestamp};

use super::clock::{MARGIN, move_on};
use crate::{
    StoreError,
    sql::{Columns, Connection, Value},
};

/// How long it stays known that an entry was deleted. A node that was away for longer reads all entries again.
const TOMBSTONES: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Rows of one transaction, so that no commit waits for long.
const CHUNK: usize = 1000;

/// Keys, with `$1` the time and `$2` the number of rows.
const USED: &str =
    "DELETE FROM used WHERE key IN (SELECT key FROM used WHERE until <= $1 ORDER BY until LIMIT $2) RETURNING until";
/// What is deleted beside them, with the same parameters.
const DEAD: [&str; 2] = [
    "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE max_expires_at <= $1 AND expires_at <= $1 \
     ORDER BY max_expires_at LIMIT $2) RETURNING 1",
    "DELETE FROM join_tokens WHERE hash IN (SELECT hash FROM join_tokens WHERE expires_at <= $1 LIMIT $2) RETURNING 1",
];

/// What to forget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    /// The caller's time.
    now: Timestamp,
    /// What ended by this time is deleted. Not known before the first chunk.
    until: Option<Timestamp>,
}

impl Sweep {
    /// The first chunk at this time.
    pub(crate) fn begin(now: Timestamp) -> Self {
        Self { now, until: None }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swept {
    /// Rows that were deleted.
    pub(crate) rows: u64,
    /// The next chunk, if there may be one.
    pub(crate) more: Option<Sweep>,
}

/// Deletes up to a thousand rows of each sort in one transaction.
pub(crate) async fn prune<C: Connection>(connection: &mut C, sweep: Sweep) -> Result<Swept, StoreError> {
    let done = chunk(connection, sweep).await;
    if done.is_err() {
        connection.abort().await;
    }
    done
}

async fn chunk<C: Connection>(connection: &mut C, sweep: Sweep) -> Result<Swept, StoreError> {
    let head = connection.begin().await?;
    let until = match sweep.until {
        Some(until) => until,
        None => earlier(move_on(connection, sweep.now).await?, MARGIN),
    };
    let used = delete(connection, USED, until).await?;
    let mut forgotten = None;
    for mut row in used.rows {
        forgotten = forgotten.max(Some(row.int()?));
    }
    if let Some(last) = forgotten {
        raise(connection, "UPDATE head SET forgotten = $1 WHERE forgotten < $2", last).await?;
    }
    let (mut pruned, mut more) = (used.count, used.full);
    for sql in DEAD {
        let dead = delete(connection, sql, until).await?;
        pruned = pruned.saturating_add(dead.count);
        more |= dead.full;
    }
    // Forgotten too early, they cost others that they read all entries again.
    let sql = "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE deleted_at IS NOT NULL AND deleted_at <= $1 \
               ORDER BY deleted_at LIMIT $2) RETURNING revision";
    let tombstones = delete(connection, sql, earlier(sweep.now, TOMBSTONES)).await?;
    pruned = pruned.saturating_add(tombstones.count);
    more |= tombstones.full;
    let mut last = 0;
    for mut row in tombstones.rows {
        last = last.max(row.int()?);
    }
    if last > 0 {
        raise(connection, "UPDATE head SET pruned = $1 WHERE pruned < $2", last).await?;
    }
    connection.finish(Vec::new(), &head, false).await?;
    let more = more.then_some(Sweep { until: Some(until), ..sweep });
    Ok(Swept { rows: u64::try_from(pruned).unwrap_or(u64::MAX), more })
}

/// Rows that were deleted.
struct Deleted {
    rows: Vec<Columns>,
    count: usize,
    /// Whether there may be more.
    full: bool,
}

async fn delete<C: Connection>(connection: &mut C, sql: &'static str, until: Timestamp) -> Result<Deleted, StoreError> {
    let limit = Value::count(u64::try_from(CHUNK).unwrap_or(u64::MAX))?;
    let rows = connection.query(sql.into(), vec![Value::time(until), limit]).await?;
    let count = rows.len();
    Ok(Deleted { rows, count, full: count == CHUNK })
}

async fn raise<C: Connection>(connection: &mut C, sql: &'static str, to: i64) -> Result<(), StoreError> {
    connection.query(sql.into(), vec![Value::Int(to), Value::Int(to)]).await.map(drop)
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}
