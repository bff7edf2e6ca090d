//! Clocks that are wrong, and what the store goes by.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::support::{after, done, join_token, noon, prune, reason, token, use_once};
use crate::{AuditRecord, Commit, Committed, ConflictReason, Op, Outcome, Store, StoreClock};

const YEAR: i64 = 365 * 24 * 3600;

fn until(key: u8, seconds: i64) -> Op {
    Op::UseOnce { key: [key; 32], until: after(seconds) }
}

fn believe(now: Timestamp, reopen: bool) -> Op {
    Op::BelieveClock { now, reopen }
}

/// Only what could have been among those that are gone, and nothing that is remembered for longer.
pub async fn a_key_that_was_forgotten_is_not_used_again(store: Arc<dyn Store>) {
    done(&*store, until(1, 60)).await;
    assert_eq!(prune(&*store, 60).await, 1);
    for (key, seconds) in [(1, 60), (1, 59), (2, 60)] {
        assert_eq!(reason(&*store, until(key, seconds)).await, ConflictReason::Used, "{key} until {seconds}");
    }
    done(&*store, until(2, 61)).await;
}

/// [`Store::prune`] with a clock that is a year ahead, once and again and again.
pub async fn a_clock_that_jumps_ahead_deletes_nothing_that_is_good(store: Arc<dyn Store>) {
    done(&*store, use_once(1)).await;
    done(&*store, Op::InsertToken(token("a", None))).await;
    done(&*store, Op::CreateJoinToken(join_token(1))).await;
    for seconds in -12..0 {
        // One that is right, and two that are not.
        assert_eq!(store.prune(after(seconds)).await.unwrap(), 0);
        assert_eq!(store.prune(after(YEAR)).await.unwrap(), 0);
        assert_eq!(store.prune(after(YEAR)).await.unwrap(), 0);
    }
    assert_eq!(reason(&*store, use_once(1)).await, ConflictReason::Used);
    assert!(store.token("a".to_owned()).await.unwrap().is_some());
    assert_eq!(store.join_tokens(noon()).await.unwrap(), [join_token(1)]);
    // One that is alone and stays ahead is believed some day; and still nothing is good twice.
    let mut pruned = 0;
    for _ in 0..12 {
        pruned += store.prune(after(YEAR)).await.unwrap();
    }
    assert_eq!(pruned, 3);
    assert_eq!(reason(&*store, use_once(1)).await, ConflictReason::Used);
    done(&*store, until(1, 61)).await;
}

/// [`Store::clock`] before the first row, and [`Op::BelieveClock`] after one that came years too early.
pub async fn a_store_that_began_with_an_early_clock_forgets_once_it_is_told_the_time(store: Arc<dyn Store>) {
    assert_eq!(store.clock().await.unwrap().believed, None);
    let early = after(-50 * YEAR);
    let audit = AuditRecord::new(early, "check", Outcome::Allowed);
    let began = store.commit(Commit { ops: vec![use_once(1)], audit, refused: None }).await.unwrap();
    assert!(matches!(began, Committed::Done { .. }));
    assert_eq!(store.clock().await.unwrap().believed, Some(early));
    for _ in 0..3 {
        assert_eq!(store.prune(after(3660)).await.unwrap(), 0);
    }
    let clock = store.clock().await.unwrap();
    assert_eq!(clock.believed, Some(early + SignedDuration::from_mins(60)));
    assert!(clock.behind(noon()) > SignedDuration::from_hours(24 * 365 * 49), "{clock:?}");
    let told = store.changes();
    done(&*store, believe(after(3660), false)).await;
    assert!(!told.has_changed().unwrap());
    assert_eq!(store.clock().await.unwrap(), StoreClock { believed: Some(after(3660)), ..clock });
    assert_eq!(store.clock().await.unwrap().behind(after(3660)), SignedDuration::ZERO);
    assert_eq!(store.prune(after(3660)).await.unwrap(), 1);
    assert_eq!(reason(&*store, use_once(1)).await, ConflictReason::Used);
}

/// A clock that was ahead for so long that keys of its time were forgotten keeps out all keys up to then.
pub async fn a_clock_that_is_believed_ends_the_refusals_of_one_that_was_ahead(store: Arc<dyn Store>) {
    done(&*store, until(1, YEAR)).await;
    done(&*store, believe(after(YEAR + 3600), false)).await;
    assert_eq!(store.prune(after(YEAR + 3600)).await.unwrap(), 1);
    let clock = store.clock().await.unwrap();
    assert_eq!((clock.forgotten, clock.refusing(noon())), (after(YEAR), SignedDuration::from_secs(YEAR)));
    assert_eq!(store.prune(noon()).await.unwrap(), 0);
    assert_eq!(reason(&*store, until(2, 7200)).await, ConflictReason::Used);
    done(&*store, believe(noon(), false)).await;
    assert_eq!(reason(&*store, until(2, 7200)).await, ConflictReason::Used, "unless asked for");
    done(&*store, believe(noon(), true)).await;
    let clock = store.clock().await.unwrap();
    assert_eq!(clock, StoreClock { believed: Some(noon()), forgotten: after(3600) });
    // What may have been used shortly before is kept out for another hour.
    assert_eq!(reason(&*store, until(2, 3600)).await, ConflictReason::Used);
    done(&*store, until(2, 3601)).await;
}

/// What was forgotten up to now stays so, however often the time is told.
pub async fn a_clock_that_is_believed_makes_no_key_good_twice(store: Arc<dyn Store>) {
    done(&*store, use_once(1)).await;
    assert_eq!(prune(&*store, 60).await, 1);
    for (seconds, reopen) in [(-YEAR, false), (YEAR, false), (0, true), (60, true), (YEAR, true)] {
        done(&*store, believe(after(seconds), reopen)).await;
        assert_eq!(store.clock().await.unwrap().believed, Some(after(seconds)));
        assert_eq!(reason(&*store, use_once(1)).await, ConflictReason::Used, "{seconds} {reopen}");
    }
}
