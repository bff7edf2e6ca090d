//! The time that the store goes by when it forgets.
//!
//! What is of no use depends on the time, and clocks may be wrong. So there are two safeguards. The store goes by a time of its
//! own, `head.clock`, that callers move on in small steps and take back when theirs is behind: one clock that jumps has little
//! to say. And it remembers up to where it has forgotten keys, `head.forgotten`: a key that it could have forgotten counts as
//! used, so that no clock whatsoever makes a key good twice. An operator who says that a clock is right ends the first, and the second
//! only if asked to.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, Transaction};
use crate::{
    StoreClock, StoreError,
    reads::clock,
    sql::{Connection, Value, corrupt},
};

/// How far the store's time moves on with one call, at most: more than lies between two calls, five minutes,
/// so that it gains on a clock that is ahead: a day in eight hours, and a year in four months.
const STEP: SignedDuration = SignedDuration::from_mins(20);
/// How long after its time something is deleted: three steps.
pub(super) const MARGIN: SignedDuration = StoreClock::MARGIN;

/// [`StoreClock`]. The time starts with the first row of the audit log.
pub(crate) const CLOCK: &str =
    "SELECT COALESCE(clock, (SELECT at FROM audit ORDER BY seq LIMIT 1)), forgotten FROM head";

/// The time that the store goes by after a look at the caller's clock.
pub(super) async fn move_on<C: Connection>(connection: &mut C, now: Timestamp) -> Result<Timestamp, StoreError> {
    let row = connection.query(CLOCK.into(), Vec::new()).await?.into_iter().next();
    let StoreClock { believed: known, .. } = clock(row.ok_or_else(|| corrupt("its head is missing"))?)?;
    let furthest = known.map_or(now, |known| known.checked_add(STEP).unwrap_or(Timestamp::MAX));
    let believed = now.min(furthest);
    if believed < now {
        tracing::info!(%now, %believed, "the clock is ahead of the store's time, by which it forgets; it follows step by step");
    }
    connection.query("UPDATE head SET clock = $1".into(), vec![Value::time(believed)]).await?;
    Ok(believed)
}

impl<C: Connection> Transaction<'_, C> {
    /// What a clock that was far ahead has made the store forget keeps keys out for as long as that clock was ahead. Where they are
    /// taken again, that is for another hour: for what a clock that was right let in shortly before.
    pub(super) async fn believe_clock(&mut self, now: Timestamp, reopen: bool) -> Result<Effect, StoreError> {
        self.connection.query("UPDATE head SET clock = $1".into(), vec![Value::time(now)]).await?;
        if reopen {
            let latest = Value::time(now.checked_add(MARGIN).unwrap_or(Timestamp::MAX));
            let sql = "UPDATE head SET forgotten = $1 WHERE forgotten > $2";
            self.connection.query(sql.into(), vec![latest.clone(), latest]).await?;
        }
        Ok(Effect::Done)
    }
}
