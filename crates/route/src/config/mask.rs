//! Hides what could be a secret in a text that is about to be shown.

mod names;

pub(crate) use names::{is_reference, sounds_secret};

use std::ops::Range;

use names::{ROUTE, names_secret};

/// Replaces the value behind every name that sounds like a secret by asterisks, byte for byte, so that places stay what
/// they are. References such as `${NAME}` stay. It works on the text alone, since it must also work where the text is
/// not TOML; rather too much is hidden than too little. Between a name and its value may stand `=`, `:` or blanks, and in
/// a table or a list of such a name everything is hidden but the names.
pub(crate) fn mask(text: &str) -> String {
    let masked = String::with_capacity(text.len());
    let (expect, strings) = (Expect::Nothing, Vec::new());
    let mut mask = Mask { text, masked, expect, word: "", strings, is_short: false, hiding: None, last: '\n' };
    while let Some(letter) = mask.rest().chars().next() {
        mask.step(letter);
    }
    mask.masked
}

/// The same where it is known which parts of a text are a name and its value, in order, as on a command line: what one of them
/// says is not about the next.
pub(crate) fn mask_each(text: &str, parts: impl IntoIterator<Item = Range<usize>>) -> String {
    let mut masked = String::with_capacity(text.len());
    for part in parts {
        masked.push_str(text.get(masked.len()..part.start).unwrap_or_default());
        masked.push_str(&mask(text.get(part).unwrap_or_default()));
    }
    masked.push_str(text.get(masked.len()..).unwrap_or_default());
    masked
}

/// The quotes of strings of many lines.
const LONG: [&str; 2] = ["\"\"\"", "'''"];

/// The text up to a place, with everything hidden that could be a secret.
struct Mask<'t> {
    text: &'t str,
    /// As long as what has been read.
    masked: String,
    expect: Expect,
    /// The last word that may be a name.
    word: &'t str,
    /// The strings that this place is in: where their text ends, and the length of the quote after it. At most two, one in
    /// the other as where JSON is a value; quotes in the second are letters like any other.
    strings: Vec<(usize, usize)>,
    /// Whether no further string of many lines is entered: one had a section in it. Each would be looked through to its end.
    is_short: bool,
    hiding: Option<Hiding>,
    /// The last letter that was no blank; at first as if a line had ended.
    last: char,
}

/// What the name before this place makes of the value that comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// It is no secret.
    Nothing,
    /// The name has just ended.
    Sign,
    /// A blank came after the name.
    Blank,
    /// `=` or `:` came: whatever comes is the value.
    Value,
    /// The line of the name has ended: only a sign would make what comes the value.
    Below,
    /// A new line, a comma or a sign of no meaning came: a string, a table or a list is the value, and a word is another name.
    Quoted,
}

/// A table, a list or a section of the file that this place is in, and of which all values are hidden.
struct Hiding {
    /// How many brackets are open in it.
    depth: usize,
    /// The number of strings it is in, with the last of which it ends.
    strings: usize,
    is_section: bool,
}

impl<'t> Mask<'t> {
    fn step(&mut self, letter: char) {
        if let Some((_, quote)) = self.strings.pop_if(|(end, _)| *end <= self.masked.len()) {
            self.hiding = self.hiding.take().filter(|hiding| hiding.strings <= self.strings.len());
            return self.keep(quote);
        }
        if letter == '[' && self.last == '\n' && self.begins_section() {
            return;
        }
        match self.hiding {
            Some(_) => self.hidden(letter),
            None => self.open(letter),
        }
    }

    /// Whether a section of secrets begins here.
    fn begins_section(&mut self) -> bool {
        if self.hiding.as_ref().is_some_and(|hiding| !hiding.is_section || hiding.depth > 0) {
            return false;
        }
        let line = self.rest().get(..line_length(self.rest())).unwrap_or_default();
        let name = line.split(']').next().unwrap_or_default();
        let is_section = names::names_section(&names::bare_section(name));
        self.hiding = is_section.then_some(Hiding { depth: 0, strings: 0, is_section });
        if is_section {
            // A string that it is in was begun by mistake, in a comment for instance.
            self.is_short |= !self.strings.is_empty();
            self.strings.clear();
            let brackets = line.get(name.len()..).unwrap_or_default().bytes().take_while(|byte| *byte == b']').count();
            self.keep(name.len().saturating_add(brackets));
        }
        is_section
    }

