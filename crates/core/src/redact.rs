//! Text from the other side, made fit for an error; and what is said at all, without the secrets that slipped into it.

use std::borrow::Cow;

/// Longest text that is kept, in characters. A sentence of explanation fits; a page does not.
const MAX_TEXT: usize = 300;
/// A word longer than this is data, not language. The longest honest ones are resource names of some 120 characters.
const MAX_WORD: usize = 200;
/// What is shown instead of a token or a key.
const REDACTED: &str = "[redacted]";
/// What tokens and keys start with: every JOSE object (`{"` in base64url), Google access tokens, PEM, and the tokens of
/// GitHub, GitLab, Vault and Slack, and the client secrets of OCI's identity domains.
const MARKS: [&str; 9] = ["eyJ", "ya29.", "-----BEGIN", "ghs_", "ghp_", "glpat-", "hvs.", "idcscs-", "xoxb-"];

/// Whether three bytes in a row are how one of [`MARKS`] begins. Few words have any, and only those are searched.
const fn begins_a_mark(bytes: [u8; 3]) -> bool {
    matches!(&bytes, b"eyJ" | b"ya2" | b"---" | b"ghs" | b"ghp" | b"glp" | b"hvs" | b"idc" | b"xox")
}

/// How much must follow a mark in the middle of a word: fewer characters are language, such as a file `apiKeyJson`.
const WITHIN: usize = 24;

/// Whether a word is like a token or a key. `length` is that of the word, in characters.
fn looks_secret(word: &str, length: usize) -> bool {
    let suspicious = || word.as_bytes().array_windows().any(|bytes| begins_a_mark(*bytes));
    length > MAX_WORD || (suspicious() && secret_at(word).is_some())
}

/// Where the first token or key of a word begins.
fn secret_at(word: &str) -> Option<usize> {
    let begins = |(at, mark): &(usize, &str)| {
        let (before, rest) = (word.get(..*at).unwrap_or_default(), word.get(at + mark.len()..).unwrap_or_default());
        let of_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        // No further: a word may be all marks, and each would be read to its end.
        let follow = || rest.chars().take(WITHIN).take_while(of_name).count();
        !before.ends_with(|c: char| c.is_ascii_alphanumeric()) || follow() >= WITHIN
    };
    MARKS.iter().flat_map(|mark| word.match_indices(mark)).filter(begins).map(|(at, _)| at).min()
}

/// How a PEM block begins (RFC 7468, 2).
const PEM: &str = "-----BEGIN";
/// How its last line begins.
const PEM_END: &str = "-----END";

/// The text without PEM blocks: their lines are too short to look like keys by themselves.
fn without_pem(text: &str) -> Cow<'_, str> {
    let Some((before, block)) = text.split_once(PEM) else { return Cow::Borrowed(text) };
    // The line that ends it ends in dashes as well; a block without an end goes on to the end of the text.
    let after = block.split_once(PEM_END).map_or("", |(_, end)| end.split_once("-----").map_or("", |(_, after)| after));
    Cow::Owned(format!("{before}{REDACTED}{}", without_pem(after)))
}

/// What is said as a whole, however long: the same text, in which whatever looks like a token or a key has become
/// `[redacted]`. For the place where errors, warnings and logs leave the process, because a secret may have been given where a
/// name, a path or a flag was wanted.
///
/// ```
/// let said = "read /tmp/eyJhbGciOi.x.y: File name too long";
/// assert_eq!(carnet_core::redacted(said), "read /tmp/[redacted]: File name too long");
/// ```
pub fn redacted(text: &str) -> Cow<'_, str> {
    let text = without_pem(text);
    let secret = |word: &str| looks_secret(word, word.chars().count());
    if !text.split(char::is_whitespace).any(secret) {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if secret(word) {
            redact_word(word, &mut clean);
        } else {
            clean.push_str(word);
        }
        clean.push_str(piece.strip_prefix(word).unwrap_or_default());
    }
    Cow::Owned(clean)
}

