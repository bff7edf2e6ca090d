//! Selectors: what an attestor has found out about a workload or a node.

use std::str::FromStr;

use crate::text::text_type;

/// What an attestor has found out, for instance `unix:uid:1000`: the kind `unix` with the value `uid:1000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    text: String,
    /// Bytes of the kind, where the colon is.
    colon: usize,
}

/// Why a text is no selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// There is no colon, or nothing before it.
    #[error("a selector is KIND:VALUE, for instance \"unix:uid:1000\"")]
    NoKind,
    /// The kind holds something else than lower-case letters, digits, `-`, `_` and `.`.
    #[error("the kind of a selector holds lower-case letters, digits, \"-\", \"_\" and \".\" only")]
    Kind,
    /// Nothing follows the colon.
    #[error("the value of the selector is empty")]
    NoValue,
    /// The value holds a control character.
    #[error("the value of the selector holds a control character")]
    Control,
    /// The whole is too long.
    #[error("the selector has {length} bytes, more than {}", Selector::MAX_LENGTH)]
    Long {
        /// Its length in bytes.
        length: usize,
    },
}

impl Selector {
    /// Longest selector, in bytes. The longest that attestors make name an image with its digest.
    pub const MAX_LENGTH: usize = 2048;

    /// The selector of this kind and value.
    ///
    /// # Errors
    /// When the kind is not a lower-case word, the value is empty or holds a control character, or the whole is too long.
    pub fn new(kind: &str, value: &str) -> Result<Self, SelectorError> {
        if kind.contains(':') {
            return Err(SelectorError::Kind);
        }
        format!("{kind}:{value}").parse()
    }

    /// Its kind: the name of the attestor, for instance `unix`.
    pub fn kind(&self) -> &str {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// Its value, for instance `uid:1000`.
    pub fn value(&self) -> &str {
        self.text.get(self.colon.saturating_add(1)..).unwrap_or_default()
    }

    /// Kind, colon, value.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(SelectorError::Long { length: text.len() });
        }
        let (kind, value) = text.split_once(':').filter(|(kind, _)| !kind.is_empty()).ok_or(SelectorError::NoKind)?;
        if !kind.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.')) {
            return Err(SelectorError::Kind);
        }
        if value.is_empty() {
            return Err(SelectorError::NoValue);
        }
        if value.chars().any(char::is_control) {
            return Err(SelectorError::Control);
        }
        Ok(Self { text: text.to_owned(), colon: kind.len() })
    }
}

text_type!(Selector, SelectorError, "Selector", "A selector: KIND:VALUE, for instance `unix:uid:1000`.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_value_are_told_apart_at_the_first_colon() {
        let selector: Selector = "unix:uid:1000".parse().unwrap();
        assert_eq!((selector.kind(), selector.value()), ("unix", "uid:1000"));
        assert_eq!(Selector::new("unix", "uid:1000").unwrap(), selector);
        assert_eq!(serde_json::to_value(&selector).unwrap(), "unix:uid:1000");
        assert_eq!(serde_json::from_str::<Selector>("\"unix:uid:1000\"").unwrap(), selector);
    }

    #[test]
    fn rejects_what_is_no_selector() {
        for (text, error) in [
            ("", SelectorError::NoKind),
            ("unix", SelectorError::NoKind),
            (":uid", SelectorError::NoKind),
            ("Unix:uid", SelectorError::Kind),
            ("un ix:uid", SelectorError::Kind),
            ("unix:", SelectorError::NoValue),
            ("unix:a\nb", SelectorError::Control),
        ] {
            assert_eq!(text.parse::<Selector>(), Err(error), "{text:?}");
        }
        let long = format!("unix:{}", "a".repeat(Selector::MAX_LENGTH));
        assert_eq!(long.parse::<Selector>(), Err(SelectorError::Long { length: long.len() }));
        assert_eq!(Selector::new("a:b", "c"), Err(SelectorError::Kind));
    }
}
