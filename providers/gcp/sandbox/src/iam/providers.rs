//! Providers of workload identity pools.

use carnet_gcp::trust::{CheckedProvider, Provider, State as Life};
use serde_json::{Map, Value, json};

use super::{Admin, exists, full, listed, not_found, pools, wrong_state};
use crate::{
    reply::{Answer, ApiError, invalid, not_emulated, ok, rpc, seconds},
    state::{Inner, UNDELETE_WINDOW},
};

/// What a provider may be created or changed with.
const FIELDS: [&str; 9] =
    ["attributeCondition", "attributeMapping", "aws", "description", "disabled", "displayName", "name", "oidc", "x509"];
/// The fields of whom it trusts.
const KIND_FIELDS: [(&str, &[&str]); 3] = [
    ("aws", &["accountId"]),
    ("oidc", &["allowedAudiences", "discoveryUri", "issuerUri", "jwksJson"]),
    ("x509", &["trustStore"]),
];
/// The lists of a trust store.
const STORE_FIELDS: [&str; 2] = ["intermediateCas", "trustAnchors"];
/// Most providers of a pool.
const MAX_PROVIDERS: usize = 200;
const KIND: &str = "WorkloadIdentityPoolProvider";

fn name(pool: &str, id: &str) -> String {
    format!("{}/providers/{id}", pools::name(pool))
}

fn resource(pool: &str, id: &str, provider: &Provider) -> Value {
    let mut resource = serde_json::to_value(provider).unwrap_or_default();
    if let Some(members) = resource.as_object_mut() {
        members.insert("name".to_owned(), name(pool, id).into());
        if let Some(expire) = provider.expire_time {
            members.insert("expireTime".to_owned(), seconds(expire).into());
        }
    }
    resource
}

pub(super) fn create(admin: &Admin<'_>, pool: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPoolProviders.create", &inner)?;
    let entry = pools::active(&mut inner, pool)?;
    let id = admin.call.parameter("workloadIdentityPoolProviderId").unwrap_or_default().to_owned();
    let provider = changed(admin, &Provider::default(), &FIELDS.map(ToOwned::to_owned))?;
    let checked = CheckedProvider::new(&id, provider).map_err(|mistakes| invalid(&mistakes))?;
    if entry.providers.contains_key(&id) {
        return Err(exists());
    }
    if entry.providers.len() >= MAX_PROVIDERS {
        return Err(full());
    }
    let made = resource(pool, &id, checked.provider());
    entry.providers.insert(id.clone(), checked);
    Ok(admin.started(&mut inner, KIND, &name(pool, &id), made))
}

pub(super) fn list(admin: &Admin<'_>, pool: &str) -> Answer {
    let inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPoolProviders.list", &inner)?;
    let entry = inner.pool(pool).ok_or_else(not_found)?;
    let shown =
        entry.providers.iter().filter(|(_, checked)| checked.provider().state == Life::Active || admin.shows_deleted());
    let (page, next) = admin.page(shown);
    let entries = page.into_iter().map(|(id, checked)| resource(pool, id, checked.provider())).collect();
    Ok(listed("workloadIdentityPoolProviders", entries, next))
}

pub(super) fn get(admin: &Admin<'_>, pool: &str, id: &str) -> Answer {
    let inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPoolProviders.get", &inner)?;
    let checked = inner.pool(pool).and_then(|entry| entry.providers.get(id)).ok_or_else(not_found)?;
    Ok(ok(&resource(pool, id, checked.provider())))
}

pub(super) fn patch(admin: &Admin<'_>, pool: &str, id: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPoolProviders.update", &inner)?;
    let old = find(&mut inner, pool, id)?;
    if old.state == Life::Deleted {
        return Err(wrong_state("The workload identity pool provider is deleted."));
    }
    let provider = changed(admin, &old, &admin.mask())?;
    replace(admin, &mut inner, pool, id, provider)
}

pub(super) fn delete(admin: &Admin<'_>, pool: &str, id: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPoolProviders.delete", &inner)?;
    let provider = find(&mut inner, pool, id)?;
    if provider.state == Life::Deleted {
        return Err(wrong_state("The workload identity pool provider is deleted."));
    }
    let expire_time = admin.now.saturating_add(UNDELETE_WINDOW).ok();
    replace(admin, &mut inner, pool, id, Provider { state: Life::Deleted, expire_time, ..provider })
}

