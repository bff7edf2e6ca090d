//! When to renew, and when to try again. Pure functions of their arguments.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Jitter in percent of the life that is left. Without it, a fleet started at once renews at once, for ever.
/// It only ever makes a renewal earlier, so that no bound below depends on it.
const JITTER_PERCENT: i128 = 10;

/// A renewal starts after at least this part of the life that is left, so that a token whose whole life is shorter
/// than the margin is not fetched in a circle.
const EARLIEST_PERCENT: i128 = 25;

/// When a value is renewed, counted from the moment it was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// After this percentage of the life that was left, 1 to 90.
    at_percent: u8,
    /// But before the last so many.
    margin: Duration,
    /// How often a value without a known end is renewed.
    unknown: Duration,
}

impl Default for Schedule {
    /// Half of the life, before the last five minutes; a quarter of an hour where the end is unknown. The oci SDKs and
    /// google-auth treat a token as stale in its last minutes too, so a value that is older is of no use to them.
    fn default() -> Self {
        Self { at_percent: 50, margin: Duration::from_mins(5), unknown: Duration::from_mins(15) }
    }
}

impl Schedule {
    /// Renews after this percentage of the life, which is brought into 1 to 90.
    #[must_use]
    pub fn at_percent(mut self, percent: u8) -> Self {
        self.at_percent = percent.clamp(1, 90);
        self
    }

    /// Renews before the last so many, unless the whole life is about as short.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// When a value fetched at `now` is renewed. `roll` is a random number from 0 (no jitter) to 1 (all of it).
    ///
    /// With an end in the future the answer lies after `now` and before the end, except that a life of a few
    /// nanoseconds cannot be divided and answers `now`.
    pub fn renew_at(&self, now: Timestamp, expires_at: Option<Timestamp>, roll: f64) -> Timestamp {
        let Some(end) = expires_at else {
            let wait = nanos(self.unknown);
            return after(now, wait - jitter(wait, roll));
        };
        let life = end.duration_since(now).as_nanos().max(0);
        let by_share = life * i128::from(self.at_percent) / 100;
        let by_margin = life - nanos(self.margin);
        let earliest = life * EARLIEST_PERCENT.min(i128::from(self.at_percent)) / 100;
        let latest = by_share.min(by_margin).max(earliest);
        // A tenth of the life is less than a quarter of it, so what is left is positive whenever `latest` is, unless
        // the share itself is below the jitter.
        after(now, (latest - jitter(life, roll)).max(earliest / 2))
    }
}

/// How long to wait after failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure, at most.
    pub first: Duration,
    /// Never longer than this.
    pub cap: Duration,
}

impl Default for Backoff {
    /// One second, doubling to one minute: a service that comes back is noticed within a minute.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: Duration::from_mins(1) }
    }
}

impl Backoff {
    /// The wait after `failures` in a row: between half and the whole of `first * 2^(failures - 1)`, capped.
    /// `roll` is a random number from 0 to 1.
    pub fn delay(&self, failures: u32, roll: f64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).filter(|factor| *factor != 0).unwrap_or(u32::MAX);
        let most = self.first.saturating_mul(doubled).min(self.cap);
        most / 2 + (most / 2).mul_f64(unit(roll))
    }
}

fn jitter(life: i128, roll: f64) -> i128 {
    // Parts per million keep the arithmetic in whole numbers.
    #[expect(clippy::cast_possible_truncation, reason = "a number from 0 to 1,000,000")]
    let parts = (unit(roll) * 1e6) as i128;
    life * JITTER_PERCENT / 100 * parts / 1_000_000
}

fn unit(roll: f64) -> f64 {
    if roll.is_finite() { roll.clamp(0.0, 1.0) } else { 0.0 }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 1000)
}

fn after(now: Timestamp, nanos: i128) -> Timestamp {
    let wait = i64::try_from(nanos).map_or(SignedDuration::MAX, SignedDuration::from_nanos);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minutes(count: i64) -> SignedDuration {
        SignedDuration::from_mins(count)
    }

    fn wait(life: i64, roll: f64) -> SignedDuration {
        let now = Timestamp::UNIX_EPOCH;
        Schedule::default().renew_at(now, Some(now + minutes(life)), roll).duration_since(now)
    }

    #[test]
    fn an_hour_is_renewed_at_half_life() {
        assert_eq!(wait(60, 0.0), minutes(30));
        assert_eq!(wait(60, 1.0), minutes(24), "jitter of a tenth of the life, earlier only");
    }

    #[test]
    fn a_short_life_is_renewed_before_the_last_five_minutes() {
        assert_eq!(wait(8, 0.0), minutes(3));
        assert_eq!(wait(20, 0.0), minutes(10));
    }

    #[test]
    fn a_life_as_short_as_the_margin_is_not_fetched_in_a_circle() {
        assert_eq!(wait(4, 0.0), minutes(1));
    }

    #[test]
    fn an_unknown_end_is_renewed_every_quarter_of_an_hour() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(Schedule::default().renew_at(now, None, 0.0), now + minutes(15));
    }

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let backoff = Backoff::default();
        let waits: Vec<u64> = (1..=9).map(|failures| backoff.delay(failures, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.delay(u32::MAX, 1.0), backoff.cap);
    }

    proptest! {
        #[test]
        fn a_renewal_lies_between_now_and_the_end(
            start in -1_000_000_000_i64..4_000_000_000,
            life in 1_000_i64..1_000_000_000_000_000_000,
            percent in 0_u8..=255,
            margin in 0_u64..1_000_000,
            roll in any::<f64>(),
        ) {
            let now = Timestamp::from_second(start).unwrap();
            let end = now + SignedDuration::from_nanos(life);
            let schedule = Schedule::default().at_percent(percent).margin(Duration::from_secs(margin));
            let at = schedule.renew_at(now, Some(end), roll);
            prop_assert!(at > now && at < end, "{now} {at} {end}");
        }

        #[test]
        fn jitter_is_at_most_a_tenth_and_never_later(life in 3600_i64..1_000_000, roll in 0.0_f64..=1.0) {
            let now = Timestamp::UNIX_EPOCH;
            let end = Some(now + SignedDuration::from_secs(life));
            let plain = Schedule::default().renew_at(now, end, 0.0);
            let rolled = Schedule::default().renew_at(now, end, roll);
            prop_assert!(rolled <= plain);
            prop_assert!(plain.duration_since(rolled).as_nanos() <= i128::from(life) * 100_000_000);
        }

        #[test]
        fn a_delay_is_between_half_and_the_whole(failures in any::<u32>(), roll in 0.0_f64..=1.0) {
            let backoff = Backoff::default();
            let most = backoff.delay(failures, 1.0);
            let delay = backoff.delay(failures, roll);
            prop_assert!(delay >= most / 2 && delay <= most && most <= backoff.cap);
        }
    }
}
