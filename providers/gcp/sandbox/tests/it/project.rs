//! The project.

use carnet_gcp_sandbox::seed;
use serde_json::{Value, json};

use crate::support::Sandbox;

const SERVICE: &str = "gcp-resourcemanager";

#[tokio::test]
async fn the_project_is_known_by_id_and_number() {
    let sandbox = Sandbox::new();
    let token = sandbox.builder().await;
    for name in [seed::PROJECT, seed::PROJECT_NUMBER] {
        let body = sandbox.api(SERVICE, "GET", &format!("/v1/projects/{name}"), &token, Value::Null).await.ok();
        assert_eq!((&body["projectId"], &body["projectNumber"]), (&json!(seed::PROJECT), &json!(seed::PROJECT_NUMBER)));
    }
    let body = sandbox.api(SERVICE, "GET", "/v3/projects/carnet-sandbox", &token, Value::Null).await.ok();
    assert_eq!(body["name"], "projects/123456789012");
}

#[tokio::test]
async fn rejects_strangers_and_other_projects() {
    let sandbox = Sandbox::new();
    let job = sandbox.federated().await;
    let uri = "/v1/projects/carnet-sandbox";
    sandbox.api(SERVICE, "GET", uri, &job, Value::Null).await.refused(403, "PERMISSION_DENIED");
    sandbox.api(SERVICE, "GET", uri, "x", Value::Null).await.refused(401, "UNAUTHENTICATED");
    let token = sandbox.builder().await;
    let elsewhere = sandbox.api(SERVICE, "GET", "/v1/projects/elsewhere", &token, Value::Null).await;
    elsewhere.refused(403, "PERMISSION_DENIED");
    sandbox.api(SERVICE, "GET", "/v1/other", &token, Value::Null).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_role_on_the_project_opens_its_buckets() {
    let sandbox = Sandbox::new();
    let token = sandbox.builder().await;
    let uri = "/v1/projects/carnet-sandbox";
    let mut policy = sandbox.api(SERVICE, "POST", &format!("{uri}:getIamPolicy"), &token, json!({})).await.ok();
    let member =
        "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/*";
    let binding = json!({ "role": "roles/storage.objectViewer", "members": [member] });
    policy["bindings"].as_array_mut().unwrap().push(binding);
    let job = sandbox.federated().await;
    let object = "/storage/v1/b/carnet-reports/o";
    assert_eq!(sandbox.api("gcp-storage", "GET", object, &job, Value::Null).await.status, 403);
    let body = json!({ "policy": policy });
    sandbox.api(SERVICE, "POST", &format!("{uri}:setIamPolicy"), &token, body.clone()).await.ok();
    assert_eq!(sandbox.api("gcp-storage", "GET", object, &job, Value::Null).await.status, 200);
    sandbox.api(SERVICE, "POST", &format!("{uri}:setIamPolicy"), &token, body).await.refused(409, "ABORTED");
}
