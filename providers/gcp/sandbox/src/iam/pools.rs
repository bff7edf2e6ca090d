//! Workload identity pools.

use carnet_gcp::trust::{Policy, Pool, State as Life, check_pool};
use serde_json::{Value, json};

use super::{Admin, exists, full, listed, not_found, policies, wrong_state};
use crate::{
    reply::{Answer, ApiError, invalid, not_emulated, ok, rpc, seconds},
    seed,
    state::{Inner, MAX_ENTRIES, PoolEntry, UNDELETE_WINDOW},
};

/// What a pool may be created or changed with.
const FIELDS: [&str; 5] = ["description", "disabled", "displayName", "mode", "name"];
const KIND: &str = "WorkloadIdentityPool";

pub(super) fn name(id: &str) -> String {
    format!("projects/{}/locations/global/workloadIdentityPools/{id}", seed::PROJECT_NUMBER)
}

fn resource(id: &str, pool: &Pool) -> Value {
    let mut resource = json!({ "name": name(id), "state": pool.state, "mode": "FEDERATION_ONLY" });
    if let Some(members) = resource.as_object_mut() {
        for (field, text) in [("displayName", &pool.display_name), ("description", &pool.description)] {
            if !text.is_empty() {
                members.insert(field.to_owned(), text.as_str().into());
            }
        }
        if pool.disabled {
            members.insert("disabled".to_owned(), true.into());
        }
        if let Some(expire) = pool.expire_time {
            members.insert("expireTime".to_owned(), seconds(expire).into());
        }
    }
    resource
}

pub(super) fn create(admin: &Admin<'_>) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.create", &inner)?;
    let id = admin.call.parameter("workloadIdentityPoolId").unwrap_or_default().to_owned();
    let mut pool = Pool::default();
    change(admin, &mut pool, &FIELDS.map(ToOwned::to_owned))?;
    let mistakes = check_pool(&id, &pool);
    if !mistakes.is_empty() {
        return Err(invalid(&mistakes));
    }
    // Deleted pools keep their ids until they are purged.
    if inner.pools.contains_key(&id) {
        return Err(exists());
    }
    if inner.pools.len() >= MAX_ENTRIES {
        return Err(full());
    }
    let made = resource(&id, &pool);
    let entry = PoolEntry { pool, providers: std::collections::BTreeMap::default(), policy: Policy::default() };
    inner.pools.insert(id.clone(), entry);
    Ok(admin.started(&mut inner, KIND, &name(&id), made))
}

pub(super) fn list(admin: &Admin<'_>) -> Answer {
    let inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.list", &inner)?;
    let shown = inner.pools.iter().filter(|(_, entry)| entry.pool.state == Life::Active || admin.shows_deleted());
    let (page, next) = admin.page(shown);
    Ok(listed("workloadIdentityPools", page.into_iter().map(|(id, entry)| resource(id, &entry.pool)).collect(), next))
}

pub(super) fn get(admin: &Admin<'_>, id: &str) -> Answer {
    let inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.get", &inner)?;
    let entry = inner.pool(id).ok_or_else(not_found)?;
    Ok(ok(&resource(id, &entry.pool)))
}

pub(super) fn patch(admin: &Admin<'_>, id: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.update", &inner)?;
    let entry = active(&mut inner, id)?;
    let mut pool = entry.pool.clone();
    change(admin, &mut pool, &admin.mask())?;
    let mistakes = check_pool(id, &pool);
    if !mistakes.is_empty() {
        return Err(invalid(&mistakes));
    }
    entry.pool = pool;
    let changed = resource(id, &entry.pool);
    Ok(admin.started(&mut inner, KIND, &name(id), changed))
}

pub(super) fn delete(admin: &Admin<'_>, id: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.delete", &inner)?;
    let entry = active(&mut inner, id)?;
    entry.pool.state = Life::Deleted;
    entry.pool.expire_time = admin.now.saturating_add(UNDELETE_WINDOW).ok();
    let deleted = resource(id, &entry.pool);
    Ok(admin.started(&mut inner, KIND, &name(id), deleted))
}

pub(super) fn undelete(admin: &Admin<'_>, id: &str) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.workloadIdentityPools.undelete", &inner)?;
    let entry = inner.pools.get_mut(id).ok_or_else(not_found)?;
    if entry.pool.state == Life::Active {
        return Err(wrong_state("The workload identity pool is not deleted."));
    }
    entry.pool.state = Life::Active;
    entry.pool.expire_time = None;
    let back = resource(id, &entry.pool);
    Ok(admin.started(&mut inner, KIND, &name(id), back))
}

pub(super) fn policy(admin: &Admin<'_>, id: &str, verb: &str) -> Answer {
    let mut guard = admin.state.lock();
    let inner = &mut *guard;
    let etag = policies::etag(inner.next());
    let entry = inner.pools.get_mut(id).ok_or_else(not_found)?;
    let held = [inner.project_policy.clone(), entry.policy.clone()];
    let exists = |email: &str| inner.accounts.contains_key(email);
    let call = policies::PolicyCall {
        session: &admin.session,
        body: &admin.body,
        etag,
        held: &held.each_ref(),
        exists: &exists,
    };
    call.answer(admin.state, super::SERVICE, "iam.workloadIdentityPools", verb, &mut entry.policy)
}

/// A pool that is there.
pub(super) fn active<'a>(inner: &'a mut Inner, id: &str) -> Result<&'a mut PoolEntry, ApiError> {
    let entry = inner.pools.get_mut(id).ok_or_else(not_found)?;
    match entry.pool.state {
        Life::Active => Ok(entry),
        Life::Deleted => Err(wrong_state("The workload identity pool is deleted.")),
    }
}

/// Takes the fields of the mask out of the body; one that is not there gets its default.
fn change(admin: &Admin<'_>, pool: &mut Pool, mask: &[String]) -> Result<(), ApiError> {
    let members = admin.only(&[FIELDS.as_slice(), &["etag", "expireTime", "state"]].concat())?;
    let text = |field: &str| match members.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(rpc("INVALID_ARGUMENT", format!("Invalid value at '{field}'."))),
    };
    for field in mask {
        match field.as_str() {
            "displayName" => pool.display_name = text(field)?,
            "description" => pool.description = text(field)?,
            "disabled" => {
                pool.disabled = match members.get(field) {
                    None | Some(Value::Null) => false,
                    Some(Value::Bool(disabled)) => *disabled,
                    Some(_) => return Err(rpc("INVALID_ARGUMENT", "Invalid value at 'disabled' (TYPE_BOOL).")),
                }
            }
            "mode" => {
                if !["", "MODE_UNSPECIFIED", "FEDERATION_ONLY"].contains(&text(field)?.as_str()) {
                    return Err(not_emulated("Pools in another mode than FEDERATION_ONLY are"));
                }
            }
            "name" => {}
            other => return Err(rpc("INVALID_ARGUMENT", format!("Invalid field mask: '{other}'."))),
        }
    }
    Ok(())
}
