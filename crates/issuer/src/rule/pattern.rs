//! Patterns whose star stops at separators.

/// What a single star does not stand for: the separators of paths, URNs and subjects of CI systems.
const SEPARATORS: [char; 2] = ['/', ':'];

/// `*` stands for any run of characters without `/` and `:`, empty included, `**` for any run at all. Everything else is literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    /// The literal text before the first star: all of it in a pattern without one.
    prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Is(char),
    WithoutSeparator,
    Any,
}

impl Pattern {
    /// Longest pattern, in bytes. With it time is bounded: matching takes at most the product of both lengths.
    pub(crate) const MAX_LENGTH: usize = 1024;

    /// Parses it. Every text is a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut pieces = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            pieces.push(match character {
                '*' if characters.next_if_eq(&'*').is_some() => {
                    while characters.next_if_eq(&'*').is_some() {}
                    Piece::Any
                }
                '*' => Piece::WithoutSeparator,
                literal => Piece::Is(literal),
            });
        }
        let prefix = pattern.split('*').next().unwrap_or_default().to_owned();
        Self { pieces, prefix }
    }

    /// Whether it matches one text only.
    pub(crate) fn is_exact(&self) -> bool {
        !self.pieces.iter().any(|piece| !matches!(piece, Piece::Is(_)))
    }

    /// The text before the first star.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a star of it crosses separators.
    pub(crate) fn crosses(&self) -> bool {
        self.pieces.contains(&Piece::Any)
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix.as_str()) else { return false };
        let pieces = self.pieces.get(self.prefix.chars().count()..).unwrap_or_default();
        if pieces.is_empty() {
            return rest.is_empty();
        }
        // All places in the pattern where one may be, after what was read so far.
        let mut at = vec![false; pieces.len().saturating_add(1)];
        set(&mut at, 0);
        skip_stars(pieces, &mut at);
        for character in rest.chars() {
            let mut next = vec![false; at.len()];
            for (place, piece) in pieces.iter().enumerate().filter(|(place, _)| at.get(*place) == Some(&true)) {
                match piece {
                    Piece::Is(wanted) if *wanted == character => set(&mut next, place.saturating_add(1)),
                    Piece::WithoutSeparator if !SEPARATORS.contains(&character) => set(&mut next, place),
                    Piece::Any => set(&mut next, place),
                    _ => {}
                }
            }
            skip_stars(pieces, &mut next);
            at = next;
        }
        at.last() == Some(&true)
    }
}

fn set(at: &mut [bool], place: usize) {
    if let Some(flag) = at.get_mut(place) {
        *flag = true;
    }
}

/// A star may stand for nothing.
fn skip_stars(pieces: &[Piece], at: &mut [bool]) {
    for (place, piece) in pieces.iter().enumerate() {
        if at.get(place) == Some(&true) && !matches!(piece, Piece::Is(_)) {
            set(at, place.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, in exponential time.
    fn naive(pattern: &str, text: &str) -> bool {
        if let Some(rest) = pattern.strip_prefix("**") {
            let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            return places.into_iter().any(|at| naive(rest.trim_start_matches('*'), &text[at..]));
        }
        if let Some(rest) = pattern.strip_prefix('*') {
            let end = text.find(SEPARATORS).unwrap_or(text.len());
            return (0..=end).filter(|at| text.is_char_boundary(*at)).any(|at| naive(rest, &text[at..]));
        }
        match (pattern.chars().next(), text.chars().next()) {
            (None, None) => true,
            (Some(wanted), Some(seen)) if wanted == seen => {
                naive(&pattern[wanted.len_utf8()..], &text[seen.len_utf8()..])
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*/:é]{0,8}", text in "[ab/:é]{0,10}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), naive(&pattern, &text), "{} on {}", pattern, text);
        }
    }

    #[test]
    fn a_star_stops_at_separators() {
        for (pattern, text, expected) in [
            ("repo:org/*:ref:refs/heads/main", "repo:org/app:ref:refs/heads/main", true),
            ("repo:org/*:ref:refs/heads/main", "repo:org/app:ref:x:ref:refs/heads/main", false),
            ("repo:org/*", "repo:org/app", true),
            ("repo:org/*", "repo:org/app:environment:prod", false),
            ("repo:org/**", "repo:org/app:environment:prod", true),
            ("repo:org/**", "repo:organisation/app", false),
            ("repo:org/*", "repo:org/", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn says_what_it_is() {
        assert!(Pattern::new("a").is_exact() && !Pattern::new("a*").is_exact());
        assert!(Pattern::new("a**").crosses() && !Pattern::new("a*b*").crosses());
        assert_eq!(Pattern::new("a/b*c").prefix(), "a/b");
    }
}