/// The same text, in which every byte of what looks like a token or a key has become an asterisk: for excerpts of files, whose
/// lines and columns must stay what they are.
///
/// ```
/// assert_eq!(carnet_core::blotted("path = \"eyJhbGciOi.x.y\""), "path = \"**************\"");
/// ```
pub fn blotted(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let blot = |text: &str| {
        text.chars().map(|c| if c == '\n' { c.to_string() } else { "*".repeat(c.len_utf8()) }).collect::<String>()
    };
    let mut rest = text;
    while let Some(at) = rest.find(PEM) {
        let (before, block) = rest.split_at(at);
        let end = block.find(PEM_END).map_or(block.len(), |end| end.saturating_add(PEM_END.len()));
        let (block, after) = block.split_at(end);
        clean.push_str(&blot_words(before));
        clean.push_str(&blot(block));
        rest = after;
    }
    clean.push_str(&blot_words(rest));
    clean
}

fn blot_words(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !is_of_token(c)) {
        let word = piece.trim_end_matches(|c: char| !is_of_token(c));
        let start = secret_at(word).or((word.len() > MAX_WORD).then_some(0)).unwrap_or(word.len());
        let (before, secret) = word.split_at(start);
        clean.push_str(before);
        clean.push_str(&"*".repeat(secret.len()));
        clean.push_str(piece.strip_prefix(word).unwrap_or_default());
    }
    clean
}

/// Whether a token may hold it. All are ASCII.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~+=$%".contains(c)
}

