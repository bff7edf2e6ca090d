//! Lists of containers and of blobs.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};

use super::{
    CONTAINERS, DOMAIN, User,
    blobs::md5,
    reply::{date, document, element, escape},
};
use crate::{
    reply::{Answer, ApiError},
    roles::Action,
    state::Blob,
};

/// Most entries of one page.
const MOST: usize = 5000;

/// Where a page begins and how long it is.
struct Page {
    prefix: String,
    after: String,
    size: usize,
}

/// `GET /?comp=list`
pub(super) fn containers(user: &User<'_>, account: &str) -> Answer {
    if user.call.method != Method::GET {
        return Err(user.no_method());
    }
    if user.call.parameter("comp") != Some("list") {
        return Err(user.not_emulated());
    }
    let page = page(user)?;
    let inner = user.state.lock();
    user.permit(&inner, account, None, Action::Control(&format!("{CONTAINERS}/read")))?;
    let Some(own) = inner.accounts.get(account) else { return Err(user.no_container()) };
    let mut body = head(user, account, None, &page);
    body.push_str("<Containers>");
    let mut entries = own.containers.iter().filter(|(name, _)| page.holds(name));
    let mut last = None;
    for (name, container) in entries.by_ref().take(page.size) {
        body.push_str("<Container>");
        element(&mut body, "Name", name);
        body.push_str("<Properties>");
        element(&mut body, "Last-Modified", &date(container.changed));
        element(&mut body, "Etag", &container.etag);
        body.push_str("<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>");
        body.push_str("<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>");
        body.push_str("</Properties></Container>");
        last = Some(name);
    }
    let more = entries.next().is_some();
    body.push_str("</Containers>");
    end(&mut body, last.filter(|_| more));
    Ok(document(&body))
}

/// `GET /CONTAINER?restype=container&comp=list`
pub(super) fn blobs(user: &User<'_>, account: &str, container: &str) -> Answer {
    let page = page(user)?;
    let inner = user.state.lock();
    user.permit(&inner, account, Some(container), Action::Data(&format!("{CONTAINERS}/blobs/read")))?;
    let own = inner.accounts.get(account).and_then(|own| own.containers.get(container));
    let own = own.ok_or_else(|| user.no_container())?;
    let delimiter = user.call.parameter("delimiter").unwrap_or_default();
    let with_metadata =
        user.call.parameter("include").is_some_and(|include| include.split(',').any(|it| it == "metadata"));
    let mut body = head(user, account, Some(container), &page);
    body.push_str("<Blobs>");
    let mut folders = BTreeSet::new();
    let (mut count, mut last, mut more) = (0_usize, None, false);
    for (name, blob) in own.blobs.iter().filter(|(name, _)| page.holds(name)) {
        let folder = folder(name, &page.prefix, delimiter);
        // One entry for all that is below a folder.
        if folder.as_ref().is_some_and(|folder| folders.contains(folder) || *folder == page.after) {
            continue;
        }
        if count >= page.size {
            more = true;
            break;
        }
        count = count.saturating_add(1);
        if let Some(folder) = folder {
            body.push_str("<BlobPrefix>");
            element(&mut body, "Name", &folder);
            body.push_str("</BlobPrefix>");
            last = Some(folder.clone());
            folders.insert(folder);
        } else {
            entry(&mut body, name, blob, with_metadata);
            last = Some(name.clone());
        }
    }
    body.push_str("</Blobs>");
    end(&mut body, last.as_ref().filter(|_| more));
    Ok(document(&body))
}

impl Page {
    fn holds(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) && (self.after.is_empty() || name > self.after.as_str())
    }
}

fn page(user: &User<'_>) -> Result<Page, ApiError> {
    let wrong = |name: &str| {
        let message = format!("Value for one of the query parameters specified in the request URI is invalid: {name}.");
        user.fail(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", &message)
    };
    let size = match user.call.parameter("maxresults") {
        None => MOST,
        Some(text) => text.parse::<usize>().map_err(|_digits| wrong("maxresults"))?,
    };
    if size == 0 {
        let message = "One of the query parameters specified in the request URI is outside the permissible range.";
        return Err(user.fail(StatusCode::BAD_REQUEST, "OutOfRangeQueryParameterValue", message));
    }
    let marker = user.call.parameter("marker").filter(|marker| !marker.is_empty());
    let after = match marker {
        None => String::new(),
        Some(marker) => {
            let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|name| String::from_utf8(name).ok());
            name.ok_or_else(|| wrong("marker"))?
        }
    };
    let prefix = user.call.parameter("prefix").unwrap_or_default().to_owned();
    Ok(Page { prefix, after, size: size.min(MOST) })
}

/// The folder of a name under a prefix: up to the next delimiter.
fn folder(name: &str, prefix: &str, delimiter: &str) -> Option<String> {
    if delimiter.is_empty() {
        return None;
    }
    let (folder, _) = name.strip_prefix(prefix)?.split_once(delimiter)?;
    Some(format!("{prefix}{folder}{delimiter}"))
}

fn head(user: &User<'_>, account: &str, container: Option<&str>, page: &Page) -> String {
    let usual = format!("{account}{DOMAIN}");
    let origin = user.call.origin(&usual);
    // Where the account is in the path, so it is in the endpoint.
    let endpoint = if user.call.host().to_ascii_lowercase().ends_with(DOMAIN) {
        format!("{origin}/")
    } else {
        format!("{origin}/{account}/")
    };
    let container = container.map(|name| format!(" ContainerName=\"{}\"", escape(name))).unwrap_or_default();
    let mut body = format!("<EnumerationResults ServiceEndpoint=\"{}\"{container}>", escape(&endpoint));
    for (name, value) in [("Prefix", Some(page.prefix.as_str())), ("Delimiter", user.call.parameter("delimiter"))] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            element(&mut body, name, value);
        }
    }
    if let Some(size) = user.call.parameter("maxresults") {
        element(&mut body, "MaxResults", size);
    }
    body
}

fn end(body: &mut String, last: Option<&String>) {
    match last {
        Some(name) => element(body, "NextMarker", &URL_SAFE_NO_PAD.encode(name)),
        None => body.push_str("<NextMarker />"),
    }
    body.push_str("</EnumerationResults>");
}

fn entry(body: &mut String, name: &str, blob: &Blob, with_metadata: bool) {
    body.push_str("<Blob>");
    element(body, "Name", name);
    body.push_str("<Properties>");
    for (name, value) in [
        ("Creation-Time", date(blob.created)),
        ("Last-Modified", date(blob.changed)),
        // Without the quotes that the header has.
        ("Etag", blob.etag.trim_matches('"').to_owned()),
        ("Content-Length", blob.content.len().to_string()),
        ("Content-Type", blob.content_type.clone()),
        ("Content-MD5", md5(&blob.content)),
    ] {
        element(body, name, &value);
    }
    body.push_str(
        "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>",
    );
    body.push_str("<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>");
    body.push_str("<ServerEncrypted>true</ServerEncrypted></Properties>");
    if with_metadata {
        body.push_str("<Metadata>");
        for (name, value) in &blob.metadata {
            element(body, name, value);
        }
        body.push_str("</Metadata>");
    }
    body.push_str("</Blob>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_end_at_the_next_delimiter() {
        assert_eq!(folder("a/b/c", "", "/").as_deref(), Some("a/"));
        assert_eq!(folder("a/b/c", "a/", "/").as_deref(), Some("a/b/"));
        assert_eq!(folder("a/b/c", "a/b/", "/"), None);
        assert_eq!(folder("a/b/c", "", ""), None);
    }
}
