//! What every issuer shows to whoever verifies its tokens: a discovery document and a key set.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use carnet_core::Error;
use carnet_sandbox_kit::Urls;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{Inner, mint::Issuer};

/// What follows the host in a URL; empty for nothing.
pub(crate) fn path(url: &'static str) -> &'static str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}

/// Where the service of an issuer listens.
pub(crate) fn origin(issuer: Issuer, urls: &Urls) -> Result<String, Error> {
    let service = issuer.service();
    let found = urls.get(service).ok_or_else(|| Error::internal(format!("find where {service} listens")))?;
    Ok(found.plain_origin())
}

/// The key set of the service of this issuer.
pub(crate) fn jwks(inner: &Inner, issuer: Issuer) -> Response {
    match inner.keys(issuer).jwks(inner.world.now(issuer.service())) {
        Ok(set) => Json(set).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The document and the key set of an issuer that has no more to show than "OpenID Connect Discovery 1.0", 3 demands. `jwks_uri` is under
/// the host of the issuer.
pub(crate) fn router(inner: Arc<Inner>, issuer: Issuer, jwks_uri: &'static str) -> Router {
    let document = document(issuer.url(), jwks_uri);
    let keys = get(move |State(inner): State<Arc<Inner>>| async move { jwks(&inner, issuer) });
    Router::new()
        .route(
            &format!("{}/.well-known/openid-configuration", path(issuer.url())),
            get(move || async move { Json(document) }),
        )
        .route(path(jwks_uri), keys)
        .with_state(inner)
}

fn document(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat"]
    })
}
