//! Groups, and requests to ourselves: an authority that is a principal of OCI asks Oracle itself.

use carnet_oci_sandbox::seed;
use http::StatusCode;
use serde_json::json;

use super::{
    LOGIN,
    cloud::{Cloud, Draft, STRANGER, rule},
    refused, unproved,
};

fn own(draft: &Draft) -> Draft {
    Draft { target: LOGIN.to_owned(), ..draft.with("host", "authority.example") }
}

#[tokio::test]
async fn a_rule_names_groups_by_their_ids() {
    let groups = json!({ "subject": null, "claims": { "groups": [seed::DEPLOYERS_GROUP, seed::ADMIN_GROUP] } });
    let cloud = Cloud::asking(vec![rule(groups)]).await;
    cloud.log_in(&cloud.admin()).await.token();
    let dynamic = json!({ "subject": null, "claims": { "groups": seed::FUNCTION_GROUP } });
    let cloud = Cloud::asking(vec![rule(dynamic)]).await;
    cloud.log_in(&cloud.function()).await.token();
}

#[tokio::test]
async fn rejects_members_of_other_groups_and_groups_that_nobody_tells() {
    let groups = || vec![rule(json!({ "claims": { "groups": seed::DEPLOYERS_GROUP } }))];
    let cloud = Cloud::asking(groups()).await;
    refused(&cloud, &cloud.admin(), "claims", StatusCode::UNAUTHORIZED).await;
    let silent = Cloud::new(groups()).await;
    refused(&silent, &silent.admin(), "claims", StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn an_api_key_is_good_for_a_request_to_ourselves() {
    let cloud = Cloud::asking(vec![rule(json!({}))]).await;
    cloud.log_in(&own(&cloud.admin())).await.token();
    let forged = Draft { key: STRANGER.clone(), ..own(&cloud.admin()).with("x-carnet-nonce", "2") };
    unproved(&cloud, forged, "signature").await;
    cloud.world.network.answer_all(503);
    let again = own(&cloud.admin()).with("x-carnet-nonce", "3");
    refused(&cloud, &again, "answer", StatusCode::SERVICE_UNAVAILABLE).await;
}
