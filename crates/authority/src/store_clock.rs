//! Whether the store forgets by the right time. Nothing that is done today depends on it.

use carnet_ops::Component;
use carnet_store::StoreClock;
use jiff::{SignedDuration, Timestamp};

/// The name under which it is told.
pub(crate) const COMPONENT: &str = "store-clock";
/// How far the time of the store may be from the clock.
const FAR_OFF: SignedDuration = SignedDuration::from_hours(24);

/// Tells it, and logs what has changed.
pub(crate) fn report(component: &Component, clock: &StoreClock, now: Timestamp) {
    match far_off(clock, now) {
        None => component.ready(),
        Some(why) => component.degraded(why),
    }
}

/// What is wrong with the time that a store goes by. In days, so that it is said again when something has changed.
fn far_off(clock: &StoreClock, now: Timestamp) -> Option<String> {
    let (behind, refusing) = (clock.behind(now), clock.refusing(now));
    let days = |time: SignedDuration| time.as_hours() / 24;
    if refusing > FAR_OFF {
        return Some(format!(
            "single-use tokens that end in less than {} days are refused, since a clock that was ahead had the store forget which \
             were used; if the clock is right now, run `carnet authority store believe-clock --reopen`",
            days(refusing).saturating_add(1)
        ));
    }
    (behind > FAR_OFF).then(|| {
        format!(
            "the time by which the store forgets is {} days behind the clock and gains three days in one; what has ended stays until \
             then; if the clock is right, run `carnet authority store believe-clock`",
            days(behind)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_400 + hours * 3600).unwrap()
    }

    fn told(believed: i64, forgotten: i64) -> String {
        let clock = StoreClock { believed: Some(hours(believed)), forgotten: hours(forgotten) };
        far_off(&clock, hours(0)).unwrap_or_default()
    }

    #[test]
    fn a_day_is_borne() {
        assert_eq!((told(-24, -48), told(0, 24), told(1000, -1)), Default::default());
        let new = StoreClock { believed: None, forgotten: Timestamp::UNIX_EPOCH };
        assert_eq!(far_off(&new, hours(0)), None);
    }

    #[test]
    fn says_how_far_it_is_and_what_to_do() {
        let behind = told(-49, -48);
        assert!(behind.contains("2 days behind") && behind.contains("believe-clock`"), "{behind}");
        let refusing = told(-49, 49);
        assert!(refusing.contains("less than 3 days") && refusing.contains("believe-clock --reopen`"), "{refusing}");
    }
}
