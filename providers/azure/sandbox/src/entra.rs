//! `login.microsoftonline.com`: tokens, discovery and keys.

mod refusal;
mod request;
mod token;

use std::sync::Arc;

use axum::response::Response;
use carnet_azure::trust::{check_tenant, unknown_tenant};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    call::Call,
    reply::{Answer, ApiError, is_guid, ok, with_header},
    seed,
    state::State,
    tokens::first_issuer,
};

pub use request::{Presented, RequestMistake, TokenRequest, Version, parse_token_request};

/// The name of the service.
pub(crate) const SERVICE: &str = "azure-entra";
/// The authority of the public cloud.
const HOST: &str = "login.microsoftonline.com";
/// Names of no tenant, under which documents for all of them lie.
const ANY_TENANT: [&str; 3] = ["common", "organizations", "consumers"];
/// Hosts that instance discovery knows, by cloud ("instance discovery" in the sources of Microsoft's libraries).
const INSTANCES: [&[&str]; 3] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
];

/// Answers a request.
pub(crate) async fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    match (call.method.as_str(), parts.as_slice()) {
        (_, [tenant, "oauth2", "v2.0", "token"]) => token::answer(state, call, tenant, Version::Second).await,
        (_, [tenant, "oauth2", "token"]) => token::answer(state, call, tenant, Version::First).await,
        ("GET", ["common", "discovery", "instance"]) => instance(call),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            document(state, call, tenant, Version::Second)
        }
        ("GET", [tenant, ".well-known", "openid-configuration"]) => document(state, call, tenant, Version::First),
        ("GET", [tenant, "discovery", "v2.0", "keys"] | [tenant, "discovery", "keys"]) => keys(state, call, tenant),
        _ => {
            Err(ApiError::text(StatusCode::NOT_FOUND, "text/html", "<h2>Our services aren't available right now</h2>"))
        }
    }
}

/// Whether the tenant of a path is the one that is here.
///
/// # Errors
/// AADSTS900023 or AADSTS90002.
fn known_tenant(state: &State, call: &Call, tenant: &str) -> Result<(), ApiError> {
    check_tenant(tenant).map_err(|refusal| refusal::trust(state, call, refusal))?;
    if [seed::TENANT, seed::DOMAIN].iter().any(|own| own.eq_ignore_ascii_case(tenant)) {
        return Ok(());
    }
    Err(refusal::trust(state, call, unknown_tenant(tenant)))
}

/// The discovery document ("OpenID Connect on the Microsoft identity platform"), in the names under which it was
/// asked for: libraries compare its issuer with the authority that they were given.
fn document(state: &State, call: &Call, tenant: &str, version: Version) -> Answer {
    let any = ANY_TENANT.contains(&tenant);
    if !any {
        known_tenant(state, call, tenant)?;
    }
    let base = call.authority(HOST);
    let named = if any { tenant } else { seed::TENANT };
    let issuer = match (version, any) {
        // Whoever asks for no tenant is told where its id goes.
        (Version::Second, true) => "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned(),
        (Version::First, true) => "https://sts.windows.net/{tenantid}/".to_owned(),
        (Version::Second, false) => format!("{base}/{named}/v2.0"),
        (Version::First, false) => first_issuer(),
    };
    let (middle, keys) = match version {
        Version::Second => ("oauth2/v2.0", "discovery/v2.0/keys"),
        Version::First => ("oauth2", "discovery/keys"),
    };
    Ok(public(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/{named}/{middle}/authorize"),
        "token_endpoint": format!("{base}/{named}/{middle}/token"),
        "jwks_uri": format!("{base}/{named}/{keys}"),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    })))
}

fn keys(state: &State, call: &Call, tenant: &str) -> Answer {
    if !ANY_TENANT.contains(&tenant) {
        known_tenant(state, call, tenant)?;
    }
    let key = state.key.get().map_err(|error| refusal::internal(state, call, &error))?;
    let mut jwk = serde_json::to_value(key.public_jwk()).unwrap_or_default();
    if let Some(jwk) = jwk.as_object_mut() {
        jwk.insert("x5t".to_owned(), key.kid().unwrap_or_default().into());
        jwk.insert("issuer".to_owned(), seed::own_issuer().into());
    }
    Ok(public(&json!({ "keys": [jwk] })))
}

/// Which hosts are the same authority.
fn instance(call: &Call) -> Answer {
    let asked = call.parameter("authorization_endpoint").and_then(|text| url::Url::parse(text).ok());
    let host = asked.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    let regional = host.ends_with(".login.microsoft.com");
    if !regional && !INSTANCES.iter().any(|aliases| aliases.contains(&host)) {
        let description = "AADSTS50049: Unknown or invalid instance.";
        let body = json!({ "error": "invalid_instance", "error_description": description, "error_codes": [50049] });
        return Err(ApiError::json(StatusCode::BAD_REQUEST, &body));
    }
    let tenant = asked.as_ref().and_then(|url| url.path_segments()?.next().map(ToOwned::to_owned)).unwrap_or_default();
    let tenant = if is_guid(&tenant) || ANY_TENANT.contains(&tenant.as_str()) { tenant.as_str() } else { seed::TENANT };
    let metadata: Vec<Value> = INSTANCES
        .iter()
        .map(|aliases| {
            let first = aliases.first();
            json!({ "preferred_network": first, "preferred_cache": first, "aliases": aliases })
        })
        .collect();
    Ok(ok(&json!({
        "tenant_discovery_endpoint": format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": metadata,
    })))
}

/// With the caching that Entra allows; UNCONFIRMED how long.
fn public(body: &Value) -> Response {
    let response = with_header(ok(body), header::CACHE_CONTROL, "max-age=300, private");
    with_header(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

/// Whether a method is the one that a path takes.
fn is_post(call: &Call) -> bool {
    call.method == Method::POST
}

/// How Entra words the errors of faults.
pub(crate) fn error_body(status: StatusCode) -> (&'static str, String) {
    let (code, text) = match status {
        StatusCode::TOO_MANY_REQUESTS => (90055, "The request has been throttled because of too many requests."),
        _ => (90033, "A transient error has occurred. Please try again."),
    };
    let body = json!({
        "error": "temporarily_unavailable",
        "error_description": format!("AADSTS{code}: {text}"),
        "error_codes": [code],
    });
    ("application/json", body.to_string())
}
