//! Where things stand in a text of which many places are asked for.

use carnet_core::Place;

/// The lines of a text, looked for once.
pub(crate) struct Lines<'t> {
    text: &'t str,
    /// Where each begins, in bytes.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// As [`Place::of`], of the character that this byte is part of.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or_default();
        let Place { column, .. } = Place::of(self.text.get(start..offset).unwrap_or_default(), offset);
        Place { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_are_counted_from_the_begin_of_the_text() {
        for text in ["", "\n", "a", "a\n", "\n\na", "version = 1\r\n[route.ä]\n\n\tsource = \"€🦀\" # ü\nx = 1"] {
            let lines = Lines::of(text);
            for offset in 0..text.len() + 3 {
                let counted = Place::of(text, text.floor_char_boundary(offset));
                assert_eq!(lines.place(offset), counted, "{offset} of {text:?}");
            }
        }
    }
}
