//! What is repeated of what a program said when it failed.
//!
//! A program's standard error is not made for strangers: it may quote its command line, its configuration or a server's answer.
//! Of its last line is shown what cannot be the value of a secret, and the line ends where one may begin.

use carnet_core::safe_text;

/// How much is shown, in bytes.
const QUOTED: usize = 200;
/// What is shown in place of the rest.
const REDACTED: &str = "[redacted]";
/// What names of secrets have in them.
const NAMES: [&str; 14] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "cred",
    "auth",
    "bearer",
    "basic",
    "cookie",
    "session",
    "signature",
    "sig=",
    "otp",
];
/// What may follow such a name in a sentence. After it every other word may be the secret itself.
const HARMLESS: [&str; 30] = [
    "is",
    "are",
    "was",
    "were",
    "has",
    "have",
    "had",
    "not",
    "no",
    "expired",
    "invalid",
    "incorrect",
    "wrong",
    "missing",
    "required",
    "revoked",
    "rejected",
    "denied",
    "for",
    "from",
    "in",
    "of",
    "at",
    "to",
    "and",
    "or",
    "file",
    "endpoint",
    "request",
    "failed",
];
/// Shortest run of hexadecimal digits that is taken for a key.
const HEX: usize = 16;
/// Shortest run of base64 characters, among them letters and digits, that is.
const BASE64: usize = 20;

/// The last line of standard error, as far as it can be shown. `program` is how it was called: it may begin its lines with its
/// name, and that is no secret even where it sounds like one.
pub(super) fn last_words(stderr: &[u8], program: &str) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let shown = without_secrets(&safe_text(line), program.rsplit('/').next().unwrap_or_default());
    let cut = shown.char_indices().find(|(at, _)| *at >= QUOTED).map_or(shown.len(), |(at, _)| at);
    shown.get(..cut).map(ToOwned::to_owned)
}

fn without_secrets(line: &str, program: &str) -> String {
    let mut shown = Vec::new();
    let mut words = line.split(' ').peekable();
    while let Some(word) = words.next() {
        let said_by = shown.is_empty() && word.strip_suffix(':') == Some(program);
        let Some(after) = end_of_name(word).filter(|_| !said_by) else {
            shown.push(without_data(word));
            continue;
        };
        let (name, rest) = word.split_at(after);
        if let Some(at) = rest.find(['=', ':']) {
            let (between, _) = rest.split_at(at.saturating_add(1));
            shown.push(format!("{}{}{REDACTED}", without_data(name), without_data(between)));
            break;
        }
        shown.push(without_data(word));
        let is_harmless = |next: &&str| HARMLESS.contains(&next.trim_matches(|c: char| !c.is_alphanumeric()));
        if words.peek().is_some_and(|next| !is_harmless(next)) {
            shown.push(REDACTED.to_owned());
            break;
        }
    }
    shown.join(" ")
}

/// Where in a word the first part of a name of a secret ends.
fn end_of_name(word: &str) -> Option<usize> {
    let lower = word.to_ascii_lowercase();
    // `sig=` ends before its sign, which is looked for next.
    let end = |name: &str| lower.find(name).map(|at| at.saturating_add(name.trim_end_matches('=').len()));
    NAMES.iter().filter_map(|name| end(name)).min()
}

/// The word without what is data and not language.
fn without_data(word: &str) -> String {
    if word.contains("://") && word.contains('@') {
        return REDACTED.to_owned();
    }
    let is_path = word.contains("://") || word.trim_start_matches(['"', '\'', '`', '(']).starts_with(['/', '.', '~']);
    let of_data = |c: char| c.is_ascii_alphanumeric() || "+_-".contains(c) || (c == '/' && !is_path);
    let mut shown = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !of_data(c)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        shown.push_str(if is_data(piece) { REDACTED } else { piece });
        let end = after.find(of_data).unwrap_or(after.len());
        let (between, after) = after.split_at(end);
        shown.push_str(between);
        rest = after;
    }
    shown
}

fn is_data(piece: &str) -> bool {
    let has = |what: fn(&u8) -> bool| piece.as_bytes().iter().any(what);
    let has_digit = has(u8::is_ascii_digit);
    let is_hex = piece.len() >= HEX && has_digit && piece.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mixes_cases = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    is_hex || (piece.len() >= BASE64 && (has_digit || mixes_cases))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        last_words(line.as_bytes(), "/usr/bin/id-token").unwrap()
    }

    #[test]
    fn nothing_after_the_name_of_a_secret_is_shown() {
        for (line, expected) in [
            ("password=hunter2 client_secret=s3cr3t", "password=[redacted]"),
            ("using client_secret: s3cr3t for x", "using client_secret:[redacted]"),
            ("{\"Password\":\"hunter2\"}", "{\"Password\":[redacted]"),
            ("login --password hunter2", "login --password [redacted]"),
            ("wrong password hunter2", "wrong password [redacted]"),
            ("Authorization: Bearer abc", "Authorization:[redacted]"),
            ("GET https://a.example/x?v=1&sig=abc failed", "GET https://a.example/x?v=1&sig=[redacted]"),
            ("GET https://u:p@a.example/x failed", "GET [redacted] failed"),
            ("API_KEY=abc rejected", "API_KEY=[redacted]"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    #[test]
    fn long_words_of_data_are_not_shown() {
        for data in [
            "0123456789abcdef0123456789abcdef",
            "deadbeefdeadbee1",
            "c2VjcmV0IGJ5dGVzIGhlcmU",
            "AbCd/EfGh+IjKlMnOpQrSt==",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ] {
            let said = shown(&format!("using {data} now"));
            assert!(said.starts_with("using [redacted]") && said.ends_with(" now"), "{said}");
        }
    }

    #[test]
    fn what_helps_is_shown_whole() {
        for line in [
            "id-token: cannot reach https://issuer.example:8443/v1",
            "the token has expired",
            "token endpoint answered 503",
            "open /var/lib/identity/production/config.toml: no such file or directory",
            "Authentication failed for user bob",
        ] {
            assert_eq!(shown(line), line);
        }
    }

    #[test]
    fn only_the_last_line_is_shown_and_not_all_of_a_long_one() {
        assert_eq!(shown("first\nlast\n\n"), "last");
        assert_eq!(last_words(b" \n", "x"), None);
        assert_eq!(shown(&"word ".repeat(59)).len(), QUOTED);
    }
}
