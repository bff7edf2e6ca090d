//! Hides what could be a secret in a text that is about to be shown.

/// Replaces the value behind every key that sounds like a secret by asterisks, byte for byte, so that places stay what
/// they are. References such as `${NAME}` stay. It works on the text alone, since it must also work where the text is
/// not TOML; rather too much is hidden than too little.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (key, after) = rest.split_at(equals + 1);
        masked.push_str(key);
        let space = after.len() - after.trim_start_matches([' ', '\t']).len();
        let (space, after) = after.split_at(space);
        masked.push_str(space);
        rest = after;
        // An inline table is not a secret; what is in it is looked at by its own names.
        if sounds_secret(last_word(key)) && !rest.starts_with('{') {
            let (value, after) = rest.split_at(value_length(rest));
            if is_reference(value.trim_matches(['"', '\''])) {
                masked.push_str(value);
            } else {
                masked.extend(value.chars().flat_map(hide));
            }
            rest = after;
        }
    }
    masked.push_str(rest);
    masked
}

/// Whether a field of this name holds a secret itself, rather than the place of one.
pub(crate) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let place = ["_file", "_path", "_env", "_url", "_type", "_id", "_name", "_endpoint", "_dir", "_field", "_format"];
    let secret =
        ["secret", "password", "passphrase", "token", "assertion", "private_key", "api_key", "authorization", "cookie"];
    secret.iter().any(|word| key.contains(word)) && !place.iter().any(|end| key.ends_with(end))
}

/// Whether the whole text is one `${NAME}`.
pub(crate) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).is_some_and(carnet_core::is_variable_name)
}

fn last_word(key: &str) -> &str {
    let key = key.trim_end_matches(['=', ' ', '\t', '"', '\'']);
    let start = key.rfind(|letter: char| !(letter.is_alphanumeric() || "_-".contains(letter)));
    start
        .and_then(|start| key.get(start..))
        .map_or(key, |word| word.trim_start_matches(|letter: char| !letter.is_alphanumeric()))
}

/// Up to the closing quote, or else to the end of the line; inline tables and arrays are not looked into.
fn value_length(text: &str) -> usize {
    for quote in ["\"\"\"", "'''"] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.find(quote).map_or(text.len(), |end| end + 2 * quote.len());
        }
    }
    let line = text.find(['\n', '\r']).unwrap_or(text.len());
    let Some(quote) = text.chars().next().filter(|quote| ['"', '\''].contains(quote)) else {
        return line;
    };
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if at >= line {
            break;
        }
        if letter == quote && !escaped {
            return at + quote.len_utf8();
        }
        escaped = letter == '\\' && quote == '"' && !escaped;
    }
    line
}

fn hide(letter: char) -> impl Iterator<Item = char> {
    let keep = ['\n', '\r', '"', '\'', ' '].contains(&letter);
    std::iter::repeat_n(if keep { letter } else { '*' }, if keep { 1 } else { letter.len_utf8() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_secret_fields_are_hidden() {
        assert_eq!(mask(r#"client_secret = "hunter2", url = "x""#), r#"client_secret = "*******", url = "x""#);
        assert_eq!(mask("--to x client-secret=hunter2"), "--to x client-secret=*******");
        assert_eq!(mask("password = \"a\\\"b\"\nnext = 1"), "password = \"**\"*\"\nnext = 1");
        assert_eq!(mask("token = '''a\nb'''\nc = 1"), "token = '''*\n*'''\nc = 1");
        assert_eq!(mask("token = { path = \"/x\", secret = \"x\" }"), "token = { path = \"/x\", secret = \"*\" }");
        assert_eq!(mask("secret = \"cut"), "secret = \"***");
        assert_eq!(mask("secret = \"pässword\""), "secret = \"*********\"");
    }

    #[test]
    fn references_and_places_stay() {
        let text = "client_secret = \"${SECRET}\"\ntoken_file = \"/run/token\"\n";
        assert_eq!(mask(text), text);
    }

    proptest! {
        #[test]
        fn the_length_never_changes(text in ".{0,200}", key in "(secret|token|x) ?= ?['\"]{0,3}") {
            let text = format!("{key}{text}");
            prop_assert_eq!(mask(&text).len(), text.len());
        }
    }
}
