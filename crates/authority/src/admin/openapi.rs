//! The OpenAPI document (OpenAPI Specification 3.1.1), made of the table of routes.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{
    answer::ErrorBody,
    audit::NEXT,
    route::{Answer, Route},
    routes,
};

/// Version of the interface: the first number changes when something is removed or changes its meaning.
const VERSION: &str = "1.3.0";
const JSON: &str = "application/json";
const LINES: &str = "application/jsonl";

/// The document of all routes.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let error = generator.subschema_for::<ErrorBody>().to_value();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let operation = operation(&route, &mut generator, &error);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "carnet authority: admin API",
            "version": VERSION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Registration entries, trust rules, keys, nodes, tokens and the audit log of one authority. Names in paths are \
                            percent-encoded, slashes too. Revisions are in the header `ETag` and expected by `If-Match`. \
                            A member of a query that is not named here is refused, and nothing is done.",
        },
        "servers": [{ "url": "http://localhost", "description": "The Unix socket of the authority. Elsewhere by TLS." }],
        "security": [{ "socket": [] }, { "svid": [] }, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                // There is no type for a peer that the kernel knows; nothing is sent for it.
                "socket": { "type": "mutualTLS", "description": "No TLS but the Unix socket: the kernel says which user connects." },
                "svid": { "type": "mutualTLS", "description": "X509-SVID of the trust domain, listed or of an entry with `admin`." },
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "Access token of this authority, for its issuer URL, with the scope `carnet:admin`.",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut schemars::SchemaGenerator, error: &Value) -> Value {
    let mut tried = false;
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(describe) = route.query {
        let query = query_parameters(&describe(generator).to_value());
        tried = query.iter().any(|parameter| parameter.get("name").is_some_and(|name| name == "dry_run"));
        parameters.extend(query);
    }
    if route.conditional {
        for (name, text) in [
            ("If-Match", "The revision that it must have, in quotes, or `*` for any."),
            ("If-None-Match", "`*`: there must be none yet."),
        ] {
            let schema = json!({ "type": "string" });
            parameters.push(json!({ "name": name, "in": "header", "description": text, "schema": schema }));
        }
    }
    let content = match route.answer {
        Answer::Json(describe) => json!({ JSON: { "schema": describe(generator).to_value() } }),
        Answer::Lines => json!({ LINES: { "schema": { "type": "object" } } }),
        Answer::Any => json!({ JSON: { "schema": { "type": "object" } } }),
    };
    let mut responses = Map::new();
    if tried && route.status != 200 {
        let looked = json!({ "description": "It was only looked at, and would be done: nothing is stored.", "content": content });
        responses.insert("200".to_owned(), looked);
    }
    let mut done = json!({ "description": "It is so, or was done.", "content": content });
    if let (Answer::Lines, Some(done)) = (route.answer, done.as_object_mut()) {
        let next = json!({
            "description": "From where to go on, when the answer ends before what was asked for does.",
            "schema": { "type": "integer" },
        });
        done.insert("headers".to_owned(), json!({ (NEXT.as_str()): next }));
    }
    responses.insert(route.status.to_string(), done);
    let not = json!({ "description": "It was not done.", "content": { JSON: { "schema": error } } });
    responses.insert("default".to_owned(), not);
    let mut operation = json!({ "operationId": route.id, "summary": route.summary, "responses": responses });
    if let Some(members) = operation.as_object_mut() {
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), json!(parameters));
        }
        if let Some(describe) = route.body {
            let schema = describe(generator).to_value();
            members.insert(
                "requestBody".to_owned(),
                json!({ "required": true, "content": { JSON: { "schema": schema } } }),
            );
        }
    }
    operation
}

/// The members of a type as parameters. In a query nothing is null: what is not given is not there.
fn query_parameters(described: &Value) -> Vec<Value> {
    let members = described.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let mut text = None;
        if let Some(members) = schema.as_object_mut() {
            text = members.remove("description");
            members.remove("default");
            let kind = members.get("type").and_then(Value::as_array);
            if let Some(kind) = kind.and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned() {
                members.insert("type".to_owned(), kind);
            }
        }
        json!({ "name": name, "in": "query", "description": text.unwrap_or_default(), "schema": schema })
    };
    members.into_iter().map(parameter).collect()
}
