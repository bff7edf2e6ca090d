//! The JSON Schema of the whole file, made from the registry.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value as Json, json};

use super::{VERSION, limits, refresh::RefreshSection};
use crate::{
    Auto, Registry,
    registry::{Entry, Section},
    route::MAX_EXCHANGES,
};

/// The JSON Schema (draft 2020-12) of the configuration file: what `carnet config schema` prints and editors use.
pub fn schema(registry: &Registry) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut source = step(registry.sources(), &mut generator);
    if let Some(choices) = source.get_mut("anyOf").and_then(Json::as_array_mut) {
        let auto = json!({ "const": Auto::NAME, "description": "The first identity that this place gives." });
        choices.insert(0, auto);
    }
    let exchange = step(registry.exchanges(), &mut generator);
    let delivery = step(registry.deliveries(), &mut generator);
    let refresh = generator.subschema_for::<RefreshSection>();
    let route = json!({
        "type": "object",
        "description": "One source, then exchanges, then deliveries.",
        "properties": {
            "source": source,
            "through": {
                "type": "array",
                "description": "The exchanges, in order.",
                "maxItems": MAX_EXCHANGES,
                "items": exchange,
            },
            "deliver": {
                "type": "array",
                "description": "The forms in which the credential is written, in order.",
                "maxItems": MAX_EXCHANGES,
                "items": delivery,
            },
            "audience": {
                "type": "string",
                "minLength": 1,
                "description": "The audience that the last credential must name, where its giver can be asked for one.",
            },
            "refresh": refresh,
        },
        "required": ["source"],
        "additionalProperties": false,
    });
    let sections: Map<String, Json> = registry.sections().iter().map(|entry| section(entry, &mut generator)).collect();
    let definitions = generator.take_definitions(true);
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "carnet.toml",
        "type": "object",
        "properties": {
            "version": { "const": VERSION, "description": "The version of the file format." },
            "route": {
                "type": "object",
                "description": "The routes, by name.",
                "maxProperties": limits::ROUTES,
                "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": limits::NAME },
                "additionalProperties": route,
            },
        },
        "required": ["version"],
        "additionalProperties": false,
        "$defs": definitions,
    });
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        properties.extend(sections);
    }
    schema
}

/// A service, by its name.
fn section(entry: &Entry<Section>, generator: &mut SchemaGenerator) -> (String, Json) {
    let mut fields = entry.subschema(generator);
    fields.insert("description".to_owned(), entry.about().into());
    (entry.name().to_owned(), fields.to_value())
}

/// `"name"`, for what needs no field, or `{ name = { … } }`.
fn step<T: ?Sized>(entries: &[Entry<T>], generator: &mut SchemaGenerator) -> Json {
    let mut properties = Map::new();
    let mut bare = Vec::new();
    for entry in entries {
        let needs = entry.schema().get("required").and_then(Json::as_array).is_some_and(|needs| !needs.is_empty());
        if !needs {
            bare.push(entry.name());
        }
        let mut fields = entry.subschema(generator);
        fields.insert("description".to_owned(), entry.about().into());
        properties.insert(entry.name().to_owned(), fields.to_value());
    }
    let mut choices = vec![json!({
        "type": "object",
        "properties": properties,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
    })];
    if !bare.is_empty() {
        choices.insert(0, json!({ "enum": bare }));
    }
    json!({ "anyOf": choices })
}
