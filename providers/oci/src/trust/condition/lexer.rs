//! Words, literals, patterns, braces.

use super::{MAX_LENGTH, SyntaxError};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Close,
    Comma,
    Equal,
    NotEqual,
    Open,
    /// `/pattern/`
    Pattern(String),
    /// `'text'`
    Quoted(String),
    /// `/` right behind a quoted name: `'Default'/'Administrators'`
    Slash,
    Word(String),
}

/// The tokens of a text, read from left to right.
#[derive(Debug)]
pub(crate) struct Cursor<'t> {
    tokens: &'t [(usize, Token)],
    at: usize,
    end: usize,
}

/// The tokens of a text with the columns where they start, counted in characters from 1.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError { column: 1, message: format!("longer than {MAX_LENGTH} bytes") });
    }
    let mut found: Vec<(usize, Token)> = Vec::new();
    let mut chars = text.chars().zip(1_usize..).peekable();
    let mut quoted_before = None;
    while let Some((c, column)) = chars.next() {
        let token = match c {
            _ if c.is_whitespace() => continue,
            '{' => Token::Open,
            '}' => Token::Close,
            ',' => Token::Comma,
            '=' => Token::Equal,
            '!' => match chars.next() {
                Some(('=', _)) => Token::NotEqual,
                _ => return Err(SyntaxError { column, message: "expected = after !".to_owned() }),
            },
            '/' if quoted_before == Some(column) => Token::Slash,
            '\'' | '/' => {
                let mut content = String::new();
                loop {
                    match chars.next() {
                        // A pattern may hold slashes: the last one before a gap ends it.
                        Some(('/', _)) if c == '/' && !chars.peek().is_none_or(|(next, _)| ends_a_pattern(*next)) => {
                            content.push('/');
                        }
                        Some((end, _)) if end == c => break,
                        Some((other, _)) => content.push(other),
                        None => return Err(SyntaxError { column, message: format!("no second {c} for this one") }),
                    }
                }
                if c == '\'' {
                    quoted_before = chars.peek().map(|(_, next)| *next);
                    Token::Quoted(content)
                } else {
                    Token::Pattern(content)
                }
            }
            _ => {
                let mut word = String::from(c);
                while let Some((next, _)) =
                    chars.next_if(|(next, _)| !next.is_whitespace() && !"{},=!'".contains(*next))
                {
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        found.push((column, token));
    }
    Ok(found)
}

fn ends_a_pattern(next: char) -> bool {
    next.is_whitespace() || matches!(next, ',' | '}')
}

impl<'t> Cursor<'t> {
    /// A cursor at the first token of `text`.
    pub(crate) fn new(tokens: &'t [(usize, Token)], text: &str) -> Self {
        Self { tokens, at: 0, end: text.chars().count().saturating_add(1) }
    }

    /// The token here.
    pub(crate) fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    /// The column here.
    pub(crate) fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(column, _)| *column)
    }

    /// Goes one on.
    pub(crate) fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Goes one on if this token is here.
    pub(crate) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// Goes one on if this word is here, without case.
    pub(crate) fn take_word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if found {
            self.advance();
        }
        found
    }

    /// This token must be here.
    pub(crate) fn expect(&mut self, token: &Token, shown: &str) -> Result<(), SyntaxError> {
        if self.take(token) { Ok(()) } else { Err(self.error(&format!("expected {shown}"))) }
    }

    /// This word must be here, without case.
    pub(crate) fn expect_word(&mut self, keyword: &str) -> Result<(), SyntaxError> {
        if self.take_word(keyword) { Ok(()) } else { Err(self.error(&format!("expected \"{keyword}\""))) }
    }

    /// Any word must be here.
    pub(crate) fn word(&mut self, wanted: &str) -> Result<String, SyntaxError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.advance();
                Ok(word.clone())
            }
            _ => Err(self.error(&format!("expected {wanted}"))),
        }
    }

    /// Nothing more may be here.
    pub(crate) fn expect_end(&self) -> Result<(), SyntaxError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.error("expected nothing more")) }
    }

    /// An error at this place that says what is here.
    pub(crate) fn error(&self, message: &str) -> SyntaxError {
        let here = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Word(word)) => crate::trust::show(word),
            Some(Token::Quoted(text)) => format!("'{}'", crate::trust::show(text)),
            Some(Token::Pattern(text)) => format!("/{}/", crate::trust::show(text)),
            Some(Token::Open) => "{".to_owned(),
            Some(Token::Close) => "}".to_owned(),
            Some(Token::Comma) => ",".to_owned(),
            Some(Token::Equal) => "=".to_owned(),
            Some(Token::NotEqual) => "!=".to_owned(),
            Some(Token::Slash) => "/".to_owned(),
        };
        SyntaxError { column: self.column(), message: format!("{message}, found {here}") }
    }
}
