//! Uploads: simple, multipart, and resumable in one piece.

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{User, error, no_bucket, objects, precondition};
use crate::{
    reply::{Answer, ApiError, json_reply, ok, with_header},
    state::{MAX_ENTRIES, MAX_STORED, Upload},
};

/// Puts an object, or begins or ends a resumable upload.
pub(super) fn upload(user: &User<'_>, bucket: &str) -> Answer {
    let call = user.call;
    let content_type = call.header("content-type").unwrap_or("application/octet-stream");
    match (call.parameter("uploadType"), call.parameter("upload_id")) {
        (Some("media"), _) => {
            let name = call.parameter("name").unwrap_or_default();
            put(user, bucket, name, content_type, call.body.clone())
        }
        (Some("multipart"), _) => {
            let (metadata, kind, content) = parse_multipart(content_type, &call.body)
                .ok_or_else(|| error(StatusCode::BAD_REQUEST, "parseError", "Malformed multipart body.", None))?;
            let name = metadata.get("name").and_then(Value::as_str).or(call.parameter("name")).unwrap_or_default();
            let kind = metadata.get("contentType").and_then(Value::as_str).unwrap_or(&kind);
            put(user, bucket, name, kind, content)
        }
        (Some("resumable"), None) if call.method == Method::POST => begin(user, bucket),
        (Some("resumable"), Some(id)) if call.method == Method::PUT => end(user, bucket, id),
        _ => Err(error(StatusCode::BAD_REQUEST, "badRequest", "Unknown uploadType.", None)),
    }
}

fn begin(user: &User<'_>, bucket: &str) -> Answer {
    let call = user.call;
    let metadata = call.json()?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    let name = text("name").or(call.parameter("name")).unwrap_or_default().to_owned();
    check(user, bucket, &name)?;
    let kind = text("contentType").or(call.header("x-upload-content-type")).unwrap_or("application/octet-stream");
    let upload = Upload {
        bucket: bucket.to_owned(),
        name,
        content_type: kind.to_owned(),
        principal: user.session.caller.principal(),
    };
    let id = user.state.world.random_hex::<16>();
    let mut inner = user.state.lock();
    if inner.uploads.len() >= MAX_ENTRIES {
        inner.uploads.pop_first();
    }
    inner.uploads.insert(id.clone(), upload);
    // The address under which the caller reached this service, so that it comes back to it.
    let scheme = call.header("x-forwarded-proto").unwrap_or(if call.header("host").is_some_and(is_loopback) {
        "http"
    } else {
        "https"
    });
    let host = call.header("host").unwrap_or("storage.googleapis.com");
    let place = format!("{scheme}://{host}{}?uploadType=resumable&upload_id={id}", call.raw_path);
    let response = with_header(json_reply(StatusCode::OK, &json!({})), header::LOCATION, &place);
    Ok(with_header(response, HeaderName::from_static("x-guploader-uploadid"), &id))
}

fn end(user: &User<'_>, bucket: &str, id: &str) -> Answer {
    let call = user.call;
    if let Some(range) = call.header("content-range")
        && !is_whole(range, call.body.len())
    {
        let message = "Uploads in several pieces are not emulated by the sandbox.";
        return Err(error(StatusCode::NOT_IMPLEMENTED, "notImplemented", message, None));
    }
    let own = |upload: &&Upload| upload.bucket == bucket && upload.principal == user.session.caller.principal();
    let none = || error(StatusCode::NOT_FOUND, "notFound", "No such upload.", None);
    let upload = {
        // Somebody else's attempt leaves it as it is.
        let mut inner = user.state.lock();
        let upload = inner.uploads.get(id).filter(own).cloned().ok_or_else(none)?;
        inner.uploads.remove(id);
        upload
    };
    put(user, bucket, &upload.name, &upload.content_type, call.body.clone())
}

/// `bytes 0-9/10`, `bytes 0-9/*` or `bytes */10`, for all of the content.
fn is_whole(range: &str, length: usize) -> bool {
    let Some((span, total)) = range.strip_prefix("bytes ").and_then(|range| range.split_once('/')) else {
        return false;
    };
    let starts = span == "*" || span.starts_with("0-");
    starts && (total == "*" || total.parse() == Ok(length))
}

fn is_loopback(host: &str) -> bool {
    host.starts_with("127.0.0.1:") || host.starts_with("localhost:")
}

