//! `reference/configuration.md`: every field of the configuration, from its JSON Schema.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::{
    NOTICE,
    markdown::{anchor, cell},
};

/// Where the parts of a route stand in the schema, their heading, and a word about them.
const PARTS: &[(&str, &str, &str)] = &[
    (
        "/source",
        "Sources",
        "`source` is one of these. `source = \"auto\"` tries those that need no configuration, in this order.",
    ),
    ("/through/items", "Exchanges", "`through` is a list of these, in order."),
    (
        "/deliver/items",
        "Deliveries",
        "`deliver` is a list of these, in order. `--format` and `--deliver` take the same names.",
    ),
];

/// The page.
pub(super) fn page(schema: &str) -> anyhow::Result<String> {
    let schema: Value = serde_json::from_str(schema).context("read the schema")?;
    let route =
        schema.pointer("/properties/route/additionalProperties/properties").context("find the route in the schema")?;
    let definitions = schema.get("$defs").and_then(Value::as_object).context("find the definitions in the schema")?;
    let mut book = Book { definitions, entries: BTreeMap::new(), text: String::new() };
    let mut chosen = Vec::new();
    for (place, heading, about) in PARTS {
        let entries = entries(route.pointer(place).context("find a part of a route in the schema")?)?;
        for (name, entry) in &entries {
            if let Some(definition) = definition(entry) {
                book.entries.insert(definition, name);
            }
        }
        chosen.push((*heading, *about, entries));
    }
    let services = services(&schema);
    for (name, section) in &services {
        if let Some(definition) = definition(section) {
            book.entries.insert(definition, name);
        }
    }
    book.head(route)?;
    for (heading, about, entries) in &chosen {
        write!(book.text, "\n## {heading}\n\n{about}\n\n| name | what it is |\n| --- | --- |\n")?;
        for (name, entry) in entries {
            let about = entry.get("description").and_then(Value::as_str).unwrap_or_default();
            // One name may stand for a source and for a delivery: the second heading has a number.
            let anchor =
                anchor(&format!("{name}{}", if book.text.contains(&format!("\n### `{name}`\n")) { "-1" } else { "" }));
            writeln!(book.text, "| [`{name}`](#{anchor}) | {} |", cell(about))?;
        }
        for (name, entry) in entries {
            book.entry(name, entry)?;
        }
    }
    if !services.is_empty() {
        // A section has the name of its command.
        let each: Vec<String> = services.iter().map(|(name, _)| format!("`[{name}]` for `carnet {name}`")).collect();
        let each = each.join(", ");
        write!(
            book.text,
            "\n## Services\n\nSections of the file that commands which run on read, each its own: {each}.\n"
        )?;
    }
    for (name, section) in services {
        book.entry(name, section)?;
    }
    book.tables()?;
    Ok(book.text)
}

/// The names of all sources, in the order of the registry.
pub(super) fn sources(schema: &Value) -> anyhow::Result<Vec<String>> {
    let place = "/properties/route/additionalProperties/properties/source";
    let part = schema.pointer(place).context("find the sources in the schema")?;
    Ok(entries(part)?.into_iter().map(|(name, _)| name.clone()).collect())
}

/// The sections of services: all members of the file but its version and the routes.
fn services(schema: &Value) -> Vec<(&String, &Value)> {
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    members.filter(|(name, _)| !matches!(name.as_str(), "version" | "route")).collect()
}

/// The alternatives of a part of a route in the order of the registry, which the bare names and the properties keep.
fn entries(part: &Value) -> anyhow::Result<Vec<(&String, &Value)>> {
    let choices = part.get("anyOf").and_then(Value::as_array).context("find the choices of a part")?;
    let properties = choices.iter().find_map(|choice| choice.get("properties")?.as_object());
    let bare = choices.iter().find_map(|choice| choice.get("enum")?.as_array());
    let place = |name: &str| bare.and_then(|names| names.iter().position(|other| other == name)).unwrap_or(usize::MAX);
    let mut entries: Vec<_> = properties.context("find the sections of a part")?.iter().collect();
    entries.sort_by_key(|(name, _)| place(name));
    Ok(entries)
}

/// The page while it is written.
struct Book<'a> {
    definitions: &'a Map<String, Value>,
    /// Sources, exchanges and deliveries by the name of their definition.
    entries: BTreeMap<&'a str, &'a String>,
    text: String,
}

