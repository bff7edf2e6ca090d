//! What is shown of a text: the lines that a mistake is about, and of a long line what is near it.

use std::ops::Range;

/// Bytes that are shown of a long line before and behind a place: more than a terminal is wide, which is cut to later.
const AROUND: usize = 800;
/// Longest place within one line that is marked to its end, in bytes.
const MARKED: usize = 160;
/// Furthest end of what is marked at once, in bytes: a place of several lines, or one and another that it has to do with.
const TOGETHER: usize = 4096;

/// A part of a text with what is marked in it.
#[derive(Debug)]
pub(super) struct Excerpt<'t> {
    pub(super) text: &'t str,
    /// The number of its first line in the whole, from 1.
    pub(super) first_line: usize,
    /// Characters of its first line that are missing before it.
    pub(super) missing: usize,
    /// What the mistake is about.
    pub(super) span: Range<usize>,
    /// What else it has to do with, if that is near.
    pub(super) related: Option<Range<usize>>,
}

impl<'t> Excerpt<'t> {
    /// Both places must lie in the text and on the borders of characters.
    pub(super) fn of(text: &'t str, span: &Range<usize>, related: Option<&Range<usize>>) -> Self {
        let span = marked(text, span);
        let both = |related: &Range<usize>| span.start.min(related.start)..span.end.max(related.end);
        let related = related.map(|related| marked(text, related)).filter(|related| both(related).len() <= TOGETHER);
        let all = related.as_ref().map_or_else(|| span.clone(), both);
        let line = lines_of(text, &all);
        let from = text.ceil_char_boundary(line.start.max(all.start.saturating_sub(AROUND)));
        let to = text.floor_char_boundary(line.end.min(all.end.saturating_add(AROUND)));
        let within = |place: Range<usize>| place.start.saturating_sub(from)..place.end.saturating_sub(from);
        Self {
            text: text.get(from..to).unwrap_or_default(),
            first_line: text.get(..line.start).unwrap_or_default().matches('\n').count().saturating_add(1),
            missing: text.get(line.start..from).unwrap_or_default().chars().count(),
            span: within(span),
            related: related.map(within),
        }
    }
}

/// The lines that a place is in, with their ends.
fn lines_of(text: &str, place: &Range<usize>) -> Range<usize> {
    let before = text.get(..place.start).unwrap_or_default();
    // Behind the last line is no other: the end of the text belongs to it.
    let before = if before.len() == text.len() { before.strip_suffix('\n').unwrap_or(before) } else { before };
    let start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let after = text.get(place.end..).unwrap_or_default();
    let length = after.find('\n').map_or(after.len(), |end| end.saturating_add(1));
    start..place.end.saturating_add(length)
}

/// The place, or its begin where it is long.
fn marked(text: &str, span: &Range<usize>) -> Range<usize> {
    let place = text.get(span.clone()).unwrap_or_default();
    let most = if place.contains('\n') { TOGETHER } else { MARKED };
    if place.len() <= most {
        return span.clone();
    }
    let line = place.lines().next().unwrap_or_default();
    span.start..span.start.saturating_add(line.floor_char_boundary(MARKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, start: usize, end: usize) -> Excerpt<'_> {
        Excerpt::of(text, &(start..end), None)
    }

    #[test]
    fn a_line_is_shown_as_a_whole_with_its_number() {
        let excerpt = of("one\ntwo\nthree\n", 5, 6);
        assert_eq!((excerpt.text, excerpt.first_line, excerpt.missing, excerpt.span), ("two\n", 2, 0, 1..2));
    }

    #[test]
    fn the_end_of_the_text_is_that_of_its_last_line() {
        for text in ["one\ntwo\n", "one\ntwo"] {
            let excerpt = of(text, text.len(), text.len());
            assert_eq!((excerpt.text.trim_end(), excerpt.first_line), ("two", 2));
            assert_eq!(excerpt.span.start, excerpt.text.len());
        }
        assert_eq!((of("", 0, 0).text, of("", 0, 0).first_line), ("", 1));
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides_between_characters() {
        let text = format!("first\n{}X{}\nlast\n", "ü".repeat(5000), "ü".repeat(5000));
        let at = text.find('X').unwrap();
        let excerpt = of(&text, at, at + 1);
        assert_eq!(excerpt.text.get(excerpt.span.clone()), Some("X"));
        assert!(excerpt.text.len() <= 2 * AROUND + 1, "{}", excerpt.text.len());
        assert_eq!(excerpt.first_line, 2);
        assert_eq!(excerpt.missing + excerpt.text.chars().take_while(|letter| *letter != 'X').count(), 5000);
    }

    #[test]
    fn a_long_place_is_marked_at_its_begin() {
        let long = "y".repeat(100_000);
        assert_eq!(of(&long, 0, long.len()).span, 0..MARKED);
        let lines = "y\n".repeat(100_000);
        assert_eq!(of(&lines, 2, lines.len()).span, 0..1);
        let list = "[\n1,\n2,\n]\n";
        assert_eq!(of(list, 0, 9).span, 0..9);
    }

    #[test]
    fn another_place_is_shown_where_it_is_near() {
        let text = format!("a\nb\n{}z", "-\n".repeat(100_000));
        let near = Excerpt::of(&text, &(2..3), Some(&(0..1)));
        assert_eq!((near.text, near.first_line, near.span, near.related), ("a\nb\n", 1, 2..3, Some(0..1)));
        let far = Excerpt::of(&text, &(2..3), Some(&(text.len() - 1..text.len())));
        assert_eq!((far.text, far.first_line, far.related), ("b\n", 2, None));
    }
}
