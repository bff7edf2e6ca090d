//! Block blobs that are written in one piece.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use md5::{Digest, Md5};

use super::{
    CONTAINERS, User,
    place::{RangeMistake, parse_range},
    reply::date,
};
use crate::{
    reply::{Answer, ApiError, empty, with_header},
    roles::Action,
    state::{Blob, Inner, MAX_ENTRIES, MAX_STORED},
};

/// What begins the names of a blob's own headers.
const METADATA: &str = "x-ms-meta-";

/// Answers a request about one blob.
pub(super) fn answer(user: &User<'_>, account: &str, container: &str, name: &str) -> Answer {
    if user.call.parameter("comp").is_some() || user.call.parameter("snapshot").is_some() {
        // Blocks, metadata, leases, tags, snapshots.
        return Err(user.not_emulated());
    }
    match user.call.method.as_str() {
        "GET" => get(user, account, container, name),
        "HEAD" => head(user, account, container, name),
        "PUT" => put(user, account, container, name),
        "DELETE" => delete(user, account, container, name),
        _ => Err(user.no_method()),
    }
}

/// Base64 of the MD5 hash, which clients compare with what they read.
pub(super) fn md5(content: &[u8]) -> String {
    STANDARD.encode(Md5::digest(content))
}

fn put(user: &User<'_>, account: &str, container: &str, name: &str) -> Answer {
    let call = user.call;
    match call.header("x-ms-blob-type") {
        None => {
            let message = "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type.";
            return Err(user.fail(StatusCode::BAD_REQUEST, "MissingRequiredHeader", message));
        }
        Some("BlockBlob") => {}
        Some(_) => return Err(user.not_emulated()),
    }
    if call.headers.contains_key("x-ms-copy-source") {
        return Err(user.not_emulated());
    }
    let sum = md5(&call.body);
    let sent = call.header("x-ms-blob-content-md5").or(call.header("content-md5"));
    if sent.is_some_and(|sent| sent != sum) {
        let message =
            "The MD5 value specified in the request did not match with the MD5 value calculated by the server.";
        return Err(user.fail(StatusCode::BAD_REQUEST, "Md5Mismatch", message));
    }
    let content_type = call.header("x-ms-blob-content-type").or(call.header("content-type"));
    let etag = user.state.etag();
    let mut inner = user.state.lock();
    user.permit(&inner, account, Some(container), Action::Data(&format!("{CONTAINERS}/blobs/write")))?;
    let before = find_container(user, &inner, account, container)?.blobs.get(name);
    if call.header("if-none-match") == Some("*") && before.is_some() {
        return Err(user.fail(StatusCode::CONFLICT, "BlobAlreadyExists", "The specified blob already exists."));
    }
    check_match(user, before)?;
    let created = before.map_or(user.now, |before| before.created);
    let replaced = before.map_or(0, |before| before.content.len());
    if inner.stored().saturating_sub(replaced).saturating_add(call.body.len()) > MAX_STORED {
        return Err(user.fail(StatusCode::CONFLICT, "QuotaExceeded", "The sandbox holds no more bytes."));
    }
    let blob = Blob {
        content: call.body.clone(),
        content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
        metadata: metadata(&call.headers),
        etag,
        created,
        changed: user.now,
    };
    let response = with_header(empty(StatusCode::CREATED), header::ETAG, &blob.etag);
    let response = with_header(response, header::LAST_MODIFIED, &date(blob.changed));
    let response = with_header(response, HeaderName::from_static("content-md5"), &sum);
    let blobs = inner.accounts.get_mut(account).and_then(|own| own.containers.get_mut(container));
    let Some(own) = blobs else { return Err(user.no_container()) };
    if own.blobs.len() >= MAX_ENTRIES && !own.blobs.contains_key(name) {
        return Err(user.fail(StatusCode::CONFLICT, "QuotaExceeded", "The sandbox holds no more blobs."));
    }
    own.blobs.insert(name.to_owned(), blob);
    Ok(with_header(response, HeaderName::from_static("x-ms-request-server-encrypted"), "true"))
}

