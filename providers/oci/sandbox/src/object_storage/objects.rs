//! Objects of a bucket.

use std::{collections::BTreeMap, ops::Range};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{
    CONTENT_MD5, NAME, Place, etag, md5,
    range::{Selected, selected},
    require_match,
};
use crate::{
    reply::{ApiError, ok, with_header},
    storage::{Bucket, Object},
};

/// Most objects of one list.
const MOST: usize = 1000;

/// Longest name of an object, in bytes.
const MAX_NAME: usize = 1024;

pub(super) fn put(at: &Place<'_>, name: &str) -> Result<Response, ApiError> {
    if name.is_empty() || name.len() > MAX_NAME || name.contains(['\n', '\r', '\0']) {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "InvalidObjectName", "The object name is not valid"));
    }
    let bucket = at.bucket("OBJECT_CREATE").or_else(|error| overwrite(at, name).ok_or(error))?;
    let existing = bucket.objects.get(name);
    if existing.is_some() {
        at.bucket("OBJECT_OVERWRITE")?;
    }
    if existing.is_some() && at.call.header("if-none-match") == Some("*") {
        return Err(ApiError::new(
            StatusCode::PRECONDITION_FAILED,
            "IfNoneMatchFailed",
            "The If-None-Match header is '*' and the object exists",
        ));
    }
    require_match(at.call, existing.map(|existing| existing.etag.as_str()))?;
    let content = at.call.body.clone();
    let sum = md5(&content);
    if at.call.header("content-md5").is_some_and(|sent| sent != sum) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "UnmatchedContentMD5",
            "The computed MD5 of the request body does not match the Content-MD5 header",
        ));
    }
    let metadata = at
        .call
        .parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix("opc-meta-")?.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let object = Object {
        content_type: at.call.header("content-type").unwrap_or("application/octet-stream").to_owned(),
        md5: sum,
        etag: etag(at.call),
        time_modified: at.call.state.world().now(NAME),
        metadata,
        content,
    };
    let reply = with_header(StatusCode::OK.into_response(), header::ETAG, &object.etag);
    let reply = with_header(reply, HeaderName::from_static("opc-content-md5"), &object.md5);
    let reply = with_modified(reply, &object);
    let mut storage = at.call.state.storage_mut();
    if !storage.has_room(object.content.len()) {
        return Err(ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "StorageLimitExceeded", "The sandbox is full"));
    }
    match storage.buckets.get_mut(&at.bucket) {
        Some(bucket) => bucket.objects.insert(name.to_owned(), object),
        None => return Err(at.no_bucket()),
    };
    Ok(reply)
}

/// Who may only overwrite may put an object that is there.
fn overwrite(at: &Place<'_>, name: &str) -> Option<Bucket> {
    at.bucket("OBJECT_OVERWRITE").ok().filter(|bucket| bucket.objects.contains_key(name))
}

pub(super) fn get(at: &Place<'_>, name: &str) -> Result<Response, ApiError> {
    let bucket = at.bucket("OBJECT_READ").map_err(|error| hidden(at, name, error))?;
    let object = bucket.objects.get(name).ok_or_else(|| absent(at, name))?;
    require_match(at.call, Some(&object.etag))?;
    if let Some(unchanged) = unchanged(at, object) {
        return Ok(unchanged);
    }
    let length = object.content.len();
    match asked(at, object).map_or(Selected::Whole, |range| selected(range, length)) {
        Selected::Whole => Ok(described(object, Body::from(object.content.clone()))),
        Selected::Part(range) => Ok(part(object, range)),
        Selected::Nothing => {
            // UNCONFIRMED code: the API reference names the header and no error for it.
            let error = ApiError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                format!("The requested range lies behind the {length} bytes of the object"),
            );
            Ok(with_header(error.into_response(), header::CONTENT_RANGE, &format!("bytes */{length}")))
        }
    }
}

/// `Range`, unless `If-Range` names another version than the one that is here (RFC 9110, 13.1.5).
fn asked<'c>(at: &Place<'c>, object: &Object) -> Option<&'c str> {
    let range = at.call.header("range")?;
    let same = at.call.header("if-range").is_none_or(|wanted| wanted.trim_matches('"') == object.etag);
    same.then_some(range)
}

/// 206 (RFC 9110, 15.3.7). The hash of the whole would only mislead beside a part.
fn part(object: &Object, range: Range<usize>) -> Response {
    let shown = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.content.len());
    let mut response = described(object, Body::from(object.content.slice(range)));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response.headers_mut().remove(CONTENT_MD5);
    with_header(response, header::CONTENT_RANGE, &shown)
}

