//! The listener for relying parties: discovery documents, key set, token endpoint.

use std::{sync::Arc, time::Duration};

use axum::Router;
use carnet_core::{Context, Error, Mistake};
use carnet_discovery::{BundleSettings, Settings as DiscoverySettings};
use carnet_issuer::Issuer;
use carnet_spiffe::Bundle;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::rules::refused;

/// Where the bundle of the trust domain is on the public listener (SPIFFE Federation, 5.2.1).
pub(crate) const BUNDLE_PATH: &str = "/spiffe-bundle";
/// How long readers may keep the documents: far less than a key is published before it signs.
const MAX_AGE: Duration = Duration::from_mins(1);

/// All routes of the public listener.
///
/// # Errors
/// When the documents cannot be served as configured.
pub(crate) fn router(
    issuer: &Arc<Issuer>,
    bundle: &watch::Receiver<Option<Arc<Bundle>>>,
    plain: bool,
    context: &Context,
) -> Result<Router, Error> {
    let mistaken = |mistakes: Vec<Mistake>| refused("the settings of the documents", &mistakes);
    let settings = DiscoverySettings {
        jwks_uri: issuer.settings().jwks_uri.clone(),
        plain,
        allow_insecure_scheme: issuer.issuer_url().starts_with("http://"),
        max_age: MAX_AGE,
        metadata: metadata(issuer),
        path_prefix: path_of(issuer.issuer_url()),
        ..DiscoverySettings::of_issuer(issuer.issuer_url())
    };
    settings.check().map_err(mistaken)?;
    let bundles = BundleSettings { path: BUNDLE_PATH.to_owned(), ..BundleSettings::default() };
    bundles.check().map_err(mistaken)?;
    let clock = Arc::clone(&context.clock);
    let documents = carnet_discovery::router(bundle.clone(), settings, Arc::clone(&clock));
    let bundle = carnet_discovery::bundle_router(bundle.clone(), bundles, Arc::clone(&clock));
    let (paths, own) = (issuer.metadata_paths(), Arc::clone(issuer));
    let metadata = carnet_discovery::document_router(&paths, move || own.metadata(), MAX_AGE, clock);
    Ok(carnet_ops::trace_requests(documents.merge(bundle).merge(metadata).merge(Arc::clone(issuer).router())))
}

/// The path of an issuer that has one, `/` otherwise (OpenID Connect Discovery 1.0, 4).
fn path_of(issuer: &str) -> String {
    let path = url::Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    if path.is_empty() { "/".to_owned() } else { path }
}

/// What RFC 8414 adds to the discovery document, so that clients that read only that one find the token endpoint. Its own
/// members stay: relying parties of SPIFFE's kind of issuer want them exactly so.
fn metadata(issuer: &Issuer) -> Map<String, Value> {
    let Value::Object(mut members) = issuer.metadata() else { return Map::new() };
    for own in ["issuer", "jwks_uri", "response_types_supported"] {
        members.remove(own);
    }
    members
}
