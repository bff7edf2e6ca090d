//! What the other side repeats of what it was sent.

use std::{borrow::Cow, collections::HashSet};

use crate::{Secret, SecretBytes};

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
    let echoed = echoed(text, secrets);
    if !echoed.contains(&true) {
        return Cow::Borrowed(text);
    }
    let mut echoed = echoed.into_iter();
    let (mut clean, mut space, mut within) = (String::with_capacity(text.len()), String::new(), false);
    for c in text.chars() {
        if c.is_ascii_whitespace() {
            space.push(c);
            continue;
        }
        let echo = echoed.by_ref().take(c.len_utf8()).filter(|byte| *byte).count() > 0;
        if !(echo && within) {
            clean.push_str(&space);
        }
        space.clear();
        match (echo, within) {
            (true, false) => clean.push_str(REDACTED),
            (true, true) => {}
            (false, _) => clean.push(c),
        }
        within = echo;
    }
    clean.push_str(&space);
    Cow::Owned(clean)
}

/// Which bytes of the text are an echo, white space not counted: whoever quotes a token may wrap it.
fn echoed(text: &str, secrets: &[&Secret]) -> Vec<bool> {
    let packed = |text: &str| text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>();
    let sent: Vec<SecretBytes> = secrets.iter().map(|secret| SecretBytes::new(packed(secret.expose()))).collect();
    let seen = packed(text);
    let mut echoed = vec![false; seen.len()];
    let mut mark = |at: usize, length: usize| echoed.iter_mut().skip(at).take(length).for_each(|byte| *byte = true);
    // Both may be long, so they are compared by pieces of equal length and not place by place.
    let runs: HashSet<&[u8]> = sent.iter().flat_map(|secret| secret.expose().windows(RUN)).collect();
    for (at, piece) in seen.windows(RUN).enumerate().filter(|(_, piece)| runs.contains(piece)) {
        mark(at, piece.len());
    }
    for short in sent.iter().map(SecretBytes::expose).filter(|short| (1..RUN).contains(&short.len())) {
        for (at, piece) in seen.windows(short.len()).enumerate().filter(|(_, piece)| *piece == short) {
            mark(at, piece.len());
        }
    }
    echoed
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
    fn a_secret_that_is_wrapped_is_cut() {
        let said = "bad 0123456789\n abcdefghij token";
        assert_eq!(clean(said, &["0123456789abcdefghij"]), "bad [redacted] token");
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
