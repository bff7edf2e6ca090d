//! The documents of the account's issuer and of the cluster's.

use std::sync::Arc;

use carnet_core::Secret;
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    call::{Call, is_local},
    reply::{Answer, ApiError, json_reply},
    seed,
    state::State,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-issuer";
/// How long a token of a service account lives.
const TOKEN_LIFETIME: i64 = 86_400;

/// Answers a request. Under the real names each host has its issuer; on this machine itself the path tells them apart.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let missing = || ApiError::new(404, "NotFound", "Not found");
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(ApiError::new(405, "MethodNotAllowed", "Method not allowed"));
    }
    let cluster_path = path_of(seed::CLUSTER_ISSUER);
    let host = call.host();
    let (issuer, rest) = match call.path.strip_prefix(cluster_path) {
        Some(rest) if is_local(&host) || host == host_of(seed::CLUSTER_ISSUER) => (seed::CLUSTER_ISSUER, rest),
        _ if is_local(&host) || host == host_of(seed::OUTBOUND_ISSUER) => (seed::OUTBOUND_ISSUER, call.path.as_str()),
        _ => return Err(missing()),
    };
    let is_cluster = issuer == seed::CLUSTER_ISSUER;
    if !is_cluster && !state.lock().outbound {
        return Err(missing());
    }
    let keys_path = if is_cluster { "/keys" } else { "/.well-known/jwks.json" };
    let body = match rest {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{keys_path}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": if is_cluster { json!(["RS256"]) } else { json!(["RS256", "ES384"]) },
            "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti"],
        }),
        rest if rest == keys_path => {
            let keys = if is_cluster {
                vec![state.keys.cluster()]
            } else {
                vec![state.keys.outbound(Algorithm::Rs256), state.keys.outbound(Algorithm::Es384)]
            };
            let keys: Result<Vec<Arc<SigningKey>>, _> = keys.into_iter().collect();
            let keys = keys.map_err(|error| ApiError::internal(&error))?;
            json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() })
        }
        _ => return Err(missing()),
    };
    Ok(json_reply(StatusCode::OK, &body))
}

/// A token of the seeded service account, as the cluster projects it into the pod.
pub(crate) fn service_account_token(state: &State, audience: &str) -> Result<Secret, carnet_jose::KeyError> {
    let now = state.world.now(SERVICE).as_second();
    let (namespace, account) = seed::SERVICE_ACCOUNT;
    let claims = json!({
        "iss": seed::CLUSTER_ISSUER,
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
        "aud": [audience],
        "iat": now,
        "nbf": now,
        "exp": now.saturating_add(TOKEN_LIFETIME),
        "jti": state.uuid(),
        "kubernetes.io": {
            "namespace": namespace,
            "pod": { "name": "app-0", "uid": "ca12e700-0000-4000-8000-000000000003" },
            "serviceaccount": { "name": account, "uid": "ca12e700-0000-4000-8000-000000000004" },
        },
    });
    let key = state.keys.cluster()?;
    encode_jwt(&key, &Map::new(), claims.as_object().unwrap_or(&Map::<String, Value>::new()))
}

/// The host of an issuer.
fn host_of(issuer: &str) -> &str {
    let rest = issuer.strip_prefix("https://").unwrap_or(issuer);
    rest.split('/').next().unwrap_or_default()
}

/// The path of an issuer, without a slash at its end.
fn path_of(issuer: &str) -> &str {
    let rest = issuer.strip_prefix("https://").unwrap_or(issuer);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
}
