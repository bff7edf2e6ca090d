//! Version 2 on the wire (<https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>).

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    store::{Engine, Secret, Settings, Version},
    weight,
};
use crate::{
    call::Call,
    duration,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply, time},
    state::State,
};

/// Most keys of `custom_metadata`, and longest key and value, in bytes ("KV version 2 (API), Create/update metadata").
const MAX_CUSTOM: (usize, usize, usize) = (64, 128, 512);

/// Answers a request. `room` is how much more may be stored.
pub(super) fn answer(
    engine: &mut Engine,
    state: &State,
    call: &Call,
    operation: Operation,
    path: &str,
    room: usize,
) -> Answer {
    let now = state.now();
    if path == "config" {
        return config(engine, call, operation);
    }
    let (part, path) = path.split_once('/').unwrap_or((path, ""));
    match part {
        "metadata" if operation == Operation::List => super::list(engine.paths(), path),
        "data" | "metadata" | "subkeys" | "delete" | "undelete" | "destroy" if path.is_empty() => {
            Err(ApiError::unsupported())
        }
        "data" => data(engine, call, operation, path, (now, room)),
        "metadata" => metadata(engine, call, operation, path, (now, room)),
        "subkeys" if operation == Operation::Read => subkeys(engine, call, path, now),
        "delete" | "undelete" | "destroy" if matches!(operation, Operation::Update | Operation::Create) => {
            versions(engine, call, part, path, now)
        }
        "subkeys" | "delete" | "undelete" | "destroy" => Err(ApiError::unsupported()),
        _ => Err(ApiError::bad(format!(
            "Invalid path for a versioned K/V secrets engine: {part:?} is none of data, metadata, delete, undelete, destroy, subkeys, config"
        ))),
    }
}

fn data(engine: &mut Engine, call: &Call, operation: Operation, path: &str, (now, room): (Timestamp, usize)) -> Answer {
    match operation {
        Operation::Read => read(engine, call, path, now),
        Operation::Create | Operation::Update => {
            let Some(Value::Object(data)) = call.body.get("data") else {
                return Err(ApiError::bad("no data provided"));
            };
            write(engine, call, path, data.clone(), (now, room))
        }
        Operation::Patch => {
            let Some(change @ Value::Object(_)) = call.body.get("data") else {
                return Err(ApiError::bad("no data provided"));
            };
            let secret = engine.secret(path).ok_or_else(ApiError::nothing)?;
            let (number, version) = secret.version(None).ok_or_else(ApiError::nothing)?;
            let old = version.readable(now).ok_or_else(|| gone(secret, number, version))?;
            let mut merged = Value::Object(old.clone());
            merge(&mut merged, change);
            match merged {
                Value::Object(merged) => write(engine, call, path, merged, (now, room)),
                _ => Err(ApiError::bad("no data provided")),
            }
        }
        Operation::Delete => {
            if let Some(secret) = engine.secret_mut(path) {
                let newest = secret.current;
                secret.delete(&[newest], now);
            }
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn read(engine: &Engine, call: &Call, path: &str, now: Timestamp) -> Answer {
    let (secret, number, version) = asked(engine, call, path)?;
    let data = version.readable(now).ok_or_else(|| gone(secret, number, version))?;
    Data::of([("data", Value::Object(data.clone())), ("metadata", version_metadata(secret, number, version))]).answer()
}

fn asked<'a>(engine: &'a Engine, call: &Call, path: &str) -> Result<(&'a Secret, u64, &'a Version), ApiError> {
    let number = match call.query.get("version") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_not_a_number| {
            ApiError::bad("Field validation failed: error converting input for field \"version\"")
        })?),
    };
    let secret = engine.secret(path).ok_or_else(ApiError::nothing)?;
    let (number, version) = secret.version(number).ok_or_else(ApiError::nothing)?;
    Ok((secret, number, version))
}

/// A version that cannot be read: 404 that says when it went.
fn gone(secret: &Secret, number: u64, version: &Version) -> ApiError {
    let data = json!({ "data": null, "metadata": version_metadata(secret, number, version) });
    ApiError { data: Some(data), ..ApiError::new(StatusCode::NOT_FOUND, Vec::<String>::new()) }
}

