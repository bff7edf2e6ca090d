//! What is hidden of a text that is not TOML. None of it was read, so nobody knows what in it is a name, and what the secret
//! behind one that is misspelt, or whose sign is missing. So of its words only those are shown that are names of settings, where
//! names stand.

use std::{collections::BTreeSet, ops::Range};

use serde_json::Value as Json;

use crate::{Registry, registry::Entry};

/// What parts words: blanks, and what TOML, JSON and YAML are built of.
const PARTS: &str = "=:,.;#\"'[]{}()";

/// The places of all words of a text but the names of settings and `${VARIABLE}`.
pub(crate) fn values(text: &str, fields: &[&str], registry: &Registry) -> Vec<Range<usize>> {
    let known = names(fields, registry);
    let is_name = |word: &Range<usize>| {
        text.get(word.clone()).is_some_and(|word| known.contains(word)) && is_where_names_stand(text, word.start)
    };
    words(text).into_iter().filter(|word| !is_name(word)).collect()
}

/// The places of the words.
fn words(text: &str) -> Vec<Range<usize>> {
    let (mut places, mut at) = (Vec::new(), 0_usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find(is_part).unwrap_or(rest.len());
        let (skipped, found) = match variable(rest) {
            Some(length) => (length, false),
            None if length == 0 => (rest.chars().next().map_or(1, char::len_utf8), false),
            // A word ends before a variable, too.
            None => (rest.find("${").filter(|at| (1..length).contains(at)).unwrap_or(length), true),
        };
        let end = at.saturating_add(skipped);
        places.extend(found.then_some(at..end));
        at = end;
    }
    places
}

/// The length of `${NAME}`, if the text begins with one.
fn variable(text: &str) -> Option<usize> {
    let (name, _) = text.strip_prefix("${")?.split_once('}')?;
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then(|| name.len().saturating_add("${}".len()))
}

fn is_part(letter: char) -> bool {
    letter.is_whitespace() || PARTS.contains(letter)
}

/// Whether a name may begin here: at the begin of a line, of a table or of a section, behind a comma, or behind the dot of another.
fn is_where_names_stand(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().trim_end_matches([' ', '\t', '"', '\'']);
    before.is_empty() || before.ends_with(['\n', '{', '[', ',', '.'])
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

    const FIELDS: [&str; 6] = ["version", "source", "url", "path", "through", "route"];

    /// The text with these places hidden.
    fn shown(text: &str) -> String {
        let places = values(text, &FIELDS, &Registry::empty());
        places.into_iter().fold(text.to_owned(), |text, place| super::super::error::blot_value(text, &place))
    }

    #[test]
    fn only_names_of_settings_are_shown_where_names_stand() {
        for (text, clean) in [
            ("client_sekret = \"HUNTER2", "************* = \"*******"),
            ("client_sekret \"HUNTER2\"", "************* \"*******\""),
            ("'client_sekret'HUNTER2", "'*************'*******"),
            ("url = \"https://x/HUNTER2", "url = \"*****:***********"),
            ("url \"HUNTER2\"", "url \"*******\""),
            ("url:HUNTER2", "url:*******"),
            ("url = y z", "url = * *"),
            ("through = [ { url = \"x\", klient \"HUNTER2\" } ]", "through = [ { url = \"*\", ****** \"*******\" } ]"),
            ("{\"version\":1,\"klient\":[\"HUNTER2\"]}", "{\"version\":*,\"******\":[\"*******\"]}"),
            ("\"klient.url\" = \"HUNTER2", "\"******.url\" = \"*******"),
            ("route.a.source = { path = x }", "route.*.source = { path = * }"),
            ("klient = [\n SFVO==, \"SFVO==\"", "****** = [\n ****==, \"****==\""),
            ("klient = \"a path of HUNTER2", "****** = \"* **** ** *******"),
            ("klient = \"a ${HOME}b ${1 ${}", "****** = \"* ${HOME}* *{* *{}"),
            ("# klient = HUNTER2\nurl", "# ****** = *******\nurl"),
            ("[[route.a]]", "[[route.*]]"),
            ("url+HUNTER2/path", "****************"),
        ] {
            assert_eq!(shown(text), clean);
        }
    }

    proptest! {
        #[test]
        fn no_word_is_shown_but_a_known_name_or_a_variable(text in "([ \n\t=:,.;#\"'\\[\\]{}()]|url|path|\\$\\{A\\}|[a-zA-Z0-9+/!é$]{1,4}){0,24}") {
            let shown = shown(&text);
            let rest = shown.replace("${A}", " ");
            let words = rest.split(is_part).filter(|word| !word.is_empty());
            for word in words {
                prop_assert!(FIELDS.contains(&word) || word.chars().all(|letter| letter == '*'), "{text}\n{shown}");
            }
        }
    }
}
