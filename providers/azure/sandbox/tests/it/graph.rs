//! Microsoft Graph: an application, its service principal, its federated credentials.

use carnet_azure_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{GRAPH, Reply, Sandbox, with};

fn good() -> Value {
    json!({
        "name": "pull-requests",
        "issuer": seed::GITHUB_ISSUER,
        "subject": "repo:carnet-sandbox/app:pull_request",
        "audiences": ["api://AzureADTokenExchange"],
        "description": "x",
    })
}

fn path() -> String {
    format!("/v1.0/applications/{}/federatedIdentityCredentials", seed::APPLICATION_OBJECT)
}

/// A credential bent in one place.
async fn bent(member: &str, value: Value) -> Reply {
    let mut body = good();
    body[member] = value;
    Sandbox::new().graph("POST", &path(), body).await
}

#[tokio::test]
async fn a_set_up_script_runs() {
    let sandbox = Sandbox::new();
    let made = sandbox.graph("POST", "/v1.0/applications", json!({ "displayName": "demo" })).await.is(201);
    let (id, app_id) = (made["id"].as_str().unwrap(), made["appId"].as_str().unwrap());
    assert_eq!(made["@odata.context"], "https://graph.microsoft.com/v1.0/$metadata#applications/$entity");
    // Nobody is it before it has a service principal.
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "client_id", app_id);
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(400, "unauthorized_client", 700_016);
    let principal = sandbox.graph("POST", "/v1.0/servicePrincipals", json!({ "appId": app_id })).await.is(201);
    assert_eq!(principal["servicePrincipalType"], "Application");
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(401, "invalid_client", 70_025);
    let credentials = format!("/v1.0/applications(appId='{app_id}')/federatedIdentityCredentials");
    let mut body = good();
    body["subject"] = seed::GITHUB_SUBJECT.into();
    let credential = sandbox.graph("POST", &credentials, body).await.is(201);
    assert_eq!(credential["name"], "pull-requests");
    sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
    // It is found by each of its names.
    for key in [
        format!("/{}", credential["id"].as_str().unwrap()),
        "/pull-requests".to_owned(),
        "(name='pull-requests')".to_owned(),
    ] {
        let found = sandbox.graph("GET", &format!("{credentials}{key}"), Value::Null).await.is(200);
        assert_eq!(found["id"], credential["id"], "{key}");
    }
    let listed = sandbox.graph("GET", &credentials, Value::Null).await.is(200);
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    let filter = format!("/v1.0/applications?$filter=appId%20eq%20'{app_id}'");
    let found = sandbox.graph("GET", &filter, Value::Null).await.is(200);
    assert_eq!(found["value"][0]["id"], id);
    sandbox.graph("DELETE", &format!("{credentials}/pull-requests"), Value::Null).await.is(204);
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(401, "invalid_client", 70_025);
    sandbox.graph("DELETE", &format!("/v1.0/applications/{id}"), Value::Null).await.is(204);
    sandbox
        .graph("GET", &format!("/v1.0/applications/{id}"), Value::Null)
        .await
        .refused(404, "Request_ResourceNotFound");
}

#[tokio::test]
async fn a_credential_is_changed_in_place_and_made_where_it_is_missing() {
    let sandbox = Sandbox::new();
    let change = json!({ "subject": "repo:carnet-sandbox/app:environment:prod" });
    sandbox.graph("PATCH", &format!("{}/github-main", path()), change.clone()).await.is(204);
    sandbox.exchange(&sandbox.job(json!({ "sub": change["subject"] }))).await.is(200);
    sandbox.exchange(&sandbox.job(json!({}))).await.aadsts(401, "invalid_client", 700_213);
    let renamed = sandbox.graph("PATCH", &format!("{}/github-main", path()), json!({ "name": "other" })).await;
    assert!(renamed.refused(400, "Request_BadRequest").contains("immutable"));
    let upsert = format!("{}(name='new-one')", path());
    let mut body = good();
    body.as_object_mut().unwrap().remove("name");
    sandbox.graph("PATCH", &upsert, body.clone()).await.refused(404, "Request_ResourceNotFound");
    let token = sandbox.machine(GRAPH).await;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("prefer", "create-if-missing")];
    let made = sandbox.send("azure-graph", "PATCH", &upsert, &headers, body.to_string()).await.is(201);
    assert_eq!(made["name"], "new-one");
    let again = sandbox.send("azure-graph", "PATCH", &upsert, &headers, body.to_string()).await;
    assert_eq!(again.status, 204);
}