    /// Where all is hidden but the names.
    fn hidden(&mut self, letter: char) {
        let between = |c: char| c.is_whitespace() || "{}[],=\"'".contains(c);
        let length = match letter {
            '"' | '\'' => string_length(self.within()).0,
            ':' => return self.keep(1),
            _ if between(letter) => return self.bracket(letter),
            _ => self.within().find(between).unwrap_or(self.within().len()),
        };
        if self.is_name(length) { self.keep(length) } else { self.hide(length.max(letter.len_utf8())) }
    }

    fn bracket(&mut self, letter: char) {
        self.keep(letter.len_utf8());
        let Some(hiding) = &mut self.hiding else { return };
        match letter {
            '{' | '[' => hiding.depth = hiding.depth.saturating_add(1),
            '}' | ']' => hiding.depth = hiding.depth.saturating_sub(1),
            _ => {}
        }
        let is_over = hiding.depth == 0 && !hiding.is_section;
        if is_over {
            self.hiding = None;
            self.hide_rest();
        }
    }

    /// Whether what is this long is a name, before its value. Base64 ends in the same sign.
    fn is_name(&self, length: usize) -> bool {
        let after = self.within().get(length..).unwrap_or_default().trim_start_matches(is_space);
        let value = after.strip_prefix('=').map(|value| value.trim_start_matches(is_space));
        let is_value =
            value.is_some_and(|value| !value.is_empty() && !value.starts_with(['=', ',', ']', '}', '\n', '\r']));
        "{,\n".contains(self.last) && is_value
    }

    /// Where what a name says decides.
    fn open(&mut self, letter: char) {
        use Expect::{Below, Blank, Nothing, Quoted, Sign, Value};
        let length = letter.len_utf8();
        self.expect = match (letter, self.expect) {
            ('\n' | '\r', Value | Quoted) | (',', Sign | Blank | Quoted) => Quoted,
            ('\n' | '\r', Sign | Blank | Below) => Below,
            ('}' | ']' | ')', Nothing | Sign | Blank | Quoted) => Nothing,
            ('#', Sign | Blank | Quoted) if self.strings.is_empty() => Nothing,
            ('=' | ':', Sign | Blank | Below | Value | Quoted) => Value,
            (' ' | '\t', Sign) => Blank,
            ('\\' | ' ' | '\t', expect) => expect,
            ('"' | '\'', Nothing) if self.is_route() => return self.keep(string_length(self.within()).0),
            ('"' | '\'', Nothing) => return self.enter_string(),
            ('"' | '\'', Below) if self.is_quoted_name() => return self.enter_string(),
            ('"' | '\'', _) => return self.hide_string(),
            ('{', _) if names::is_table(self.word) => Nothing,
            ('{' | '[', Sign | Blank | Value | Quoted) => {
                self.hiding = Some(Hiding { depth: 1, strings: self.strings.len(), is_section: false });
                Nothing
            }
            // It may as well be a comment, with the value below.
            ('#', Value) => return self.hide_line(Value),
            (_, Blank | Value) => return self.hide_line(Nothing),
            (letter, _) if is_of_word(letter) => return self.word(),
            (_, Sign | Quoted) => Quoted,
            _ => Nothing,
        };
        self.keep(length);
    }

    fn word(&mut self) {
        let is_alone = || !self.within().get(..line_length(self.within())).unwrap_or_default().contains('=');
        if self.expect == Expect::Quoted && self.last == '\n' && is_alone() {
            return self.hide_line(Expect::Nothing);
        }
        let word = self.within().split(|letter| !is_of_word(letter)).next().unwrap_or_default();
        // On a command line, as in `path=token --to x`, what stands right behind a sign is the value of another name.
        let after = self.within().get(word.len()..).unwrap_or_default();
        let is_value = self.masked.ends_with('=') && !word.starts_with('-') && after.starts_with(is_space);
        // As in `"client_secret".value`.
        let goes_on = self.expect == Expect::Sign && word.starts_with('.') && !names::is_table(self.word);
        // In a value, as in a string or behind a slash, a name of many parts is that of a server.
        let is_key = self.strings.is_empty() && !self.masked.ends_with('/');
        let is_secret = names_secret(word, if is_key { usize::MAX } else { 1 });
        self.expect = if (is_secret || goes_on) && !is_value { Expect::Sign } else { Expect::Nothing };
        self.word = word;
        self.keep(word.len());
    }

