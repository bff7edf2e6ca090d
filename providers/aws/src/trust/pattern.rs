//! Values of conditions: wildcards and policy variables ("IAM policy elements: Variables and tags").

use super::condition::Context;

/// A value, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(char),
    /// `*`
    Any,
    /// `?`
    One,
    /// `${key}` or `${key, 'default'}`
    Variable {
        key: String,
        default: Option<String>,
    },
}

impl Pattern {
    /// Parses a value. `variables` is false for policies of the version 2008-10-17, in which `${` is text.
    pub(crate) fn new(text: &str, variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let variable = rest.strip_prefix("${").filter(|_| variables).and_then(|inner| inner.split_once('}'));
            if let Some((name, after)) = variable {
                pieces.push(match name {
                    // The three characters that cannot be written otherwise.
                    "*" | "?" | "$" => Piece::Literal(name.chars().next().unwrap_or('$')),
                    _ => variable_piece(name),
                });
                rest = after;
                continue;
            }
            pieces.push(match first {
                '*' => Piece::Any,
                '?' => Piece::One,
                other => Piece::Literal(other),
            });
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        Self { text: text.to_owned(), pieces }
    }

    /// As it is written in the policy.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The plain value for operators without wildcards. `None` when a variable has no value: nothing matches then.
    pub(crate) fn plain(&self, context: &Context) -> Option<String> {
        let mut plain = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(c) => plain.push(*c),
                Piece::Any => plain.push('*'),
                Piece::One => plain.push('?'),
                Piece::Variable { key, default } => plain.push_str(value(context, key, default.as_deref())?),
            }
        }
        Some(plain)
    }

    /// Whether the whole text matches. What a variable stands for is literal.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(c) => pieces.push(Wild::Is(*c)),
                Piece::One => pieces.push(Wild::One),
                Piece::Any => pieces.push(Wild::Any),
                Piece::Variable { key, default } => match value(context, key, default.as_deref()) {
                    Some(value) => pieces.extend(value.chars().map(Wild::Is)),
                    None => return false,
                },
            }
        }
        wildcard(&pieces, &text.chars().collect::<Vec<_>>())
    }
}

fn variable_piece(name: &str) -> Piece {
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
        None => (name, None),
    };
    Piece::Variable { key: key.trim().to_ascii_lowercase(), default }
}

/// A variable has one value or none; a key with several cannot be used as a variable.
fn value<'a>(context: &'a Context, key: &str, default: Option<&'a str>) -> Option<&'a str> {
    match context.get(key) {
        Some([one]) => Some(one),
        _ => default,
    }
}

/// A piece whose variables are filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wild {
    /// `*`
    Any,
    /// `?`
    One,
    Is(char),
}

/// Goes back to the last star only, so the time is at most the product of the lengths.
fn wildcard(pattern: &[Wild], text: &[char]) -> bool {
    let (mut at_pattern, mut at_text) = (0_usize, 0_usize);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some(wanted) if *wanted == Wild::One || *wanted == Wild::Is(*c) => {
                at_pattern = at_pattern.saturating_add(1);
                at_text = at_text.saturating_add(1);
            }
            Some(Wild::Any) => {
                star = Some((at_pattern, at_text));
                at_pattern = at_pattern.saturating_add(1);
            }
            _ => {
                let Some((star_pattern, star_text)) = star else { return false };
                at_pattern = star_pattern.saturating_add(1);
                at_text = star_text.saturating_add(1);
                star = Some((star_pattern, at_text));
            }
        }
    }
    pattern.get(at_pattern..).unwrap_or_default().iter().all(|left| *left == Wild::Any)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern, true).matches(text, &Context::default().with("aws:username", ["a*b"]))
    }

    /// The definition, in exponential time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            Some((first, rest)) => text.first().is_some_and(|c| *first == '?' || first == c) && naive(rest, &text[1..]),
        }
    }

    #[test]
    fn wildcards_and_variables() {
        for (pattern, text, expected) in [
            ("repo:o/r:*", "repo:o/r:ref:refs/heads/main", true),
            ("repo:o/r:*", "repo:o/rr:ref", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("${*}", "*", true),
            ("${*}", "x", false),
            ("u/${aws:UserName}", "u/a*b", true),
            ("u/${aws:UserName}", "u/axb", false),
            ("u/${aws:missing}", "u/", false),
            ("u/${aws:missing, 'nobody'}", "u/nobody", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
        assert!(Pattern::new("${a}", false).matches("${a}", &Context::default()));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&characters(&pattern), &characters(&text)));
        }
    }
}
