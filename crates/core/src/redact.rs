//! Text from the other side, made fit for an error.

/// Longest text that is kept, in characters. A sentence of explanation fits; a page does not.
const MAX_TEXT: usize = 300;
/// A word longer than this is data, not language. The longest honest ones are resource names of some 120 characters.
const MAX_WORD: usize = 200;
/// What tokens and keys start with: every JOSE object (`{"` in base64url), Google access tokens, PEM, and the tokens of
/// GitHub, GitLab, Vault and Slack.
const MARKS: [&str; 8] = ["eyJ", "ya29.", "-----BEGIN", "ghs_", "ghp_", "glpat-", "hvs.", "xoxb-"];

/// Makes a description from the other side safe to show: control characters become blanks, a word that looks like a
/// token or a key, or is too long to be a word, becomes `[redacted]`, and the whole is cut after 300 characters.
///
/// ```
/// assert_eq!(carnet_core::safe_text("bad token\n eyJhbGciOi.x.y"), "bad token [redacted]");
/// ```
pub fn safe_text(text: &str) -> String {
    let mut safe = String::new();
    let mut count = 0_usize;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)) {
        if word.is_empty() {
            continue;
        }
        let looks_secret = word.chars().count() > MAX_WORD || MARKS.iter().any(|mark| word.contains(mark));
        let word = if looks_secret { "[redacted]" } else { word };
        let length = word.chars().count().saturating_add(usize::from(!safe.is_empty()));
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

    proptest! {
        #[test]
        fn nothing_that_looks_like_a_token_survives(before in ".{0,40}", token in "eyJ[A-Za-z0-9_-]{1,40}", after in ".{0,40}") {
            let safe = safe_text(&format!("{before}{token}{after}"));
            prop_assert!(!safe.contains(&token));
            prop_assert!(!safe.chars().any(char::is_control));
        }
    }
}
