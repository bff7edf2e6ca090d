//! Containers, as Resource Manager sees them.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Admin, error, storage};
use crate::{
    blob,
    reply::{Answer, empty, json_reply, ok, seconds},
    seed,
    state::{Account, Container, MAX_ENTRIES},
};

const KIND: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

fn parent(group: &str, account: &str) -> String {
    seed::resource(group, &format!("{}/{account}", storage::KIND))
}

pub(super) fn all(admin: &Admin<'_>, group: &str, account: &str) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/read"), &parent(group, account))?;
    let account = storage::find(admin, &inner, group, account)?;
    Ok(admin.list(account.containers.iter().map(|(name, own)| form(account, name, own)).collect()))
}

pub(super) fn one(admin: &Admin<'_>, group: &str, account: &str, name: &str) -> Answer {
    let mut inner = admin.state.lock();
    let scope = parent(group, account);
    match *admin.method() {
        Method::GET => {
            admin.permit(&inner, &format!("{KIND}/read"), &scope)?;
            let account = storage::find(admin, &inner, group, account)?;
            let found = account.containers.get(name).map(|own| ok(&form(account, name, own)));
            found.ok_or_else(|| {
                error(StatusCode::NOT_FOUND, "ContainerNotFound", "The specified container does not exist.")
            })
        }
        Method::PUT => {
            admin.permit(&inner, &format!("{KIND}/write"), &scope)?;
            storage::find(admin, &inner, group, account)?;
            let written = admin.written();
            if !blob::is_container_name(&written) {
                let message = "The specified resource name contains invalid characters.";
                return Err(error(StatusCode::BAD_REQUEST, "InvalidResourceName", message));
            }
            let etag = admin.state.etag();
            let Some(own) = inner.accounts.get_mut(account) else { return Err(admin.not_found(KIND, group, account)) };
            let new = !own.containers.contains_key(name);
            if new && own.containers.len() >= MAX_ENTRIES {
                return Err(super::full());
            }
            let made = Container { changed: admin.now, etag, blobs: BTreeMap::new() };
            own.containers.entry(name.to_owned()).or_insert(made);
            let entry = own.containers.get(name).map(|made| form(own, name, made)).unwrap_or_default();
            Ok(json_reply(if new { StatusCode::CREATED } else { StatusCode::OK }, &entry))
        }
        Method::DELETE => {
            admin.permit(&inner, &format!("{KIND}/delete"), &scope)?;
            storage::find(admin, &inner, group, account)?;
            let removed = inner.accounts.get_mut(account).and_then(|own| own.containers.remove(name));
            Ok(empty(if removed.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }))
        }
        _ => Err(admin.method_not_allowed()),
    }
}

fn form(account: &Account, name: &str, container: &Container) -> Value {
    json!({
        "id": account.container_id(name),
        "name": name,
        "type": KIND,
        "etag": container.etag,
        "properties": {
            "publicAccess": "None",
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "lastModifiedTime": seconds(container.changed),
        },
    })
}
