//! The paths of policies.

use std::cmp::Ordering;

/// A path with wildcards. `*` is one only as the last character, where it stands for any rest, slashes included; `+` is one
/// only as a whole segment, for which it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Without a `*` at the end that is a wildcard.
    text: String,
    prefix: bool,
    segments: usize,
}

impl Pattern {
    /// Parses it. A leading slash is dropped.
    ///
    /// # Errors
    /// The reason, when it holds `+*`.
    pub fn new(path: &str) -> Result<Self, String> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.contains("+*") {
            return Err(format!("path {path:?}: invalid use of wildcards ('+*' is forbidden)"));
        }
        let (text, prefix) = match path.strip_suffix('*') {
            Some(text) => (text, true),
            None => (path, false),
        };
        let segments = text.split('/').filter(|segment| *segment == "+").count();
        Ok(Self { text: text.to_owned(), prefix, segments })
    }

    /// Whether it stands for one path only.
    pub fn is_exact(&self) -> bool {
        !self.prefix && self.segments == 0
    }

    /// The path, or what stands before the `*`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the path (without `/v1/` and namespace) matches.
    pub fn matches(&self, path: &str) -> bool {
        if self.segments == 0 {
            return if self.prefix { path.starts_with(&self.text) } else { path == self.text };
        }
        let mut parts = path.split('/');
        let mut wanted = self.text.split('/').peekable();
        while let Some(segment) = wanted.next() {
            let Some(part) = parts.next() else { return false };
            let last = wanted.peek().is_none();
            if segment == "+" || segment == part {
                continue;
            }
            if !(self.prefix && last && part.starts_with(segment)) {
                return false;
            }
        }
        self.prefix || parts.next().is_none()
    }

    /// Which of two matching patterns decides; the greater does. Neither is exact.
    ///
    /// In this order: the first wildcard occurs later; does not end in `*`; fewer `+`; longer; lexicographically larger.
    pub fn compare_priority(&self, other: &Self) -> Ordering {
        self.first_wildcard()
            .cmp(&other.first_wildcard())
            .then_with(|| other.prefix.cmp(&self.prefix))
            .then_with(|| other.segments.cmp(&self.segments))
            .then_with(|| self.text.len().cmp(&other.text.len()))
            .then_with(|| self.text.cmp(&other.text))
    }

    /// Bytes before the first wildcard.
    fn first_wildcard(&self) -> usize {
        let mut at = 0_usize;
        for segment in self.text.split('/') {
            if segment == "+" {
                return at;
            }
            at = at.saturating_add(segment.len()).saturating_add(1);
        }
        self.text.len()
    }
}
