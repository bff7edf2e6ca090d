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

/// The dotted name of what has exactly this place: an entry by its key or value, or an element; the innermost one, if
/// there are several.
pub(crate) fn path_at(node: &Node<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let below = |name: String, value: &Node<'_>, here: bool| {
        let mut path = path_at(value, span).or_else(|| here.then(Vec::new))?;
        path.insert(0, name);
        Some(path)
    };
    match node.get_ref() {
        DeValue::Table(table) => table.iter().find_map(|(key, value)| {
            below(key.get_ref().to_string(), value, key.span() == *span || value.span() == *span)
        }),
        DeValue::Array(array) => {
            array.iter().enumerate().find_map(|(index, value)| below(index.to_string(), value, value.span() == *span))
        }
        _ => None,
    }
}

/// The name of the entry that this is, or that it is an element of.
pub(crate) fn entry(mut path: Vec<String>) -> Vec<String> {
    while path.last().is_some_and(|last| last.parse::<usize>().is_ok()) {
        path.pop();
    }
    path
}

/// The value under this name.
pub(crate) fn get<'a, 't>(node: &'a Node<'t>, path: &[String]) -> Option<&'a Node<'t>> {
    path.iter().try_fold(node, |at, segment| match at.get_ref() {
        DeValue::Table(table) => table.get(segment.as_str()),
        DeValue::Array(array) => array.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The value under this name, or what is there of the way to it.
pub(crate) fn deepest<'a, 't>(node: &'a Node<'t>, path: &[String]) -> &'a Node<'t> {
    let Some((first, rest)) = path.split_first() else { return node };
    get(node, std::slice::from_ref(first)).map_or(node, |next| deepest(next, rest))
}

/// Whether other values stand in this one.
pub(crate) fn is_nested(node: &Node<'_>) -> bool {
    node.get_ref().is_table() || node.get_ref().is_array()
}

/// The places of the values in this one, or its own. True and false say nothing.
pub(crate) fn places(node: &Node<'_>, places: &mut Vec<Range<usize>>) {
    match node.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| self::places(value, places)),
        DeValue::Array(array) => array.iter().for_each(|value| self::places(value, places)),
        DeValue::Boolean(_) => {}
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => places.push(node.span()),
    }
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
