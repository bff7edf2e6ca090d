//! What the other side repeats of what it was sent.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use crate::{Secret, SecretBytes, redact::is_blank};

/// Shortest piece of a secret that is cut, in bytes. A secret that is shorter is cut as a whole.
const RUN: usize = 16;
/// What is shown in place of a piece.
const REDACTED: &str = "[redacted]";

/// The text without what it repeats of these secrets: every run of 16 or more bytes that occurs in one of them, and every whole
/// secret that is shorter, becomes `[redacted]`. Blanks in between do not count, whatever they are, and a secret counts as it is
/// and as it is in a form, with `%XX`. For answers to a request that carried them, before anything else is done with the text:
/// an opaque token looks like nothing in particular, and a server that quotes one may cut it short.
///
/// ```
/// use carnet_core::{Secret, without_echo};
///
/// let sent = Secret::new("opaque-0123456789abcdef-token");
/// let said = without_echo("no such token: aque-0123456789abc...", &[&sent]);
/// assert_eq!(said, "no such token: [redacted]...");
/// ```
pub fn without_echo<'a>(text: &'a str, secrets: &[&Secret]) -> Cow<'a, str> {
    let sent: Vec<SecretBytes> = secrets.iter().map(|secret| packed(secret.expose()).bytes).collect();
    let mut echoed = vec![false; text.len()];
    for seen in [packed(text), packed_form(text)] {
        mark(&seen, &sent, &mut echoed);
    }
    if !echoed.contains(&true) {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut within) = (String::with_capacity(text.len()), false);
    for (at, c) in text.char_indices() {
        let echo = echoed.iter().skip(at).take(c.len_utf8()).any(|byte| *byte);
        match (echo, within) {
            (true, false) => clean.push_str(REDACTED),
            (true, true) => {}
            (false, _) => clean.push(c),
        }
        within = echo;
    }
    Cow::Owned(clean)
}

/// A text without blanks: whoever quotes a token may wrap it. Plus signs are blanks in a form and count as such everywhere.
struct Packed {
    bytes: SecretBytes,
    /// Where each byte is in the text.
    places: Vec<Range<usize>>,
}

fn packed(text: &str) -> Packed {
    pack(text.as_bytes(), |at| at..at.saturating_add(1))
}

/// The text as it was before it was put into a form (application/x-www-form-urlencoded).
fn packed_form(text: &str) -> Packed {
    let (mut bytes, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut at = 0_usize;
    while let Some(byte) = text.as_bytes().get(at) {
        let ahead = |by: usize| text.as_bytes().get(at.saturating_add(by));
        let escaped = (*byte == b'%').then(|| digit(ahead(1)).zip(digit(ahead(2)))).flatten();
        let decoded = escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        let end = at.saturating_add(if decoded.is_some() { 3 } else { 1 });
        bytes.push(decoded.unwrap_or(*byte));
        places.push(at..end);
        at = end;
    }
    let bytes = SecretBytes::new(bytes);
    pack(bytes.expose(), |at| places.get(at).cloned().unwrap_or_default())
}

fn pack(text: &[u8], place: impl Fn(usize) -> Range<usize>) -> Packed {
    let (mut bytes, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let mut at = 0_usize;
    let mut keep = |piece: &[u8], is_kept: bool| {
        for byte in piece {
            if is_kept {
                bytes.push(*byte);
                places.push(place(at));
            }
            at = at.saturating_add(1);
        }
    };
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            keep(c.encode_utf8(&mut [0; 4]).as_bytes(), c != '+' && !is_blank(c));
        }
        keep(chunk.invalid(), true);
    }
    Packed { bytes: SecretBytes::new(bytes), places }
}

/// Marks which bytes of the text are an echo, those between the first and the last of a run included.
fn mark(seen: &Packed, sent: &[SecretBytes], echoed: &mut [bool]) {
    let mut mark = |at: usize, length: usize| {
        let start = seen.places.get(at).map_or(0, |place| place.start);
        let end =
            at.checked_add(length).and_then(|end| seen.places.get(end.checked_sub(1)?)).map_or(0, |place| place.end);
        echoed.iter_mut().take(end).skip(start).for_each(|byte| *byte = true);
    };
    let bytes = seen.bytes.expose();
    // Both may be long, so they are compared by pieces of equal length and not place by place.
    let runs: HashSet<&[u8]> = sent.iter().flat_map(|secret| secret.expose().windows(RUN)).collect();
    for (at, piece) in bytes.windows(RUN).enumerate().filter(|(_, piece)| runs.contains(piece)) {
        mark(at, piece.len());
    }
    for short in sent.iter().map(SecretBytes::expose).filter(|short| (1..RUN).contains(&short.len())) {
        for (at, piece) in bytes.windows(short.len()).enumerate().filter(|(_, piece)| *piece == short) {
            mark(at, piece.len());
        }
    }
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
    fn a_secret_that_is_parted_by_what_is_shown_as_a_blank_is_cut() {
        for blank in ["\u{a0}", "\u{200b}", "\u{1b}", "\u{feff}\u{7f}", "%C2%A0", "%0a"] {
            let said = format!("bad 01234567{blank}89abcdef{blank}ghij token");
            assert_eq!(clean(&said, &["0123456789abcdefghij"]), "bad [redacted] token", "{blank:?}");
        }
        let sent = "0123\u{a0}4567 89ab\tcdef ghij";
        assert_eq!(clean("bad 0123456789abcdefghij token", &[sent]), "bad [redacted] token");
    }

    #[test]
    fn a_secret_as_it_is_in_a_form_is_cut() {
        let sent = "a+b/c==d&e f$g%h:i;j@k";
        let form = url::form_urlencoded::byte_serialize(sent.as_bytes()).collect::<String>();
        for said in [sent, &form, &form.to_lowercase(), &form.replace('+', "%20")] {
            assert_eq!(clean(&format!("no {said}."), &[sent]), "no [redacted].");
        }
        assert_eq!(clean("wrong: p%25s, 100%", &["p%s"]), "wrong: [redacted], 100%");
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