fn put(user: &User<'_>, bucket_name: &str, name: &str, content_type: &str, content: Bytes) -> Answer {
    check(user, bucket_name, name)?;
    let now = user.now();
    let mut inner = user.state.lock();
    if inner.stored().saturating_add(content.len()) > MAX_STORED {
        return Err(error(StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded", "The sandbox is full.", None));
    }
    let generation = u64::try_from(now.as_microsecond()).unwrap_or_default().saturating_add(inner.next());
    let bucket = inner.buckets.get_mut(bucket_name).ok_or_else(no_bucket)?;
    bucket.put(name, content_type, content, generation, now);
    let object = bucket.objects.get(name).ok_or_else(no_bucket)?;
    Ok(ok(&objects::resource(bucket_name, name, object)))
}

fn check(user: &User<'_>, bucket: &str, name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Err(error(StatusCode::BAD_REQUEST, "required", "Required", None));
    }
    if !is_object_name(name) {
        return Err(error(StatusCode::BAD_REQUEST, "invalid", "Invalid object name.", None));
    }
    let inner = user.state.lock();
    let bucket = inner.buckets.get(bucket).ok_or_else(no_bucket)?;
    let policies = [&bucket.policy, &inner.project_policy];
    user.permit("storage.objects.create", "Storage object", &policies)?;
    let existing = bucket.objects.get(name);
    if existing.is_some() {
        // "Required only when the object replaces one of the same name" (IAM permissions for JSON methods, `objects.insert`).
        user.permit("storage.objects.delete", "Storage object", &policies)?;
    }
    precondition::check(user.call, existing)?;
    if bucket.objects.len() >= MAX_ENTRIES && existing.is_none() {
        return Err(error(StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded", "Too many objects.", None));
    }
    Ok(())
}

/// Cloud Storage, "Object names": at most 1024 bytes, no line ends, neither `.` nor `..`, and not below
/// `.well-known/acme-challenge/`.
fn is_object_name(name: &str) -> bool {
    name.len() <= 1024
        && !name.contains(['\r', '\n'])
        && !matches!(name, "." | "..")
        && !name.starts_with(".well-known/acme-challenge/")
}

/// The two parts of a `multipart/related` body: metadata in JSON, content with its type (Cloud Storage, "Multipart
/// uploads"; RFC 2387).
pub fn parse_multipart(content_type: &str, body: &Bytes) -> Option<(Value, String, Bytes)> {
    let (_, parameters) = content_type.split_once(';')?;
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches(['"', '\'']))
    })?;
    if boundary.is_empty() {
        return None;
    }
    let mark = format!("--{boundary}");
    let first = after(body, 0, mark.as_bytes())?;
    let second = after(body, first, format!("\n{mark}").as_bytes())?;
    let end = find(body, second, format!("\n{mark}--").as_bytes())?;
    let metadata = part(body, first, second.checked_sub(mark.len())?)?.1;
    let (kind, content) = part(body, second, end)?;
    // The line end before a boundary belongs to the boundary (RFC 2046, 5.1.1).
    let content = if content.ends_with(b"\r") { content.slice(..content.len().saturating_sub(1)) } else { content };
    Some((serde_json::from_slice(&metadata).ok()?, kind, content))
}

/// The content type and the content of what stands between two places.
fn part(body: &Bytes, from: usize, to: usize) -> Option<(String, Bytes)> {
    let part = (from <= to && to <= body.len()).then(|| body.slice(from..to))?;
    let (head, content_at) = match (find(&part, 0, b"\r\n\r\n"), find(&part, 0, b"\n\n")) {
        (Some(crlf), lf) if lf.is_none_or(|lf| crlf < lf) => (crlf, crlf.checked_add(4)?),
        (_, Some(lf)) => (lf, lf.checked_add(2)?),
        _ => return None,
    };
    let headers = std::str::from_utf8(part.get(..head)?).ok()?;
    let kind = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    Some((kind.unwrap_or_else(|| "application/octet-stream".to_owned()), part.slice(content_at..)))
}

fn find(body: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.windows(what.len()).position(|window| window == what)?.checked_add(from)
}

fn after(body: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    find(body, from, what)?.checked_add(what.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(end: &str, content: &[u8]) -> Bytes {
        let head = format!(
            "--==x=={end}content-type: application/json{end}{end}{{\"name\":\"a/b\"}}{end}--==x=={end}Content-Type: text/plain{end}{end}"
        );
        [head.as_bytes(), content, format!("{end}--==x==--").as_bytes()].concat().into()
    }

    #[test]
    fn both_parts_come_out_whatever_the_line_ends() {
        for end in ["\r\n", "\n"] {
            for kind in ["multipart/related; boundary=\"==x==\"", "multipart/related; boundary===x=="] {
                let (metadata, kind, content) = parse_multipart(kind, &body(end, b"one\ntwo\n")).unwrap();
                assert_eq!(metadata["name"], "a/b");
                assert_eq!(kind, "text/plain");
                assert_eq!(content, &b"one\ntwo\n"[..]);
            }
        }
    }

    #[test]
    fn rejects_what_is_not_two_parts() {
        let whole = body("\r\n", b"x");
        let kind = "multipart/related; boundary=\"==x==\"";
        for (kind, body) in [
            ("multipart/related", whole.clone()),
            ("multipart/related; boundary=", whole.clone()),
            ("multipart/related; boundary=other", whole.clone()),
            (kind, whole.slice(..whole.len() - 4)),
            (kind, Bytes::from_static(b"--==x==\r\n\r\n{}\r\n--==x==--")),
            (kind, Bytes::new()),
        ] {
            assert!(parse_multipart(kind, &body).is_none(), "{kind}");
        }
    }

    #[test]
    fn ranges_of_the_whole_are_known() {
        for (range, expected) in
            [("bytes 0-9/10", true), ("bytes 0-9/*", true), ("bytes */10", true), ("bytes 5-9/10", false), ("x", false)]
        {
            assert_eq!(is_whole(range, 10), expected, "{range}");
        }
        assert!(!is_whole("bytes 0-9/20", 10));
    }

    proptest! {
        #[test]
        fn any_body_is_answered(kind in ".{0,60}", body in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(parse_multipart(&kind, &body.into()));
        }

        #[test]
        fn any_parts_are_answered(parts in prop::collection::vec(prop::sample::select(vec!["--x", "\r\n", "\n", "{}", ":", "--"]), 0..20)) {
            drop(parse_multipart("multipart/related; boundary=x", &parts.concat().into()));
        }

        #[test]
        fn content_comes_back(content in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(find(&content, 0, b"--==x==").is_none());
            let (_, _, back) = parse_multipart("multipart/related; boundary=\"==x==\"", &body("\r\n", &content)).unwrap();
            prop_assert_eq!(back, content);
        }
    }
}