#[tokio::test]
async fn expressions_are_of_the_beta_alone() {
    let sandbox = Sandbox::new();
    let mut body = good();
    body.as_object_mut().unwrap().remove("subject");
    body["claimsMatchingExpression"] =
        json!({ "value": "claims['sub'] matches 'repo:carnet-sandbox/*'", "languageVersion": 1 });
    sandbox.graph("POST", &path(), body.clone()).await.refused(400, "Request_BadRequest");
    let made = sandbox.graph("POST", &path().replace("v1.0", "beta"), body.clone()).await.is(201);
    assert_eq!(made["claimsMatchingExpression"], body["claimsMatchingExpression"]);
    sandbox.exchange(&sandbox.job(json!({ "sub": "repo:carnet-sandbox/other:ref:x" }))).await.is(200);
}

#[tokio::test]
async fn rejects_a_credential_bent_in_one_place() {
    for (member, value) in [
        ("name", json!("a")),
        ("name", json!("-abc")),
        ("name", json!("a".repeat(121))),
        ("issuer", json!("")),
        ("issuer", json!("x".repeat(601))),
        ("subject", json!("x".repeat(601))),
        ("subject", Value::Null),
        ("audiences", json!([])),
        ("audiences", json!(["a", "b"])),
        ("audiences", json!("a")),
        ("description", json!("x".repeat(601))),
        ("unknown", json!(1)),
    ] {
        bent(member, value.clone()).await.refused(400, "Request_BadRequest");
    }
}

#[tokio::test]
async fn rejects_what_is_there_already() {
    bent("name", json!("github-main")).await.refused(409, "Request_MultipleObjectsWithSameKeyValue");
    bent("subject", json!(seed::GITHUB_SUBJECT)).await.refused(409, "Request_MultipleObjectsWithSameKeyValue");
}

#[tokio::test]
async fn rejects_the_twenty_first_credential() {
    let sandbox = Sandbox::new();
    let mut last = None;
    for number in 0..18 {
        let mut body = good();
        body["name"] = format!("number-{number}").into();
        body["subject"] = format!("s{number}").into();
        last = Some(sandbox.graph("POST", &path(), body).await);
    }
    assert!(last.unwrap().refused(400, "Request_BadRequest").contains("20"));
}

#[tokio::test]
async fn rejects_strangers() {
    let sandbox = Sandbox::new();
    let list = "/v1.0/applications";
    let reply = sandbox.send("azure-graph", "GET", list, &[], "").await;
    reply.refused(401, "InvalidAuthenticationToken");
    assert!(reply.header("www-authenticate").starts_with("Bearer "));
    sandbox.api("azure-graph", "GET", list, "x", Value::Null).await.refused(401, "InvalidAuthenticationToken");
    let other = sandbox.machine(crate::support::ARM).await;
    let reply = sandbox.api("azure-graph", "GET", list, &other, Value::Null).await;
    assert!(reply.refused(401, "InvalidAuthenticationToken").contains("audience"));
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "scope", "https://graph.microsoft.com/.default");
    let token = sandbox.exchange_with(seed::TENANT, &fields).await.is(200)["access_token"].as_str().unwrap().to_owned();
    sandbox.api("azure-graph", "GET", list, &token, Value::Null).await.refused(403, "Authorization_RequestDenied");
}

#[tokio::test]
async fn pages_lead_on() {
    let sandbox = Sandbox::new();
    for number in 0..3 {
        sandbox.graph("POST", "/v1.0/applications", json!({ "displayName": format!("n{number}") })).await.is(201);
    }
    let first = sandbox.graph("GET", "/v1.0/applications?$top=3", Value::Null).await.is(200);
    assert_eq!(first["value"].as_array().unwrap().len(), 3);
    let next: url::Url = first["@odata.nextLink"].as_str().unwrap().parse().unwrap();
    assert_eq!(next.scheme(), "https");
    let rest = format!("{}?{}", next.path(), next.query().unwrap());
    let second = sandbox.graph("GET", &rest, Value::Null).await.is(200);
    assert_eq!(second["value"].as_array().unwrap().len(), 1);
    assert!(second.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn links_lead_back_the_way_that_the_caller_came() {
    let sandbox = Sandbox::new();
    sandbox.graph("POST", "/v1.0/applications", json!({ "displayName": "n" })).await.is(201);
    let token = sandbox.machine(GRAPH).await;
    let list = sandbox.ask_plainly("azure-graph", "/v1.0/applications?$top=1", &token).await.is(200);
    assert!(list["@odata.nextLink"].as_str().unwrap().starts_with("http://"), "{list}");
}

#[tokio::test]
async fn what_is_not_emulated_is_said_openly() {
    let sandbox = Sandbox::new();
    let filter = "/v1.0/applications?$filter=startswith(displayName,'x')";
    sandbox.graph("GET", filter, Value::Null).await.refused(400, "Request_BadRequest");
    let add = format!("/v1.0/applications/{}/addPassword", seed::APPLICATION_OBJECT);
    sandbox.graph("POST", &add, json!({})).await.refused(400, "BadRequest");
    sandbox.graph("GET", "/v2.0/applications", Value::Null).await.refused(400, "BadRequest");
}
