//! What a mistake quotes: nothing that asks somewhere in somebody's name, and nothing at any length.

use std::ops::Range;

/// Longest value that is quoted, in characters: as much as is kept of what the other side of a connection says.
const QUOTED: usize = 300;
/// Longest text about one mistake, in characters. The longest honest ones list the names that could be meant.
pub(super) const SAID: usize = 4000;

/// What parts the words of a configuration.
fn parts(letter: char) -> bool {
    letter.is_whitespace() || "\"'`,{}[]".contains(letter)
}

/// The text with every quoted value cut that is long, and the whole.
pub(super) fn short(text: &str) -> String {
    let quote = |letter: char| matches!(letter, '`' | '"');
    let pieces = text.split_inclusive(quote).enumerate();
    let short = pieces.fold(String::new(), |short, (at, piece)| {
        let value = piece.strip_suffix(quote).unwrap_or(piece);
        let end = piece.get(value.len()..).unwrap_or_default();
        if at % 2 == 1 { short + &cut(value, QUOTED) + end } else { short + piece }
    });
    cut(&short, SAID)
}

/// The name of a field, cut where it is long.
pub(super) fn short_name(name: &str) -> String {
    cut(name, QUOTED)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The text with who asks hidden, byte for byte, where that stands before an `@` in a URL whose scheme is missing: in the
/// field of a URL, and as `user:password` anywhere. With a scheme it is hidden in every text.
pub(super) fn without_users(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let (mut name, mut is_named) = ("", false);
    for piece in text.split_inclusive(parts) {
        let word = piece.strip_suffix(parts).unwrap_or(piece);
        let user = user_in(word, if is_named { name } else { "" }).unwrap_or_default();
        clean.push_str(piece.get(..user.start).unwrap_or_default());
        clean.push_str(&"*".repeat(user.len()));
        clean.push_str(piece.get(user.end..).unwrap_or_default());
        // `name = "value"`: quotes and blanks part words, and the sign may be one itself.
        match word.strip_suffix(['=', ':']) {
            _ if word.is_empty() => {}
            Some("") => is_named = true,
            Some(begin) => (name, is_named) = (begin, true),
            None => (name, is_named) = (word, false),
        }
    }
    clean
}

/// Where in a word that is the value of this name stands who asks. On a command line its name may stand before it.
fn user_in(word: &str, name: &str) -> Option<Range<usize>> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    let named = word.split_once('=').filter(|(name, _)| name.chars().all(of_name));
    let (name, value) = named.unwrap_or((name, word));
    let user = user_of(value)?;
    let is_password = user.contains(':') && !user.contains('/') && !user.starts_with("mailto:");
    let is_user = is_password || (is_url_field(name) && !user.contains("://"));
    let start = word.len().saturating_sub(value.len());
    is_user.then(|| start..start.saturating_add(user.len()))
}

/// What stands before the last `@` of a value.
pub(super) fn user_of(value: &str) -> Option<&str> {
    value.rsplit_once('@').map(|(user, _)| user).filter(|user| !user.is_empty())
}

/// Whether the last name of a dotted field is that of a URL.
pub(super) fn is_url_field(field: &str) -> bool {
    const NAMES: [&str; 9] = ["url", "urls", "uri", "uris", "issuer", "issuers", "address", "endpoint", "authority"];
    let mut names = field.rsplit(['.', '[', ' ']).map(|name| name.trim_end_matches(']'));
    let last = names.find(|name| name.parse::<usize>().is_err());
    last.is_some_and(|name| name.split(['_', '-']).any(|word| NAMES.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_in_quotes_is_cut_and_what_is_around_it_is_kept() {
        let long = "a b ".repeat(1000);
        for (open, close) in [("`", "`"), ("\"", "\"")] {
            let said = short(&format!("no {open}{long}{close}, and that"));
            assert!(
                said.starts_with(&format!("no {open}a b ")) && said.ends_with(&format!("…{close}, and that")),
                "{said}"
            );
            assert!(said.chars().count() < QUOTED + 30, "{said}");
        }
        let list = format!("the fields are: {}", "name, ".repeat(200));
        assert_eq!(short(&list), list);
        assert_eq!(short(&"ü ".repeat(10_000)).chars().count(), SAID + 1);
        assert_eq!(short(&"`a".repeat(10_000)).chars().count(), SAID + 1);
    }

    #[test]
    fn who_asks_is_hidden_without_a_scheme() {
        for (text, clean) in [
            ("url = \"u:HUNTER2@x\"", "url = \"*********@x\""),
            ("--to oauth token_url=u:HUNTER2=@x b=c", "--to oauth token_url=**********@x b=c"),
            ("[\"a\", u:p@q@x]", "[\"a\", *****@x]"),
            ("a = 1, issuer = \"HUNTER2@x\", b = \"c@d\"", "a = 1, issuer = \"*******@x\", b = \"c@d\""),
            ("jwks_uri=\"HUNTER2@x\"", "jwks_uri=\"*******@x\""),
            ("--url HUNTER2 url=ü@x", "--url HUNTER2 url=**@x"),
        ] {
            assert_eq!(without_users(text), clean);
        }
        for text in [
            "email = \"ops@example.org\"",
            "contact = \"mailto:ops@example.org\"",
            "arn:aws:sts::1:assumed-role/a/ops@example.org",
            "https://x.example/@a",
            "a: @",
            "url = \"https://x.example/\"\nname = \"a@b\"",
            "url = \"https://x.example/@a\"",
        ] {
            assert_eq!(without_users(text), text);
        }
    }

    #[test]
    fn fields_of_urls_are_known_by_their_last_name() {
        for field in
            ["url", "route.a.through[0].oauth.token_url", "a.issuers[1]", "--to oauth.jwks-uri", "x.endpoint_url"]
        {
            assert!(is_url_field(field), "{field}");
        }
        for field in ["", "url.path", "service_account", "curl", "audience[0]"] {
            assert!(!is_url_field(field), "{field}");
        }
    }
}