    /// Whether the string that begins here is a name, before its value.
    fn is_quoted_name(&self) -> bool {
        let after = self.within().get(string_length(self.within()).0..).unwrap_or_default();
        after.trim_start_matches(is_space).starts_with(['=', ':', '.', ']'])
    }

    /// Whether the string that begins here is the name of a route, as in `route."a.b".source`.
    fn is_route(&self) -> bool {
        let after = || self.within().get(string_length(self.within()).0..).unwrap_or_default();
        self.word == ROUTE && self.masked.ends_with(ROUTE) && after().trim_start_matches(is_space).starts_with('.')
    }

    fn enter_string(&mut self) {
        if self.strings.len() == 2 {
            return self.keep(1);
        }
        if self.is_short && LONG.iter().any(|quote| self.within().starts_with(quote)) {
            return self.keep(3);
        }
        let (length, quote, is_closed) = string_length(self.within());
        let after = if is_closed { quote } else { 0 };
        let end = self.masked.len().saturating_add(length).saturating_sub(after);
        self.strings.push((end, after));
        self.keep(quote);
    }

    fn hide_string(&mut self) {
        self.hide(string_length(self.within()).0);
        self.expect = Expect::Nothing;
        self.hide_rest();
    }

    /// Hides what stands behind a value as if it were part of it: a quote or a bracket in a password may have ended it.
    fn hide_rest(&mut self) {
        let after = self.within().trim_start_matches(is_space);
        if !(after.is_empty() || after.starts_with(['\n', '\r', ',', '}', ']', ')', '#'])) {
            self.hide_line(Expect::Nothing);
        }
    }

    fn hide_line(&mut self, then: Expect) {
        self.hide(line_length(self.within()));
        self.expect = then;
    }

    fn hide(&mut self, length: usize) {
        let value = self.rest().get(..length).unwrap_or_default();
        if is_reference(value.trim().trim_matches(['"', '\''])) {
            return self.keep(length);
        }
        self.masked.extend(value.chars().flat_map(asterisks));
        self.last = '*';
    }

    fn keep(&mut self, length: usize) {
        let kept = self.rest().get(..length).unwrap_or_default();
        self.masked.push_str(kept);
        self.last = kept.chars().rev().find(|letter| !is_space(*letter)).unwrap_or(self.last);
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.masked.len()..).unwrap_or_default()
    }

    /// What is left of the string that this place is in, or of the text.
    fn within(&self) -> &'t str {
        let end = self.strings.last().map_or(self.text.len(), |(end, _)| *end);
        self.text.get(self.masked.len()..end).unwrap_or_default()
    }
}

/// The length of the string that begins here, with its quotes; that of a quote; and whether there is one at the end.
fn string_length(text: &str) -> (usize, usize, bool) {
    let long = LONG.into_iter().find(|quote| text.starts_with(quote));
    let quote = long.or_else(|| text.get(..1)).unwrap_or_default();
    let inner = text.get(quote.len()..).unwrap_or_default();
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        if long.is_none() && matches!(letter, '\n' | '\r') {
            return (at.saturating_add(quote.len()), quote.len(), false);
        }
        if escaped {
            escaped = false;
        } else if letter == '\\' && quote.starts_with('"') {
            escaped = true;
        } else if inner.get(at..).is_some_and(|rest| rest.starts_with(quote)) {
            return (at.saturating_add(2 * quote.len()), quote.len(), true);
        }
    }
    (text.len(), quote.len(), false)
}

fn line_length(text: &str) -> usize {
    text.find(['\n', '\r']).unwrap_or(text.len())
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || "_-.".contains(letter)
}

fn is_space(letter: char) -> bool {
    letter == ' ' || letter == '\t'
}

/// What a letter is hidden by; what stands around words stays.
pub(crate) fn asterisks(letter: char) -> impl Iterator<Item = char> {
    let keep = ['\n', '\r', '"', '\'', ' '].contains(&letter);
    std::iter::repeat_n(if keep { letter } else { '*' }, if keep { 1 } else { letter.len_utf8() })
}

#[cfg(test)]
mod tests;
