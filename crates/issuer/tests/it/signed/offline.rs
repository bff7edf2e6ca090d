//! Session tokens that are believed by keys, without asking anybody.

use carnet_issuer::TrustedIssuer;
use carnet_oci_sandbox::seed;
use http::StatusCode;
use serde_json::json;

use super::{
    cloud::{Cloud, Draft, STRANGER, forged_session, issuer, rule},
    refused, unproved,
};
use crate::world::AUTHORITY;

const INSTANCE: &str = "ocid1.instance.oc1.iad.iiii";

/// An authority that takes [`STRANGER`] for the auth service.
async fn believing() -> Cloud {
    let jwks = json!({ "keys": [STRANGER.public_jwk()] });
    let trusted = TrustedIssuer { jwks: Some(jwks), ..TrustedIssuer::new(issuer()) };
    Cloud::with(vec![rule(json!({ "subject": INSTANCE }))], &[trusted]).await
}

fn instance() -> Draft {
    forged_session(json!({ "sub": INSTANCE, "ptype": "instance", "opc-compartment": seed::COMPARTMENT }))
}

/// The request that only we would answer.
fn own(draft: &Draft) -> Draft {
    Draft { target: super::LOGIN.to_owned(), ..draft.with("host", "authority.example").without("x-carnet-audience") }
}

#[tokio::test]
async fn an_instance_logs_in_without_anybody_being_asked() {
    let cloud = believing().await;
    let asked = cloud.world.network.requests();
    cloud.log_in(&own(&instance())).await.token();
    cloud.log_in(&instance()).await.token();
    assert_eq!(cloud.world.network.requests(), asked);
}

#[tokio::test]
async fn rejects_a_token_of_another_key() {
    let cloud = believing().await;
    // What Oracle would say does not count where there are keys.
    unproved(&cloud, cloud.function(), "token").await;
}

#[tokio::test]
async fn rejects_our_own_login_where_nobody_can_verify_it() {
    let cloud = Cloud::new(vec![rule(json!({ "subject": INSTANCE }))]).await;
    unproved(&cloud, own(&instance()), "keys").await;
    unproved(&cloud, Draft { user: None, ..own(&cloud.admin()) }, "key").await;
}

#[tokio::test]
async fn rejects_a_login_for_another_path_of_ours() {
    let cloud = believing().await;
    let other = Draft { target: "/oauth2/token".to_owned(), ..own(&instance()) };
    unproved(&cloud, other, "signature").await;
    let rule = own(&instance()).with("x-carnet-audience", &format!("{AUTHORITY}#none"));
    refused(&cloud, &rule, "rule", StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn rejects_a_subject_that_pretends_to_be_a_user() {
    let cloud = believing().await;
    let pretender = forged_session(json!({ "sub": seed::ADMIN_USER, "ptype": "instance" }));
    unproved(&cloud, pretender, "subject").await;
    let expired = forged_session(json!({ "sub": INSTANCE, "ptype": "instance", "exp": 1 }));
    unproved(&cloud, expired, "expired").await;
}
