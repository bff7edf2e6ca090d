//! Where in a text secrets are: tokens, keys, and who asks in a URL. Each place is found in one pass, since a text may be long and
//! may be made by someone who wants it to take long.

use std::ops::Range;

use super::MAX_WORD;

/// What tokens and keys start with: every JOSE object (`{"` in base64url), Google access tokens, PEM, and the tokens of
/// GitHub, GitLab, Vault and Slack, and the client secrets of OCI's identity domains.
const MARKS: [&str; 11] = ["eyJ", "ya29.", PEM, "ghs_", "ghp_", "glpat-", "hvs.", "hvb.", "hvr.", "idcscs-", "xoxb-"];
/// How much must follow a mark in the middle of a word: fewer characters are language, such as a file `apiKeyJson`.
const WITHIN: usize = 24;
/// How a PEM block begins (RFC 7468, 2).
pub(super) const PEM: &str = "-----BEGIN";
/// How its last line begins.
const PEM_END: &str = "-----END";
/// Furthest end of a user's name and password in a URL, in bytes.
const MAX_USER: usize = 512;
/// What help texts write where a URL has the user and the password.
const EXAMPLES: [&str; 2] = ["USER", "user:password"];

/// The places of all secrets, in order and apart. A word that is too long is one as well; `parts` says what parts words.
pub(super) fn secrets(text: &str, parts: fn(char) -> bool) -> Vec<Range<usize>> {
    let mut places = spanning(text);
    let mut start = 0_usize;
    for piece in text.split_inclusive(parts) {
        in_word(piece.trim_end_matches(parts), start, &mut places);
        start = start.saturating_add(piece.len());
    }
    in_order(places)
}

/// The places of those secrets that more than one word may be part of.
pub(super) fn spanning(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    pem_blocks(text, &mut places);
    users(text, &mut places);
    in_order(places)
}

fn in_order(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_unstable_by_key(|place| place.start);
    places.dedup_by(|next, place| {
        let touches = next.start <= place.end;
        place.end = if touches { place.end.max(next.end) } else { place.end };
        touches
    });
    places
}

/// PEM blocks as a whole: their lines are too short to look like keys by themselves.
fn pem_blocks(text: &str, places: &mut Vec<Range<usize>>) {
    let after = |from: usize, mark: &str| {
        let at = text.get(from..)?.find(mark)?;
        Some(from.saturating_add(at).saturating_add(mark.len()))
    };
    let mut from = 0;
    while let Some(begun) = after(from, PEM) {
        // The line that ends it ends in dashes as well; a block without an end goes on to the end of the text.
        from = after(begun, PEM_END).and_then(|end| after(end, "-----")).unwrap_or(text.len());
        places.push(begun.saturating_sub(PEM.len())..from);
    }
}

/// Who asks, in URLs: `userinfo` of RFC 3986, 3.2.1.
fn users(text: &str, places: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("://") {
        let (before, after) = text.split_at(at);
        let after = after.trim_start_matches(':').trim_start_matches(['/', '\\']);
        let start = text.len().saturating_sub(after.len());
        let after = after.get(..after.floor_char_boundary(MAX_USER)).unwrap_or_default();
        // A URL in quotes ends where they do, and may have others in it. Any other ends at a blank.
        let scheme = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
        let quote = before.trim_end_matches(scheme).chars().next_back().filter(|c| "\"'`".contains(*c));
        let ends = |c: char| c == '\n' || quote.map_or(c.is_whitespace(), |quote| c == quote);
        let length = if after.contains('@') { user_length(after, ends) } else { 0 };
        let user = after.get(..length).unwrap_or_default();
        let is_hidden = || user.bytes().all(|byte| byte == b'*');
        if !is_hidden() && !EXAMPLES.contains(&user) {
            places.push(start..start.saturating_add(user.len()));
        }
    }
}

/// The length of the user in what follows the scheme of a URL, in bytes. `ends` says what ends the URL.
fn user_length(after: &str, ends: impl Fn(char) -> bool) -> usize {
    let authority = after.split(|c| ends(c) || "/?#\\".contains(c)).next().unwrap_or_default();
    if let Some(end) = authority.rfind('@') {
        return end;
    }
    // What looks like a port and is none may be the begin of a password with a slash in it.
    let host = authority.rfind(']').and_then(|end| authority.get(end..)).unwrap_or(authority);
    let port = host.split_once(':').map_or("", |(_, port)| port);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let url = || after.split(&ends).next().unwrap_or_default();
    if is_port { 0 } else { url().rfind('@').unwrap_or(0) }
}

/// The secrets in a word that begins at `start`.
fn in_word(word: &str, start: usize, places: &mut Vec<Range<usize>>) {
    let of_text = |place: Range<usize>| start.saturating_add(place.start)..start.saturating_add(place.end);
    let (mut shown, mut from) = (0, 0_usize);
    for piece in word.split_inclusive(|c: char| !is_of_token(c)) {
        let token = piece.trim_end_matches(|c: char| !is_of_token(c));
        if let Some(at) = token_at(token) {
            let place = from.saturating_add(at)..from.saturating_add(token.len());
            too_long(word, shown..place.start, |place| places.push(of_text(place)));
            shown = place.end;
            places.push(of_text(place));
        }
        from = from.saturating_add(piece.len());
    }
    too_long(word, shown..word.len(), |place| places.push(of_text(place)));
}

/// What of this part of a word is too long to be language. Of a path and an address the parts are kept that can be shown.
fn too_long(word: &str, part: Range<usize>, mut found: impl FnMut(Range<usize>)) {
    let is_long = |text: &str| text.len() > MAX_WORD && text.chars().count() > MAX_WORD;
    let text = word.get(part.clone()).unwrap_or_default();
    if !is_long(text) {
        return;
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let bare = text.trim_matches(['"', '\'', '`', '(', ')', ':', ',']);
    let is_path = text.contains("://") || bare.starts_with(['/', '.', '~']) || bare.chars().all(plain);
    if !is_path {
        return found(part);
    }
    let mut start = part.start;
    for name in text.split('/') {
        let end = start.saturating_add(name.len());
        if is_long(name) {
            found(start..end);
        }
        start = end.saturating_add(1);
    }
}

/// Where the first token or key of a word begins.
pub(super) fn token_at(word: &str) -> Option<usize> {
    let begins = |at: usize| {
        let (before, rest) = word.split_at_checked(at)?;
        let rest = MARKS.iter().find_map(|mark| rest.strip_prefix(mark))?;
        let of_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        // No further: a word may be all marks, and each would be read to its end.
        let follow = || rest.chars().take(WITHIN).take_while(of_name).count();
        let is_token = !before.ends_with(|c: char| c.is_ascii_alphanumeric()) || follow() >= WITHIN;
        is_token.then_some(at)
    };
    let marks = word.as_bytes().array_windows().enumerate().filter(|(_, bytes)| begins_a_mark(**bytes));
    marks.map(|(at, _)| at).find_map(begins)
}

/// Whether three bytes in a row are how one of [`MARKS`] begins. Few words have any, and only those are searched.
const fn begins_a_mark(bytes: [u8; 3]) -> bool {
    matches!(&bytes, b"eyJ" | b"ya2" | b"---" | b"ghs" | b"ghp" | b"glp" | b"hvs" | b"hvb" | b"hvr" | b"idc" | b"xox")
}

/// Whether a token may hold it. All are ASCII.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~+=$%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_begins_as_what_is_looked_for() {
        for mark in MARKS {
            assert!(mark.as_bytes().first_chunk().is_some_and(|bytes| begins_a_mark(*bytes)), "{mark}");
        }
    }
}
