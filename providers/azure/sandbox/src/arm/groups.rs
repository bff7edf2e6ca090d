//! Resource groups ("Resource Groups", REST API).

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Admin, error, operations};
use crate::{
    reply::{Answer, ApiError, json_reply, ok},
    seed,
    state::{Group, MAX_ENTRIES},
};

const READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";
const WRITE: &str = "Microsoft.Resources/subscriptions/resourceGroups/write";
const DELETE: &str = "Microsoft.Resources/subscriptions/resourceGroups/delete";
/// Longest name.
const MAX_NAME: usize = 90;

pub(super) fn all(admin: &Admin<'_>) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let inner = admin.state.lock();
    admin.permit(&inner, READ, &format!("/subscriptions/{}", seed::SUBSCRIPTION))?;
    Ok(admin.list(inner.groups.values().map(form).collect()))
}

pub(super) fn one(admin: &Admin<'_>, group: &str) -> Answer {
    let inner = admin.state.lock();
    match *admin.method() {
        Method::GET | Method::HEAD => {
            admin.permit(&inner, READ, &id(group))?;
            let name = super::group_name(&inner, group)?;
            let found = inner.groups.get(&name.to_ascii_lowercase()).map(form);
            Ok(ok(&found.unwrap_or_default()))
        }
        Method::PUT => {
            drop(inner);
            put(admin, group)
        }
        Method::DELETE => {
            drop(inner);
            delete(admin, group)
        }
        _ => Err(admin.method_not_allowed()),
    }
}

fn put(admin: &Admin<'_>, group: &str) -> Answer {
    let body = admin.body()?;
    let mut inner = admin.state.lock();
    admin.permit(&inner, WRITE, &id(group))?;
    let name = admin.written();
    let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    if name.len() > MAX_NAME || name.ends_with('.') || !name.chars().all(fits) {
        let message = "The provided resource group name has these invalid characters, or is too long.";
        return Err(error(StatusCode::BAD_REQUEST, "InvalidResourceGroup", message));
    }
    let location = super::location(&body)?;
    let tags = tags(&body)?;
    let full = inner.groups.len() >= MAX_ENTRIES;
    let (status, entry) = match inner.groups.get_mut(group) {
        Some(own) if own.location != location => {
            let message = format!(
                "Invalid resource group location '{location}'. The Resource group already exists in location '{}'.",
                own.location
            );
            return Err(error(StatusCode::CONFLICT, "InvalidResourceGroupLocation", &message));
        }
        Some(own) => {
            own.tags = tags;
            (StatusCode::OK, form(own))
        }
        None if full => return Err(super::full()),
        None => {
            let made = Group { name, location, tags };
            let entry = form(&made);
            inner.groups.insert(group.to_owned(), made);
            (StatusCode::CREATED, entry)
        }
    };
    Ok(json_reply(status, &entry))
}

/// Takes a group away with all that is in it. That takes its time.
fn delete(admin: &Admin<'_>, group: &str) -> Answer {
    let mut inner = admin.state.lock();
    let name = super::group_name(&inner, group)?;
    admin.permit(&inner, DELETE, &id(&name))?;
    inner.groups.remove(group);
    inner.accounts.retain(|_, account| !account.group.eq_ignore_ascii_case(group));
    inner.assignments.remove_below(&id(group));
    let start = format!("{}/", id(group)).to_ascii_lowercase();
    let identities = inner.directory.resources(&start).filter(|own| own.identity().is_some_and(|it| it.user_assigned));
    let gone: Vec<String> = identities.map(|own| own.client.client_id.clone()).collect();
    for client_id in &gone {
        inner.directory.remove(client_id);
        inner.attached.retain(|own| own != client_id);
    }
    let response: Response = operations::begin(admin, &mut inner, "Microsoft.Resources", Value::Null);
    Ok(response)
}

/// Tags, which are texts by name.
pub(super) fn tags(body: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    match body.get("tags") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(tags)) if tags.len() <= 50 && tags.values().all(Value::is_string) => Ok(tags.clone()),
        Some(_) => Err(error(StatusCode::BAD_REQUEST, "InvalidTags", "Tags are at most 50 texts by name.")),
    }
}

/// Resource Manager's id of a group.
pub(super) fn id(group: &str) -> String {
    format!("/subscriptions/{}/resourceGroups/{group}", seed::SUBSCRIPTION)
}

fn form(group: &Group) -> Value {
    json!({
        "id": id(&group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": { "provisioningState": "Succeeded" },
    })
}
