//! Forgetting what is of no use any more.
//!
//! What is of no use depends on the time, and clocks may be wrong. So there are two safeguards. The store goes by a time of its
//! own, `head.clock`, that callers move on in small steps and take back when theirs is behind: one clock that jumps has little
//! to say. And it remembers up to where it has forgotten keys, `head.forgotten`: a key that it could have forgotten counts as
//! used, so that no clock whatsoever makes a key good twice.

use jiff::{SignedDuration, Timestamp};

use crate::{
    StoreError,
    sql::{Columns, Connection, Value, corrupt},
};

/// How long it stays known that an entry was deleted. A node that was away for longer reads all entries again.
const TOMBSTONES: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far the store's time moves on with one call, at most: more than lies between two calls, five minutes,
/// so that it gains on a clock that is ahead: a day in eight hours, and a year in four months.
const STEP: SignedDuration = SignedDuration::from_mins(20);
/// How long after its time something is deleted: three steps, so that three callers that are ahead do no harm beside one that is
/// right; and more than any tolerance for clocks in the verification of tokens, which is ten minutes at most.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);
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

/// The time that the store goes by after a look at the caller's clock. It starts with the first row of the audit log.
async fn move_on<C: Connection>(connection: &mut C, now: Timestamp) -> Result<Timestamp, StoreError> {
    let sql = "SELECT COALESCE(clock, (SELECT at FROM audit ORDER BY seq LIMIT 1)) FROM head";
    let row = connection.query(sql.into(), Vec::new()).await?.into_iter().next();
    let known = row.ok_or_else(|| corrupt("its head is missing"))?.maybe(Columns::time)?;
    let furthest = known.map_or(now, |known| known.checked_add(STEP).unwrap_or(Timestamp::MAX));
    let believed = now.min(furthest);
    if believed < now {
        tracing::info!(%now, %believed, "the clock is ahead of the store's time, by which it forgets; it follows step by step");
    }
    connection.query("UPDATE head SET clock = $1".into(), vec![Value::time(believed)]).await?;
    Ok(believed)
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
