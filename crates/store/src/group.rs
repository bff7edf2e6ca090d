//! When to wait for more commits before one sync makes all of them durable.

use std::time::Duration;

/// Silence after which nobody else is expected.
pub(crate) const GAP: Duration = Duration::from_micros(100);
/// Longest wait, in such gaps: half a millisecond.
const GAPS: u32 = 5;

/// Remembers whether commits came in company.
#[derive(Debug, Default)]
pub(crate) struct Window {
    last: usize,
}

impl Window {
    /// Begins a group.
    pub(crate) fn begin(&self) -> Wait {
        Wait { expected: self.last, left: GAPS }
    }

    /// Ends it.
    pub(crate) fn end(&mut self, size: usize) {
        self.last = size;
    }
}

/// The patience of one group.
#[derive(Debug)]
pub(crate) struct Wait {
    expected: usize,
    left: u32,
}

impl Wait {
    /// Whether to wait one more gap for more than these. A commit that comes alone after one that came alone never waits.
    pub(crate) fn again(&mut self, size: usize) -> bool {
        if self.left == 0 || (size <= 1 && self.expected <= 1) || size >= self.expected.max(2) {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_is_alone_never_waits() {
        let mut window = Window::default();
        for _ in 0..3 {
            assert!(!window.begin().again(1));
            window.end(1);
        }
    }

    #[test]
    fn after_company_it_waits_until_as_many_have_come() {
        let mut window = Window::default();
        window.end(3);
        let mut wait = window.begin();
        assert!(wait.again(1));
        assert!(wait.again(2));
        assert!(!wait.again(3));
    }

    #[test]
    fn it_waits_half_a_millisecond_at_most() {
        let mut window = Window::default();
        window.end(1000);
        let mut wait = window.begin();
        let gaps = (1..100).filter(|size| wait.again(*size)).count();
        assert_eq!(GAP * u32::try_from(gaps).unwrap(), Duration::from_micros(500));
    }
}
