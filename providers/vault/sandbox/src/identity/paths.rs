//! The paths below `identity/`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::store::{Group, GroupAlias, Identities, Person};
use crate::{
    access::Place,
    call::Call,
    policy::{Entity, Operation},
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{MAX_ENTRIES, State},
};

/// Answers what is below `identity/`. The caller's policies have let it in.
pub(crate) fn answer(state: &State, call: &Call, place: &Place, rest: &str) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let accessors: BTreeSet<&str> = namespace.auths.values().map(|mount| mount.about.accessor.as_str()).collect();
    let store = &mut namespace.identities;
    let writes = matches!(place.operation, Operation::Create | Operation::Update);
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["entity", "id", ""] if place.operation == Operation::List => Data::keys(store.people.keys()),
        ["entity", "id", id] => entity(store, call, place.operation, id),
        ["entity", "name", name] => {
            let id = store.people.values().find(|person| person.entity.name == *name).map(|person| &person.entity.id);
            let id = id.ok_or_else(ApiError::nothing)?.clone();
            entity(store, call, place.operation, &id)
        }
        ["group"] if writes => write_group(state, store, call, call.text("name")),
        ["group", "id", ""] if place.operation == Operation::List => Data::keys(store.groups.keys()),
        ["group", "id", id] => group(store, call, place.operation, id),
        ["group", "name", name] if writes => write_group(state, store, call, name),
        ["group", "name", name] => {
            let id = store.groups.values().find(|group| group.name == *name).map(|group| &group.id);
            let id = id.ok_or_else(ApiError::nothing)?.clone();
            group(store, call, place.operation, &id)
        }
        ["group-alias"] if writes => {
            let accessor = call.text("mount_accessor");
            if !accessors.contains(accessor) {
                return Err(ApiError::bad(format!("invalid mount accessor {accessor:?}")));
            }
            write_group_alias(state, store, call)
        }
        ["group-alias", "id", id] => group_alias(store, place.operation, id),
        _ => Err(ApiError::no_path()),
    }
}