/// A word that holds a secret, without it. Of a path and an address the parts are kept that can be shown.
fn redact_word(word: &str, clean: &mut String) {
    if secret_at(word).is_some() {
        let mut rest = word;
        while let Some(start) = secret_at(rest) {
            let (before, token) = rest.split_at(start);
            clean.extend([before, REDACTED]);
            // Whatever follows a token is read anew, as it may be another.
            rest = token.trim_start_matches(is_of_token);
        }
        return clean.push_str(if rest.chars().count() > MAX_WORD { REDACTED } else { rest });
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let start = word.trim_matches(['"', '\'', '`', '(', ')', ':', ',']);
    let is_path = word.contains("://") || start.starts_with(['/', '.', '~']) || start.chars().all(plain);
    if !is_path {
        return clean.push_str(REDACTED);
    }
    for (at, part) in word.split('/').enumerate() {
        clean.push_str(if at == 0 { "" } else { "/" });
        clean.push_str(if part.chars().count() > MAX_WORD { REDACTED } else { part });
    }
}

/// Makes a description from the other side safe to show: control characters become blanks, a word that looks like a
/// token or a key, or is too long to be a word, becomes `[redacted]`, and the whole is cut after 300 characters.
///
/// ```
/// assert_eq!(carnet_core::safe_text("bad token\n eyJhbGciOi.x.y"), "bad token [redacted]");
/// ```
pub fn safe_text(text: &str) -> String {
    let text = &*without_pem(text);
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
        assert_eq!(safe, "Token [redacted] is [31mbad , key [redacted]");
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
            "idcscs-5f2b",
            "xoxb-17",
            "(ya29.c.b0)",
        ] {
            let rest = if word.contains(PEM) { "" } else { " here" };
            let before = if word.contains(PEM) { "x" } else { "" };
            assert_eq!(safe_text(&format!("got {word} here")), format!("got {before}[redacted]{rest}"));
        }
    }

    #[test]
    fn nothing_of_a_pem_block_passes() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEH\n-----END PRIVATE KEY-----";
        for show in [safe_text as fn(&str) -> String, |text| redacted(text).into_owned()] {
            assert_eq!(show(&format!("read {key}: no such file")), "read [redacted]: no such file");
            assert_eq!(show(&format!("{key} {key}")), "[redacted] [redacted]");
            assert_eq!(show(key.split("-----END").next().unwrap()), "[redacted]");
        }
    }

    #[test]
    fn what_is_said_as_a_whole_keeps_all_but_the_secrets() {
        let jwt = format!("eyJhbGciOi{}.{}.c2ln", "a".repeat(900), "b".repeat(900));
        let opaque = "AbC+".repeat(60);
        for (said, shown) in [
            ("read carnet.toml\n  hint: see\tthere", "read carnet.toml\n  hint: see\tthere"),
            (&*format!("read {jwt}: File name too long"), "read [redacted]: File name too long"),
            (&*format!("read /run/{jwt}/x"), "read /run/[redacted]/x"),
            (&*format!("unexpected argument '{jwt}' found"), "unexpected argument '[redacted]' found"),
            (&*format!("a={jwt},b={jwt};"), "a=[redacted],b=[redacted];"),
            (&*format!("{opaque} is no region"), "[redacted] is no region"),
            (&*format!("GET https://127.0.0.1/{opaque}/x"), "GET https://127.0.0.1/[redacted]/x"),
        ] {
            assert_eq!(redacted(said), shown);
        }
        for path in [format!("/{}", "Folder/".repeat(60)), "folder/".repeat(60)] {
            let said = format!("read {path}: no such file");
            assert_eq!(redacted(&said), said);
        }
    }

    #[test]
    fn many_marks_and_many_tokens_are_one_text_like_any_other() {
        let (word, list) = ("aeyJ".repeat(20_000), "eyJhbGciOi,".repeat(2_000));
        assert_eq!(redacted(&word), "a[redacted]");
        assert_eq!(blotted(&word), format!("a{}", "*".repeat(word.len() - 1)));
        assert_eq!(redacted(&list), "[redacted],".repeat(2_000));
    }

    #[test]
    fn an_excerpt_keeps_its_places() {
        let jwt = format!("eyJhbGciOi{}.c2ln", "a".repeat(300));
        let opaque = "AbC1".repeat(60);
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----";
        let text =
            format!("a = \"{jwt}\", regio = 1\nsecret_env = \"ghs_0123456789\" # ü\nb = '{opaque}'\n{key}\nc = 1\n");
        let blotted = blotted(&text);
        assert_eq!((blotted.len(), blotted.lines().count()), (text.len(), text.lines().count()));
        for secret in [&jwt[10..30], "0123456789", &opaque[..20], "MIGH"] {
            assert!(!blotted.contains(secret), "{secret} in {blotted}");
        }
        for kept in ["regio = 1", "secret_env = \"", "# ü", "c = 1"] {
            assert!(blotted.contains(kept), "{kept} in {blotted}");
        }
    }

    #[test]
    fn a_name_that_only_looks_like_a_mark_passes() {
        for name in ["/etc/serviceKeyJson/carnet.toml", "keyJson", "monkeyJobs", "archvs.example.com", "apiKeyJson.jwt"]
        {
            assert_eq!((safe_text(name).as_str(), &*redacted(name)), (name, name));
        }
        let within = format!("keyJ{}", "a".repeat(40));
        assert_eq!(redacted(&within), "k[redacted]", "{within}");
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
        let text = without_pem(text);
        let words = text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
        let mut safe = String::new();
        for word in words.filter(|word| !word.is_empty()) {
            let secret = word.chars().count() > MAX_WORD || secret_at(word).is_some();
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
            text in "(eyJ|ya29\\.|-----BEGIN|gh[sp]_|glpat-|hvs\\.|idcscs-|xoxb-|eyj|ya2|---|ghs|glp|xox|[a-z./:-]{1,30}|.{1,9}| |\n|\u{200b}|x{190,210}){0,6}"
        ) {
            prop_assert_eq!(safe_text(&text), plainly(&text));
        }

        #[test]
        fn nothing_that_looks_like_a_token_survives(before in ".{0,40}[ /=(\"']", token in "eyJ[A-Za-z0-9_-]{1,40}", after in ".{0,40}") {
            let safe = safe_text(&format!("{before}{token}{after}"));
            prop_assert!(!safe.contains(&token));
            prop_assert!(!safe.chars().any(char::is_control));
            let said = format!("{before}{token}{after}");
            prop_assert!(!redacted(&said).contains(&token));
        }
    }
}
