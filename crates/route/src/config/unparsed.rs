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
            Line::Comment => None,
            // What looks like a name may as well be the value of the one above it.
            _ if is_below && !is_named(line, &known) => Some(0),
            Line::Unknown(at) => Some(at),
            Line::Known | Line::Nameless => None,
        };
        // What stands behind a comment still belongs to the name above it.
        is_below = hidden.is_some() || (is_below && matches!(kind, Line::Comment));
        places.extend(hidden.map(|at| start.saturating_add(at)..end));
        start = end;
    }
    places
}

/// Whether this line, below an unknown name, begins with a name of its own: a known one, or one with a sign and a value.
fn is_named(line: &str, known: &BTreeSet<String>) -> bool {
    let bare = line.trim();
    if is_section(bare) {
        let name = bare.trim_start_matches('[');
        return known.contains(name.split(|letter: char| !is_of_name(letter)).next().unwrap_or_default());
    }
    let Some(at) = signs(line).next() else { return false };
    let (key, value) = line.split_at_checked(at).unwrap_or((line, ""));
    // Base64 ends in the sign with nothing between them.
    let is_apart = value.starts_with(':') || key.ends_with([' ', '\t', '"', '\'']);
    is_key(key) && (known.contains(last_name(key)) || (is_apart && has_value(value)))
}

/// Whether this is a name and nothing else: bare or in quotes, or several with dots between them.
fn is_key(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let name = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest.get(1..).and_then(|name| name.split_once(quote)).map(|(_, rest)| rest),
            Some(letter) if is_of_name(letter) => Some(rest.trim_start_matches(is_of_name)),
            _ => None,
        };
        let Some(behind) = name.map(str::trim_start) else { return false };
        if behind.is_empty() {
            return true;
        }
        let Some(next) = behind.strip_prefix('.') else { return false };
        rest = next.trim_start();
    }
}

/// Whether a value stands behind this sign.
fn has_value(text: &str) -> bool {
    let value = text.split('#').next().unwrap_or_default();
    value.contains(|letter: char| !letter.is_whitespace() && !"=:\"',[]{}()".contains(letter))
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
    if signs(line).next().is_none() {
        return without_sign(line, known);
    }
    let is_unknown = |at: &usize| !known.contains(last_name(line.get(..*at).unwrap_or_default()));
    signs(line).find(is_unknown).map_or(Line::Known, |at| Line::Unknown(at.saturating_add(1)))
}

/// The last name of what stands before a sign.
fn last_name(before: &str) -> &str {
    let name = before.trim_end_matches([' ', '\t', '"', '\'']);
    name.rsplit(|letter: char| !is_of_name(letter)).next().unwrap_or_default()
}

/// The places of the signs before which a name may stand: `=`, and `:` as in JSON, also without blanks, and in YAML.
fn signs(line: &str) -> impl Iterator<Item = usize> {
    line.char_indices().filter_map(|(at, sign)| {
        let (before, rest) = line.split_at_checked(at)?;
        (sign == '=' || (sign == ':' && (before.ends_with(['"', '\'']) || parts(rest)))).then_some(at)
    })
}

/// Whether a name may stand before this colon, as in YAML: in a URL something else follows.
fn parts(colon: &str) -> bool {
    colon.get(1..).unwrap_or_default().starts_with([' ', '\t', '"', '\'', '[', '{', '\n', '\r'])
}

/// A word with something behind it may be a name with its value.
fn without_sign(line: &str, known: &BTreeSet<String>) -> Line {
    let begin = line.trim_start();
    let name = begin.split(|letter: char| !is_of_name(letter) && letter != '.').next().unwrap_or_default();
    let rest = begin.get(name.len()..).unwrap_or_default();
    // `name:value`, too, which a URL is not.
    let is_apart = rest.starts_with([' ', '\t']) || (rest.starts_with(':') && !rest.starts_with("://"));
    let is_name = !name.is_empty() && !known.contains(last_name(name)) && is_apart && !rest.trim().is_empty();
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
    use proptest::prelude::*;

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
            ("a.klient HUNTER2", "a.klient *******"),
            ("klient: HUNTER2", "klient: *******"),
            ("klient:HUNTER2", "klient********"),
            ("{ \"url\": \"x\", \"klient\": \"HUNTER2\" }", "{ \"url\": \"x\", \"klient\": \"*******\" *"),
            ("{\"url\":[\"x\"],\"klient\":[HUNTER2,7]}", "{\"url\":[\"x\"],\"klient\":************"),
            ("\"klient\":1234567", "\"klient\":*******"),
            ("{ url: x, klient:[HUNTER2] }", "{ url: x, klient:********* *"),
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
    fn a_sign_behind_something_else_than_a_name_makes_no_name_of_a_value() {
        for (text, clean) in [
            ("klient = [\n \"SFVO==\", \"SFVO==\"", "klient = *\n \"******\"* \"******\""),
            ("klient = [\n SFVO==, SFVO==", "klient = *\n ******* ******"),
            ("klient = [\n SFVO= SFVO=", "klient = *\n ***** *****"),
            ("klient =\n \"X\", url = \"x\"\nY", "klient =\n \"*\"* *** * \"*\"\n*"),
            ("klient =\n X url = x", "klient =\n * *** * *"),
            ("klient =\n - url: x", "klient =\n * **** *"),
            ("klient =\n { url = x }", "klient =\n * *** * * *"),
            ("klient =\n https://x/?url=y", "klient =\n ****************"),
            ("klient = [\n [SFVO]\n]", "klient = *\n ******\n*"),
        ] {
            assert_eq!(shown(text), clean);
        }
    }

    #[test]
    fn a_line_that_begins_with_a_name_is_not_the_value_of_the_one_above_it() {
        for line in [
            "url = x, path = y",
            "url=x",
            "\"url\": \"x\"",
            "route . \"a, b\".'c'.source = x",
            "[route.a]",
            "[[route.\"a.b\".through]]",
        ] {
            assert_eq!(shown(&format!("klient =\n {line}\n X")), format!("klient =\n {line}\n X"));
        }
        for name in ["klient =", "klient:", "\"klient\"=", "a.klient ="] {
            assert_eq!(shown(&format!("klient =\n {name} X")), format!("klient =\n {name} *"));
        }
    }

    proptest! {
        #[test]
        fn nothing_below_an_unknown_name_is_shown_before_the_next_name(
            name in "(a[.])?(klient|\"klient\"|'klient') ?[=:] ?[\\[{]?|(a[.])?klient [\\[{]",
            lines in proptest::collection::vec("[ \t]{0,2}[-\\[{(,]{0,2} ?(['\"]?SFVO[A-Za-z0-9+/]{0,6}={0,2}['\"]?[,;\\]}]? ?){1,3}([,;] ?url ?[=:] \"x\"|#.{0,3})?", 1..6),
        ) {
            let text = format!("url = \"x\"\n{name}\n{}\n", lines.join("\n"));
            let shown = shown(&text);
            prop_assert!(!shown.contains("SFVO"), "{text}\n{shown}");
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
