//! How many refusals get an audit row.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Rows a second. A person who tries something, or a job with the wrong token, stays far below.
const ROWS_PER_SECOND: u32 = 20;

/// Counts refusals by the second.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: i64,
    rows: u32,
    unrecorded: u64,
}

impl Refusals {
    /// Whether this one gets a row, and how many before it got none.
    pub(crate) fn may_write(&self, now: Timestamp) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.second != now.as_second() {
            window.second = now.as_second();
            window.rows = 0;
        }
        if window.rows >= ROWS_PER_SECOND {
            window.unrecorded = window.unrecorded.saturating_add(1);
            return None;
        }
        window.rows = window.rows.saturating_add(1);
        Some(std::mem::take(&mut window.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_got_no_row_are_told_of_by_the_next_that_does() {
        let refusals = Refusals::default();
        let second = |second| Timestamp::from_second(second).unwrap();
        let written = (0..100).filter(|_| refusals.may_write(second(1)) == Some(0)).count();
        assert_eq!(written, 20);
        assert_eq!(refusals.may_write(second(2)), Some(80));
        assert_eq!(refusals.may_write(second(2)), Some(0));
    }
}
