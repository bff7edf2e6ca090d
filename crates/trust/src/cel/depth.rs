//! How deep the parse tree of a text can be, found without parsing it.
//!
//! The parser takes much stack for a bracket, and builds chains (`a.b.c`, `1 + 1`, `!!a`) that are walked recursively
//! afterwards. So both are counted here first. For that, quotes have to be read exactly as the lexer reads them: what
//! could be read otherwise (triple quotes, comments, unknown escapes, a text glued to a name) is refused.

use std::iter::Peekable;
use std::str::Chars;

use super::{CelError, CelErrorKind, Expression, check::syntax};

/// Characters that begin an operator or a selection; `==`, `in`, `?` and brackets are found apart.
const OPERATORS: &str = ".!-+*/%<>";

/// Refuses a text with more than [`Expression::MAX_BRACKETS`] brackets in one another, or with a chain of more than
/// [`Expression::MAX_DEPTH`] links.
pub(super) fn check(source: &str) -> Result<(), CelError> {
    if ["'''", "\"\"\"", "//"].iter().any(|mark| source.contains(mark) && !within_quotes(source, mark)) {
        return Err(syntax("comments and texts in triple quotes are not allowed here"));
    }
    let mut scan = Scan { open: vec![0], choices: 0 };
    let mut rest = source.chars().peekable();
    let mut before = ' ';
    while let Some(first) = rest.next() {
        match first {
            '\'' | '"' => quoted(&mut rest, first, Escapes::Read)?,
            _ if first.is_alphabetic() || first == '_' => word(&mut rest, first, before, &mut scan)?,
            '(' | '[' | '{' => {
                scan.link();
                scan.open.push(0);
            }
            ')' | ']' | '}' if scan.open.len() > 1 => drop(scan.open.pop()),
            // They nest to the right, across `&&` and `||`.
            '?' => scan.choices = scan.choices.saturating_add(1),
            ',' => scan.start_over(),
            // The parser balances chains of these two itself.
            '&' | '|' if rest.next_if_eq(&first).is_some() => scan.start_over(),
            '=' if rest.next_if_eq(&'=').is_some() => scan.link(),
            _ if OPERATORS.contains(first) => scan.link(),
            _ => {}
        }
        before = first;
        scan.within()?;
    }
    Ok(())
}

struct Scan {
    /// Links of the chain at hand, for each bracket that is open.
    open: Vec<usize>,
    /// Ternary operators anywhere.
    choices: usize,
}

impl Scan {
    fn link(&mut self) {
        if let Some(links) = self.open.last_mut() {
            *links = links.saturating_add(1);
        }
    }

    fn start_over(&mut self) {
        if let Some(links) = self.open.last_mut() {
            *links = 0;
        }
    }

    fn within(&self) -> Result<(), CelError> {
        let links = self.open.iter().sum::<usize>().saturating_add(self.choices);
        if self.open.len() > Expression::MAX_BRACKETS.saturating_add(1) {
            let message = format!("brackets are nested more than {} deep", Expression::MAX_BRACKETS);
            return Err(CelError::new(CelErrorKind::Limit, message));
        }
        if links > Expression::MAX_DEPTH {
            let message = format!("a chain has more than {} links", Expression::MAX_DEPTH);
            return Err(CelError::new(CelErrorKind::Limit, message));
        }
        Ok(())
    }
}

/// Whether backslashes mean something in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Read,
    Raw,
}

/// Whether every place of `mark` lies inside quotes.
fn within_quotes(source: &str, mark: &str) -> bool {
    let mut rest = source;
    while let Some(at) = rest.find(['\'', '"']) {
        let (code, text) = rest.split_at(at);
        if code.contains(mark) || text.starts_with(mark) {
            return false;
        }
        let mut characters = text.chars();
        let quote = characters.next().unwrap_or('\'');
        let mut text = characters.as_str();
        loop {
            let Some(at) = text.find([quote, '\\']) else { return false };
            let escaped = text.get(at..).is_some_and(|rest| rest.starts_with('\\'));
            let mut after = text.get(at..).unwrap_or_default().chars();
            after.next();
            if escaped {
                after.next();
            }
            text = after.as_str();
            if !escaped {
                break;
            }
        }
        rest = text;
    }
    !rest.contains(mark)
}

/// A name, a keyword, or the prefix of a text.
fn word(rest: &mut Peekable<Chars<'_>>, first: char, before: char, scan: &mut Scan) -> Result<(), CelError> {
    let mut word = String::from(first);
    while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
        word.push(next);
    }
    if word == "in" {
        scan.link();
    }
    let Some(quote) = rest.next_if(|next| ['\'', '"'].contains(next)) else { return Ok(()) };
    let escapes = match word.as_str() {
        "b" | "B" => Escapes::Read,
        "r" | "R" | "br" | "bR" | "Br" | "BR" => Escapes::Raw,
        _ => return Err(syntax("a text stands right after a name")),
    };
    if before.is_alphanumeric() {
        return Err(syntax("a text stands right after a number"));
    }
    quoted(rest, quote, escapes)
}

/// The rest of a text in quotes (Common Expression Language, language definition, "Syntax": STRING_LIT, ESCAPE).
fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char, escapes: Escapes) -> Result<(), CelError> {
    while let Some(next) = rest.next() {
        match next {
            '\n' | '\r' => break,
            '\\' if escapes == Escapes::Read => escape(rest)?,
            _ if next == quote => return Ok(()),
            _ => {}
        }
    }
    Err(syntax("a text in quotes does not end on its line"))
}

fn escape(rest: &mut Peekable<Chars<'_>>) -> Result<(), CelError> {
    let (digits, radix) = match rest.next() {
        Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '?' | '"' | '\'' | '`') => (0, 16),
        Some('x' | 'X') => (2, 16),
        Some('u') => (4, 16),
        Some('U') => (8, 16),
        Some('0'..='3') => (2, 8),
        _ => return Err(syntax("an escape in a text is not known")),
    };
    for _ in 0..digits {
        if rest.next_if(|digit| digit.is_digit(radix)).is_none() {
            return Err(syntax("an escape in a text is not complete"));
        }
    }
    Ok(())
}
