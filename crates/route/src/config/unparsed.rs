//! What is hidden of a text that is not TOML. None of it was read, so a name in it that nothing has may be that of a secret,
//! misspelt.

use std::{collections::BTreeSet, ops::Range};

use serde_json::Value as Json;

use crate::{Registry, registry::Entry};

/// The places of what stands behind unknown names: each to the end of its line, and the lines below it that have no name.
pub(crate) fn unknown_values(text: &str, fields: &[&str], registry: &Registry) -> Vec<Range<usize>> {
    let known = names(fields, registry);
    let (mut places, mut start, mut is_below) = (Vec::new(), 0_usize, false);
    for line in text.split_inclusive('\n') {
        let end = start.saturating_add(line.len());
        let kind = unknown(line, &known);
        let hidden = match kind {
            // What looks like a name may as well be the value of the one above it.
            Line::Unknown(at) if is_below && !has_value(line, at) => Some(0),
            Line::Unknown(at) => Some(at),
            Line::Nameless if is_below => Some(0),
            Line::Known | Line::Nameless | Line::Comment => None,
        };
        // What stands behind a comment still belongs to the name above it.
        is_below = hidden.is_some() || (is_below && matches!(kind, Line::Comment));
        places.extend(hidden.map(|at| start.saturating_add(at)..end));
        start = end;
    }
    places
}

/// Whether a name, a sign and a value stand in this line: base64 may end in the sign.
fn has_value(line: &str, at: usize) -> bool {
    let (name, value) = line.split_at_checked(at).unwrap_or((line, ""));
    let value = value.split('#').next().unwrap_or_default();
    name.ends_with(['=', ':'])
        && value.contains(|letter: char| !letter.is_whitespace() && !"=\"',[]{}()".contains(letter))
}

/// What the names in a line are.
enum Line {
    Known,
    Nameless,
    Comment,
    /// From here on all is the value of an unknown name, or may be.
    Unknown(usize),
}

fn unknown(line: &str, known: &BTreeSet<String>) -> Line {
    let bare = line.trim();
    if bare.starts_with('#') {
        return Line::Comment;
    }
    if is_section(bare) {
        return Line::Known;
    }
    let mut signs =
        line.char_indices().filter(|(at, sign)| is_sign(line.get(*at..).unwrap_or_default(), *sign)).peekable();
    if signs.peek().is_none() {
        return without_sign(line, known);
    }
    let after = |(at, _): (usize, char)| {
        let name = line.get(..at).unwrap_or_default().trim_end_matches([' ', '\t', '"', '\'']);
        let name = name.rsplit(|letter: char| !is_of_name(letter)).next().unwrap_or_default();
        (!known.contains(name)).then_some(at.saturating_add(1))
    };
    signs.find_map(after).map_or(Line::Known, Line::Unknown)
}

/// Whether a name may stand before this: `=`, or `:` as in YAML and JSON, which in a URL is followed by something else.
fn is_sign(rest: &str, sign: char) -> bool {
    sign == '=' || (sign == ':' && rest.get(1..).unwrap_or_default().starts_with([' ', '\t', '"', '\'', '\n', '\r']))
}

/// A word with something behind it may be a name with its value.
fn without_sign(line: &str, known: &BTreeSet<String>) -> Line {
    let begin = line.trim_start();
    let name = begin.split(|letter: char| !is_of_name(letter)).next().unwrap_or_default();
    let rest = begin.get(name.len()..).unwrap_or_default();
    // `name:value`, too, which a URL is not.
    let parts = rest.starts_with([' ', '\t']) || (rest.starts_with(':') && !rest.starts_with("://"));
    let is_name = !name.is_empty() && !known.contains(name) && parts && !rest.trim().is_empty();
    if is_name { Line::Unknown(line.len().saturating_sub(rest.len())) } else { Line::Nameless }
}

fn is_section(line: &str) -> bool {
    let name = line.trim_start_matches('[');
    let is_of_section = |letter: char| is_of_name(letter) || ". \"']".contains(letter);
    name.len() < line.len() && name.starts_with(is_of_name) && name.contains(']') && name.chars().all(is_of_section)
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '-'
}

/// The names of everything that may stand in a file.
fn names(fields: &[&str], registry: &Registry) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = fields.iter().map(|name| (*name).to_owned()).collect();
    add(registry.sources(), &mut names);
    add(registry.exchanges(), &mut names);
    add(registry.deliveries(), &mut names);
    add(registry.sections(), &mut names);
    names
}

fn add<T: ?Sized>(entries: &[Entry<T>], names: &mut BTreeSet<String>) {
    for entry in entries {
        names.insert(entry.name().to_owned());
        properties(&entry.schema().to_value(), names);
    }
}

fn properties(schema: &Json, names: &mut BTreeSet<String>) {
    match schema {
        Json::Object(members) => {
            let own = members.get("properties").and_then(Json::as_object);
            names.extend(own.into_iter().flat_map(|own| own.keys().cloned()));
            members.values().for_each(|member| properties(member, names));
        }
        Json::Array(elements) => elements.iter().for_each(|element| properties(element, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with these places hidden.
    fn shown(text: &str) -> String {
        let fields = ["version", "source", "url", "path", "through", "route"];
        let places = unknown_values(text, &fields, &Registry::empty());
        places.into_iter().fold(text.to_owned(), |text, place| super::super::error::blot_value(text, &place))
    }

    #[test]
    fn what_stands_behind_an_unknown_name_is_hidden() {
        for (text, clean) in [
            ("client_sekret = \"HUNTER2", "client_sekret = \"*******"),
            ("url = \"x\", klient = HUNTER2\nurl = y z", "url = \"x\", klient = *******\nurl = y z"),
            ("source = { url = { 'klient' = 'HUNTER2' }", "source = { url = { 'klient' = '*******' *"),
            ("a.klient=HUNTER2", "a.klient=*******"),
            ("klient \"HUNTER2\"", "klient \"*******\""),
            ("klient: HUNTER2", "klient: *******"),
            ("klient:HUNTER2", "klient********"),
            ("{ \"url\": \"x\", \"klient\": \"HUNTER2\" }", "{ \"url\": \"x\", \"klient\": \"*******\" *"),
            ("klient = [\n  \"HUNTER2\",\n]\nurl = x", "klient = *\n  \"*******\"*\n*\nurl = x"),
            ("klient = \"a ${HOME}\"", "klient = \"* ${HOME}\""),
            ("klient = \"a\nHUNTER2 b", "klient = \"*\n******* *"),
            ("klient =\nHUNTER2 # c", "klient =\n******* * *"),
            ("klient = [\n  SGVsbG8gd29ybGQ=\n]", "klient = *\n  ****************\n*"),
            ("klient = [\n  SGVsbG8gd29ybGQ= # c\n]", "klient = *\n  **************** * *\n*"),
            ("klient = [\n  SGVsbG8gd29ybGQ= }\n]", "klient = *\n  **************** *\n*"),
            ("klient = [\n  # prod\n  \"HUNTER2,\n]", "klient = *\n  # prod\n  \"********\n*"),
            ("klient =\n# c\nHUNTER2", "klient =\n# c\n*******"),
        ] {
            assert_eq!(shown(text), clean);
        }
    }

    #[test]
    fn the_values_of_known_names_are_shown() {
        for text in [
            "url = \"https://x.example:1/a",
            "route.a.source = { url = { path = x } }",
            "# klient = x\n[route.a]\n[[route.\"a.b\".through]]",
            "through = [\n  \"a\",\n  'b' ]\n",
            "version 1",
            "https://x.example:1/a",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
