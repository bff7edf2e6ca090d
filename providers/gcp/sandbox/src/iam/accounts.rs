//! Service accounts.

use carnet_gcp::trust::Policy;
use serde_json::{Value, json};

use super::{Admin, SERVICE, full, listed, policies};
use crate::{
    access,
    reply::{self, Answer, ApiError, ok, rpc},
    seed,
    state::{Account, Inner, MAX_ENTRIES},
};

fn resource(email: &str, account: &Account) -> Value {
    let mut resource = json!({
        "name": format!("projects/{}/serviceAccounts/{email}", seed::PROJECT),
        "projectId": seed::PROJECT,
        "uniqueId": account.unique_id,
        "email": email,
        "displayName": account.display_name,
        "oauth2ClientId": account.unique_id,
        "etag": "MDEwMjE5MjA=",
    });
    if let Some(members) = resource.as_object_mut()
        && !account.description.is_empty()
    {
        members.insert("description".to_owned(), account.description.as_str().into());
    }
    resource
}

pub(super) fn create(admin: &Admin<'_>) -> Answer {
    let mut inner = admin.state.lock();
    admin.permit("iam.serviceAccounts.create", &inner)?;
    let members = admin.only(&["accountId", "serviceAccount"])?;
    let id = members.get("accountId").and_then(Value::as_str).unwrap_or_default();
    if !is_account_id(id) {
        let message =
            "The account ID has 6 to 30 characters of [a-z0-9-], begins with a letter and does not end in a dash.";
        return Err(rpc("INVALID_ARGUMENT", message));
    }
    let email = format!("{id}@{}.iam.gserviceaccount.com", seed::PROJECT);
    if inner.accounts.contains_key(&email) {
        let message = format!("Service account {id} already exists within project projects/{}.", seed::PROJECT);
        return Err(rpc("ALREADY_EXISTS", message));
    }
    if inner.accounts.len() >= MAX_ENTRIES {
        return Err(full());
    }
    // Unique ids have 21 digits.
    let unique_id = format!("1{:020}", 2_000_000_000_000_u64.saturating_add(inner.next()));
    let text = |field: &str| {
        let text = members.get("serviceAccount").and_then(|account| account.get(field)).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let mut account = Account::new(&unique_id, &text("displayName"));
    account.description = text("description");
    let made = resource(&email, &account);
    inner.accounts.insert(email.clone(), account);
    inner.account_policies.insert(email, Policy::default());
    Ok(ok(&made))
}

pub(super) fn list(admin: &Admin<'_>) -> Answer {
    let inner = admin.state.lock();
    admin.permit("iam.serviceAccounts.list", &inner)?;
    let (page, next) = admin.page(inner.accounts.iter());
    Ok(listed("accounts", page.into_iter().map(|(email, account)| resource(email, account)).collect(), next))
}

pub(super) fn get(admin: &Admin<'_>, name: &str) -> Answer {
    let inner = admin.state.lock();
    let email = inner.account_email(name);
    permit(admin, &inner, email.as_deref(), "iam.serviceAccounts.get")?;
    let email = email.ok_or_else(|| unknown(name))?;
    let account = inner.accounts.get(&email).ok_or_else(|| unknown(name))?;
    Ok(ok(&resource(&email, account)))
}

pub(super) fn delete(admin: &Admin<'_>, name: &str) -> Answer {
    let mut inner = admin.state.lock();
    let email = inner.account_email(name);
    permit(admin, &inner, email.as_deref(), "iam.serviceAccounts.delete")?;
    let email = email.ok_or_else(|| unknown(name))?;
    inner.delete_account(&email);
    Ok(ok(&json!({})))
}

pub(super) fn policy(admin: &Admin<'_>, name: &str, verb: &str) -> Answer {
    let mut guard = admin.state.lock();
    let inner = &mut *guard;
    let email = inner.account_email(name).ok_or_else(|| unknown(name))?;
    let etag = policies::etag(inner.next());
    let policy = inner.account_policies.entry(email).or_default();
    let held = [inner.project_policy.clone(), policy.clone()];
    let exists = |email: &str| inner.accounts.contains_key(email);
    let call = policies::PolicyCall {
        session: &admin.session,
        body: &admin.body,
        etag,
        held: &held.each_ref(),
        exists: &exists,
    };
    call.answer(admin.state, SERVICE, "iam.serviceAccounts", verb, policy)
}

/// Whether the policy of the account or of the project lets the caller do it. For an account that is not there the
/// project alone decides.
fn permit(admin: &Admin<'_>, inner: &Inner, email: Option<&str>, permission: &str) -> Result<(), ApiError> {
    let own = email.and_then(|email| inner.account_policies.get(email));
    let policies: Vec<&Policy> = own.into_iter().chain([&inner.project_policy]).collect();
    let what = email.unwrap_or("the project");
    access::permit(admin.state, SERVICE, &admin.session, permission, what, &policies).map_err(reply::refused)
}

fn unknown(name: &str) -> ApiError {
    rpc("NOT_FOUND", format!("Unknown service account: {name}"))
}

/// IAM, `projects.serviceAccounts.create`, `accountId`.
fn is_account_id(id: &str) -> bool {
    (6..=30).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && id.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && !id.ends_with('-')
}
