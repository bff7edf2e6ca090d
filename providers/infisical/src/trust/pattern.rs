//! Patterns as `picomatch` 2 and 4 read them with their defaults, which is what Infisical compares claims, namespaces and
//! SPIFFE IDs with.
//!
//! Known here: `*`, `?`, `[…]` (none of which stands for `/`), `**` as a whole segment, braces with alternatives, `\`, and a
//! leading `!`. A wildcard at the begin of a segment does not stand for a dot there. Not known: parentheses and the
//! patterns made with them, ranges in braces, classes by name. A pattern with those matches only the text that it is itself,
//! and [`Pattern::understood`] is false.

/// Most alternatives that braces may stand for. More is a mistake or an attack.
const MAX_ALTERNATIVES: usize = 64;
/// Longest pattern, in characters.
const MAX_LENGTH: usize = 2048;

/// A pattern, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    negated: bool,
    /// `None`: it holds what is not known here.
    alternatives: Option<Vec<Vec<Token>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One(Begins),
    /// `[…]`: ranges, and whether they are excluded.
    Class(Vec<(char, char)>, bool),
    /// `*`. A star that is a whole segment stands for at least one character.
    Star {
        begins: Begins,
        whole: bool,
    },
    /// `**/`: any number of segments, each with its slash.
    Segments,
    /// `/**` at the end: nothing, or a slash and anything.
    Below,
    /// `**` alone.
    Anything,
    /// After a wildcard at the end a slash may follow.
    MaybeSlash,
}

/// Whether a wildcard is the first of its segment.
type Begins = bool;

impl Pattern {
    /// Parses it. Never fails: what is not known matches nothing but itself.
    pub fn new(text: &str) -> Self {
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) if !rest.starts_with('(') => (true, rest),
            _ => (false, text),
        };
        let alternatives = (text.chars().count() <= MAX_LENGTH).then(|| expand(rest)).flatten();
        let alternatives = alternatives.and_then(|all| all.iter().map(|one| tokens(one)).collect::<Option<Vec<_>>>());
        Self { text: text.to_owned(), negated, alternatives }
    }

    /// Whether everything in it is known here.
    pub fn understood(&self) -> bool {
        self.alternatives.is_some()
    }

    /// Whether the library says that the text matches, in time proportional to the product of both lengths.
    pub fn is_match(&self, text: &str) -> bool {
        let Some(alternatives) = &self.alternatives else { return false };
        let text: Vec<char> = text.chars().collect();
        alternatives.iter().any(|tokens| matches_whole(tokens, &text)) != self.negated
    }

    /// Whether the text is the pattern itself, or matches it: how most methods compare.
    pub fn accepts(&self, text: &str) -> bool {
        self.text == text || self.is_match(text)
    }

    /// Whether it stands for anything that others may choose from its very begin on.
    pub fn begins_wild(&self) -> bool {
        self.negated || self.text.starts_with(['*', '?', '[', '{'])
    }
}

/// The texts that braces stand for. `None` for what is not known.
fn expand(pattern: &str) -> Option<Vec<String>> {
    let mut depth = 0_usize;
    let (mut open, mut commas, mut escaped) = (None, Vec::new(), false);
    for (at, c) in pattern.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                if depth == 0 && open.is_none() {
                    open = Some(at);
                }
                depth = depth.checked_add(1)?;
            }
            ',' if depth == 1 => commas.push(at),
            '}' if depth > 0 => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return alternatives(pattern, open?, &commas, at);
                }
            }
            _ => {}
        }
    }
    // Braces that never close are literal there; nobody means that.
    (depth == 0).then(|| vec![pattern.to_owned()])
}

fn alternatives(pattern: &str, open: usize, commas: &[usize], close: usize) -> Option<Vec<String>> {
    // Without a comma it is a range or literal; neither is known here.
    commas.first()?;
    let (before, after) = (pattern.get(..open)?, pattern.get(close.checked_add(1)?..)?);
    let mut all = Vec::new();
    let mut from = open.checked_add(1)?;
    for end in commas.iter().copied().chain([close]) {
        let part = pattern.get(from..end)?;
        for one in expand(&format!("{before}{part}{after}"))? {
            if all.len() >= MAX_ALTERNATIVES {
                return None;
            }
            all.push(one);
        }
        from = end.checked_add(1)?;
    }
    Some(all)
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut rest = characters.as_slice();
    let mut begins = true;
    while let Some((first, after)) = rest.split_first() {
        let (token, left) = match (first, after) {
            ('(' | ')', _) | ('@' | '+' | '?' | '*' | '!', ['(', ..]) => return None,
            ('*', ['*', deeper @ ..]) if begins && deeper.first().is_none_or(|c| *c == '/') => {
                (deep(&mut tokens, deeper), deeper.get(1..).unwrap_or_default())
            }
            ('*', _) => {
                // Several in a row that are no segment stand for one.
                let stars = rest.iter().take_while(|c| **c == '*').count();
                let left = rest.get(stars..).unwrap_or_default();
                let whole = begins && left.first().is_none_or(|c| *c == '/');
                (Token::Star { begins, whole }, left)
            }
            ('?', _) => (Token::One(begins), after),
            ('[', _) => class(after)?,
            ('\\', [escaped, left @ ..]) => (Token::Literal(*escaped), left),
            (literal, _) => (Token::Literal(*literal), after),
        };
        begins = matches!(token, Token::Literal('/') | Token::Segments);
        tokens.push(token);
        rest = left;
    }
    if matches!(tokens.last(), Some(Token::Star { .. } | Token::Class(..))) {
        tokens.push(Token::MaybeSlash);
    }
    Some(tokens)
}