fn write(
    engine: &mut Engine,
    call: &Call,
    path: &str,
    data: Map<String, Value>,
    (now, room): (Timestamp, usize),
) -> Answer {
    weight::check(weight::of_entry(path).saturating_add(weight::of_data(&data)), room)?;
    let cas = match call.body.get("options").and_then(|options| options.get("cas")) {
        None | Some(Value::Null) => None,
        Some(cas) => {
            let number = cas.as_u64().or_else(|| cas.as_str()?.parse().ok());
            Some(number.ok_or_else(|| ApiError::bad("error parsing check-and-set parameter"))?)
        }
    };
    let number = engine.write(path, data, cas, now).map_err(|mistake| ApiError::bad(mistake.text()))?;
    let secret = engine.secret(path).ok_or_else(ApiError::nothing)?;
    let (_, version) = secret.version(Some(number)).ok_or_else(ApiError::nothing)?;
    match version_metadata(secret, number, version) {
        Value::Object(metadata) => Data(metadata).answer(),
        _ => Err(ApiError::nothing()),
    }
}

fn version_metadata(secret: &Secret, number: u64, version: &Version) -> Value {
    let mut metadata = one_version(version);
    if let Some(members) = metadata.as_object_mut() {
        members.insert("version".to_owned(), number.into());
        members.insert("custom_metadata".to_owned(), custom(secret));
    }
    metadata
}

fn one_version(version: &Version) -> Value {
    json!({
        "created_time": time(version.created),
        "deletion_time": version.deletion.map(time).unwrap_or_default(),
        "destroyed": version.destroyed(),
    })
}