pub(super) fn undelete(admin: &Admin<'_>, pool: &str, id: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPoolProviders.undelete", &inner)?;
    let provider = find(&mut inner, pool, id)?;
    if provider.state == Life::Active {
        return Err(wrong_state("The workload identity pool provider is not deleted."));
    }
    replace(admin, &mut inner, pool, id, Provider { state: Life::Active, expire_time: None, ..provider })
}

fn find(inner: &mut Inner, pool: &str, id: &str) -> Result<Provider, ApiError> {
    let entry = pools::active(inner, pool)?;
    entry.providers.get(id).map(|checked| checked.provider().clone()).ok_or_else(not_found)
}

fn replace(admin: &Admin<'_>, inner: &mut Inner, pool: &str, id: &str, provider: Provider) -> Answer {
    let checked = CheckedProvider::new(id, provider).map_err(|mistakes| invalid(&mistakes))?;
    let changed = resource(pool, id, checked.provider());
    pools::active(inner, pool)?.providers.insert(id.to_owned(), checked);
    Ok(admin.started(inner, KIND, &name(pool, id), changed))
}

/// The provider with the fields of the mask taken out of the body; one that is not there gets its default.
fn changed(admin: &Admin<'_>, old: &Provider, mask: &[String]) -> Result<Provider, ApiError> {
    let members = admin.only(&[FIELDS.as_slice(), &["expireTime", "saml", "state"]].concat())?;
    if members.contains_key("saml") {
        return Err(not_emulated("Providers of the kind 'saml' are"));
    }
    for (kind, known) in KIND_FIELDS {
        only(kind, members.get(kind), known)?;
    }
    check_store(members.get("x509").and_then(|x509| x509.get("trustStore")))?;
    let mut form = serde_json::to_value(old).unwrap_or_default();
    for field in mask {
        let known = FIELDS.contains(&field.as_str())
            || field.split_once('.').is_some_and(|(kind, inner)| {
                KIND_FIELDS.iter().any(|(known, fields)| *known == kind && fields.contains(&inner))
            });
        if !known {
            return Err(rpc("INVALID_ARGUMENT", format!("Invalid field mask: '{field}'.")));
        }
        match field.split_once('.') {
            _ if field == "name" => {}
            None => set(form.as_object_mut(), field, members.get(field)),
            Some((outer, inner)) => {
                let value = members.get(outer).and_then(|outer| outer.get(inner));
                let place = form.as_object_mut().map(|form| form.entry(outer).or_insert_with(|| json!({})));
                set(place.and_then(Value::as_object_mut), inner, value);
            }
        }
    }
    serde_json::from_value(form)
        .map_err(|_wrong| rpc("INVALID_ARGUMENT", "Invalid value in the provider: a field has another type."))
}

/// Refuses members that an object does not have.
fn only(place: &str, object: Option<&Value>, known: &[&str]) -> Result<(), ApiError> {
    let members = object.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    match members.into_iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field.");
            Err(rpc("INVALID_ARGUMENT", message))
        }
    }
}

fn check_store(store: Option<&Value>) -> Result<(), ApiError> {
    if store.and_then(|store| store.get("trustDefaultSharedCa")) == Some(&Value::Bool(true)) {
        return Err(not_emulated("Trust stores with 'trustDefaultSharedCa' are"));
    }
    only("x509.trust_store", store, &[STORE_FIELDS.as_slice(), &["trustDefaultSharedCa"]].concat())?;
    for field in STORE_FIELDS {
        let list = store.and_then(|store| store.get(field)).and_then(Value::as_array);
        for one in list.into_iter().flatten() {
            only(&format!("x509.trust_store.{field}"), Some(one), &["pemCertificate"])?;
        }
    }
    Ok(())
}

fn set(form: Option<&mut Map<String, Value>>, field: &str, value: Option<&Value>) {
    let Some(form) = form else { return };
    match value {
        None | Some(Value::Null) => drop(form.remove(field)),
        Some(value) => drop(form.insert(field.to_owned(), value.clone())),
    }
}
