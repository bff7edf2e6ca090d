//! What is repeated of what a program said when it failed.
//!
//! A program's standard error is not made for strangers: it may quote its command line, its configuration or a server's answer.
//! Of its last line is shown what cannot be the value of a secret, and the line ends where one may begin.

use std::net::{IpAddr, SocketAddr};

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
/// Names that are so short that they are in other words; they count where they stand by themselves.
const SHORT_NAMES: [&str; 2] = ["pw", "pin"];
/// Options that take a user's name and, after a colon, the password.
const USER_OPTIONS: [&str; 2] = ["-u", "--user"];
/// The words in which programs say what went wrong. After the name of a secret nothing else is shown but these, addresses and
/// codes: any other word may be the secret itself.
const LANGUAGE: &str = "\
    a an the this that is are was were be been has have had do does did not no none never only and or but if while when \
    for from of in on at to by with without into after before because during until more \
    access account active address already answer answered argument available bad broken cannot canceled cancelled \
    certificate client closed code command configured connect connecting connection context could couldn't deadline denied \
    dial didn't directory disabled doesn't empty endpoint eof error exceeded exist exists expired fail failed failure fetch \
    fetching file find forbidden found get getting grant handshake host http https i/o incorrect input internal invalid \
    issue lacks load lookup malformed match missing must network not_found open parse permission port present provider \
    reach read reading refresh refused rejected request required reset resolve response returned revoked route send server \
    service set specified status such support supported tcp temporary timed timeout tls too unable unauthorized \
    unavailable unexpected unknown unreachable unsupported usage user valid verify was wrong you your \
    auth authentication authorization basic bearer cookie credential credentials key keys passphrase password secret \
    session signature token tokens";
/// After these words comes the name of a host.
const BEFORE_HOST: [&str; 5] = ["lookup", "host", "reach", "resolve", "server"];
/// After these words comes a number that means something.
const BEFORE_CODE: [&str; 6] = ["answered", "code", "error", "http", "returned", "status"];
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
        if let Some(option) = user_option(word, words.peek().copied()) {
            shown.extend([option.to_owned(), REDACTED.to_owned()]);
            break;
        }
        let Some(after) = end_of_name(word).filter(|_| !is_speaker(word, shown.is_empty(), program)) else {
            shown.push(without_data(word));
            continue;
        };
        let (name, rest) = word.split_at(after);
        // `name: ` begins a sentence or the value, which the words tell; anything else that assigns is before the value.
        if let Some(at) = rest.trim_end_matches(':').find(['=', ':']) {
            let (between, _) = rest.split_at(at.saturating_add(1));
            shown.push(format!("{}{}{REDACTED}", without_data(name), without_data(between)));
            break;
        }
        shown.push(without_data(word));
        shown.extend(language(word, words));
        break;
    }
    shown.join(" ")
}

/// The option, if a password is in its value: in the same word or in the next.
fn user_option(word: &str, next: Option<&str>) -> Option<&'static str> {
    let has_password = |user: &str| user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
    USER_OPTIONS.into_iter().find(|option| match word.strip_prefix(option) {
        Some("") => next.is_some_and(has_password),
        Some(joined) => has_password(joined),
        None => false,
    })
}

/// What may be shown after the name of a secret: all words up to the first that may be its value.
fn language<'a>(name: &'a str, words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut shown = Vec::new();
    let mut before = bare(name);
    for word in words {
        let is_shown = is_language(word)
            || is_address(word)
            || (BEFORE_HOST.contains(&before.as_str()) && is_host(word))
            || (BEFORE_CODE.contains(&before.as_str()) && is_code(word));
        if !is_shown {
            shown.push(REDACTED.to_owned());
            break;
        }
        // The query of a URL may hold a key.
        let (word, query) = word.split_once('?').map_or((word, None), |(word, _)| (word, Some(REDACTED)));
        shown.push(without_data(word) + &query.map_or_else(String::new, |query| format!("?{query}")));
        before = bare(word);
    }
    shown
}

/// A word without what punctuates it, in lower case.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase()
}

fn is_language(word: &str) -> bool {
    let bare = bare(word);
    LANGUAGE.split(' ').any(|known| !known.is_empty() && known == bare)
}

/// An IP address with or without a port, a URL, or a path without capital letters, which keys have.
fn is_address(word: &str) -> bool {
    let word = word.trim_matches(|c: char| "\"'`(),;:".contains(c)).trim_end_matches('.');
    let is_ip = word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok();
    let of_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let is_path = word.starts_with('/') && word.matches('/').count() > 1 && word.chars().all(of_path);
    is_ip || is_path || word.starts_with("http://") || word.starts_with("https://")
}

