//! `storage.googleapis.com`: just enough of Cloud Storage's JSON API that a credential can be shown to work.

mod objects;
mod precondition;
mod upload;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_gcp::trust::Policy;
use carnet_trust::Refusal;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    access,
    call::Call,
    reply::{Answer, ApiError, json_reply, ok},
    seed,
    state::{Bucket, MAX_ENTRIES, State},
    tokens::Session,
};

pub use upload::parse_multipart;

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-storage";

/// Scopes that cover reading.
const READ: [&str; 4] = [
    "https://www.googleapis.com/auth/cloud-platform.read-only",
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/devstorage.read_only",
    "https://www.googleapis.com/auth/devstorage.read_write",
];
/// Scopes that cover writing.
const WRITE: [&str; 2] = [
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/devstorage.read_write",
];

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    // Object names may end in a colon and a word; here it is no verb.
    let mut parts = call.parts();
    let last = call.last_part();
    if let Some(part) = parts.last_mut() {
        *part = &last;
    }
    let session = access::authenticate(state, SERVICE, &call.headers).map_err(unauthenticated)?;
    let scopes: &[&str] = if call.method == Method::GET { &READ } else { &WRITE };
    access::check_scope(&session, scopes).map_err(|refusal| {
        let message = "Insufficient Permission: Request had insufficient authentication scopes.";
        error(StatusCode::FORBIDDEN, "insufficientPermissions", message, Some(refusal))
    })?;
    let user = User { state, call, session };
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["storage", "v1", "b"]) => list(&user),
        ("POST", ["storage", "v1", "b"]) => create(&user),
        ("GET", ["storage", "v1", "b", bucket]) => get(&user, bucket),
        ("DELETE", ["storage", "v1", "b", bucket]) => delete(&user, bucket),
        ("GET", ["storage", "v1", "b", bucket, "o"]) => objects::list(&user, bucket),
        ("GET", ["storage", "v1", "b", bucket, "o", object]) => objects::get(&user, bucket, object, false),
        ("GET", ["download", "storage", "v1", "b", bucket, "o", object]) => objects::get(&user, bucket, object, true),
        ("DELETE", ["storage", "v1", "b", bucket, "o", object]) => objects::delete(&user, bucket, object),
        ("POST" | "PUT", ["upload" | "resumable", "storage", "v1", "b", bucket, "o"]) => upload::upload(&user, bucket),
        _ => Err(error(StatusCode::NOT_FOUND, "notFound", "Not Found", None)),
    }
}

/// Who asks for what.
struct User<'a> {
    state: &'a Arc<State>,
    call: &'a Call,
    session: Session,
}

impl User<'_> {
    fn now(&self) -> Timestamp {
        self.state.world.now(SERVICE)
    }

    /// Whether the policies let the caller do it.
    fn permit(&self, permission: &str, what: &str, policies: &[&Policy]) -> Result<(), ApiError> {
        access::permit(self.state, SERVICE, &self.session, permission, what, policies).map_err(|refusal| {
            let who = self.session.caller.principal();
            let who = who.strip_prefix("serviceAccount:").unwrap_or(&who);
            let message = format!(
                "{who} does not have {permission} access to the Google Cloud {what}. Permission '{permission}' denied on \
                 resource (or it may not exist)."
            );
            error(StatusCode::FORBIDDEN, "forbidden", &message, Some(refusal))
        })
    }
}

fn list(user: &User<'_>) -> Answer {
    let project = user.call.parameter("project").unwrap_or_default();
    if project.is_empty() {
        return Err(error(StatusCode::BAD_REQUEST, "required", "Required parameter: project", None));
    }
    let inner = user.state.lock();
    user.permit("storage.buckets.list", "project", &[project_policy(project, &inner.project_policy)])?;
    let prefix = user.call.parameter("prefix").unwrap_or_default();
    let names = inner.buckets.keys().filter(|name| name.starts_with(prefix));
    let (names, next) = page(user.call, names);
    let items: Vec<Value> =
        names.iter().filter_map(|name| Some(resource(name, inner.buckets.get(name.as_str())?))).collect();
    let mut body = json!({ "kind": "storage#buckets" });
    if let Some(body) = body.as_object_mut() {
        // Absent when it would be empty, as in the real answer.
        if !items.is_empty() {
            body.insert("items".to_owned(), items.into());
        }
        if let Some(next) = next {
            body.insert("nextPageToken".to_owned(), next.into());
        }
    }
    Ok(ok(&body))
}

