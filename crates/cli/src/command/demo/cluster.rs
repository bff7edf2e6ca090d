//! A Kubernetes cluster as far as others see it, for instance one of OKE with OpenID Connect discovery switched on: the
//! issuer of the tokens that its pods find in a projected volume ("Service account issuer discovery", "Bound service account
//! tokens", kubernetes.io).

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use carnet_core::{Context, Error, Secret};
use carnet_jose::{Algorithm, encode_jwt};
use carnet_sandbox::{Host, LazyKey, Service, oauth};
use serde_json::{Map, Value, json};

/// [`oauth::CLUSTER_ISSUER`] without its scheme.
const HOST: &str = "cluster.demo.test";
/// Where the API server has its keys.
const KEYS: &str = "/openid/v1/jwks";
/// The namespace of the pods.
const NAMESPACE: &str = "shop";
/// The service account that the catalogue's parties trust.
pub(super) const SERVICE_ACCOUNT: &str = "checkout";
/// How long a token lives, in seconds: the least that a volume can be configured to.
const LIFETIME: i64 = 600;

/// The cluster.
#[derive(Clone)]
pub(super) struct Cluster(Arc<LazyKey>);

impl Cluster {
    /// One whose key is made when it is needed.
    pub(super) fn new() -> Self {
        Self(Arc::new(LazyKey::new(Algorithm::Rs256, "cluster")))
    }

    /// Its issuer as a service of the sandbox.
    pub(super) fn service(&self) -> Service {
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(|| async { Json(discovery()) }))
            .route(KEYS, get(keys))
            .with_state(self.clone());
        Service::new("demo-cluster", [Host::Exact(HOST)], router)
    }

    /// What the kubelet puts into the volume of a pod with this service account.
    pub(super) fn token(&self, context: &Context, service_account: &str, audience: &str) -> Result<Secret, Error> {
        let failed = || Error::internal("sign the token of a service account");
        let now = context.now().as_second();
        let members = json!({
            "iss": oauth::CLUSTER_ISSUER,
            "sub": format!("system:serviceaccount:{NAMESPACE}:{service_account}"),
            "aud": [audience],
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(LIFETIME),
            "jti": context.random_hex::<16>(),
            "kubernetes.io": {
                "namespace": NAMESPACE,
                "pod": { "name": "checkout-0", "uid": "2c48913c-b29f-11e7-9350-020968147796" },
                "serviceaccount": { "name": service_account, "uid": "2c48913c-b29f-11e7-9350-020968147797" },
            },
        });
        let key = self.0.get().map_err(|error| failed().because(error))?;
        let members: Map<String, Value> = members.as_object().cloned().unwrap_or_default();
        encode_jwt(&key, &Map::new(), &members).map_err(|error| failed().because(error))
    }
}

fn discovery() -> Value {
    json!({
        "issuer": oauth::CLUSTER_ISSUER,
        "jwks_uri": format!("{}{KEYS}", oauth::CLUSTER_ISSUER),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [Algorithm::Rs256.name()],
    })
}

async fn keys(State(cluster): State<Cluster>) -> Result<Json<Value>, StatusCode> {
    let key = cluster.0.get().map_err(|_no_key| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({ "keys": [key.public_jwk()] })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_has_the_name_and_the_account_that_parties_know() {
        assert_eq!(oauth::CLUSTER_ISSUER, format!("https://{HOST}"));
        assert_eq!(oauth::CLUSTER_SUBJECT, format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"));
    }
}
