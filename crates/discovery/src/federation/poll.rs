//! When to ask again.

use std::time::Duration;

use carnet_spiffe::Bundle;
use carnet_x509::Certificate;
use jiff::SignedDuration;

/// While there is no bundle, and at most after failures then.
const WITHOUT_BUNDLE: Duration = Duration::from_mins(5);
/// No bundle is taken to ask for more than this. SPIRE's own floor.
const MIN_HINT: SignedDuration = SignedDuration::from_mins(1);
/// A key that was revoked is believed no longer than a quarter of this.
const MAX_HINT: SignedDuration = SignedDuration::from_hours(24);
/// A bundle is asked for so often within its hint.
const POLLS_PER_HINT: u32 = 4;
/// First pause after a failure; each further one is twice as long, up to the usual pause.
const FIRST_RETRY: Duration = Duration::from_secs(15);

/// How long a bundle is good before it is asked for again: a quarter of its refresh hint, or, without one, of a tenth of
/// the shortest lifetime of its authorities. The hint is taken to be between a minute and a day. Without a bundle: five minutes.
pub fn poll_interval(bundle: Option<&Bundle>) -> Duration {
    let Some(bundle) = bundle else { return WITHOUT_BUNDLE };
    let hint = bundle.refresh_hint.or_else(|| tenth_of_lifetime(bundle)).unwrap_or(Bundle::DEFAULT_REFRESH);
    let hint = hint.clamp(MIN_HINT, MAX_HINT);
    hint.unsigned_abs() / POLLS_PER_HINT
}

/// The pause before the next poll, after so many failures in a row.
pub(super) fn wait(bundle: Option<&Bundle>, failures: u32) -> Duration {
    let usual = poll_interval(bundle);
    match failures.checked_sub(1) {
        None => usual,
        Some(doublings) => FIRST_RETRY.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(usual),
    }
}

fn tenth_of_lifetime(bundle: &Bundle) -> Option<SignedDuration> {
    let authorities = bundle.x509_authorities.iter().filter_map(|der| Certificate::from_der(der).ok());
    authorities.map(|authority| authority.not_after().duration_since(authority.not_before()) / 10).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(hint: Option<i64>) -> Bundle {
        Bundle { refresh_hint: hint.map(SignedDuration::from_secs), ..Bundle::empty("example.org".parse().unwrap()) }
    }

    #[test]
    fn asks_again_at_a_quarter_of_the_hint_within_bounds() {
        for (hint, seconds) in [(Some(300), 75), (Some(60), 15), (Some(0), 15), (Some(1 << 40), 21_600), (None, 75)] {
            assert_eq!(poll_interval(Some(&bundle(hint))).as_secs(), seconds, "{hint:?}");
        }
        assert_eq!(poll_interval(None).as_secs(), 300);
    }

    #[test]
    fn comes_back_soon_after_a_failure_and_later_after_many() {
        let waits: Vec<u64> = (0..6).map(|failures| wait(None, failures).as_secs()).collect();
        assert_eq!(waits, [300, 15, 30, 60, 120, 240]);
        assert_eq!(wait(None, u32::MAX).as_secs(), 300);
        assert_eq!(wait(Some(&bundle(Some(60))), 3).as_secs(), 15);
    }
}
