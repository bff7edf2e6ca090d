//! Nothing that came from outside may steer the terminal on which it is shown.
//!
//! Tokens, files and answers of servers are full of text that somebody else wrote. Control characters of both sets (ECMA-48,
//! 5.3 and 5.4) move the cursor, rename the window or answer in the user's name; marks of direction make a text read
//! as another. Both are shown here as what they are.

use carnet_core::is_invisible;

/// Text for people: line ends pass, whatever else steers a terminal is shown as `\u{1b}` and the like. Colours too: black
/// on black hides as well as "conceal" does. Those of carnet itself are put around it, see [`super::Text`].
pub(super) fn for_people(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') || !(c.is_control() || is_invisible(c)) {
            visible.push(c);
        } else {
            visible.extend(c.escape_unicode());
        }
    }
    visible
}

/// A JSON text: what serde leaves as it is, although it steers a terminal, is escaped as JSON has it (RFC 8259, 7).
/// Outside of strings JSON has none of these characters.
pub(super) fn for_programs(json: &str) -> String {
    let mut visible = String::with_capacity(json.len());
    for c in json.chars() {
        if (c.is_control() && c != '\n') || is_invisible(c) {
            visible.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            visible.push(c);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_passes() {
        for (text, shown) in [
            ("error: a\n\tb", "error: a\n\tb"),
            ("a\u{1b}[30mb\u{1b}[0m", "a\\u{1b}[30mb\\u{1b}[0m"),
            ("Zürich 日本", "Zürich 日本"),
            ("a\u{1b}]0;x\u{7}", "a\\u{1b}]0;x\\u{7}"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{1b}[8mb", "a\\u{1b}[8mb"),
            ("a\u{9b}31m\u{7f}\r", "a\\u{9b}31m\\u{7f}\\u{d}"),
            ("a\u{202e}b\u{61c}", "a\\u{202e}b\\u{61c}"),
            ("a\u{1b}", "a\\u{1b}"),
        ] {
            assert_eq!(for_people(text), shown, "{text:?}");
        }
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({"a\u{9b}": "b\u{202e}\u{7f}\u{e0041}\u{1b}\n", "plain": "ü"});
        let shown = for_programs(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || is_invisible(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
