//! Attribute paths: `name.familyName`, `urn:…:User:serviceUser`.

use serde_json::Value;

use super::Resource;

/// Longest path, in bytes.
const MAX_LENGTH: usize = 512;

/// A path to an attribute (RFC 7644, 3.10): an optional schema, the attribute, its sub-attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePath {
    text: String,
    schema: Option<String>,
    names: Vec<String>,
}

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an attribute path: {0:?}")]
pub struct PathError(String);

impl AttributePath {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character that no attribute name has (RFC 7643, 2.1).
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = || PathError(text.chars().take(80).collect());
        if text.len() > MAX_LENGTH {
            return Err(fail());
        }
        // Schemas hold dots and colons (`core:2.0:User`), attribute names neither colons nor dots.
        let (schema, attribute) = match text.rsplit_once(':') {
            Some((schema, attribute)) if is_schema(schema) => (Some(schema.to_owned()), attribute),
            Some(_) => return Err(fail()),
            None => (None, text),
        };
        let names: Vec<String> = attribute.split('.').map(str::to_owned).collect();
        if names.iter().any(|name| !is_name(name)) {
            return Err(fail());
        }
        Ok(Self { text: text.to_owned(), schema, names })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the attribute at the top of the resource: the attribute itself, or the extension that it is in.
    pub(crate) fn top<'a>(&'a self, resource: &Resource) -> &'a str {
        self.keys(resource).into_iter().next().unwrap_or_default()
    }

    /// The values at the path; the elements of arrays, not the arrays.
    pub(crate) fn values<'a>(&self, resource: &'a Resource) -> Vec<&'a Value> {
        let mut keys = self.keys(resource).into_iter();
        let Some(first) = keys.next().and_then(|name| member(resource, name)) else { return Vec::new() };
        let mut found = elements(first);
        for name in keys {
            found = found
                .into_iter()
                .filter_map(Value::as_object)
                .filter_map(|object| member(object, name))
                .flat_map(elements)
                .collect();
        }
        found.retain(|value| !value.is_null());
        found
    }

    /// The member names to walk through. A schema that is not an extension of this resource is its own, and falls away.
    pub(crate) fn keys<'a>(&'a self, resource: &Resource) -> Vec<&'a str> {
        let names = self.names.iter().map(String::as_str);
        match &self.schema {
            Some(_) if member(resource, &self.text).is_some() => vec![&self.text],
            Some(schema) if lists_schema(resource, &self.text) && !lists_schema(resource, schema) => vec![&self.text],
            Some(schema) if is_extension(resource, schema) => std::iter::once(schema.as_str()).chain(names).collect(),
            _ => names.collect(),
        }
    }
}

/// A member by name without regard to case (RFC 7643, 2.1).
pub(crate) fn member<'a>(object: &'a Resource, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The name under which a member already stands in the object, or the name as given.
pub(crate) fn spelling(object: &Resource, name: &str) -> String {
    if object.contains_key(name) {
        return name.to_owned();
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or_else(|| name.to_owned(), Clone::clone)
}

fn elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    }
}

fn lists_schema(resource: &Resource, schema: &str) -> bool {
    let schemas = resource.get("schemas").and_then(Value::as_array);
    schemas.is_some_and(|schemas| {
        schemas.iter().filter_map(Value::as_str).any(|listed| listed.eq_ignore_ascii_case(schema))
    })
}

fn is_extension(resource: &Resource, schema: &str) -> bool {
    member(resource, schema).is_some() || schema.to_ascii_lowercase().contains(":extension:")
}

fn is_schema(text: &str) -> bool {
    let urn = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    urn && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.' | b'_' | b'-'))
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'$' | b'_'))
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'_' | b'-'))
}
