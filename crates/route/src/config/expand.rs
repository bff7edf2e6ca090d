//! `${NAME}` in strings.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use carnet_core::{Environment, Secret, is_variable_name, without_echo};
use toml::{Spanned, de::DeValue};

use super::error::{Problem, said_forms};

/// Values shorter than this are left in messages: no secret is that short, and `a` is in every word.
pub(super) const SHORTEST_REDACTED: usize = 4;

/// All strings in which variables were put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expansions {
    by_start: BTreeMap<usize, Expansion>,
    values: BTreeMap<String, String>,
    /// The variables in the section that is being read.
    near: BTreeSet<String>,
}

impl Expansions {
    /// That of the string at this place.
    pub(crate) fn at(&self, span: &Range<usize>) -> Option<&Expansion> {
        self.by_start.get(&span.start).filter(|expansion| expansion.span == *span)
    }

    /// Whether a variable was put in a string that begins in this place.
    pub(crate) fn within(&self, span: &Range<usize>) -> bool {
        self.variables(span).next().is_some()
    }

    /// The names of the variables in this value, or in the elements of this list, each once and in order.
    pub(crate) fn variables_of(&self, span: &Range<usize>) -> Vec<String> {
        self.variables(span).fold(Vec::new(), |mut names, name| {
            if !names.contains(name) {
                names.push(name.clone());
            }
            names
        })
    }

    /// The variables that were put in strings that begin in this place.
    fn variables(&self, span: &Range<usize>) -> impl Iterator<Item = &String> {
        // On a command line a place may be empty.
        let end = span.end.max(span.start.saturating_add(1));
        self.by_start.range(span.start..end).flat_map(|(_, expansion)| &expansion.variables)
    }

    /// Has the variables in these places redacted in all that is said, until this is called again: they are those of the section
    /// that is being read.
    pub(crate) fn read_section(&mut self, places: &[Range<usize>]) {
        self.near = places.iter().flat_map(|place| self.variables(place)).cloned().collect();
    }

    /// Puts the names of variables where their values are, however these are written. What a variable holds may be a secret
    /// even where the field does not say so. Only those of the section and of the place that it is said of count: what another
    /// holds may be a word of ours.
    pub(crate) fn redact(&self, text: &str, place: Option<&Range<usize>>) -> String {
        self.forms(place)
            .into_iter()
            .fold(text.to_owned(), |text, (form, name)| text.replace(&form, &format!("${{{name}}}")))
    }

    /// The same for what may quote a value only in part.
    pub(crate) fn redact_pieces(&self, text: &str, place: Option<&Range<usize>>) -> String {
        let forms: Vec<Secret> = self.forms(place).into_iter().map(|(form, _)| Secret::new(form)).collect();
        without_echo(&self.redact(text, place), &forms.iter().collect::<Vec<_>>()).into_owned()
    }

    /// As what each value may be said, with the name of its variable; the longest first, since one may be in another.
    fn forms(&self, place: Option<&Range<usize>>) -> Vec<(String, &str)> {
        let here: BTreeSet<&String> =
            place.into_iter().flat_map(|place| self.variables(place)).chain(&self.near).collect();
        let mut forms = Vec::new();
        for (name, value) in self.values.iter().filter(|(name, _)| here.contains(name)) {
            let long = said_forms(value).into_iter().filter(|form| form.len() >= SHORTEST_REDACTED);
            forms.extend(long.map(|form| (form, name.as_str())));
        }
        forms.sort_by_key(|(form, _)| Reverse(form.len()));
        forms
    }
}

/// A string in which a variable was put.
#[derive(Clone, Debug)]
pub(crate) struct Expansion {
    /// The place of the string.
    pub(crate) span: Range<usize>,
    /// What stands there.
    pub(crate) written: String,
    /// What it became.
    pub(crate) value: String,
    /// The variables.
    pub(crate) variables: Vec<String>,
    /// Whether the string is one reference and nothing else.
    pub(crate) whole: bool,
    /// Whether a reference in it was a mistake.
    pub(crate) broken: bool,
}

/// Replaces `${NAME}` in every string of the tree, and `$${` by `${`. Nothing else is special. A variable that is unset
/// or empty is a mistake at its place.
pub(crate) fn expand(
    tree: &mut Spanned<DeValue<'_>>,
    text: &str,
    environment: &dyn Environment,
    problems: &mut Vec<Problem>,
    expansions: &mut Expansions,
) {
    walk(tree, &mut |span, string| {
        if !string.contains("${") {
            return None;
        }
        let place = |reference: &str| {
            // The reference stands in the text as it is, unless it is escaped in some way.
            let start = text.get(span.clone()).and_then(|raw| raw.find(reference));
            start.map_or(span.clone(), |start| span.start + start..span.start + start + reference.len())
        };
        let mut expanded = String::new();
        let mut variables = Vec::new();
        let before = problems.len();
        let mut rest = string;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            let inner = from.get(2..).unwrap_or_default();
            if let Some(before) = before.strip_suffix('$') {
                expanded.push_str(before);
                expanded.push_str("${");
                rest = inner;
                continue;
            }
            expanded.push_str(before);
            let Some((name, after)) = inner.split_once('}') else {
                problems.push(
                    Problem::new(place("${"), "a reference `${` is not closed")
                        .hint("write ${NAME}, or $${ for the two characters themselves"),
                );
                rest = "";
                break;
            };
            let reference = format!("${{{name}}}");
            if !is_variable_name(name) {
                let message = format!("`{reference}` does not name a variable");
                problems.push(
                    Problem::new(place(&reference), message)
                        .hint("a name is letters, digits and `_`; write $${ for the two characters themselves"),
                );
            } else if let Some(value) = environment.get(name) {
                expanded.push_str(&value);
                expansions.values.insert(name.to_owned(), value);
                variables.push(name.to_owned());
            } else {
                let garbled = environment.is_garbled(name);
                let what = if garbled { "is not UTF-8 text" } else { "is not set, or empty" };
                let message = format!("the environment variable `{name}` {what}");
                problems.push(
                    Problem::new(place(&reference), message)
                        .hint(format!("set {name}, or write $${{{name}}} for the text itself")),
                );
            }
            rest = after;
        }
        expanded.push_str(rest);
        let whole = super::mask::is_reference(string);
        let broken = problems.len() > before;
        let (written, value) = (string.to_owned(), expanded.clone());
        let expansion = Expansion { span: span.clone(), written, value, variables, whole, broken };
        expansions.by_start.insert(span.start, expansion);
        Some(expanded)
    });
}

fn walk(value: &mut Spanned<DeValue<'_>>, change: &mut impl FnMut(Range<usize>, &str) -> Option<String>) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(string) => {
            if let Some(changed) = change(span, string) {
                *string = changed.into();
            }
        }
        DeValue::Array(array) => array.iter_mut().for_each(|value| walk(value, change)),
        DeValue::Table(table) => table.iter_mut().for_each(|(_, value)| walk(value, change)),
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Float(_) | DeValue::Integer(_) => {}
    }
}
