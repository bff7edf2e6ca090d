//! Finding one's way in a tree of values with places.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value and its place.
pub(crate) type Node<'t> = Spanned<DeValue<'t>>;

/// A table without entries at this place.
pub(crate) fn empty(span: Range<usize>) -> Node<'static> {
    Spanned::new(span, DeValue::Table(DeTable::new()))
}

/// The place of the field with this dotted name below `node`: its value, if it is there, else the deepest key on the
/// way to it that is. Positions in arrays are written `name[0]` or `name.0`.
pub(crate) fn locate(node: &Node<'_>, field: &str) -> Option<Range<usize>> {
    let mut found = None;
    let mut at = node;
    for segment in segments(field) {
        let (place, next) = match at.get_ref() {
            DeValue::Table(table) => {
                let Some((key, value)) = table.get_key_value(segment) else { break };
                // A table under a header has the place of the header, which says less than its key.
                (if value.get_ref().is_table() { key.span() } else { value.span() }, value)
            }
            DeValue::Array(array) => {
                let Some(value) = segment.parse().ok().and_then(|index: usize| array.get(index)) else { break };
                (value.span(), value)
            }
            _ => break,
        };
        found = Some(place);
        at = next;
    }
    found
}

/// The dotted name of the entry whose key or value has exactly this place; of the innermost one, if there are several.
pub(crate) fn entry_at(node: &Node<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    match node.get_ref() {
        DeValue::Table(table) => table.iter().find_map(|(key, value)| {
            let name = key.get_ref().to_string();
            let here = || (key.span() == *span || value.span() == *span || holds(value, span)).then(Vec::new);
            let mut path = entry_at(value, span).or_else(here)?;
            path.insert(0, name);
            Some(path)
        }),
        DeValue::Array(array) => array.iter().enumerate().find_map(|(index, value)| {
            let mut path = entry_at(value, span)?;
            path.insert(0, index.to_string());
            Some(path)
        }),
        _ => None,
    }
}

/// Where the name of a choice (`caller = { NAME = { … } }`) is unknown, the whole choice goes: without its only entry,
/// it would be wrong once more.
pub(crate) fn whole_choice(
    node: &mut Node<'_>,
    mut entry: Vec<String>,
    span: &Range<usize>,
    message: &str,
) -> Vec<String> {
    let value = get_mut(node, &entry).map(|value| value.span());
    if message.starts_with("unknown variant") && entry.len() > 1 && value.is_some_and(|value| value != *span) {
        entry.pop();
    }
    entry
}

/// Whether this is an array with an element of exactly this place.
fn holds(node: &Node<'_>, span: &Range<usize>) -> bool {
    let DeValue::Array(array) = node.get_ref() else { return false };
    array.iter().any(|value| value.span() == *span || holds(value, span))
}

/// The value under this name.
pub(crate) fn get_mut<'a, 't>(node: &'a mut Node<'t>, path: &[String]) -> Option<&'a mut Node<'t>> {
    let Some((first, rest)) = path.split_first() else { return Some(node) };
    let next = match node.get_mut() {
        DeValue::Table(table) => table.get_mut(first.as_str())?,
        DeValue::Array(array) => array.get_mut(first.parse::<usize>().ok()?)?,
        _ => return None,
    };
    get_mut(next, rest)
}

/// Takes the entry of this name away.
pub(crate) fn remove(node: &mut Node<'_>, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    match get_mut(node, parents).map(Spanned::get_mut) {
        Some(DeValue::Table(table)) => table.remove(last.as_str()).is_some(),
        _ => false,
    }
}

pub(crate) fn segments(field: &str) -> impl Iterator<Item = &str> {
    field.split(['.', '[']).map(|segment| segment.trim_end_matches(']')).filter(|segment| !segment.is_empty())
}