pub(super) fn head(at: &Place<'_>, name: &str) -> Result<Response, ApiError> {
    let bucket = at.bucket("OBJECT_INSPECT").map_err(|error| hidden(at, name, error))?;
    let object = bucket.objects.get(name).ok_or_else(|| absent(at, name))?;
    require_match(at.call, Some(&object.etag))?;
    if let Some(unchanged) = unchanged(at, object) {
        return Ok(unchanged);
    }
    Ok(with_header(described(object, Body::empty()), header::CONTENT_LENGTH, &object.content.len().to_string()))
}

/// 304 for a reader who has it already (RFC 9110, 13.1.2).
fn unchanged(at: &Place<'_>, object: &Object) -> Option<Response> {
    let known = at.call.header("if-none-match")?;
    let same = known.trim_matches('"') == object.etag || known == "*";
    same.then(|| with_header(StatusCode::NOT_MODIFIED.into_response(), header::ETAG, &object.etag))
}

pub(super) fn delete(at: &Place<'_>, name: &str) -> Result<Response, ApiError> {
    let bucket = at.bucket("OBJECT_DELETE").map_err(|error| hidden(at, name, error))?;
    let object = bucket.objects.get(name).ok_or_else(|| absent(at, name))?;
    require_match(at.call, Some(&object.etag))?;
    if let Some(bucket) = at.call.state.storage_mut().buckets.get_mut(&at.bucket) {
        bucket.objects.remove(name);
    }
    let deleted = at.call.state.world().now(NAME).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Ok(with_header(StatusCode::NO_CONTENT.into_response(), header::LAST_MODIFIED, &deleted))
}

/// `ListObjects`: prefix, start, end, limit, delimiter, fields.
pub(super) fn list(at: &Place<'_>) -> Result<Response, ApiError> {
    let bucket = at.bucket("OBJECT_INSPECT")?;
    let query = |name: &str| at.call.query(name);
    let limit = match query("limit") {
        None => MOST,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| ApiError::invalid(format!("limit must be between 1 and {MOST}")))?,
    };
    let prefix = query("prefix").unwrap_or_default();
    let (start, end) = (query("start").unwrap_or_default(), query("end"));
    let delimiter = match query("delimiter").as_deref() {
        None => None,
        Some("/") => Some('/'),
        Some(_) => return Err(ApiError::invalid("delimiter must be /")),
    };
    let fields = query("fields").unwrap_or_default();
    let mut prefixes: Vec<String> = Vec::new();
    let mut shown = Vec::new();
    let mut next = None;
    for (name, object) in bucket.objects.range(start..) {
        if end.as_ref().is_some_and(|end| name >= end) {
            break;
        }
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        let folder =
            delimiter.and_then(|delimiter| rest.split_once(delimiter)).map(|(first, _)| format!("{prefix}{first}/"));
        if folder.as_ref().is_some_and(|folder| prefixes.last() == Some(folder)) {
            continue;
        }
        if shown.len().saturating_add(prefixes.len()) >= limit {
            next = Some(name.clone());
            break;
        }
        match folder {
            Some(folder) => prefixes.push(folder),
            None => shown.push(summary(name, object, &fields)),
        }
    }
    Ok(ok(&json!({ "objects": shown, "prefixes": prefixes, "nextStartWith": next })))
}

fn summary(name: &str, object: &Object, fields: &str) -> Value {
    let mut shown = json!({ "name": name });
    for field in fields.split(',').map(str::trim) {
        let value = match field {
            "size" => json!(object.content.len()),
            "etag" => json!(object.etag),
            "md5" => json!(object.md5),
            "timeCreated" | "timeModified" => json!(object.time_modified.to_string()),
            "storageTier" => json!("Standard"),
            _ => continue,
        };
        if let Some(shown) = shown.as_object_mut() {
            shown.insert(field.to_owned(), value);
        }
    }
    shown
}

/// Without the permission the bucket looks absent to who may not see it, the object to who may.
fn hidden(at: &Place<'_>, name: &str, error: ApiError) -> ApiError {
    if at.bucket("BUCKET_INSPECT").is_ok() { absent(at, name).because(error.refusal) } else { error }
}

fn absent(at: &Place<'_>, name: &str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "ObjectNotFound",
        format!("The object '{name}' was not found in the bucket '{}'", at.bucket),
    )
}

fn described(object: &Object, body: Body) -> Response {
    let mut response = with_modified(body.into_response(), object);
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let meta: BTreeMap<String, &String> =
        object.metadata.iter().map(|(name, value)| (format!("opc-meta-{name}"), value)).collect();
    let own = [(header::CONTENT_TYPE, &object.content_type), (header::ETAG, &object.etag), (CONTENT_MD5, &object.md5)];
    let pairs = own
        .into_iter()
        .chain(meta.iter().filter_map(|(name, value)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, *value))));
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn with_modified(response: Response, object: &Object) -> Response {
    let at = object.time_modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    with_header(response, header::LAST_MODIFIED, &at)
}
