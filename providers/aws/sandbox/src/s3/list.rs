//! `ListObjectsV2`.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Ask, not_implemented, stamp};
use crate::{
    reply::{Answer, ApiError, storage_ok},
    state::Object,
    xml,
};

/// What `encoding-type=url` leaves as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What a page shows: objects and, by the delimiter, what several keys begin with.
#[derive(Default)]
struct Page<'a> {
    objects: Vec<(&'a str, &'a Object)>,
    prefixes: BTreeSet<String>,
    /// The last key that was looked at, when there are more.
    next: Option<&'a str>,
}

pub(super) fn list(ask: &Ask<'_>, name: &str) -> Answer {
    if ask.query.get("list-type").map(String::as_str) != Some("2") {
        return Err(not_implemented("ListObjects of version 1"));
    }
    let text = |name: &str| ask.query.get(name).map(String::as_str).unwrap_or_default();
    let (prefix, delimiter) = (text("prefix"), text("delimiter"));
    let most = match text("max-keys") {
        "" => 1000,
        number => number.parse::<usize>().ok().filter(|most| i32::try_from(*most).is_ok()).ok_or_else(|| {
            ApiError::new(400, "InvalidArgument", "Provided max-keys not an integer or within integer range")
        })?,
    };
    let most = most.min(1000);
    ask.permit_with("s3:ListBucket", &format!("arn:aws:s3:::{name}"), |context| {
        let keys = [("s3:prefix", prefix), ("s3:delimiter", delimiter)];
        let given = keys.into_iter().filter(|(_, value)| !value.is_empty());
        given.fold(context.with("s3:max-keys", [most.to_string()]), |context, (key, value)| context.with(key, [value]))
    })?;
    let token = text("continuation-token");
    let after = if token.is_empty() { text("start-after").to_owned() } else { read_token(token)? };
    let inner = ask.state.lock();
    let bucket = ask.bucket(&inner, name)?;
    let keys = bucket.objects.iter().map(|(key, object)| (key.as_str(), object));
    let page = page(keys, prefix, delimiter, &after, most);
    let urls = text("encoding-type") == "url";
    let show = |text: &str| if urls { utf8_percent_encode(text, KEPT).to_string() } else { text.to_owned() };
    let contents = page.objects.iter().map(|(key, object)| {
        let inner = [
            xml::leaf("Key", &show(key)),
            xml::leaf("LastModified", &stamp(object.modified)),
            xml::leaf("ETag", &object.etag),
            xml::leaf("Size", &object.content.len().to_string()),
            xml::leaf("StorageClass", "STANDARD"),
        ];
        xml::node("Contents", &inner.concat())
    });
    let prefixes = page.prefixes.iter().map(|prefix| xml::node("CommonPrefixes", &xml::leaf("Prefix", &show(prefix))));
    let count = page.objects.len().saturating_add(page.prefixes.len());
    let result = [
        xml::leaf("Name", name),
        xml::leaf("Prefix", &show(prefix)),
        xml::optional("Delimiter", Some(show(delimiter)).filter(|text| !text.is_empty()).as_deref()),
        xml::leaf("MaxKeys", &most.to_string()),
        xml::leaf("KeyCount", &count.to_string()),
        xml::leaf("IsTruncated", if page.next.is_some() { "true" } else { "false" }),
        xml::optional("EncodingType", urls.then_some("url")),
        xml::optional("ContinuationToken", Some(token).filter(|token| !token.is_empty())),
        xml::optional("NextContinuationToken", page.next.map(|key| URL_SAFE_NO_PAD.encode(key)).as_deref()),
        contents.collect(),
        prefixes.collect(),
    ];
    Ok(storage_ok("ListBucketResult", &result.concat()))
}

/// Keys in their order, after `after`, at most `most` of objects and prefixes together.
fn page<'a>(
    keys: impl Iterator<Item = (&'a str, &'a Object)>,
    prefix: &str,
    delimiter: &str,
    after: &str,
    most: usize,
) -> Page<'a> {
    let mut page = Page::default();
    let mut last = None;
    for (key, object) in keys.filter(|(key, _)| *key > after) {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let end = if delimiter.is_empty() { None } else { rest.find(delimiter) };
        let common = end.map(|at| format!("{prefix}{}{delimiter}", rest.get(..at).unwrap_or_default()));
        // A page may end within what a prefix stands for; the prefix was shown then.
        if common.as_ref().is_some_and(|common| after.starts_with(common.as_str())) {
            continue;
        }
        let known = common.as_ref().is_some_and(|common| page.prefixes.contains(common));
        if !known && page.objects.len().saturating_add(page.prefixes.len()) >= most {
            page.next = last;
            return page;
        }
        match common {
            Some(common) => {
                page.prefixes.insert(common);
            }
            None => page.objects.push((key, object)),
        }
        last = Some(key);
    }
    page
}

fn read_token(token: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| ApiError::new(400, "InvalidArgument", "The continuation token provided is incorrect"))
}
