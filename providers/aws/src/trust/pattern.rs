//! Values of conditions: wildcards and policy variables ("IAM policy elements: Variables and tags").

use std::borrow::Cow;

use super::condition::Context;

/// A value, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    pieces: Vec<Piece>,
    /// Whether there is any `${…}` in it: otherwise it is what is written.
    filled: bool,
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

impl Piece {
    /// Whether it stands for this character alone.
    fn is(&self, c: char) -> bool {
        match self {
            Self::Literal(own) => *own == c,
            Self::One => true,
            Self::Any | Self::Variable { .. } => false,
        }
    }
}

impl Pattern {
    /// Parses a value. `variables` is false for policies of the version 2008-10-17, in which `${` is text.
    pub(crate) fn new(text: &str, variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut filled = false;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let variable = rest.strip_prefix("${").filter(|_| variables).and_then(|inner| inner.split_once('}'));
            if let Some((name, after)) = variable {
                filled = true;
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
        Self { text: text.to_owned(), pieces, filled }
    }

    /// As it is written in the policy.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The keys of its variables, in lower case.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let pieces = if self.filled { self.pieces.as_slice() } else { &[] };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            _ => None,
        })
    }

    /// The plain value for operators without wildcards. `None` when a variable has no value: nothing matches then.
    pub(crate) fn plain(&self, context: &Context) -> Option<Cow<'_, str>> {
        if !self.filled {
            return Some(Cow::Borrowed(&self.text));
        }
        let mut plain = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(c) => plain.push(*c),
                Piece::Any => plain.push('*'),
                Piece::One => plain.push('?'),
                Piece::Variable { key, default } => plain.push_str(value(context, key, default.as_deref())?),
            }
        }
        Some(Cow::Owned(plain))
    }

    /// Whether the whole text matches. What a variable stands for is literal.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        if !self.filled {
            return wildcard(&self.pieces, text);
        }
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Variable { key, default } => match value(context, key, default.as_deref()) {
                    Some(value) => pieces.extend(value.chars().map(Piece::Literal)),
                    None => return false,
                },
                other => pieces.push(other.clone()),
            }
        }
        wildcard(&pieces, text)
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

/// Whether the whole text matches pieces without variables. Goes back to the last star only, so the time is at most the product
/// of the lengths.
fn wildcard(pattern: &[Piece], text: &str) -> bool {
    let (mut at, mut left) = (0_usize, text);
    let mut star: Option<(usize, &str)> = None;
    while let Some((c, after)) = split_first(left) {
        match pattern.get(at) {
            Some(Piece::Any) => {
                star = Some((at, left));
                at = at.saturating_add(1);
            }
            Some(wanted) if wanted.is(c) => {
                at = at.saturating_add(1);
                left = after;
            }
            _ => {
                let Some((star_at, (_, after))) = star.and_then(|(at, left)| Some((at, split_first(left)?))) else {
                    return false;
                };
                at = star_at.saturating_add(1);
                left = after;
                star = Some((star_at, after));
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|left| *left == Piece::Any)
}

/// The first character, and what follows it.
fn split_first(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    Some((characters.next()?, characters.as_str()))
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
