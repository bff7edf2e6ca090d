//! Patterns with `*`.

/// A pattern in which `*` stands for any run of characters, empty included. Everything else is literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<String>,
}

impl Glob {
    /// Parses it. Never fails: every text is a pattern.
    pub fn new(pattern: &str) -> Self {
        Self { parts: pattern.split('*').map(ToOwned::to_owned).collect() }
    }

    /// Whether the whole text matches, in time linear in both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            match left.find(part.as_str()) {
                Some(at) => left = left.get(at.saturating_add(part.len())..).unwrap_or_default(),
                None => return false,
            }
        }
        left.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, in exponential time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            Some((first, rest)) => text.first() == Some(first) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*é]{0,8}", text in "[abé]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                Glob::new(&pattern).matches(&text),
                naive(&characters(&pattern), &characters(&text)),
                "{} on {}", pattern, text
            );
        }
    }

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, text, expected) in [
            ("kafka*", "kafka-1", true),
            ("kafka*", "a-kafka", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("repo", "repo", true),
            ("repo", "repos", false),
            ("*ab", "aab", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }
}
