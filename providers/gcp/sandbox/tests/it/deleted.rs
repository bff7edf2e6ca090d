//! What is left of a service account that was deleted.

use carnet_gcp_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, Sandbox};

const ACCOUNTS: &str = "/v1/projects/carnet-sandbox/serviceAccounts";
const REPORT: &str = "/storage/v1/b/carnet-reports/o/2026%2F11%2Freport.txt";

#[tokio::test]
async fn a_service_account_that_is_made_again_is_another_one() {
    let sandbox = Sandbox::new();
    let before = sandbox.reader().await;
    let read =
        |token: String| async { sandbox.api("gcp-storage", "GET", REPORT, &{ token }, Value::Null).await.status };
    assert_eq!(read(before.clone()).await, 200);
    sandbox.iam("DELETE", &format!("{ACCOUNTS}/{}", seed::READER), Value::Null).await.ok();
    let (id, _) = seed::READER.split_once('@').unwrap();
    sandbox.iam("POST", ACCOUNTS, json!({ "accountId": id })).await.ok();
    assert_eq!(read(before).await, 401, "a token of the one before");

    // Whoever may use the new one gets nothing that was given to the old one.
    let who = format!("serviceAccount:{}", seed::BUILDER);
    let policy = json!({ "bindings": [{ "role": "roles/iam.serviceAccountTokenCreator", "members": [who] }] });
    let set = format!("{ACCOUNTS}/{}:setIamPolicy", seed::READER);
    sandbox.iam("POST", &set, json!({ "policy": policy })).await.ok();
    let body = json!({ "scope": [CLOUD_PLATFORM] });
    let after = sandbox.impersonate(&sandbox.builder().await, "generateAccessToken", body).await.ok();
    assert_eq!(read(after["accessToken"].as_str().unwrap().to_owned()).await, 403);
    let project = "/v1/projects/carnet-sandbox:getIamPolicy";
    let builder = sandbox.builder().await;
    let shown = sandbox.api("gcp-resourcemanager", "POST", project, &builder, json!({})).await.ok().to_string();
    assert!(shown.contains(&format!("\"deleted:serviceAccount:{}?uid=", seed::READER)), "{shown}");
    assert!(!shown.contains(&format!("\"serviceAccount:{}", seed::READER)), "{shown}");
}
