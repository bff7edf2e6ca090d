//! Forgetting what is of no use any more.

use jiff::{SignedDuration, Timestamp};

use crate::{
    StoreError,
    sql::{Connection, Value},
};

/// How long it stays known that an entry was deleted. A node that was away for longer reads all entries again.
const TOMBSTONES: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Rows of one transaction, so that no commit waits for long.
const CHUNK: usize = 1000;

/// What is deleted, with `$1` the time and `$2` the number of rows.
const DEAD: [&str; 3] = [
    "DELETE FROM used WHERE key IN (SELECT key FROM used WHERE until <= $1 ORDER BY until LIMIT $2) RETURNING 1",
    "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE max_expires_at <= $1 AND expires_at <= $1 \
     ORDER BY max_expires_at LIMIT $2) RETURNING 1",
    "DELETE FROM join_tokens WHERE hash IN (SELECT hash FROM join_tokens WHERE expires_at <= $1 LIMIT $2) RETURNING 1",
];

/// Deletes up to a thousand rows of each sort in one transaction. Answers how many, and whether there may be more.
pub(crate) async fn prune<C: Connection>(connection: &mut C, now: Timestamp) -> Result<(u64, bool), StoreError> {
    let done = chunk(connection, now).await;
    if done.is_err() {
        connection.abort().await;
    }
    done
}

async fn chunk<C: Connection>(connection: &mut C, now: Timestamp) -> Result<(u64, bool), StoreError> {
    let head = connection.begin().await?;
    let limit = Value::count(u64::try_from(CHUNK).unwrap_or(u64::MAX))?;
    let (mut pruned, mut more) = (0_usize, false);
    for sql in DEAD {
        let rows = connection.query(sql.into(), vec![Value::time(now), limit.clone()]).await?;
        pruned = pruned.saturating_add(rows.len());
        more |= rows.len() == CHUNK;
    }
    let since = now.checked_sub(TOMBSTONES).unwrap_or(Timestamp::MIN);
    let sql = "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE deleted_at IS NOT NULL AND deleted_at <= $1 \
               ORDER BY deleted_at LIMIT $2) RETURNING revision";
    let tombstones = connection.query(sql.into(), vec![Value::time(since), limit]).await?;
    pruned = pruned.saturating_add(tombstones.len());
    more |= tombstones.len() == CHUNK;
    let mut last = 0;
    for mut row in tombstones {
        last = last.max(row.int()?);
    }
    if last > 0 {
        let sql = "UPDATE head SET pruned = $1 WHERE pruned < $2";
        connection.query(sql.into(), vec![Value::Int(last), Value::Int(last)]).await?;
    }
    connection.finish(Vec::new(), &head, false).await?;
    Ok((u64::try_from(pruned).unwrap_or(u64::MAX), more))
}