impl<'a> Book<'a> {
    fn head(&mut self, route: &'a Value) -> anyhow::Result<()> {
        let route = route.as_object().context("find the fields of a route")?;
        let refresh = route.get("refresh").and_then(definition).and_then(|name| self.definitions.get(name));
        let refresh = refresh.context("find the section refresh")?;
        let about =
            |name: &str| route.get(name).and_then(|field| field.get("description")?.as_str()).unwrap_or_default();
        write!(
            self.text,
            "# Configuration\n\n{NOTICE}\nThe file is `carnet.toml`: the one that `--config` names, else `CARNET_CONFIG`, else in the \
             working folder, else `$XDG_CONFIG_HOME/carnet/` (`~/.config/carnet/`), else `/etc/carnet/`. `carnet config show` tells where each \
             value comes from; `carnet config schema` prints the JSON Schema (draft 2020-12), which is also in \
             `schema/carnet.schema.json`. Unknown fields are refused.\n\nWhat needs no field is written as a name, `source = \"oci-instance\"`; \
             everything else as a table with one member, `source = {{ file = {{ path = \"/run/token\" }} }}`.\n\n\
             | field | type | default | meaning |\n| --- | --- | --- | --- |\n\
             | `version` | whole number | required | The version of the file format: 1. |\n\
             | `route.NAME.source` | [source](#sources) | required | Where the first credential comes from. |\n"
        )?;
        for (name, kind) in
            [("through", "list of [exchanges](#exchanges)"), ("deliver", "list of [deliveries](#deliveries)")]
        {
            writeln!(self.text, "| `route.NAME.{name}` | {kind} | none | {} |", cell(about(name)))?;
        }
        writeln!(self.text, "| `route.NAME.audience` | text | none | {} |", cell(about("audience")))?;
        self.rows("route.NAME.refresh.", refresh)
    }

    /// One source, exchange or delivery.
    fn entry(&mut self, name: &str, entry: &'a Value) -> anyhow::Result<()> {
        let section = definition(entry).and_then(|name| self.definitions.get(name)).context("find a section")?;
        write!(self.text, "\n### `{name}`\n")?;
        self.section(section)
    }

    /// Description and fields.
    fn section(&mut self, section: &'a Value) -> anyhow::Result<()> {
        if let Some(text) = section.get("description").and_then(Value::as_str) {
            write!(self.text, "\n{}\n", plain(text))?;
        }
        if section.get("properties").is_some() {
            self.text.push_str("\n| field | type | default | meaning |\n| --- | --- | --- | --- |\n");
            self.rows("", section)?;
        } else if section.get("oneOf").is_none() {
            self.text.push_str("\nIt has no fields.\n");
        }
        Ok(())
    }

    fn rows(&mut self, before: &str, section: &'a Value) -> anyhow::Result<()> {
        let fields = section.get("properties").and_then(Value::as_object).context("find the fields of a section")?;
        let required: Vec<&str> =
            section.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut names: Vec<&String> = fields.keys().collect();
        names.sort_by_key(|name| !required.contains(&name.as_str()));
        for name in names {
            let Some(field) = fields.get(name) else { continue };
            let default = match field.get("default") {
                _ if required.contains(&name.as_str()) => "required".to_owned(),
                Some(Value::String(text)) if !text.is_empty() => format!("`{text}`"),
                Some(value @ (Value::Bool(_) | Value::Number(_))) => format!("`{value}`"),
                _ => String::new(),
            };
            let about = field.get("description").and_then(Value::as_str).unwrap_or_default();
            let kind = self.kind(field);
            writeln!(self.text, "| `{before}{name}` | {kind} | {default} | {} |", cell(&plain(about)))?;
        }
        Ok(())
    }

    /// The type of a field in words.
    fn kind(&self, field: &'a Value) -> String {
        if let Some(name) = definition(field) {
            return self.named(name);
        }
        if let Some(choices) = field.get("anyOf").or_else(|| field.get("oneOf")).and_then(Value::as_array) {
            let kinds: Vec<String> =
                choices.iter().map(|choice| self.kind(choice)).filter(|kind| !kind.is_empty()).collect();
            return kinds.join(" or ");
        }
        if let Some(value) = field.get("const") {
            return value.as_str().map_or_else(|| format!("`{value}`"), |text| format!("`{text}`"));
        }
        let kind = match field.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
            Some(kind) => kind.as_str(),
            None => None,
        };
        match kind.unwrap_or_default() {
            "array" => format!("list of {}", field.get("items").map_or_else(String::new, |items| self.kind(items))),
            "boolean" => "`true` or `false`".to_owned(),
            "integer" => "whole number".to_owned(),
            "number" => "number".to_owned(),
            "object" => match field.get("additionalProperties").filter(|value| value.is_object()) {
                Some(value) => format!("table of {} by name", self.kind(value)),
                None => "table".to_owned(),
            },
            "string" => "text".to_owned(),
            // `null` is how the schema says that a field may be left out.
            _ => String::new(),
        }
    }

    /// The type that a definition has: its words, or a link to its section.
    fn named(&self, name: &'a str) -> String {
        if let Some(entry) = self.entries.get(name) {
            return format!("[`{entry}`](#{})", anchor(entry));
        }
        let Some(section) = self.definitions.get(name) else { return String::new() };
        if is_table(section) {
            let heading = self.heading(name);
            return format!("[table](#{})", anchor(&heading));
        }
        self.kind(section)
    }

    /// The heading of a table that stands inside a section: the field that holds it, and whose field it is if only one has it.
    fn heading(&self, name: &str) -> String {
        let holders = holders(self.definitions, name);
        let fields: BTreeSet<&String> = holders.iter().map(|(_, field)| *field).collect();
        let field = fields.first().map_or(name, |field| field.as_str());
        let owners: Vec<&str> = holders
            .iter()
            .filter_map(|(owner, _)| self.entries.get(owner.as_str()).map(|entry| entry.as_str()))
            .collect();
        match (owners.as_slice(), holders.as_slice()) {
            ([owner], _) => format!("`{field}` of `{owner}`"),
            // A table in a table: two of one name would have one anchor.
            ([], [(owner, _)]) if owner.as_str() != name => format!("`{field}` of {}", self.heading(owner)),
            _ => format!("`{field}`"),
        }
    }

    /// The tables that sections hold.
    fn tables(&mut self) -> anyhow::Result<()> {
        self.text.push_str("\n## Tables inside\n");
        let tables: Vec<(&'a String, &'a Value)> = self
            .definitions
            .iter()
            .filter(|(name, section)| {
                is_table(section)
                    && !self.entries.contains_key(name.as_str())
                    && !holders(self.definitions, name).is_empty()
            })
            .collect();
        for (name, section) in tables {
            write!(self.text, "\n### {}\n", self.heading(name))?;
            self.section(section)?;
            for choice in section.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                let about = choice.get("description").and_then(Value::as_str).unwrap_or_default();
                for (name, field) in choice.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    write!(self.text, "\n- `{{ {name} = {{ … }} }}`: {} Fields: {}.\n", cell(about), self.kind(field))?;
                }
            }
        }
        Ok(())
    }
}

