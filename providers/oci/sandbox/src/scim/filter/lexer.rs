//! Words, strings and brackets of a filter.

use super::FilterError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Close,
    CloseElement,
    Open,
    OpenElement,
    Text(String),
    Word(String),
}

/// The tokens with the byte where each starts.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let position = text.len().saturating_sub(rest.len());
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '[' => (Token::OpenElement, 1),
            ']' => (Token::CloseElement, 1),
            '"' => string(rest).ok_or(FilterError { problem: "a string that is not closed or not JSON", position })?,
            _ => {
                let length = rest.find(|c: char| c.is_whitespace() || "()[]\"".contains(c)).unwrap_or(rest.len());
                (Token::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
        };
        tokens.push((position, token));
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// A JSON string at the start (RFC 7644, 3.4.2.2: values are JSON), and its length with quotes.
fn string(text: &str) -> Option<(Token, usize)> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let length = at.saturating_add(1);
                let value = serde_json::from_str(text.get(..length)?).ok()?;
                return Some((Token::Text(value), length));
            }
            _ => {}
        }
    }
    None
}