/// What `**` means here: it takes the slash behind it along, and at the end the slash before it.
fn deep(before: &mut Vec<Token>, after: &[char]) -> Token {
    if !after.is_empty() {
        return Token::Segments;
    }
    match before.last() {
        Some(Token::Literal('/')) => {
            before.pop();
            Token::Below
        }
        _ => Token::Anything,
    }
}

/// A class and what follows it. `None` when it does not close or names a class of POSIX.
fn class(after: &[char]) -> Option<(Token, &[char])> {
    let (excluded, mut rest) = match after {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        rest = match rest {
            [] | ['[', ':', ..] => return None,
            [']', left @ ..] if !ranges.is_empty() => return Some((Token::Class(ranges, excluded), left)),
            [from, '-', to, left @ ..] if *to != ']' => {
                ranges.push((*from, *to));
                left
            }
            [one, left @ ..] => {
                ranges.push((*one, *one));
                left
            }
        };
    }
}

/// Walks the tokens with the set of places in the text that the ones before may have ended at.
fn matches_whole(tokens: &[Token], text: &[char]) -> bool {
    let mut reached = vec![false; text.len().saturating_add(1)];
    set(&mut reached, 0);
    for token in tokens {
        reached = step(token, &reached, text);
    }
    reached.last().copied().unwrap_or_default()
}

fn step(token: &Token, reached: &[bool], text: &[char]) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    match token {
        Token::Literal(wanted) => each(reached, text, &mut next, |c| c == *wanted),
        Token::One(begins) => each(reached, text, &mut next, |c| c != '/' && !(*begins && c == '.')),
        Token::Class(ranges, excluded) => each(reached, text, &mut next, |c| {
            c != '/' && ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *excluded
        }),
        Token::Star { begins, whole } => run(reached, text, &mut next, *begins, *whole),
        Token::Segments => {
            next.copy_from_slice(reached);
            segments(text, &mut next);
        }
        Token::Below => {
            let ends = |at: usize| match text.get(at) {
                None => true,
                Some('/') => no_dots(text.get(at..).unwrap_or_default(), false),
                Some(_) => false,
            };
            if reached.iter().enumerate().any(|(at, yes)| *yes && ends(at)) {
                set(&mut next, text.len());
            }
        }
        Token::Anything => {
            let rest = |at: usize| no_dots(text.get(at..).unwrap_or_default(), true);
            if reached.iter().enumerate().any(|(at, yes)| *yes && rest(at)) {
                set(&mut next, text.len());
            }
        }
        Token::MaybeSlash => {
            next.copy_from_slice(reached);
            let before_last = text.len().checked_sub(1);
            if text.last() == Some(&'/') && before_last.and_then(|at| reached.get(at)) == Some(&true) {
                set(&mut next, text.len());
            }
        }
    }
    next
}

fn each(reached: &[bool], text: &[char], next: &mut [bool], fits: impl Fn(char) -> bool) {
    for ((yes, c), after) in reached.iter().zip(text).zip(next.iter_mut().skip(1)) {
        *after = *yes && fits(*c);
    }
}

fn run(reached: &[bool], text: &[char], next: &mut [bool], begins: Begins, whole: bool) {
    let mut running = false;
    for (at, (yes, end)) in reached.iter().zip(next).enumerate() {
        *end = running;
        let here = text.get(at);
        if *yes && !(begins && here == Some(&'.')) {
            *end |= !whole;
            running = true;
        }
        running &= here != Some(&'/');
    }
}

fn segments(text: &[char], boundaries: &mut [bool]) {
    let mut running = false;
    for (at, c) in text.iter().enumerate() {
        let boundary = boundaries.get(at).copied().unwrap_or_default();
        running |= boundary && !matches!(c, '.' | '/');
        if *c == '/' {
            if running {
                set(boundaries, at.saturating_add(1));
            }
            running = false;
        }
    }
}

/// Whether no segment begins with a dot. `begins`: the text begins with a segment and not with a slash.
fn no_dots(text: &[char], begins: bool) -> bool {
    let before = std::iter::once(if begins { '/' } else { ' ' }).chain(text.iter().copied());
    !before.zip(text).any(|(before, c)| before == '/' && *c == '.')
}

fn set(places: &mut [bool], at: usize) {
    if let Some(place) = places.get_mut(at) {
        *place = true;
    }
}

#[cfg(test)]
mod tests;