fn create(user: &User<'_>) -> Answer {
    let body = user.call.json()?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let now = user.now();
    let mut inner = user.state.lock();
    let project = user.call.parameter("project").unwrap_or_default();
    user.permit("storage.buckets.create", "project", &[project_policy(project, &inner.project_policy)])?;
    if !is_bucket_name(&name) {
        let message = format!("Invalid bucket name: '{name}'");
        return Err(error(StatusCode::BAD_REQUEST, "invalid", &message, None));
    }
    if inner.buckets.contains_key(&name) {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(error(StatusCode::CONFLICT, "conflict", message, None));
    }
    if inner.buckets.len() >= MAX_ENTRIES {
        return Err(error(StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded", "Too many buckets.", None));
    }
    let mut bucket = Bucket::new(now);
    let text = |member: &str| body.get(member).and_then(Value::as_str).map(str::to_ascii_uppercase);
    bucket.location = text("location").unwrap_or(bucket.location);
    bucket.storage_class = text("storageClass").unwrap_or(bucket.storage_class);
    let answer = resource(&name, &bucket);
    inner.buckets.insert(name, bucket);
    Ok(ok(&answer))
}

fn get(user: &User<'_>, name: &str) -> Answer {
    let inner = user.state.lock();
    let bucket = inner.buckets.get(name).ok_or_else(no_bucket)?;
    user.permit("storage.buckets.get", "Storage bucket", &[&bucket.policy, &inner.project_policy])?;
    Ok(ok(&resource(name, bucket)))
}

fn delete(user: &User<'_>, name: &str) -> Answer {
    let mut inner = user.state.lock();
    let bucket = inner.buckets.get(name).ok_or_else(no_bucket)?;
    user.permit("storage.buckets.delete", "Storage bucket", &[&bucket.policy, &inner.project_policy])?;
    if !bucket.objects.is_empty() {
        return Err(error(StatusCode::CONFLICT, "conflict", "The bucket you tried to delete is not empty.", None));
    }
    inner.buckets.remove(name);
    Ok(json_reply(StatusCode::NO_CONTENT, &json!({})))
}

fn resource(name: &str, bucket: &Bucket) -> Value {
    let created = millis(bucket.created);
    json!({
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "selfLink": format!("https://www.googleapis.com/storage/v1/b/{name}"),
        "projectNumber": seed::PROJECT_NUMBER,
        "location": bucket.location,
        "locationType": "multi-region",
        "storageClass": bucket.storage_class,
        "timeCreated": created,
        "updated": created,
        "metageneration": "1",
        "etag": "CAE=",
    })
}

/// The policy of a project that is named by id or number; another project is not the caller's.
fn project_policy<'a>(name: &str, policy: &'a Policy) -> &'a Policy {
    static NOBODY: Policy = Policy { version: 1, bindings: Vec::new(), etag: String::new() };
    if [seed::PROJECT, seed::PROJECT_NUMBER].contains(&name) { policy } else { &NOBODY }
}

/// Cloud Storage, "Bucket names": 3 to 63 characters, lower case, digits, dashes, underscores and dots, letters or
/// digits at both ends, not `goog…`.
fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || b"-_.".contains(&byte))
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain)
        && !name.starts_with("goog")
}

/// The names of one page and the token of the next, which is the last name of this one.
fn page<'a>(call: &Call, names: impl Iterator<Item = &'a String>) -> (Vec<String>, Option<String>) {
    const MOST: usize = 1000;
    let size = call.parameter("maxResults").and_then(|size| size.parse().ok()).unwrap_or(MOST).clamp(1, MOST);
    let after = call.parameter("pageToken").and_then(|token| STANDARD.decode(token).ok());
    let after = after.and_then(|token| String::from_utf8(token).ok()).unwrap_or_default();
    let mut names: Vec<String> = names.filter(|name| **name > after).take(size.saturating_add(1)).cloned().collect();
    let more = names.len() > size;
    names.truncate(size);
    let next = more.then(|| names.last().map(|name| STANDARD.encode(name))).flatten();
    (names, next)
}

fn no_bucket() -> ApiError {
    error(StatusCode::NOT_FOUND, "notFound", "The specified bucket does not exist.", None)
}

/// `2026-11-21T12:00:00.000Z`
fn millis(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn unauthenticated(refusal: Box<Refusal>) -> ApiError {
    let anonymous = refusal.seen == "no access token";
    let (reason, message) =
        if anonymous { ("required", "Login Required.") } else { ("authError", "Invalid Credentials") };
    let mut failure = error(StatusCode::UNAUTHORIZED, reason, message, Some(refusal));
    if let Some(first) = failure.body.pointer_mut("/error/errors/0").and_then(Value::as_object_mut) {
        first.insert("locationType".to_owned(), "header".into());
        first.insert("location".to_owned(), "Authorization".into());
    }
    failure
}

fn error(status: StatusCode, reason: &str, message: &str, refusal: Option<Box<Refusal>>) -> ApiError {
    let errors = json!([{ "message": message, "domain": "global", "reason": reason }]);
    let body = json!({ "error": { "code": status.as_u16(), "message": message, "errors": errors } });
    ApiError { status, body, refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for (name, expected) in [
            ("carnet-logs", true),
            ("a.b_c", true),
            ("ab", false),
            ("-abc", false),
            ("abc.", false),
            ("Abc", false),
            ("google-x", false),
            (&"a".repeat(64), false),
        ] {
            assert_eq!(is_bucket_name(name), expected, "{name}");
        }
    }
}
