//! What is not shown of a text, and not said about it either.

use std::{cmp::Reverse, ops::Range};

use carnet_core::Secret;
use toml::de::DeValue;

use super::{
    super::{
        expand::SHORTEST_REDACTED,
        mask::{asterisks, is_reference},
    },
    Problem, plain, quote,
};

/// The text with everything hidden that could be a secret: by its name, or by how it looks. Each is looked for in the text as it
/// is, since what is left when one is hidden may no longer look like the other.
pub(crate) fn hidden(text: &str, masked: &str) -> String {
    let (blotted, users) = (carnet_core::blotted(text), quote::without_users(text));
    let is_shown = |at: usize, letter: char| {
        let same = |copy: &str| copy.get(at..).is_some_and(|rest| rest.starts_with(letter));
        same(masked) && same(&blotted) && same(&users)
    };
    text.char_indices().fold(String::with_capacity(text.len()), |mut hidden, (at, letter)| {
        let shown = is_shown(at, letter);
        hidden.extend(std::iter::repeat_n(if shown { letter } else { '*' }, if shown { 1 } else { letter.len_utf8() }));
        hidden
    })
}

/// Where somebody's name and password stand in what the field of a URL refused: without a scheme, before an `@`.
pub(super) fn user_in_url(text: &str, problem: &Problem) -> Option<Range<usize>> {
    let span = problem.span.clone().filter(|_| quote::is_url_field(&problem.field))?;
    let (start, value) = unquoted(text, &span);
    let user = quote::user_of(value).filter(|user| !user.contains("://") && !user.contains(['"', '\'', '\n']))?;
    Some(start..start.saturating_add(user.len()))
}

/// The text with a place hidden.
pub(super) fn blot(mut text: String, place: Range<usize>) -> String {
    let stars = "*".repeat(place.len());
    if text.get(place.clone()).is_some() {
        text.replace_range(place, &stars);
    }
    text
}

/// The text with a value hidden, but for its quotes and references.
pub(crate) fn blot_value(mut text: String, place: &Range<usize>) -> String {
    let mut rest = text.get(place.clone()).unwrap_or_default();
    let mut stars = String::with_capacity(rest.len());
    while let Some(next) = rest.chars().next() {
        // Of `$${NAME}`, which is no reference, the dollar is passed over together with the bracket that would make it one.
        let length = if rest.starts_with("$${") { "$${".len() } else { next.len_utf8() };
        let (kept, hidden) = match reference(rest) {
            Some(reference) => (reference, ""),
            None => ("", rest.get(..length).unwrap_or_default()),
        };
        stars.push_str(kept);
        stars.extend(hidden.chars().flat_map(asterisks));
        rest = rest.get(kept.len().saturating_add(hidden.len())..).unwrap_or_default();
    }
    if stars.len() == place.len() {
        text.replace_range(place.clone(), &stars);
    }
    text
}

/// The `${NAME}` that a text begins with.
fn reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?;
    let end = name.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
    text.get(..=end.saturating_add("${".len())).filter(|reference| is_reference(reference))
}

/// What stands at a place without its quotes, and where that begins.
fn unquoted<'t>(text: &'t str, span: &Range<usize>) -> (usize, &'t str) {
    let quotes = |letter: char| letter == '"' || letter == '\'';
    let value = text.get(span.clone()).unwrap_or_default();
    let start = value.len().saturating_sub(value.trim_start_matches(quotes).len());
    (span.start.saturating_add(start), value.trim_matches(quotes))
}

/// As what a value may stand in a message: as it is, quoted by serde, or made safe to show, each with what is not seen written out.
pub(crate) fn said_forms(value: &str) -> Vec<String> {
    let safe = carnet_core::safe_text(value);
    let mut forms: Vec<String> = Vec::new();
    for said in [value, &safe] {
        let quoted = format!("{said:?}");
        let bare = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or_default();
        for form in [said, bare, &said.escape_debug().to_string(), &said.escape_default().to_string()].map(plain) {
            if !form.is_empty() && !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// What is said about this place of the text, with as much hidden where it quotes the place as is hidden there.
pub(super) fn without_echo(said: &str, text: &str, hidden: &str, span: &Range<usize>) -> String {
    let (from, value) = unquoted(text, span);
    let shown = hidden.get(from..from.saturating_add(value.len())).unwrap_or_default();
    if value == shown {
        return said.to_owned();
    }
    let said = match quote::user_of(value).map(|user| (user, shown.get(..user.len()).unwrap_or_default())) {
        Some((user, stars)) if user != stars => said.replace(&format!("{}@", plain(user)), &format!("{stars}@")),
        _ => said.to_owned(),
    };
    let read = read(text, span);
    let mut forms: Vec<String> = [Some(value), read.as_deref()].into_iter().flatten().flat_map(said_forms).collect();
    forms.sort_by_key(|form| Reverse(form.len()));
    let stars = plain(shown);
    forms.iter().fold(said, |said, form| {
        let said = said.replace(&format!("`{form}`"), &format!("`{stars}`"));
        said.replace(&format!("\"{form}\""), &format!("\"{stars}\""))
    })
}

/// The same where it quotes the place in part, for what is said to be wrong: a hint is in words of our own, which may be words
/// of the value as well. So may the name of the field.
pub(super) fn without_pieces(said: &str, text: &str, hidden: &str, span: &Range<usize>, field: &str) -> String {
    let (from, value) = unquoted(text, span);
    let shown = hidden.get(from..from.saturating_add(value.len())).unwrap_or_default();
    if value == shown {
        return said.to_owned();
    }
    let read = read(text, span);
    let pieces = hidden_pieces(value, shown).chain(read.as_deref().filter(|read| *read != value));
    let pieces: Vec<Secret> = pieces.filter(|piece| !field.contains(piece)).map(Secret::new).collect();
    carnet_core::without_echo(said, &pieces.iter().collect::<Vec<_>>()).into_owned()
}

/// What the string at a place of a file is read as.
fn read(text: &str, span: &Range<usize>) -> Option<String> {
    let written = text.get(span.clone()).filter(|written| written.starts_with(['"', '\'']))?;
    DeValue::parse(written).ok()?.get_ref().as_str().map(str::to_owned)
}

/// The words of a value that are hidden, of a very long one those at its begin: it is said in part at most.
fn hidden_pieces<'v>(value: &'v str, shown: &str) -> impl Iterator<Item = &'v str> {
    let value = value.get(..value.floor_char_boundary(quote::SAID)).unwrap_or_default();
    let is_hidden = |at: usize| shown.as_bytes().get(at) == Some(&b'*');
    let places: Vec<(usize, bool)> = value.char_indices().map(|(at, _)| (at, is_hidden(at))).collect();
    let runs: Vec<Range<usize>> = places
        .chunk_by(|a, b| a.1 == b.1)
        .filter_map(|run| {
            let (first, last) = (run.first().filter(|place| place.1)?, run.last()?);
            Some(first.0..value.ceil_char_boundary(last.0.saturating_add(1)))
        })
        .collect();
    runs.into_iter().filter_map(|run| value.get(run)).filter(|piece| piece.len() >= SHORTEST_REDACTED)
}