/// A name with a dot, or `localhost`, with or without a port.
fn is_host(word: &str) -> bool {
    let word = word.trim_matches(|c: char| "\"'`(),;:".contains(c));
    let (name, port) = word.split_once(':').unwrap_or((word, "0"));
    let of_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    name.chars().all(of_host) && (name.contains('.') || name == "localhost") && port.parse::<u16>().is_ok()
}

/// A status of HTTP, or of a program.
fn is_code(word: &str) -> bool {
    bare(word).parse::<u16>().is_ok_and(|code| code < 600)
}

/// Whether a word tells which program, or which of its commands, speaks: `name:` at the beginning, `(name.command)` anywhere.
fn is_speaker(word: &str, is_first: bool, program: &str) -> bool {
    let command = word.strip_prefix('(').and_then(|word| word.trim_end_matches(':').strip_suffix(')'));
    let is_command = |command: &str| {
        let mut parts = command.split('.');
        let said_by = parts.next().is_some_and(|name| name == program || name == "gcloud");
        said_by && parts.all(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
    };
    (is_first && word.strip_suffix(':') == Some(program)) || command.is_some_and(is_command)
}

/// Where in a word the first part of a name of a secret ends.
fn end_of_name(word: &str) -> Option<usize> {
    let lower = word.to_ascii_lowercase();
    // `sig=` ends before its sign, which is looked for next.
    let end = |at: usize, name: &str| at.saturating_add(name.trim_end_matches('=').len());
    let within = NAMES.iter().filter_map(|name| lower.find(name).map(|at| end(at, name)));
    let by_itself = |(at, piece): (usize, &str)| {
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphabetic());
        let (before, rest) = (lower.get(..at)?, lower.get(end(at, piece)..)?);
        (alone(before.chars().next_back()) && alone(rest.chars().next())).then(|| end(at, piece))
    };
    let short = SHORT_NAMES.iter().flat_map(|name| lower.match_indices(name)).filter_map(by_itself);
    within.chain(short).min()
}

/// The word without what is data and not language.
fn without_data(word: &str) -> String {
    // `user:password@host`, with or without a scheme.
    if word.split_once('@').is_some_and(|(before, _)| before.contains(':')) {
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
            ("using client_secret: s3cr3t for x", "using client_secret: [redacted]"),
            ("{\"Password\":\"hunter2\"}", "{\"Password\":[redacted]"),
            ("login --password hunter2", "login --password [redacted]"),
            ("wrong password hunter2", "wrong password [redacted]"),
            ("Authorization: Bearer abc", "Authorization: Bearer [redacted]"),
            ("GET https://a.example/x?v=1&sig=abc failed", "GET https://a.example/x?v=1&sig=[redacted]"),
            ("GET https://u:p@a.example/x failed", "GET [redacted] failed"),
            ("API_KEY=abc rejected", "API_KEY=[redacted]"),
            ("the token is hunter2", "the token is [redacted]"),
            ("the token is not hunter", "the token is not [redacted]"),
            ("password has hunter2", "password has [redacted]"),
            ("passphrase for hunter2", "passphrase for [redacted]"),
            ("token of hunter2 was hunter2", "token of [redacted]"),
            ("token: hunter", "token: [redacted]"),
            ("password: expired hunter2", "password: expired [redacted]"),
            ("cannot get token: password=hunter2", "cannot get token: [redacted]"),
            ("token from https://a.example/x?k=hunter2 expired", "token from https://a.example/x?[redacted] expired"),
            ("password: /Hunter/2", "password: [redacted]"),
            ("password: hunter.two", "password: [redacted]"),
            ("pw=hunter2", "pw=[redacted]"),
            ("db_pw: hunter2", "db_pw: [redacted]"),
            ("PIN: 123456", "PIN: [redacted]"),
            ("PIN: 123", "PIN: [redacted]"),
            ("curl -u bob:hunter2 https://a.example", "curl -u [redacted]"),
            ("curl --user bob:hunter2 failed", "curl --user [redacted]"),
            ("curl -ubob:hunter2 failed", "curl -u [redacted]"),
            ("curl --user=bob:hunter2 failed", "curl --user [redacted]"),
            ("dial bob:hunter2@a.example failed", "dial [redacted] failed"),
            ("(other.password) hunter2", "(other.password) [redacted]"),
            ("Authentication failed for user bob", "Authentication failed for user [redacted]"),
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
            "Error: failed to get token: dial tcp 10.0.0.1:8200: connect: connection refused",
            "failed to get token: dial tcp: lookup vault.example on 10.0.0.2:53: no such host",
            "ERROR: (gcloud.auth.print-identity-token) You do not currently have an active account selected.",
            "tokenizer: cannot open /etc/tokenizer/tokenizer.conf: Permission denied",
            "Authentication failed: server returned status 401",
            "unknown option -u or --user: --update",
            "the mapping of pins is wrong: spinning up",
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
