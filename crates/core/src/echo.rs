//! What the other side repeats of what it was sent.

use std::{borrow::Cow, collections::HashSet};

use crate::Secret;

/// Shortest piece of a secret that is cut, in bytes. A secret that is shorter is cut as a whole.
const RUN: usize = 16;
/// What is shown in place of a piece.
const REDACTED: &str = "[redacted]";

/// The text without what it repeats of these secrets: every run of 16 or more bytes that occurs in one of them, and every whole
/// secret that is shorter, becomes `[redacted]`. For answers to a request that carried them, before anything else is done with
/// the text: an opaque token looks like nothing in particular, and a server that quotes one may cut it short.
///
/// ```
/// use carnet_core::{Secret, without_echo};
///
/// let sent = Secret::new("opaque-0123456789abcdef-token");
/// let said = without_echo("no such token: aque-0123456789abc...", &[&sent]);
/// assert_eq!(said, "no such token: [redacted]...");
/// ```
pub fn without_echo<'a>(text: &'a str, secrets: &[&Secret]) -> Cow<'a, str> {
    let mut is_echo = vec![false; text.len()];
    let mut mark = |at: usize, length: usize| {
        if let Some(echoed) = is_echo.get_mut(at..at.saturating_add(length)) {
            echoed.fill(true);
        }
    };
    // Both may be long, so they are compared by pieces of equal length and not place by place.
    let runs: HashSet<&[u8]> = secrets.iter().flat_map(|secret| secret.expose().as_bytes().windows(RUN)).collect();
    for (at, piece) in text.as_bytes().windows(RUN).enumerate() {
        if runs.contains(piece) {
            mark(at, RUN);
        }
    }
    for short in secrets.iter().filter(|secret| !secret.is_empty() && secret.len() < RUN) {
        for (at, piece) in text.match_indices(short.expose()) {
            mark(at, piece.len());
        }
    }
    if !is_echo.contains(&true) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut within = false;
    for (c, echoed) in text.char_indices().map(|(at, c)| (c, is_echo.get(at) == Some(&true))) {
        match (within, echoed) {
            (false, true) => clean.push_str(REDACTED),
            (_, false) => clean.push(c),
            (true, true) => {}
        }
        within = echoed;
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str, secrets: &[&str]) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        without_echo(text, &secrets.iter().collect::<Vec<_>>()).into_owned()
    }

    #[test]
    fn a_run_of_sixteen_is_cut_and_a_shorter_one_is_not() {
        let secret = "0123456789abcdefghij";
        assert_eq!(clean("<0123456789abcde>", &[secret]), "<0123456789abcde>");
        assert_eq!(clean("<0123456789abcdef>", &[secret]), "<[redacted]>");
        assert_eq!(clean("<456789abcdefghij>", &[secret]), "<[redacted]>");
        assert_eq!(clean("<0123456789abcdefghij>", &[secret]), "<[redacted]>");
        assert_eq!(clean("<0123456789abcdefghij0123456789abcdef>", &[secret]), "<[redacted]>");
    }

    #[test]
    fn each_secret_is_cut_everywhere() {
        let secrets = ["first-0123456789abcdef", "second-0123456789abcdef"];
        let said = "a first-0123456789abcdef b second-0123456789abcdef c first-0123456789abcdef";
        assert_eq!(clean(said, &secrets), "a [redacted] b [redacted] c [redacted]");
    }

    #[test]
    fn a_short_secret_is_cut_as_a_whole() {
        assert_eq!(clean("wrong: hunter2, hunter", &["hunter2", ""]), "wrong: [redacted], hunter");
    }

    #[test]
    fn what_repeats_nothing_stays() {
        for said in ["", "The audience in ID Token [https://a.example] does not match", "ключ не найден"] {
            assert_eq!(clean(said, &["eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "", "x9"]), said);
        }
        assert_eq!(clean("anything", &[]), "anything");
    }

    #[test]
    fn a_secret_of_any_script_is_cut() {
        assert_eq!(clean("дано: очень-тайное-слово!", &["очень-тайное-слово"]), "дано: [redacted]!");
    }

    proptest! {
        #[test]
        fn no_long_piece_of_a_secret_survives(
            secret in "[a-c]{16,60}", before in "[ -~]{0,20}", cut in 0_usize..20, after in ".{0,20}"
        ) {
            let piece = &secret[cut.min(secret.len() - RUN)..];
            let said = clean(&format!("{before}{piece}{after}"), &[&secret]);
            for run in secret.as_bytes().windows(RUN) {
                prop_assert!(!said.contains(std::str::from_utf8(run).unwrap()));
            }
        }
    }
}