fn custom(secret: &Secret) -> Value {
    secret.custom_metadata.clone().map_or(Value::Null, Value::Object)
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

fn versions(engine: &mut Engine, call: &Call, verb: &str, path: &str, now: Timestamp) -> Answer {
    let numbers: Option<Vec<u64>> = match call.body.get("versions") {
        Some(Value::Array(list)) => list.iter().map(number).collect(),
        Some(Value::String(text)) => text.split(',').map(|part| part.trim().parse().ok()).collect(),
        Some(one) => number(one).map(|one| vec![one]),
        None => None,
    };
    let numbers: Vec<u64> =
        numbers.filter(|numbers| !numbers.is_empty()).ok_or_else(|| ApiError::bad("No version number provided"))?;
    let Some(secret) = engine.secret_mut(path) else {
        return if verb == "delete" { Ok(Reply::Nothing) } else { Err(ApiError::nothing()) };
    };
    match verb {
        "delete" => secret.delete(&numbers, now),
        "undelete" => secret.undelete(&numbers),
        _ => secret.destroy(&numbers),
    }
    Ok(Reply::Nothing)
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn metadata(
    engine: &mut Engine,
    call: &Call,
    operation: Operation,
    path: &str,
    (now, room): (Timestamp, usize),
) -> Answer {
    match operation {
        Operation::Read => {
            let secret = engine.secret(path).ok_or_else(ApiError::nothing)?;
            let versions: Map<String, Value> =
                secret.versions.iter().map(|(number, version)| (number.to_string(), one_version(version))).collect();
            let mut data = settings(&secret.settings);
            data.extend([
                ("created_time".to_owned(), time(secret.created).into()),
                ("updated_time".to_owned(), time(secret.updated).into()),
                ("current_version".to_owned(), secret.current.into()),
                ("oldest_version".to_owned(), secret.oldest().into()),
                ("custom_metadata".to_owned(), custom(secret)),
                ("versions".to_owned(), Value::Object(versions)),
            ]);
            Data(data).answer()
        }
        Operation::Create | Operation::Update => {
            let mut changed = engine.secret(path).map(|secret| secret.settings.clone()).unwrap_or_default();
            set(&mut changed, call)?;
            let custom = custom_metadata(call.body.get("custom_metadata"))?;
            weight::check(weight::of_entry(path).saturating_add(weight::of_data(&call.body)), room)?;
            let secret = engine.make(path, now).map_err(|mistake| ApiError::bad(mistake.text()))?;
            secret.settings = changed;
            if let Some(custom) = custom {
                secret.custom_metadata = Some(custom);
            }
            secret.updated = now;
            Ok(Reply::Nothing)
        }
        Operation::Patch => {
            let secret = engine.secret_mut(path).ok_or_else(ApiError::nothing)?;
            let mut changed = secret.settings.clone();
            set(&mut changed, call)?;
            if let Some(patch) = call.body.get("custom_metadata") {
                let mut merged = secret.custom_metadata.clone().map_or_else(|| json!({}), Value::Object);
                merge(&mut merged, patch);
                secret.custom_metadata = custom_metadata(Some(&merged))?;
            }
            secret.settings = changed;
            secret.updated = now;
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            engine.remove(path);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn custom_metadata(value: Option<&Value>) -> Result<Option<Map<String, Value>>, ApiError> {
    let members = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(members)) if members.values().all(Value::is_string) => members,
        Some(_) => return Err(ApiError::bad("Field validation failed: custom_metadata must be an object of strings")),
    };
    let (keys, key, text) = MAX_CUSTOM;
    let long = |(name, value): (&String, &Value)| name.len() > key || value.as_str().is_some_and(|it| it.len() > text);
    if members.len() > keys || members.iter().any(long) {
        let bounds = format!("at most {keys} keys of {key} bytes with values of {text} bytes");
        return Err(ApiError::bad(format!("custom_metadata validation failed: {bounds}")));
    }
    Ok(Some(members.clone()))
}

fn config(engine: &mut Engine, call: &Call, operation: Operation) -> Answer {
    match operation {
        Operation::Read => Data(settings(&engine.settings)).answer(),
        Operation::Create | Operation::Update => {
            let mut changed = engine.settings.clone();
            set(&mut changed, call)?;
            engine.settings = changed;
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn settings(settings: &Settings) -> Map<String, Value> {
    Map::from_iter([
        ("max_versions".to_owned(), settings.max_versions.into()),
        ("cas_required".to_owned(), settings.cas_required.into()),
        // As Go writes a duration, in seconds only.
        ("delete_version_after".to_owned(), format!("{}s", settings.delete_version_after.as_secs()).into()),
    ])
}

fn set(settings: &mut Settings, call: &Call) -> Result<(), ApiError> {
    let wrong =
        |field: &str| ApiError::bad(format!("Field validation failed: error converting input for field {field:?}"));
    if let Some(most) = call.body.get("max_versions") {
        settings.max_versions = number(most).ok_or_else(|| wrong("max_versions"))?;
    }
    if let Some(required) = call.body.get("cas_required") {
        settings.cas_required = required.as_bool().ok_or_else(|| wrong("cas_required"))?;
    }
    if let Some(after) = call.body.get("delete_version_after") {
        settings.delete_version_after = duration::parse(after).ok_or_else(|| wrong("delete_version_after"))?;
    }
    Ok(())
}

/// The keys of a version with `null` for every value that is no object, down to `depth` (0: all the way).
fn subkeys(engine: &Engine, call: &Call, path: &str, now: Timestamp) -> Answer {
    let (secret, number, version) = asked(engine, call, path)?;
    let data = version.readable(now).ok_or_else(|| gone(secret, number, version))?;
    let depth = call.query.get("depth").and_then(|depth| depth.parse().ok()).filter(|depth| *depth != 0_usize);
    let skeleton = skeleton(data, depth.unwrap_or(usize::MAX));
    Data::of([("subkeys", skeleton), ("metadata", version_metadata(secret, number, version))]).answer()
}

fn skeleton(data: &Map<String, Value>, depth: usize) -> Value {
    let keys = data.iter().map(|(key, value)| {
        let below = match value {
            Value::Object(members) if depth > 1 && !members.is_empty() => skeleton(members, depth.saturating_sub(1)),
            _ => Value::Null,
        };
        (key.clone(), below)
    });
    Value::Object(keys.collect())
}
