//! Role assignments, and that they decide.

use carnet_azure_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{Reply, Sandbox};

const NAME: &str = "c0ffee00-0000-4000-8000-0000000000aa";
const CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

fn body() -> Value {
    let role = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{CONTRIBUTOR}",
        seed::SUBSCRIPTION
    );
    json!({ "properties": {
        "roleDefinitionId": role, "principalId": seed::IDENTITY_PRINCIPAL, "principalType": "ServicePrincipal",
    } })
}

fn path(name: &str) -> String {
    format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", seed::account())
}

async fn bent(name: &str, member: &str, value: Value) -> Reply {
    let mut body = body();
    body["properties"][member] = value;
    Sandbox::new().arm("PUT", &path(name), body).await
}

#[tokio::test]
async fn an_assignment_lets_a_workload_write() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::IDENTITY_CLIENT).await;
    let put = || sandbox.blob("PUT", "/logs/a.txt", &token, &[("x-ms-blob-type", "BlockBlob")], "x");
    put().await.xml(403, "AuthorizationPermissionMismatch");
    let made = sandbox.arm("PUT", &path(NAME), body()).await.is(201);
    assert_eq!(made["properties"]["scope"], seed::account());
    assert_eq!(put().await.status, 201);
    let listed = sandbox.arm("GET", path("").trim_end_matches('/'), Value::Null).await.is(200);
    assert!(listed["value"].as_array().unwrap().iter().any(|own| own["name"] == NAME));
    sandbox.arm("DELETE", &path(NAME), Value::Null).await.is(200);
    assert_eq!(sandbox.arm("DELETE", &path(NAME), Value::Null).await.status, 204);
    put().await.xml(403, "AuthorizationPermissionMismatch");
}

#[tokio::test]
async fn an_assignment_takes_its_time_to_act() {
    let sandbox = Sandbox::new();
    sandbox.behave(json!({ "propagation_seconds": 300 })).await;
    sandbox.arm("PUT", &path(NAME), body()).await.is(201);
    let token = sandbox.token(seed::IDENTITY_CLIENT).await;
    let put = || sandbox.blob("PUT", "/logs/a.txt", &token, &[("x-ms-blob-type", "BlockBlob")], "x");
    put().await.xml(403, "AuthorizationPermissionMismatch");
    sandbox.advance(jiff::SignedDuration::from_secs(300));
    assert_eq!(put().await.status, 201);
}

#[tokio::test]
async fn an_assignment_with_a_condition_grants_nothing() {
    let sandbox = Sandbox::new();
    let mut body = body();
    body["properties"]["condition"] = "@Resource[x] StringEquals 'y'".into();
    sandbox.arm("PUT", &path(NAME), body).await.is(201);
    let token = sandbox.token(seed::IDENTITY_CLIENT).await;
    let reply = sandbox.blob("PUT", "/logs/a.txt", &token, &[("x-ms-blob-type", "BlockBlob")], "x").await;
    reply.xml(403, "AuthorizationPermissionMismatch");
}

#[tokio::test]
async fn rejects_an_assignment_bent_in_one_place() {
    bent("x", "principalType", json!("ServicePrincipal")).await.refused(400, "InvalidRoleAssignmentId");
    bent(NAME, "principalId", json!("x")).await.refused(400, "InvalidPrincipalId");
    bent(NAME, "principalType", json!("Robot")).await.refused(400, "InvalidPrincipalType");
    bent(NAME, "roleDefinitionId", json!("x")).await.refused(404, "RoleDefinitionDoesNotExist");
}

#[tokio::test]
async fn a_principal_that_is_not_known_yet_needs_its_type() {
    let sandbox = Sandbox::new();
    let mut body = body();
    body["properties"]["principalId"] = "c0ffee00-0000-4000-8000-0000000000bb".into();
    body["properties"].as_object_mut().unwrap().remove("principalType");
    sandbox.arm("PUT", &path(NAME), body.clone()).await.refused(400, "PrincipalNotFound");
    body["properties"]["principalType"] = "ServicePrincipal".into();
    sandbox.arm("PUT", &path(NAME), body).await.is(201);
}

#[tokio::test]
async fn rejects_the_same_assignment_twice_and_a_change() {
    let sandbox = Sandbox::new();
    sandbox.arm("PUT", &path(NAME), body()).await.is(201);
    sandbox.arm("PUT", &path(NAME), body()).await.refused(409, "RoleAssignmentExists");
    let other = path(&NAME.replace("aa", "ab"));
    sandbox.arm("PUT", &other, body()).await.refused(409, "RoleAssignmentExists");
    let mut changed = body();
    changed["properties"]["principalId"] = seed::APPLICATION_PRINCIPAL.into();
    sandbox.arm("PUT", &path(NAME), changed).await.refused(409, "RoleAssignmentUpdateNotPermitted");
}

#[tokio::test]
async fn roles_are_found_by_their_names() {
    let sandbox = Sandbox::new();
    let base = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions", seed::SUBSCRIPTION);
    let filter = "$filter=roleName%20eq%20'Storage%20Blob%20Data%20Contributor'";
    let found = sandbox.arm("GET", &format!("{base}?{filter}"), Value::Null).await.is(200);
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!(found["value"][0]["name"], CONTRIBUTOR);
    let one = sandbox.arm("GET", &format!("{base}/{CONTRIBUTOR}"), Value::Null).await.is(200);
    assert_eq!(one, found["value"][0]);
    sandbox.arm("GET", &format!("{base}/{NAME}"), Value::Null).await.refused(404, "RoleDefinitionDoesNotExist");
}
