//! Text from the other side, made fit for an error.

/// Longest text that is kept, in characters. A sentence of explanation fits; a page does not.
const MAX_TEXT: usize = 300;
/// A word longer than this is data, not language. The longest honest ones are resource names of some 120 characters.
const MAX_WORD: usize = 200;
/// What is shown instead of a token or a key.
const REDACTED: &str = "[redacted]";
/// What tokens and keys start with: every JOSE object (`{"` in base64url), Google access tokens, PEM, and the tokens of
/// GitHub, GitLab, Vault and Slack.
const MARKS: [&str; 10] = ["eyJ", "ya29.", "-----BEGIN", "ghs_", "ghp_", "glpat-", "hvs.", "hvb.", "hvr.", "xoxb-"];

/// Whether three bytes in a row are how one of [`MARKS`] begins. Few words have any, and only those are searched.
const fn begins_a_mark(bytes: [u8; 3]) -> bool {
    matches!(&bytes, b"eyJ" | b"ya2" | b"---" | b"ghs" | b"ghp" | b"glp" | b"hvs" | b"hvb" | b"hvr" | b"xox")
}

/// Whether a word is like a token or a key. `length` is that of the word, in characters.
fn looks_secret(word: &str, length: usize) -> bool {
    let suspicious = || word.as_bytes().array_windows().any(|bytes| begins_a_mark(*bytes));
    length > MAX_WORD || (suspicious() && MARKS.iter().any(|mark| word.contains(mark)))
}

/// Makes a description from the other side safe to show: control characters become blanks, a word that looks like a
/// token or a key, or is too long to be a word, becomes `[redacted]`, and the whole is cut after 300 characters.
///
/// ```
/// assert_eq!(carnet_core::safe_text("bad token\n eyJhbGciOi.x.y"), "bad token [redacted]");
/// ```
pub fn safe_text(text: &str) -> String {
    // Names and addresses are mostly one short word of ASCII that is shown as it is.
    if text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_graphic()) && !looks_secret(text, text.len()) {
        return text.to_owned();
    }
    let mut safe = String::new();
    let mut count = 0_usize;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)) {
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

/// Characters that change how a terminal shows what follows, or show nothing themselves: direction marks and overrides,
/// zero-width marks, line separators, tags (Unicode Technical Report 36, 2.5 and 2.10).
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_and_control_characters_do_not_pass() {
        let text = "Token ST$eyJhbGciOiJSUzI1NiJ9.e30.c2ln is \u{1b}[31mbad\u{202e}, key -----BEGIN PRIVATE KEY-----";
        let safe = safe_text(text);
        assert_eq!(safe, "Token [redacted] is [31mbad , key [redacted] PRIVATE KEY-----");
    }

    #[test]
    fn a_word_with_the_start_of_a_token_or_key_does_not_pass() {
        for word in [
            "eyJhbGciOi",
            "ya29.a0Af",
            "x-----BEGIN",
            "ghs_16C7",
            "ghp_16C7",
            "glpat-x1",
            "hvs.CAES",
            "hvb.AAAA",
            "hvr.AAAA",
            "xoxb-17",
            "(ya29.c.b0)",
        ] {
            assert_eq!(safe_text(&format!("got {word} here")), "got [redacted] here");
        }
    }

    #[test]
    fn every_mark_of_direction_is_taken_out() {
        for mark in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{e0041}'] {
            assert_eq!(safe_text(&format!("a{mark}b")), "a b", "{mark:?}");
        }
    }

    #[test]
    fn long_words_and_long_texts_are_cut() {
        assert_eq!(safe_text(&"a".repeat(201)), "[redacted]");
        let long = safe_text(&"word ".repeat(200));
        assert!(long.ends_with("word…") && long.chars().count() <= MAX_TEXT + 1, "{long}");
    }

    /// As it is said above, word for word, without looking ahead.
    fn plainly(text: &str) -> String {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
        let mut safe = String::new();
        for word in words.filter(|word| !word.is_empty()) {
            let secret = word.chars().count() > MAX_WORD || MARKS.iter().any(|mark| word.contains(mark));
            let next =
                format!("{safe}{}{}", if safe.is_empty() { "" } else { " " }, if secret { REDACTED } else { word });
            if next.chars().count() > MAX_TEXT {
                return safe + "…";
            }
            safe = next;
        }
        safe
    }

    #[test]
    fn every_mark_begins_as_what_is_looked_for() {
        for mark in MARKS {
            assert!(mark.as_bytes().first_chunk().is_some_and(|bytes| begins_a_mark(*bytes)), "{mark}");
        }
    }

    proptest! {
        #[test]
        fn looking_ahead_changes_nothing(
            text in "(eyJ|ya29\\.|-----BEGIN|gh[sp]_|glpat-|hv[sbr]\\.|xoxb-|eyj|ya2|---|ghs|glp|xox|[a-z./:-]{1,30}|.{1,9}| |\n|\u{200b}|x{190,210}){0,6}"
        ) {
            prop_assert_eq!(safe_text(&text), plainly(&text));
        }

        #[test]
        fn nothing_that_looks_like_a_token_survives(before in ".{0,40}", token in "eyJ[A-Za-z0-9_-]{1,40}", after in ".{0,40}") {
            let safe = safe_text(&format!("{before}{token}{after}"));
            prop_assert!(!safe.contains(&token));
            prop_assert!(!safe.chars().any(char::is_control));
        }
    }
}
