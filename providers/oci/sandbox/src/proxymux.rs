//! Proxymux of Kubernetes Engine: a session token for the token of a service account. Each cluster has its own; it asks its own API
//! server whether the token is good, so that another cluster's is not, and neither is that of a pod that is gone.
//!
//! Oracle's SDKs: Go `common/auth/federation_client_oke_workload_identity.go`, Python
//! `oci/auth/signers/oke_workload_identity_resource_principal_signer.py`.

mod review;

use std::sync::Arc;

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_jose::{Claims, PublicKey, sha256};
use carnet_oci::trust::{Principal, principal::PTYPE_WORKLOAD};
use carnet_sandbox_kit::Service;
use carnet_trust::{Grant, Refusal};
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::review::Reviewed;
use crate::{
    OciState,
    auth::{SessionGrant, session_jwk, session_key, session_key_pem},
    call::{Call, router},
    reply::{ApiError, ok},
    seed::{self, OkeCluster},
};

/// Life of a workload's session token. UNCONFIRMED: no document tells it; Oracle's SDKs cope with anything over some minutes.
const SESSION_LIFETIME: SignedDuration = SignedDuration::from_secs(3600);
/// How a key in PEM begins: Oracle's Go SDK sends the whole text.
const PEM: &str = "-----BEGIN";

/// One for each cluster. None has a host name of its own: it stands at the address of the API server.
pub(crate) fn services(state: &OciState) -> Vec<Service> {
    let service = |cluster: &OkeCluster| {
        Service::new(cluster.service, Vec::new(), router(state, cluster.service, answer))
            .error_body(crate::reply::error_body)
    };
    seed::OKE_CLUSTERS.iter().map(service).collect()
}

fn answer(call: &Call) -> Result<Response, ApiError> {
    let cluster = seed::OKE_CLUSTERS.iter().find(|cluster| cluster.service == call.service);
    match (cluster, &call.parts.method, call.segments().as_slice()) {
        (Some(cluster), &Method::POST, ["resourcePrincipalSessionTokens"]) => session(call, cluster),
        _ => Err(ApiError::not_found()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionRequest {
    pod_key: String,
}

fn session(call: &Call, cluster: &OkeCluster) -> Result<Response, ApiError> {
    if !cluster.enhanced {
        return Err(not_enhanced());
    }
    let header = call.header("authorization").unwrap_or_default();
    let token = header.split_once(' ').filter(|(word, _)| word.eq_ignore_ascii_case("bearer"));
    let token = token.map(|(_, token)| token.trim()).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| not_believed("no bearer token".to_owned()))?;
    let body: SessionRequest = call.json()?;
    let key = pod_key(&body.pod_key)?;
    let reviewed = review::ask(call, cluster, token)?;
    let claims = claims(cluster, &reviewed);
    let principal = Principal::from_claims(&Claims(claims.clone())).map_err(|refusal| ApiError::internal(&refusal))?;
    call.allow(granted(&principal, cluster, &reviewed));
    call.remember(&Arc::new(principal));
    let key = session_jwk(&key, None);
    let grant = SessionGrant { service: call.service, claims, key: &key, lifetime: SESSION_LIFETIME };
    let session = call.state.auth().mint_session(grant).map_err(|error| ApiError::internal(&error))?;
    let answer = json!({ "token": format!("ST${}", session.expose()) }).to_string();
    // A JSON text with its quotes, which Oracle's SDKs take off.
    Ok(ok(&STANDARD.encode(answer)))
}

/// Both ways in which Oracle's SDKs write it.
fn pod_key(text: &str) -> Result<PublicKey, ApiError> {
    if text.trim_start().starts_with(PEM) { session_key_pem("podKey", text) } else { session_key("podKey", text) }
}

/// What the session says. The names of the last three are this emulator's (UNCONFIRMED): Oracle publishes the variables of
/// policies that are made of them, and not the claims.
fn claims(cluster: &OkeCluster, reviewed: &Reviewed) -> Map<String, Value> {
    [
        ("sub", workload_ocid(cluster, reviewed)),
        ("ptype", PTYPE_WORKLOAD.to_owned()),
        ("tenant", seed::TENANCY.to_owned()),
        ("res_tenant", seed::TENANCY.to_owned()),
        ("namespace", reviewed.namespace.clone()),
        ("service_account", reviewed.account.clone()),
        ("cluster_id", cluster.id.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::from(value)))
    .collect()
}

/// The OCID of a workload, in the form of `createdBy` of public samples: realm, short code of the region, the cluster, and 48
/// characters. They are opaque; here they come of the account's UID.
fn workload_ocid(cluster: &OkeCluster, reviewed: &Reviewed) -> String {
    let digest = sha256(format!("{}/{}", cluster.id, reviewed.account_uid).as_bytes());
    let hex: String = carnet_core::hex(&digest).chars().take(36).collect();
    let unique = STANDARD.encode(hex).to_ascii_lowercase();
    let region = seed::REGION_KEY.to_ascii_lowercase();
    format!("ocid1.workload.{}.{region}.{}.{unique}", seed::REALM, cluster.short_id)
}

fn granted(principal: &Principal, cluster: &OkeCluster, reviewed: &Reviewed) -> Grant {
    let attributes = [
        ("cluster_id", cluster.id.to_owned()),
        ("namespace", reviewed.namespace.clone()),
        ("service_account", reviewed.account.clone()),
    ];
    Grant {
        principal: principal.id.clone(),
        lifetime: Some(SESSION_LIFETIME),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        held: vec!["cluster-type", "token"],
        ..Grant::default()
    }
}

/// The form of proxymux's errors is not published (UNCONFIRMED): that of Oracle's services is taken.
fn not_enhanced() -> ApiError {
    let refusal = Refusal::new(
        "cluster-type",
        "a basic cluster",
        "an enhanced cluster",
        "NotAllowed",
        "upgrade the cluster: workload identity is for enhanced clusters",
    );
    ApiError::new(StatusCode::FORBIDDEN, "NotAllowed", "Workload identity is not available for this cluster.")
        .because(Some(Box::new(refusal)))
}

/// 401: the reason is for the operator alone.
fn not_believed(seen: String) -> ApiError {
    ApiError::not_authenticated(Box::new(Refusal::new(
        "token",
        seen,
        "the token of a service account of this cluster, for its API server, of a pod that is still there",
        "NotAuthenticated",
        "read the token file again; the token for the API server is the one that every pod has",
    )))
}
