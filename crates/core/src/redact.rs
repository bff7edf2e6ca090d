//! Text from the other side, made fit for an error; and what is said at all, without the secrets that slipped into it.

mod places;

use std::{borrow::Cow, ops::Range};

use places::{secrets, spanning};

/// Longest text that is kept, in characters. A sentence of explanation fits; a page does not.
const MAX_TEXT: usize = 300;
/// A word longer than this is data, not language. The longest honest ones are resource names of some 120 characters.
const MAX_WORD: usize = 200;
/// What is shown instead of a token or a key.
const REDACTED: &str = "[redacted]";

/// What is said as a whole, however long: the same text, in which whatever looks like a token or a key, and whoever asks in a
/// URL (`user:password@`), has become `[redacted]`. For the place where errors, warnings and logs leave the process, because a
/// secret may have been given where a name, a path or a flag was wanted.
///
/// ```
/// let said = "read /tmp/eyJhbGciOi.x.y: File name too long";
/// assert_eq!(carnet_core::redacted(said), "read /tmp/[redacted]: File name too long");
/// ```
pub fn redacted(text: &str) -> Cow<'_, str> {
    without(text, &secrets(text, char::is_whitespace))
}

/// The same text, in which every byte of what [`redacted`] takes out has become an asterisk: for excerpts of files, whose lines
/// and columns must stay what they are. Words end at quotes, brackets and commas as well, as they do in files.
///
/// ```
/// assert_eq!(carnet_core::blotted("path = \"eyJhbGciOi.x.y\""), "path = \"**************\"");
/// ```
pub fn blotted(text: &str) -> String {
    let blot = |text: &str| {
        text.chars().map(|c| if c == '\n' { c.to_string() } else { "*".repeat(c.len_utf8()) }).collect::<String>()
    };
    replaced(text, &secrets(text, |c| c.is_whitespace() || "\"'`,{}[]".contains(c)), |secret, clean| {
        clean.push_str(&blot(secret));
    })
}

/// Makes a description from the other side safe to show: control characters become blanks, a word that looks like a
/// token or a key, or is too long to be a word, becomes `[redacted]`, and the whole is cut after 300 characters.
///
/// ```
/// assert_eq!(carnet_core::safe_text("bad token\n eyJhbGciOi.x.y"), "bad token [redacted]");
/// ```
pub fn safe_text(text: &str) -> String {
    let text = &*without(text, &spanning(text));
    // Names and addresses are mostly one short word of ASCII that is shown as it is.
    if text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_graphic()) && !looks_secret(text, text.len()) {
        return text.to_owned();
    }
    let mut safe = String::new();
    let mut count = 0_usize;
    for word in text.split(is_blank) {
        if word.is_empty() {
            continue;
        }
        let length = word.chars().count();
        let (word, length) = if looks_secret(word, length) { (REDACTED, REDACTED.len()) } else { (word, length) };
        let length = length.saturating_add(usize::from(!safe.is_empty()));
        if count.saturating_add(length) > MAX_TEXT {
            safe.push('…');
            break;
        }
        if !safe.is_empty() {
            safe.push(' ');
        }
        safe.push_str(word);
        count = count.saturating_add(length);
    }
    safe
}

/// Whether a word is like a token or a key. `length` is that of the word, in characters.
fn looks_secret(word: &str, length: usize) -> bool {
    length > MAX_WORD || places::token_at(word).is_some()
}

/// The text without what is at these places.
fn without<'t>(text: &'t str, places: &[Range<usize>]) -> Cow<'t, str> {
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(replaced(text, places, |_, clean| clean.push_str(REDACTED)))
}

/// The text with something else at these places, which are in order and apart.
fn replaced(text: &str, places: &[Range<usize>], put: impl Fn(&str, &mut String)) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut shown = 0;
    for place in places {
        clean.push_str(text.get(shown..place.start).unwrap_or_default());
        put(text.get(place.clone()).unwrap_or_default(), &mut clean);
        shown = place.end;
    }
    clean.push_str(text.get(shown..).unwrap_or_default());
    clean
}

/// Characters that change how a terminal shows what follows, or show nothing themselves: direction marks and overrides,
/// zero-width marks, line separators, tags (Unicode Technical Report 36, 2.5 and 2.10).
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether a character parts words: white space, and what is shown as a blank.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

#[cfg(test)]
mod tests;
