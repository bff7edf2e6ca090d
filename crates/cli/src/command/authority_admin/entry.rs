//! `carnet authority entry`

use std::path::PathBuf;

use carnet_core::Error;
use serde_json::{Map, Value, json};

use super::{
    api::Api,
    args::{EntryCommand, EntryFields},
    changed, file, show,
    table::table,
    trust::dry,
};
use crate::output::Terminal;

const COLUMNS: [(&str, &str); 5] = [
    ("ID", "/entry/id"),
    ("SPIFFE ID", "/entry/spiffe_id"),
    ("PARENT", "/entry/parent_id"),
    ("OWNER", "/owner"),
    ("SELECTORS", "/entry/selectors"),
];

pub(super) async fn run(api: &Api, command: EntryCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        EntryCommand::List { spiffe_id, parent_id, selectors, owner } => {
            let mut query: Vec<(&str, &str)> = Vec::new();
            for (name, value) in [("spiffe_id", &spiffe_id), ("parent_id", &parent_id), ("owner", &owner)] {
                query.extend(value.as_deref().map(|value| (name, value)));
            }
            query.extend(selectors.iter().map(|selector| ("selector", selector.as_str())));
            let entries = api.list(&["entries"], &query, usize::MAX).await?;
            if terminal.is_json() {
                terminal.json(json!({ "entries": entries }))?;
            } else {
                terminal.text(table(&COLUMNS, &entries))?;
            }
            Ok(0)
        }
        EntryCommand::Show { id } => show("entry", &api.get(&["entries", &id], &[]).await?, terminal),
        EntryCommand::Create { dry_run, file, id, fields } => {
            create(api, wanted(file, id, &fields)?, dry_run, terminal).await
        }
        EntryCommand::Update { id, dry_run, file, fields } => {
            let old = api.get(&["entries", &id], &[]).await?;
            let (old, revision) = as_asked(old);
            let entry = match file {
                Some(path) => one(file::documents(&path, "entry")?)?,
                None => with(old, &fields),
            };
            show("entry", &api.put(&["entries", &id], dry(dry_run), &entry, revision).await?, terminal)
        }
        EntryCommand::Delete { ids, dry_run } => {
            for id in &ids {
                changed("entry", id, &api.delete(&["entries", id], dry(dry_run)).await?, terminal)?;
            }
            Ok(0)
        }
    }
}

/// The entries that are to be made.
fn wanted(path: Option<PathBuf>, id: Option<String>, fields: &EntryFields) -> Result<Vec<Value>, Error> {
    if let Some(path) = path {
        return file::documents(&path, "entry");
    }
    let mut entry = with(json!({}), fields);
    if let (Some(id), Some(members)) = (id, entry.as_object_mut()) {
        members.insert("id".to_owned(), json!(id));
    }
    Ok(vec![entry])
}

async fn create(api: &Api, wanted: Vec<Value>, dry_run: bool, terminal: Terminal) -> Result<u8, Error> {
    let count = wanted.len();
    let mut made = Vec::new();
    for (at, entry) in wanted.iter().enumerate() {
        let answer = api.post(&["entries"], dry(dry_run), entry).await;
        made.push(answer.map_err(|error| {
            match count {
                1 => error,
                _ if dry_run => Error::new(error.kind(), format!("look at entry {} of {count}", at + 1)).because(error),
                _ => Error::new(error.kind(), format!("make entry {} of {count}; those before it are made", at + 1))
                    .because(error),
            }
        })?);
    }
    if terminal.is_json() {
        terminal.json(json!({ "entries": made, "dry_run": dry_run }))?;
        return Ok(0);
    }
    let mut text = table(&COLUMNS, &made);
    if dry_run {
        text.push("dry run: nothing was written\n");
    }
    terminal.text(text)?;
    Ok(0)
}

/// An entry as it would be asked for, and its revision.
fn as_asked(mut view: Value) -> (Value, Option<u64>) {
    let mut entry = view.get_mut("entry").map(Value::take).unwrap_or_default();
    let revision = entry.get("revision").and_then(Value::as_u64);
    if let Some(members) = entry.as_object_mut() {
        members.remove("created_at");
        members.remove("revision");
    }
    (entry, revision)
}

/// The entry with what is given in place of what it said.
fn with(mut entry: Value, fields: &EntryFields) -> Value {
    let mut given: Map<String, Value> = Map::new();
    let mut set = |name: &str, value: Option<Value>| drop(value.map(|value| given.insert(name.to_owned(), value)));
    let list = |values: &[String]| (!values.is_empty()).then(|| json!(values));
    set("spiffe_id", fields.spiffe_id.as_ref().map(|value| json!(value)));
    set("parent_id", fields.parent_id.as_ref().map(|value| json!(value)));
    set("selectors", list(&fields.selectors));
    set("x509_ttl", fields.x509_ttl.map(|value| json!(value)));
    set("jwt_ttl", fields.jwt_ttl.map(|value| json!(value)));
    set("federates_with", list(&fields.federates_with));
    set("dns_names", list(&fields.dns_names));
    set("hint", fields.hint.as_ref().map(|value| json!(value)));
    set("admin", fields.admin.map(|value| json!(value)));
    set("expires_at", fields.expires_at.as_ref().map(|value| json!(value)));
    if let Some(members) = entry.as_object_mut() {
        members.extend(given);
    }
    entry
}

fn one(mut documents: Vec<Value>) -> Result<Value, Error> {
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document),
        _ => Err(Error::configuration("change an entry: the file must hold exactly one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays() {
        let view = json!({ "owner": "api", "entry": { "id": "a", "hint": "x", "jwt_ttl": 60, "created_at": "t", "revision": 7 } });
        let (old, revision) = as_asked(view);
        assert_eq!(revision, Some(7));
        let fields = EntryFields { hint: Some("y".to_owned()), ..EntryFields::default() };
        assert_eq!(with(old, &fields), json!({ "id": "a", "hint": "y", "jwt_ttl": 60 }));
    }
}