/// The fields that hold a definition, as definition and field. The alternatives of a choice are its fields.
fn holders<'a>(definitions: &'a Map<String, Value>, name: &str) -> Vec<(&'a String, &'a String)> {
    let wanted = format!("#/$defs/{name}");
    let mut found = Vec::new();
    for (owner, section) in definitions {
        let choices = section.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        for part in std::iter::once(section).chain(choices) {
            for (field, schema) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if mentions(schema, &wanted) {
                    found.push((owner, field));
                }
            }
        }
    }
    found
}

fn mentions(schema: &Value, wanted: &str) -> bool {
    match schema {
        Value::Array(parts) => parts.iter().any(|part| mentions(part, wanted)),
        Value::Object(members) => members.values().any(|member| mentions(member, wanted)),
        Value::String(text) => text == wanted,
        _ => false,
    }
}

/// Whether a definition has fields of its own, or is a choice of tables.
fn is_table(section: &Value) -> bool {
    let choice = section.pointer("/oneOf/0/properties").is_some();
    choice || section.get("type").and_then(Value::as_str) == Some("object")
}

fn definition(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// Without the brackets of rustdoc's links.
fn plain(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> String {
        let one = |name: &str| json!({"anyOf": [{"enum": []}, {"properties": {name: {"description": "a thing", "$ref": "#/$defs/Thing"}}}]});
        json!({
            "properties": {"route": {"additionalProperties": {"properties": {
                "source": one("thing"),
                "through": {"items": one("other")},
                "deliver": {"items": one("last")},
                "refresh": {"$ref": "#/$defs/Refresh"},
            }}}, "service": {"$ref": "#/$defs/Service"}},
            "$defs": {
                "Refresh": {"type": "object", "properties": {"at": {"type": "string", "description": "When."}}},
                "Thing": {"type": "object", "required": ["zeal"], "properties": {
                    "inner": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}], "description": "See."},
                    "zeal": {"type": ["string", "null"], "description": "a | b"},
                }},
                "Service": {"type": "object", "properties": {"how": {"$ref": "#/$defs/How", "description": "How."}}},
                "How": {"oneOf": [{"type": "object", "description": "One way.", "properties": {"way": {"$ref": "#/$defs/Way"}}}]},
                "Way": {"type": "object", "properties": {"wide": {"type": "boolean", "description": "Wide."}}},
                "Inner": {"type": "object", "properties": {"deep": {"type": "boolean", "default": false, "description": "Deep."}}},
            },
        })
        .to_string()
    }

    #[test]
    fn every_field_has_a_row_and_required_ones_come_first() {
        let page = page(&schema()).unwrap();
        assert!(page.contains("| `route.NAME.refresh.at` | text |  | When. |"), "{page}");
        let zeal = page.find("| `zeal` | text | required | a \\| b |").unwrap();
        assert!(zeal < page.find("| `inner` | [table](#").unwrap(), "{page}");
        assert!(page.contains("| `deep` | `true` or `false` | `false` | Deep. |"), "{page}");
    }

    #[test]
    fn a_service_has_a_section_and_every_way_of_a_choice_a_table() {
        let page = page(&schema()).unwrap();
        assert!(page.contains("\n### `service`\n"), "{page}");
        assert!(page.contains("One way. Fields: [table](#way-of-how-of-service)."), "{page}");
        let heading = page.find("### `way` of `how` of `service`").unwrap();
        assert!(page.get(heading..).unwrap().contains("| `wide` | `true` or `false` |  | Wide. |"), "{page}");
    }
}
