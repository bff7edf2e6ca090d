//! What counts in the end, and where it came from.

use std::ops::Range;

use carnet_core::Place;
use serde::Serialize;
use serde_json::Value as Json;
use toml::de::DeValue;

use super::{
    error::{hidden, plain},
    expand::Expansions,
    lines::Lines,
    mask::{mask, sounds_secret},
    tree::Node,
};

/// What is shown in place of a secret.
const MASKED: &str = "***";

/// One value that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its dotted name, for instance `route.reader.through[0].gcp.audience`.
    pub field: String,
    /// The value as TOML, or `***`. Where variables are in it, as it is written, with `${NAME}`; what could be a secret in it is
    /// hidden.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// It stands in a text: a file, or the command line.
    Text {
        /// The file.
        file: String,
        /// Where in it.
        #[serde(flatten)]
        place: Place,
        /// The environment variables that are part of the value.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        variables: Vec<String>,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Text { file, place, variables } => {
                write!(f, "{file}:{}:{}", place.line, place.column)?;
                if !variables.is_empty() {
                    write!(f, ", from {}", variables.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

/// A value that is not part of a section.
pub(crate) fn setting(
    lines: &Lines<'_>,
    file: &str,
    expansions: &Expansions,
    field: &str,
    span: &Range<usize>,
    value: String,
) -> Setting {
    let variables = expansions.variables_of(span);
    let origin = Origin::Text { file: file.to_owned(), place: lines.place(span.start), variables };
    Setting { field: plain(field), value, origin }
}

/// The values of a section, then the defaults of what it leaves out.
pub(crate) fn record(
    lines: &Lines<'_>,
    file: &str,
    expansions: &Expansions,
    schema: &Json,
    fields: &Node<'_>,
    path: &str,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    leaves(fields, &mut Vec::new(), &mut |name, value| {
        let secret = is_secret(schema, name) || name.last().is_some_and(|last| sounds_secret(last));
        let shown = if secret { MASKED.to_owned() } else { shown(expansions, name, value) };
        let field = super::section::join(path, name);
        settings.push(setting(lines, file, expansions, &field, &value.span(), shown));
    });
    let properties = schema.get("properties").and_then(Json::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let default = property.get("default").filter(|default| !default.is_null());
        if let (None, Some(default)) = (fields.get_ref().get(name), default) {
            let field = super::section::join(path, std::slice::from_ref(name));
            settings.push(Setting { field, value: default.to_string(), origin: Origin::Default });
        }
    }
    settings
}

/// The value of the field of this name. What a variable holds is not in it: that may be a secret even where the field does not
/// say so. Nor is what could be a secret by the word before it or by its looks, as in mistakes.
pub(crate) fn shown(expansions: &Expansions, name: &[String], value: &Node<'_>) -> String {
    let bare = |letter: char| if letter.is_alphanumeric() || "_-".contains(letter) { letter } else { '_' };
    let name: String = name.last().map(|last| last.chars().map(bare).collect()).unwrap_or_default();
    let before = format!("{name} = ");
    let line = format!("{before}{}", toml_text(expansions, value));
    hidden(&line, &mask(&line)).get(before.len()..).unwrap_or(MASKED).to_owned()
}

/// Calls `visit` with every value that is not a table, nor an array of tables.
pub(crate) fn leaves<'n, 't>(
    node: &'n Node<'t>,
    name: &mut Vec<String>,
    visit: &mut impl FnMut(&[String], &'n Node<'t>),
) {
    match node.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                name.push(key.get_ref().to_string());
                leaves(value, name, visit);
                name.pop();
            }
        }
        DeValue::Array(array) if array.iter().any(|value| value.get_ref().is_table()) => {
            for (index, value) in array.iter().enumerate() {
                name.push(index.to_string());
                leaves(value, name, visit);
                name.pop();
            }
        }
        _ => visit(name, node),
    }
}

/// Whether the schema says that this field is a secret.
pub(crate) fn is_secret(schema: &Json, name: &[String]) -> bool {
    reach(schema, name).iter().any(|found| found.get("writeOnly") == Some(&Json::Bool(true)))
}

/// Whether the schema has a field of just this name, rather than a map in which any name may stand.
pub(crate) fn is_named(schema: &Json, name: &[String]) -> bool {
    let Some((last, parents)) = name.split_last() else { return false };
    reach(schema, parents).iter().any(|parent| has_field(parent, last))
}

/// Whether the schema knows a field of this name at its top.
pub(crate) fn has_field(schema: &Json, name: &str) -> bool {
    schema.get("properties").is_some_and(|properties| properties.get(name).is_some())
}

/// The first line of a field's description.
pub(crate) fn description(schema: &Json, name: &[String]) -> Option<String> {
    let found = reach(schema, name);
    let text = found.iter().find_map(|found| found.get("description")?.as_str())?;
    let line = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
    Some(line).filter(|line| !line.is_empty())
}

/// The fields that must stand in the table of this name; none where they depend on which alternative it is.
pub(crate) fn required<'s>(schema: &'s Json, name: &[String]) -> Vec<&'s str> {
    let mut required = reach(schema, name).into_iter().filter_map(|found| found.get("required")?.as_array());
    match (required.next(), required.next()) {
        (Some(names), None) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Every sub-schema that may apply to the field of this name.
fn reach<'s>(root: &'s Json, name: &[String]) -> Vec<&'s Json> {
    let mut at = vec![root];
    for segment in name {
        let open = at.into_iter().flat_map(|schema| alternatives(root, schema, 8));
        at = open
            .filter_map(|schema| {
                let property = schema.get("properties").and_then(|properties| properties.get(segment.as_str()));
                let other = || schema.get("additionalProperties").filter(|other| other.is_object());
                let item = || schema.get("items").filter(|_| segment.parse::<usize>().is_ok());
                property.or_else(other).or_else(item)
            })
            .collect();
    }
    at.into_iter().flat_map(|schema| alternatives(root, schema, 8)).collect()
}

/// The schema itself and, through references and alternatives, what it is made of. `depth` bounds recursive types.
pub(crate) fn alternatives<'s>(root: &'s Json, schema: &'s Json, depth: usize) -> Vec<&'s Json> {
    let mut all = vec![schema];
    if depth == 0 {
        return all;
    }
    let reference = schema.get("$ref").and_then(Json::as_str).and_then(|reference| reference.strip_prefix('#'));
    let referred = reference.and_then(|pointer| root.pointer(pointer));
    let branches = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    for next in referred.into_iter().chain(branches) {
        all.extend(alternatives(root, next, depth - 1));
    }
    all
}

/// The value as TOML, with the names of the variables in it in place of what they hold.
fn toml_text(expansions: &Expansions, value: &Node<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => {
            let expansion = expansions.at(&value.span()).filter(|expansion| !expansion.variables.is_empty());
            let text = expansion.map_or(text.as_ref(), |expansion| &expansion.written);
            toml::Value::from(text).to_string()
        }
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| toml_text(expansions, value)).collect();
            format!("[{}]", values.join(", "))
        }
        DeValue::Table(_) => "{ … }".to_owned(),
    }
}
