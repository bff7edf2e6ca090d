//! Byte ranges of an object (RFC 9110, 14).

use std::ops::Range;

/// What a `Range` header selects.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// All of it: nothing, or nothing that counts, was asked for.
    Whole,
    /// These bytes, at least one.
    Part(Range<usize>),
    /// Nothing that is there.
    Nothing,
}

/// What `header` selects of `length` bytes.
///
/// A header that is not understood or not valid is ignored, and so is more than one range: "only a single range of bytes
/// is supported" (`GetObject`, `range`).
///
/// UNCONFIRMED: what the service answers to several ranges. To ignore them is what RFC 9110, 14.2 lets a server do.
pub(super) fn selected(header: &str, length: usize) -> Selected {
    let Some((unit, range)) = header.split_once('=') else { return Selected::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Selected::Whole };
    match (position(first), position(last)) {
        (Some(first), Some(last)) if last < first => Selected::Whole,
        (Some(first), Some(last)) => part(first, last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => part(first, length),
        // The last bytes of nothing cannot be written as a `Content-Range`.
        (None, Some(0)) if first.is_empty() => Selected::Nothing,
        (None, Some(_)) if first.is_empty() && length == 0 => Selected::Whole,
        (None, Some(suffix)) if first.is_empty() => part(length.saturating_sub(suffix), length),
        _ => Selected::Whole,
    }
}

fn part(first: usize, end: usize) -> Selected {
    if first < end { Selected::Part(first..end) } else { Selected::Nothing }
}

/// A number of any length: one that does not fit lies behind every object (RFC 9110, 14.1.1).
fn position(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: &str = "99999999999999999999999999";

    #[test]
    fn one_range_selects_a_part() {
        for (header, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=7-", 7..10),
            ("bytes=-3", 7..10),
            ("bytes=-11", 0..10),
            ("bytes=9-100", 9..10),
            ("bytes=0-9", 0..10),
            ("Bytes=1-1", 1..2),
            (&format!("bytes=3-{LONG}"), 3..10),
            (&format!("bytes=-{LONG}"), 0..10),
        ] {
            assert_eq!(selected(header, 10), Selected::Part(expected), "{header}");
        }
    }

    #[test]
    fn a_range_behind_the_end_selects_nothing() {
        for header in ["bytes=10-", "bytes=10-12", "bytes=-0", &format!("bytes={LONG}-")] {
            assert_eq!(selected(header, 10), Selected::Nothing, "{header}");
        }
        assert_eq!(selected("bytes=0-", 0), Selected::Nothing);
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-2",
            "bytes=1-b",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0-1,3-4",
            "bytes=--1",
            "items=0-1",
            "0-1",
        ] {
            assert_eq!(selected(header, 10), Selected::Whole, "{header}");
        }
        assert_eq!(selected("bytes=-5", 0), Selected::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_lies_inside(header in "(bytes=)?[0-9]{0,22}-?[0-9]{0,22}", length in 0..40_usize) {
            if let Selected::Part(range) = selected(&header, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