fn get(user: &User<'_>, account: &str, container: &str, name: &str) -> Answer {
    let inner = user.state.lock();
    let blob = find(user, &inner, account, container, name)?;
    if user.call.header("if-none-match").is_some_and(|tag| tag == "*" || tag == blob.etag) {
        return Ok(described(empty(StatusCode::NOT_MODIFIED), blob));
    }
    check_match(user, Some(blob))?;
    let range = user.call.header("x-ms-range").or(user.call.header("range"));
    let Some(range) = range else {
        return Ok(described(body(StatusCode::OK, blob.content.clone()), blob));
    };
    let length = blob.content.len();
    let (first, last) = parse_range(range, length).map_err(|mistake| {
        if mistake == RangeMistake::Outside {
            let message = "The range specified is invalid for the current size of the resource.";
            let failure = user.fail(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message);
            return failure.header(header::CONTENT_RANGE, format!("bytes */{length}"));
        }
        let message = "The value for one of the HTTP headers is not in the correct format.";
        user.fail(StatusCode::BAD_REQUEST, "InvalidHeaderValue", message)
    })?;
    // The range lies inside, and `last` is below the length.
    let part = blob.content.slice(first..last.saturating_add(1));
    let response = described(body(StatusCode::PARTIAL_CONTENT, part), blob);
    Ok(with_header(response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{length}")))
}

fn head(user: &User<'_>, account: &str, container: &str, name: &str) -> Answer {
    let inner = user.state.lock();
    let blob = find(user, &inner, account, container, name)?;
    check_match(user, Some(blob))?;
    let response = described(empty(StatusCode::OK), blob);
    Ok(with_header(response, header::CONTENT_LENGTH, &blob.content.len().to_string()))
}

fn delete(user: &User<'_>, account: &str, container: &str, name: &str) -> Answer {
    let mut inner = user.state.lock();
    user.permit(&inner, account, Some(container), Action::Data(&format!("{CONTAINERS}/blobs/delete")))?;
    let found = find_container(user, &inner, account, container)?.blobs.get(name);
    let found = found.ok_or_else(|| no_blob(user))?;
    check_match(user, Some(found))?;
    if let Some(own) = inner.accounts.get_mut(account).and_then(|own| own.containers.get_mut(container)) {
        own.blobs.remove(name);
    }
    let response = empty(StatusCode::ACCEPTED);
    Ok(with_header(response, HeaderName::from_static("x-ms-delete-type-permanent"), "true"))
}

/// A blob that the caller may read.
fn find<'i>(
    user: &User<'_>,
    inner: &'i Inner,
    account: &str,
    container: &str,
    name: &str,
) -> Result<&'i Blob, ApiError> {
    user.permit(inner, account, Some(container), Action::Data(&format!("{CONTAINERS}/blobs/read")))?;
    let container = find_container(user, inner, account, container)?;
    container.blobs.get(name).ok_or_else(|| no_blob(user))
}

fn find_container<'i>(
    user: &User<'_>,
    inner: &'i Inner,
    account: &str,
    container: &str,
) -> Result<&'i crate::state::Container, ApiError> {
    let found = inner.accounts.get(account).and_then(|own| own.containers.get(container));
    found.ok_or_else(|| user.no_container())
}

fn no_blob(user: &User<'_>) -> ApiError {
    user.fail(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.")
}

/// `If-Match` (RFC 9110, 13.1.1).
fn check_match(user: &User<'_>, blob: Option<&Blob>) -> Result<(), ApiError> {
    let holds = match (user.call.header("if-match"), blob) {
        (None, _) | (Some("*"), Some(_)) => true,
        (Some(tag), Some(blob)) => tag == blob.etag,
        (Some(_), None) => false,
    };
    if holds {
        return Ok(());
    }
    let message = "The condition specified using HTTP conditional header(s) is not met.";
    Err(user.fail(StatusCode::PRECONDITION_FAILED, "ConditionNotMet", message))
}

/// The blob's own headers; names of another form are left out.
fn metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    let fits = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix(METADATA)?, value.to_str().ok()?)))
        .filter(|(name, _)| fits(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn body(status: StatusCode, content: Bytes) -> Response {
    (status, content).into_response()
}

fn described(response: Response, blob: &Blob) -> Response {
    let mut response = [
        (header::CONTENT_TYPE, blob.content_type.clone()),
        (header::ETAG, blob.etag.clone()),
        (header::LAST_MODIFIED, date(blob.changed)),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        // Of the whole, also where a part is answered.
        (HeaderName::from_static("x-ms-blob-content-md5"), md5(&blob.content)),
        (HeaderName::from_static("x-ms-blob-type"), "BlockBlob".to_owned()),
        (HeaderName::from_static("x-ms-creation-time"), date(blob.created)),
        (HeaderName::from_static("x-ms-lease-status"), "unlocked".to_owned()),
        (HeaderName::from_static("x-ms-lease-state"), "available".to_owned()),
        (HeaderName::from_static("x-ms-server-encrypted"), "true".to_owned()),
    ]
    .into_iter()
    .fold(response, |response, (name, value)| with_header(response, name, &value));
    for (name, value) in &blob.metadata {
        if let Ok(name) = HeaderName::from_bytes(format!("{METADATA}{name}").as_bytes()) {
            response = with_header(response, name, value);
        }
    }
    response
}