fn entity(store: &mut Identities, call: &Call, operation: Operation, id: &str) -> Answer {
    let groups: Vec<&str> =
        store.groups.values().filter(|group| group.members.contains(id)).map(|group| group.id.as_str()).collect();
    let groups = json!(groups);
    let person = store.people.get_mut(id).ok_or_else(ApiError::nothing)?;
    match operation {
        Operation::Read => Data::from_value(describe(person, &groups)).answer(),
        Operation::Create | Operation::Update => {
            if let Some(Value::Bool(disabled)) = call.body.get("disabled") {
                person.disabled = *disabled;
            }
            if call.body.contains_key("policies") {
                person.policies = policies(call)?;
            }
            if call.body.contains_key("metadata") {
                person.entity.metadata = metadata(call);
            }
            if !call.text("name").is_empty() {
                call.text("name").clone_into(&mut person.entity.name);
            }
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            store.remove(id);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn describe(person: &Person, groups: &Value) -> Value {
    let Entity { id, name, metadata, aliases } = &person.entity;
    let alias = |(accessor, alias): (&String, &crate::policy::Alias)| json!({ "id": alias.id, "name": alias.name, "metadata": alias.metadata, "mount_accessor": accessor, "canonical_id": id });
    json!({
        "id": id,
        "name": name,
        "metadata": metadata,
        "aliases": aliases.iter().map(alias).collect::<Vec<_>>(),
        "policies": person.policies,
        "disabled": person.disabled,
        "group_ids": groups,
    })
}

/// Writes a group by its name; the first write makes it.
fn write_group(state: &State, store: &mut Identities, call: &Call, name: &str) -> Answer {
    let external = match call.text("type") {
        "" | "internal" => false,
        "external" => true,
        other => return Err(ApiError::bad(format!("invalid group type {other:?}"))),
    };
    let known =
        store.groups.values().find(|group| group.name == name && !name.is_empty()).map(|group| group.id.clone());
    if let Some(id) = known {
        return group(store, call, Operation::Update, &id);
    }
    if store.groups.len() >= MAX_ENTRIES {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} groups in a namespace")));
    }
    let id = state.uuid();
    let name = if name.is_empty() { format!("group_{}", state.world.random_hex::<4>()) } else { name.to_owned() };
    let mut made = Group { id: id.clone(), name: name.clone(), external, ..Group::default() };
    fill(&mut made, call)?;
    store.groups.insert(id.clone(), made);
    Data::of([("id", id.into()), ("name", name.into())]).answer()
}

fn group(store: &mut Identities, call: &Call, operation: Operation, id: &str) -> Answer {
    let group = store.groups.get_mut(id).ok_or_else(ApiError::nothing)?;
    match operation {
        Operation::Read => {
            let alias = group.alias.as_ref().map_or_else(|| json!({}), |alias| show_alias(alias, &group.id));
            Data::of([
                ("id", json!(group.id)),
                ("name", json!(group.name)),
                ("type", json!(if group.external { "external" } else { "internal" })),
                ("policies", json!(group.policies)),
                ("metadata", json!(group.metadata)),
                ("member_entity_ids", json!(group.members)),
                ("alias", alias),
            ])
            .answer()
        }
        Operation::Create | Operation::Update => {
            fill(group, call)?;
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            store.groups.remove(id);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn fill(group: &mut Group, call: &Call) -> Result<(), ApiError> {
    if call.body.contains_key("policies") {
        group.policies = policies(call)?;
    }
    if call.body.contains_key("metadata") {
        group.metadata = metadata(call);
    }
    if call.body.contains_key("member_entity_ids") {
        if group.external {
            return Err(ApiError::bad("member entities can't be set manually for external groups"));
        }
        group.members = texts(call, "member_entity_ids").into_iter().collect();
    }
    Ok(())
}

/// What a mount calls an external group. Each group has one alias.
fn write_group_alias(state: &State, store: &mut Identities, call: &Call) -> Answer {
    let (name, accessor) = (call.text("name"), call.text("mount_accessor"));
    if name.is_empty() {
        return Err(ApiError::bad("missing alias name"));
    }
    let of = |group: &Group| group.alias.as_ref().is_some_and(|alias| alias.name == name && alias.accessor == accessor);
    if store.groups.values().any(|group| of(group) && group.id != call.text("canonical_id")) {
        return Err(ApiError::bad("group alias is already tied to a different group"));
    }
    let group = store.groups.get_mut(call.text("canonical_id"));
    let group = group.ok_or_else(|| ApiError::bad("invalid group ID given in 'canonical_id'"))?;
    if !group.external {
        return Err(ApiError::bad("alias can't be set on an internal group"));
    }
    let id = state.uuid();
    let alias = GroupAlias { id: id.clone(), name: name.to_owned(), accessor: accessor.to_owned() };
    group.alias = Some(alias);
    Data::of([("id", id.into()), ("canonical_id", json!(group.id))]).answer()
}

fn group_alias(store: &mut Identities, operation: Operation, id: &str) -> Answer {
    let owner = store.groups.values_mut().find(|group| group.alias.as_ref().is_some_and(|alias| alias.id == id));
    let owner = owner.ok_or_else(ApiError::nothing)?;
    match (operation, &owner.alias) {
        (Operation::Read, Some(alias)) => Data::from_value(show_alias(alias, &owner.id)).answer(),
        (Operation::Delete, _) => {
            owner.alias = None;
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn show_alias(alias: &GroupAlias, group: &str) -> Value {
    json!({ "id": alias.id, "name": alias.name, "mount_accessor": alias.accessor, "canonical_id": group })
}

fn policies(call: &Call) -> Result<BTreeSet<String>, ApiError> {
    let policies: BTreeSet<String> = texts(call, "policies").iter().map(|policy| policy.to_lowercase()).collect();
    if policies.contains("root") {
        return Err(ApiError::bad("policies cannot contain root"));
    }
    Ok(policies)
}

fn texts(call: &Call, name: &str) -> Vec<String> {
    match call.body.get(name) {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        Some(Value::String(text)) => {
            text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn metadata(call: &Call) -> BTreeMap<String, String> {
    let members = call.body.get("metadata").and_then(Value::as_object);
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    members.into_iter().flatten().filter_map(text).collect()
}
