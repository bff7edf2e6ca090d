//! Storage accounts ("Storage Resource Provider", REST API 2023-05-01).

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Admin, error, groups, operations};
use crate::{
    reply::{Answer, ApiError, empty, ok, seconds},
    seed,
    state::{Account, Inner, MAX_ENTRIES},
};

pub(super) const KIND: &str = "Microsoft.Storage/storageAccounts";
/// Kinds that have blobs and can be made today.
const KINDS: [&str; 3] = ["BlobStorage", "BlockBlobStorage", "StorageV2"];

pub(super) fn all(admin: &Admin<'_>, group: Option<&str>) -> Answer {
    if *admin.method() != Method::GET {
        return Err(admin.method_not_allowed());
    }
    let inner = admin.state.lock();
    let group = group.map(|group| super::group_name(&inner, group)).transpose()?;
    let scope = group.as_deref().map_or_else(|| format!("/subscriptions/{}", seed::SUBSCRIPTION), groups::id);
    admin.permit(&inner, &format!("{KIND}/read"), &scope)?;
    let fits = |own: &&Account| group.as_deref().is_none_or(|group| own.group.eq_ignore_ascii_case(group));
    Ok(admin.list(inner.accounts.values().filter(fits).map(form).collect()))
}

pub(super) fn one(admin: &Admin<'_>, group: &str, name: &str) -> Answer {
    let mut inner = admin.state.lock();
    let id = seed::resource(group, &format!("{KIND}/{name}"));
    match *admin.method() {
        Method::GET => {
            admin.permit(&inner, &format!("{KIND}/read"), &id)?;
            Ok(ok(&form(find(admin, &inner, group, name)?)))
        }
        Method::PUT => {
            admin.permit(&inner, &format!("{KIND}/write"), &id)?;
            let group = super::group_name(&inner, group)?;
            put(admin, &mut inner, &group, name)
        }
        Method::DELETE => {
            admin.permit(&inner, &format!("{KIND}/delete"), &id)?;
            if find(admin, &inner, group, name).is_err() {
                return Ok(empty(StatusCode::NO_CONTENT));
            }
            inner.accounts.remove(name);
            inner.assignments.remove_below(&id);
            Ok(empty(StatusCode::OK))
        }
        _ => Err(admin.method_not_allowed()),
    }
}

/// The account of this name.
///
/// # Errors
/// 404 for the group or the account.
pub(super) fn find<'i>(admin: &Admin<'_>, inner: &'i Inner, group: &str, name: &str) -> Result<&'i Account, ApiError> {
    let group = super::group_name(inner, group)?;
    let found = inner.accounts.get(name).filter(|own| own.group.eq_ignore_ascii_case(&group));
    found.ok_or_else(|| admin.not_found(KIND, &group, name))
}

fn put(admin: &Admin<'_>, inner: &mut Inner, group: &str, name: &str) -> Answer {
    let body = admin.body()?;
    check(&admin.written())?;
    if let Some(own) = inner.accounts.get(name) {
        if !own.group.eq_ignore_ascii_case(group) {
            let message = format!("The storage account named {name} is already taken.");
            return Err(error(StatusCode::CONFLICT, "StorageAccountAlreadyTaken", &message));
        }
        return Ok(ok(&form(own)));
    }
    let location = super::location(&body)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    let kind = text(body.get("kind")).unwrap_or_default();
    if !KINDS.contains(&kind.as_str()) {
        let message = "The request content was invalid: kind must be one that has blobs, for instance StorageV2.";
        return Err(error(StatusCode::BAD_REQUEST, "InvalidRequestPropertyValue", message));
    }
    let sku = text(body.get("sku").and_then(|sku| sku.get("name")));
    let sku = sku.ok_or_else(|| {
        error(
            StatusCode::BAD_REQUEST,
            "InvalidRequestPropertyValue",
            "The request content was invalid: sku.name is missing.",
        )
    })?;
    if inner.accounts.len() >= MAX_ENTRIES {
        return Err(super::full());
    }
    let account = Account {
        name: name.to_owned(),
        group: group.to_owned(),
        location,
        kind,
        sku,
        created: admin.now,
        containers: BTreeMap::new(),
    };
    let entry = form(&account);
    inner.accounts.insert(name.to_owned(), account);
    Ok(operations::begin(admin, inner, "Microsoft.Storage", entry))
}

/// Whether a name is free and can be one.
pub(super) fn check_name(admin: &Admin<'_>) -> Answer {
    if *admin.method() != Method::POST {
        return Err(admin.method_not_allowed());
    }
    let body = admin.body()?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let inner = admin.state.lock();
    admin.permit(&inner, &format!("{KIND}/read"), &format!("/subscriptions/{}", seed::SUBSCRIPTION))?;
    let answer = |reason: &str, message: &str| json!({ "nameAvailable": false, "reason": reason, "message": message });
    Ok(ok(&if check(name).is_err() {
        answer("AccountNameInvalid", NAME)
    } else if inner.accounts.contains_key(name) {
        answer("AlreadyExists", &format!("The storage account named {name} is already taken."))
    } else {
        json!({ "nameAvailable": true })
    }))
}

const NAME: &str =
    "Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.";

fn check(name: &str) -> Result<(), ApiError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if (3..=24).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!("{} is not a valid storage account name. {NAME}", carnet_core::safe_text(name));
    Err(error(StatusCode::BAD_REQUEST, "AccountNameInvalid", &message))
}

fn form(account: &Account) -> Value {
    json!({
        "id": account.id(),
        "name": account.name,
        "type": KIND,
        "location": account.location,
        "kind": account.kind,
        "sku": { "name": account.sku, "tier": "Standard" },
        "tags": {},
        "properties": {
            "provisioningState": "Succeeded",
            "creationTime": seconds(account.created),
            "primaryLocation": account.location,
            "statusOfPrimary": "available",
            "supportsHttpsTrafficOnly": true,
            // There are no keys here: tokens alone open it.
            "allowSharedKeyAccess": false,
            "allowBlobPublicAccess": false,
            "primaryEndpoints": { "blob": format!("https://{}.blob.core.windows.net/", account.name) },
        },
    })
}
