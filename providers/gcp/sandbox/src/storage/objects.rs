//! Objects.

use std::collections::BTreeSet;

use axum::response::IntoResponse;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

use super::{User, error, millis, no_bucket, page, precondition};
use crate::{
    reply::{Answer, ApiError, json_reply, ok, with_header},
    state::Object,
};

pub(super) fn list(user: &User<'_>, bucket_name: &str) -> Answer {
    let inner = user.state.lock();
    let bucket = inner.buckets.get(bucket_name).ok_or_else(no_bucket)?;
    user.permit("storage.objects.list", "Storage bucket", &[&bucket.policy, &inner.project_policy])?;
    let prefix = user.call.parameter("prefix").unwrap_or_default();
    let delimiter = user.call.parameter("delimiter").unwrap_or_default();
    let mut folders = BTreeSet::new();
    let names: Vec<&String> = bucket
        .objects
        .keys()
        .filter(|name| {
            let Some(rest) = name.strip_prefix(prefix) else { return false };
            match (delimiter.is_empty(), rest.split_once(delimiter)) {
                (false, Some((folder, _))) => {
                    folders.insert(format!("{prefix}{folder}{delimiter}"));
                    false
                }
                _ => true,
            }
        })
        .collect();
    let (names, next) = page(user.call, names.into_iter());
    let items: Vec<Value> =
        names.iter().filter_map(|name| Some(resource(bucket_name, name, bucket.objects.get(name)?))).collect();
    let mut body = json!({ "kind": "storage#objects" });
    if let Some(body) = body.as_object_mut() {
        if !items.is_empty() {
            body.insert("items".to_owned(), items.into());
        }
        if !folders.is_empty() {
            body.insert("prefixes".to_owned(), folders.into_iter().collect::<Vec<_>>().into());
        }
        if let Some(next) = next {
            body.insert("nextPageToken".to_owned(), next.into());
        }
    }
    Ok(ok(&body))
}

/// The object's description, or its content with `alt=media`.
pub(super) fn get(user: &User<'_>, bucket_name: &str, name: &str, download: bool) -> Answer {
    let inner = user.state.lock();
    let bucket = inner.buckets.get(bucket_name).ok_or_else(no_bucket)?;
    user.permit("storage.objects.get", "Storage object", &[&bucket.policy, &inner.project_policy])?;
    let object = bucket.objects.get(name).ok_or_else(|| no_object(bucket_name, name))?;
    precondition::check(user.call, Some(object))?;
    if !download && user.call.parameter("alt") != Some("media") {
        return Ok(ok(&resource(bucket_name, name, object)));
    }
    let response = (StatusCode::OK, object.content.clone()).into_response();
    let response = with_header(response, header::CONTENT_TYPE, &object.content_type);
    let response = with_header(response, HeaderName::from_static("x-goog-generation"), &object.generation.to_string());
    Ok(with_header(response, HeaderName::from_static("x-goog-metageneration"), "1"))
}

pub(super) fn delete(user: &User<'_>, bucket_name: &str, name: &str) -> Answer {
    let mut inner = user.state.lock();
    let bucket = inner.buckets.get(bucket_name).ok_or_else(no_bucket)?;
    user.permit("storage.objects.delete", "Storage object", &[&bucket.policy, &inner.project_policy])?;
    if let Some(object) = bucket.objects.get(name) {
        precondition::check(user.call, Some(object))?;
    }
    let removed = inner.buckets.get_mut(bucket_name).and_then(|bucket| bucket.objects.remove(name));
    match removed {
        Some(_) => Ok(json_reply(StatusCode::NO_CONTENT, &json!({}))),
        None => Err(no_object(bucket_name, name)),
    }
}

pub(super) fn resource(bucket: &str, name: &str, object: &Object) -> Value {
    let generation = object.generation.to_string();
    let created = millis(object.created);
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{generation}"),
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": object.content_type,
        "size": object.content.len().to_string(),
        "storageClass": "STANDARD",
        "crc32c": STANDARD.encode(crc32c(&object.content).to_be_bytes()),
        "etag": STANDARD.encode(&generation),
        "timeCreated": created,
        "updated": created,
    })
}

fn no_object(bucket: &str, name: &str) -> ApiError {
    let message = format!("No such object: {bucket}/{name}");
    error(StatusCode::NOT_FOUND, "notFound", &message, None)
}

/// CRC-32C (RFC 3720, B.4): client libraries compare it with what they read.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_has_the_values_of_the_standard() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
