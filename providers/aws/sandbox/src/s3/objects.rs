//! Objects.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};

use super::{Ask, SERVICE, not_implemented};
use crate::{
    reply::{Answer, ApiError, with_header},
    state::{MAX_ENTRIES, MAX_STORED, Object},
};

/// Longest key, in bytes.
const LONGEST_KEY: usize = 1024;
/// Headers of writes and reads that would change what happens, and are not emulated.
const UNKNOWN: [&str; 8] = [
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "x-amz-copy-source",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-object-lock-mode",
    "x-amz-write-offset-bytes",
];

pub(super) fn put(ask: &Ask<'_>, bucket: &str, key: &str) -> Answer {
    refuse_unknown(ask)?;
    ask.permit("s3:PutObject", &arn(bucket, key))?;
    if key.len() > LONGEST_KEY {
        return Err(ApiError::new(400, "KeyTooLongError", "Your key is too long"));
    }
    let content_type = ask.call.header("content-type").unwrap_or("binary/octet-stream");
    let mut object = Object::new(Bytes::from(ask.body.clone()), content_type, ask.state.world.now(SERVICE));
    object.checksums.clone_from(&ask.checksums);
    let response = with_header(StatusCode::OK.into_response(), header::ETAG, &object.etag);
    let response = with_checksums(response, &object);
    let mut inner = ask.state.lock();
    ask.bucket(&inner, bucket)?;
    let stored = inner.stored();
    let Some(found) = inner.buckets.get_mut(bucket) else { return Ok(response) };
    let replaced = found.objects.get(key).map(|old| old.content.len());
    let count = found.objects.len();
    let after = stored.saturating_sub(replaced.unwrap_or_default()).saturating_add(object.content.len());
    if after > MAX_STORED || (replaced.is_none() && count >= MAX_ENTRIES) {
        return Err(ApiError::new(400, "EntityTooLarge", "The sandbox keeps 64 MiB and 1000 objects in a bucket."));
    }
    found.objects.insert(key.to_owned(), object);
    Ok(response)
}

pub(super) fn get(ask: &Ask<'_>, bucket: &str, key: &str) -> Answer {
    refuse_unknown(ask)?;
    ask.permit("s3:GetObject", &arn(bucket, key))?;
    let inner = ask.state.lock();
    let object = ask
        .bucket(&inner, bucket)?
        .objects
        .get(key)
        .ok_or_else(|| ApiError::new(404, "NoSuchKey", "The specified key does not exist.").detail("Key", key))?;
    let length = object.content.len();
    let (status, from, to) = match ask.call.header("range") {
        None => (StatusCode::OK, 0, length),
        Some(range) => {
            let (from, to) = parse_range(range, length)
                .ok_or_else(|| ApiError::new(416, "InvalidRange", "The requested range is not satisfiable"))?;
            (StatusCode::PARTIAL_CONTENT, from, to)
        }
    };
    let content = object.content.slice(from..to);
    let size = content.len();
    let body = if ask.call.method == Method::HEAD { Bytes::new() } else { content };
    let mut response = with_header((status, body).into_response(), header::ETAG, &object.etag);
    response = with_header(response, header::CONTENT_TYPE, &object.content_type);
    response = with_header(response, header::ACCEPT_RANGES, "bytes");
    response = with_header(response, header::LAST_MODIFIED, &http_date(object.modified));
    response = with_header(response, header::CONTENT_LENGTH, &size.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{length}", to.saturating_sub(1));
        return Ok(with_header(response, header::CONTENT_RANGE, &range));
    }
    let asked = ask.call.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    Ok(if asked { with_checksums(response, object) } else { response })
}

pub(super) fn delete(ask: &Ask<'_>, bucket: &str, key: &str) -> Answer {
    refuse_unknown(ask)?;
    ask.permit("s3:DeleteObject", &arn(bucket, key))?;
    let mut inner = ask.state.lock();
    ask.bucket(&inner, bucket)?;
    if let Some(found) = inner.buckets.get_mut(bucket) {
        found.objects.remove(key);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refuse_unknown(ask: &Ask<'_>) -> Result<(), ApiError> {
    match UNKNOWN.iter().find(|name| ask.call.headers.contains_key(**name)) {
        Some(name) => Err(not_implemented(name)),
        None => Ok(()),
    }
}

fn with_checksums(response: Response, object: &Object) -> Response {
    object.checksums.iter().fold(response, |response, (name, value)| match name.parse::<HeaderName>() {
        Ok(name) => with_header(response, name, value),
        Err(_) => response,
    })
}

/// One range of bytes: the first, and one behind the last (RFC 9110, 14.1.2).
fn parse_range(text: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let count: usize = last.parse().ok()?;
        return (count > 0 && length > 0).then(|| (length.saturating_sub(count), length));
    }
    let first: usize = first.parse().ok()?;
    let end = if last.is_empty() { length } else { last.parse::<usize>().ok()?.saturating_add(1).min(length) };
    (first < end).then_some((first, end))
}

/// RFC 9110, 5.6.7.
fn http_date(time: jiff::Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (text, expected) in [
            ("bytes=0-0", Some((0, 1))),
            ("bytes=2-", Some((2, 5))),
            ("bytes=-2", Some((3, 5))),
            ("bytes=0-99", Some((0, 5))),
            ("bytes=5-", None),
            ("bytes=3-2", None),
            ("bytes=-0", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(parse_range(text, 5), expected, "{text}");
        }
    }
}
