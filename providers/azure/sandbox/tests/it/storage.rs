//! Resource Manager: storage accounts, which take their time, and containers.

use carnet_azure_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{ARM, Reply, Sandbox, with};

fn account(name: &str) -> String {
    seed::resource(seed::GROUP, &format!("Microsoft.Storage/storageAccounts/{name}"))
}

fn body() -> Value {
    json!({ "location": "westeurope", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } })
}

async fn follow(sandbox: &Sandbox, reply: &Reply, header: &str) -> Reply {
    let url: url::Url = reply.header(header).parse().unwrap();
    let token = sandbox.machine(ARM).await;
    let path = format!("{}?{}", url.path(), url.query().unwrap());
    sandbox.api("azure-arm", "GET", &path, &token, Value::Null).await
}

#[tokio::test]
async fn an_account_is_made_after_a_while() {
    let sandbox = Sandbox::new();
    let reply = sandbox.arm("PUT", &account("fresh1"), body()).await;
    assert_eq!(reply.status, 202);
    let first = follow(&sandbox, &reply, "azure-asyncoperation").await.is(200);
    assert_eq!(first["status"], "InProgress");
    let second = follow(&sandbox, &reply, "azure-asyncoperation").await.is(200);
    assert_eq!((&second["status"], &second["endTime"]), (&json!("Succeeded"), &json!("2026-11-21T12:00:00Z")));
    let made = follow(&sandbox, &reply, "location").await.is(200);
    assert_eq!(made, sandbox.arm("GET", &account("fresh1"), Value::Null).await.is(200));
    assert_eq!(made["properties"]["primaryEndpoints"]["blob"], "https://fresh1.blob.core.windows.net/");
    sandbox.arm("PUT", &account("fresh1"), body()).await.is(200);
    let container = format!("{}/blobServices/default/containers/things", account("fresh1"));
    sandbox.arm("PUT", &container, json!({})).await.is(201);
    sandbox.arm("PUT", &container, json!({})).await.is(200);
    assert_eq!(sandbox.arm("GET", &container, Value::Null).await.is(200)["name"], "things");
    assert_eq!(sandbox.arm("DELETE", &container, Value::Null).await.status, 200);
    assert_eq!(sandbox.arm("DELETE", &account("fresh1"), Value::Null).await.status, 200);
    assert_eq!(sandbox.arm("DELETE", &account("fresh1"), Value::Null).await.status, 204);
}

#[tokio::test]
async fn rejects_an_account_bent_in_one_place() {
    let sandbox = Sandbox::new();
    for name in ["ab", "a-b", &"a".repeat(25)] {
        sandbox.arm("PUT", &account(name), body()).await.refused(400, "AccountNameInvalid");
    }
    for (member, code) in [
        ("location", "LocationRequired"),
        ("kind", "InvalidRequestPropertyValue"),
        ("sku", "InvalidRequestPropertyValue"),
    ] {
        let mut bent = body();
        bent.as_object_mut().unwrap().remove(member);
        sandbox.arm("PUT", &account("fresh1"), bent).await.refused(400, code);
    }
    let group = format!("/subscriptions/{}/resourceGroups/other", seed::SUBSCRIPTION);
    sandbox.arm("PUT", &group, json!({ "location": "westeurope" })).await.is(201);
    let taken = seed::resource("other", &format!("Microsoft.Storage/storageAccounts/{}", seed::ACCOUNT));
    sandbox.arm("PUT", &taken, body()).await.refused(409, "StorageAccountAlreadyTaken");
    let container = format!("{}/blobServices/default/containers/A_B", seed::account());
    sandbox.arm("PUT", &container, json!({})).await.refused(400, "InvalidResourceName");
}

#[tokio::test]
async fn names_can_be_asked_for_first() {
    let sandbox = Sandbox::new();
    let path = format!("/subscriptions/{}/providers/Microsoft.Storage/checkNameAvailability", seed::SUBSCRIPTION);
    for (name, available) in [("fresh1", true), (seed::ACCOUNT, false), ("A", false)] {
        let answer =
            sandbox.arm("POST", &path, json!({ "name": name, "type": "Microsoft.Storage/storageAccounts" })).await;
        assert_eq!(answer.is(200)["nameAvailable"], available, "{name}");
    }
}

#[tokio::test]
async fn rejects_whoever_neither_began_an_operation_nor_may_read() {
    let sandbox = Sandbox::new();
    let reply = sandbox.arm("PUT", &account("fresh1"), body()).await;
    let url: url::Url = reply.header("location").parse().unwrap();
    let path = format!("{}?{}", url.path(), url.query().unwrap());
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "scope", &format!("{ARM}/.default"));
    let stranger = sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
    let stranger = stranger["access_token"].as_str().unwrap();
    let asked = sandbox.api("azure-arm", "GET", &path, stranger, Value::Null).await;
    asked.refused(403, "AuthorizationFailed");
    // It was not counted as a look.
    assert_eq!(follow(&sandbox, &reply, "location").await.status, 202);
    assert_eq!(follow(&sandbox, &reply, "location").await.status, 200);
    let unsigned = sandbox.send("azure-arm", "GET", &path, &[], "").await;
    unsigned.refused(401, "AuthenticationFailed");
    let posted = sandbox.arm("POST", path.split('?').next().unwrap(), Value::Null).await;
    posted.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn rejects_an_operation_that_is_not_there() {
    let sandbox = Sandbox::new();
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Storage/locations/westeurope/asyncOperations/x",
        seed::SUBSCRIPTION
    );
    sandbox.arm("GET", &path, Value::Null).await.refused(404, "OperationNotFound");
}
