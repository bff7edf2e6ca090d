//! Reading what the configuration names.

use std::path::Path;

use carnet_core::{Context, Error, Mistake, is_loopback};
use carnet_x509::pem_to_der;
use url::Url;

/// Largest file that is read, in bytes.
const MAX_FILE: usize = 4 << 20;

/// A file that must be there.
pub(crate) fn file(context: &Context, path: &Path) -> Result<Vec<u8>, Error> {
    let found = context.files.read(path, MAX_FILE)?;
    let bytes = found.ok_or_else(|| Error::configuration(format!("read {}: it is not there", path.display())))?;
    Ok(bytes.expose().to_vec())
}

/// The certificates of a PEM file, as trust anchors: at least one.
pub(crate) fn anchors(context: &Context, field: &str, path: &Path, mistakes: &mut Vec<Mistake>) -> Vec<Vec<u8>> {
    let read = file(context, path).and_then(|pem| pem_to_der(&pem).map_err(Error::from));
    read.unwrap_or_else(|error| {
        let message = format!("{}: {}", path.display(), carnet_core::chain(&error).join(": "));
        mistakes.push(Mistake::new(field, message).hint("name a PEM file with the certificates to rely on"));
        Vec::new()
    })
}

/// Where keys may be fetched from: with TLS, or without it from this machine.
pub(crate) fn keys_url(field: &str, url: Option<&Url>, mistakes: &mut Vec<Mistake>) {
    let is_safe = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    if url.is_some_and(|url| !is_safe(url)) {
        let message = "is not an https URL, so the keys could be replaced on the way";
        mistakes.push(Mistake::new(field, message).hint("write https; http is for loopback only"));
    }
}

/// A list that would allow everything if it were empty.
pub(crate) fn not_empty<T>(field: &str, list: &[T], what: &str, mistakes: &mut Vec<Mistake>) {
    if list.is_empty() {
        mistakes.push(Mistake::new(field, "is empty, so no node would be allowed").hint(format!("name {what}")));
    }
}
