//! When to wait for more commits before one sync makes all of them durable.
//!
//! Waiting costs time, not waiting costs a whole transaction for each commit. What tells whether it pays is what came of it the
//! last time.

use std::time::Duration;

/// How long to sleep between two looks at what has come. Nobody who commits has to wake the writer meanwhile.
pub(crate) const NAP: Duration = Duration::from_micros(100);
/// Naps without a commit after which nobody else is expected: three times an RS256 signature, for a core that makes one after another.
const SILENCE: u32 = 8;
/// Longest wait, in naps: two milliseconds.
const NAPS: u32 = 20;
/// Of commits that come alone, one in so many waits whether others come: those whose signatures take longer than a sync never meet.
const PROBE: u32 = 128;

/// Remembers in what company commits came.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// As many as came the last time; without end when more would have come.
    expected: usize,
    /// Commits alone, one after another.
    alone: u32,
}

impl Window {
    /// Begins a group.
    pub(crate) fn begin(&self) -> Wait {
        let probes = self.expected <= 1 && self.alone % PROBE == PROBE - 1;
        Wait { expected: if probes { usize::MAX } else { self.expected }, seen: 0, silent: 0, left: NAPS }
    }

    /// Ends it.
    pub(crate) fn end(&mut self, wait: &Wait, size: usize) {
        self.expected = if wait.left == 0 { usize::MAX } else { size };
        self.alone = if size > 1 { 0 } else { self.alone.wrapping_add(1) };
    }
}

/// The patience of one group.
#[derive(Debug)]
pub(crate) struct Wait {
    expected: usize,
    seen: usize,
    silent: u32,
    left: u32,
}

impl Wait {
    /// Whether to take one more nap for more than these.
    pub(crate) fn again(&mut self, size: usize) -> bool {
        self.silent = if size > self.seen { 0 } else { self.silent + 1 };
        self.seen = size;
        if size >= self.expected || self.silent >= SILENCE || self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Naps of one group, to which `arrive(nap)` have come by then; and its size.
    fn group(window: &mut Window, arrive: impl Fn(u32) -> usize) -> (u32, usize) {
        let (mut wait, mut naps) = (window.begin(), 0);
        while wait.again(arrive(naps)) {
            naps += 1;
        }
        window.end(&wait, arrive(naps));
        (naps, arrive(naps))
    }

    #[test]
    fn a_caller_that_is_alone_hardly_ever_waits() {
        let mut window = Window::default();
        let waited = (0..PROBE * 10).filter(|_| group(&mut window, |_| 1).0 > 0).count();
        assert_eq!(waited, 10);
    }

    #[test]
    fn after_company_it_waits_until_as_many_have_come_and_no_longer() {
        let mut window = Window::default();
        assert_eq!(group(&mut window, |_| 3), (0, 3), "they had come already");
        assert_eq!(group(&mut window, |naps| if naps < 4 { 1 } else { 3 }), (4, 3));
    }

    #[test]
    fn it_gives_up_when_nobody_comes() {
        let mut window = Window::default();
        group(&mut window, |_| 64);
        assert_eq!(group(&mut window, |_| 1), (SILENCE, 1));
        assert_eq!(group(&mut window, |_| 1), (0, 1), "and has learnt from it");
    }

    #[test]
    fn commits_that_come_slowly_but_steadily_are_found_and_then_put_together() {
        let mut window = Window::default();
        let every_fourth_nap = |naps: u32| 1 + usize::try_from(naps / 4).unwrap();
        let lone = (0..PROBE).take_while(|_| group(&mut window, every_fourth_nap).1 == 1).count();
        assert_eq!(lone, usize::try_from(PROBE).unwrap() - 1);
        assert_eq!(group(&mut window, every_fourth_nap), (NAPS, 6));
    }

    #[test]
    fn it_waits_two_milliseconds_at_most() {
        let mut window = Window::default();
        group(&mut window, |_| 1000);
        let (naps, _) = group(&mut window, |naps| 1 + usize::try_from(naps).unwrap());
        assert_eq!(NAP * naps, Duration::from_millis(2));
    }
}
