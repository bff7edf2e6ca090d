//! Resource Manager: groups, identities and their federated credentials.

use carnet_azure_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{ARM, Reply, Sandbox, with};

fn properties() -> Value {
    json!({
        "issuer": seed::GITHUB_ISSUER,
        "subject": "repo:carnet-sandbox/app:pull_request",
        "audiences": ["api://AzureADTokenExchange"],
    })
}

fn credential(name: &str) -> String {
    format!("{}/federatedIdentityCredentials/{name}", seed::identity())
}

async fn bent(member: &str, value: Value) -> Reply {
    let mut properties = properties();
    properties[member] = value;
    Sandbox::new().arm("PUT", &credential("new"), json!({ "properties": properties })).await
}

#[tokio::test]
async fn a_set_up_script_runs() {
    let sandbox = Sandbox::new();
    let group = format!("/subscriptions/{}/resourcegroups/Demo", seed::SUBSCRIPTION);
    sandbox.arm("PUT", &group, json!({ "location": "West Europe" })).await.is(201);
    sandbox.arm("PUT", &group, json!({ "location": "westeurope", "tags": { "a": "b" } })).await.is(200);
    let identity = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/Worker");
    let made = sandbox.arm("PUT", &identity, json!({ "location": "westeurope" })).await.is(201);
    assert_eq!((&made["name"], &made["properties"]["tenantId"]), (&json!("Worker"), &json!(seed::TENANT)));
    let again = sandbox.arm("PUT", &identity.to_lowercase(), json!({ "location": "westeurope" })).await.is(200);
    assert_eq!(again["properties"], made["properties"]);
    let path = format!("{identity}/federatedIdentityCredentials/Main-One");
    let body = json!({ "properties": properties() });
    let created = sandbox.arm("PUT", &path, body.clone()).await.is(201);
    assert_eq!((&created["name"], &created["properties"]), (&json!("Main-One"), &properties()));
    sandbox.arm("PUT", &path, body).await.is(200);
    assert_eq!(sandbox.arm("GET", &path.to_lowercase(), Value::Null).await.is(200), created);
    let client_id = made["properties"]["clientId"].as_str().unwrap();
    let token = sandbox.job(json!({ "sub": properties()["subject"] }));
    let fields = with(Sandbox::fields(&token), "client_id", client_id);
    sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
    let all = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities");
    let listed = sandbox.arm("GET", &all, Value::Null).await;
    assert_eq!(listed.is(200)["value"].as_array().unwrap().len(), 1);
    assert_eq!(sandbox.arm("DELETE", &identity, Value::Null).await.status, 200);
    assert_eq!(sandbox.arm("DELETE", &identity, Value::Null).await.status, 204);
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(400, "unauthorized_client", 700_016);
}

#[tokio::test]
async fn a_group_takes_all_that_is_in_it_along() {
    let sandbox = Sandbox::new();
    let group = format!("/subscriptions/{}/resourceGroups/{}", seed::SUBSCRIPTION, seed::GROUP);
    let reply = sandbox.arm("DELETE", &group, Value::Null).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (202, "1"));
    let location: url::Url = reply.header("location").parse().unwrap();
    let path = format!("{}?{}", location.path(), location.query().unwrap());
    let token = sandbox.machine(ARM).await;
    let poll = || sandbox.api("azure-arm", "GET", &path, &token, Value::Null);
    assert_eq!(poll().await.status, 202);
    assert_eq!(poll().await.status, 204);
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "client_id", seed::IDENTITY_CLIENT);
    sandbox.exchange_with(seed::TENANT, &fields).await.aadsts(400, "unauthorized_client", 700_016);
    sandbox.arm("GET", &seed::account(), Value::Null).await.refused(404, "ResourceGroupNotFound");
}

#[tokio::test]
async fn what_is_made_anew_under_an_old_name_has_no_old_roles() {
    let sandbox = Sandbox::new();
    let group = format!("/subscriptions/{}/resourceGroups/{}", seed::SUBSCRIPTION, seed::GROUP);
    let account = json!({ "location": "westeurope", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } });
    let token = sandbox.token(seed::APPLICATION).await;
    let create = |name: &str| {
        let path = format!("/{name}?restype=container");
        let (sandbox, token) = (&sandbox, &token);
        async move { sandbox.blob("PUT", &path, token, &[], "").await }
    };
    assert_eq!(create("before").await.status, 201);
    for gone in [seed::account(), group.clone()] {
        sandbox.arm("DELETE", &gone, Value::Null).await;
        if gone == group {
            sandbox.arm("PUT", &group, json!({ "location": "westeurope" })).await.is(201);
        }
        assert_eq!(sandbox.arm("PUT", &seed::account(), account.clone()).await.status, 202, "{gone}");
        create("after").await.xml(403, "AuthorizationPermissionMismatch");
    }
    // The machine is Owner of the subscription still.
    sandbox.arm("GET", &seed::account(), Value::Null).await.is(200);
}

#[tokio::test]
async fn rejects_a_credential_bent_in_one_place() {
    let text = bent("audiences", json!([])).await.refused(400, "BadRequest");
    assert_eq!(text, "Federated identity credentials must have exactly one audience.");
    bent("audiences", json!(["a", "b"])).await.refused(400, "BadRequest");
    for (member, value) in [
        ("issuer", json!("")),
        ("issuer", json!(1)),
        ("issuer", json!("x".repeat(601))),
        ("subject", Value::Null),
        ("subject", json!("x".repeat(601))),
        ("description", json!("x")),
    ] {
        let text = bent(member, value).await.refused(400, "BadRequest");
        assert!(text.starts_with("The request format was unexpected: "), "{text}");
    }
    let expression = json!({ "value": "claims['sub'] eq 'x'", "languageVersion": 1 });
    let mut properties = properties();
    properties.as_object_mut().unwrap().remove("subject");
    properties["claimsMatchingExpression"] = expression;
    let reply = Sandbox::new().arm("PUT", &credential("new"), json!({ "properties": properties })).await;
    reply.refused(400, "BadRequest");
}

#[tokio::test]
async fn rejects_a_credential_without_properties_or_with_another_name() {
    let sandbox = Sandbox::new();
    sandbox.arm("PUT", &credential("new"), json!({})).await.refused(400, "BadRequest");
    for name in ["ab", "-abc", "a.b.c"] {
        let reply = sandbox.arm("PUT", &credential(name), json!({ "properties": properties() })).await;
        reply.refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn rejects_issuer_and_subject_that_another_has() {
    let text = bent("subject", json!(seed::GITHUB_SUBJECT)).await.refused(409, "Conflict");
    assert_eq!(text, "Issuer and subject combination already exists for this Managed Identity.");
}

#[tokio::test]
async fn rejects_the_twenty_first_credential() {
    let sandbox = Sandbox::new();
    for number in 1..=20 {
        let mut properties = properties();
        properties["subject"] = format!("s{number}").into();
        let reply =
            sandbox.arm("PUT", &credential(&format!("n{number:02}")), json!({ "properties": properties })).await;
        if number < 20 {
            reply.is(201);
        } else {
            reply.refused(400, "BadRequest");
        }
    }
}

#[tokio::test]
async fn rejects_regions_without_federated_credentials() {
    let sandbox = Sandbox::new();
    let identity = seed::resource(seed::GROUP, "Microsoft.ManagedIdentity/userAssignedIdentities/far-away");
    sandbox.arm("PUT", &identity, json!({ "location": "malaysiasouth" })).await.is(201);
    let path = format!("{identity}/federatedIdentityCredentials/main");
    sandbox.arm("PUT", &path, json!({ "properties": properties() })).await.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn rejects_what_is_not_there() {
    let sandbox = Sandbox::new();
    let put = json!({ "properties": properties() });
    let identity = seed::identity().replace("userAssignedIdentities/reader", "userAssignedIdentities/nobody");
    let path = format!("{identity}/federatedIdentityCredentials/main");
    sandbox.arm("PUT", &path, put.clone()).await.refused(404, "ResourceNotFound");
    let group = credential("main").replace(&format!("/{}/", seed::GROUP), "/nothing/");
    sandbox.arm("PUT", &group, put.clone()).await.refused(404, "ResourceGroupNotFound");
    let subscription = credential("main").replace(seed::SUBSCRIPTION, "c0ffee00-0000-4000-8000-000000000000");
    sandbox.arm("PUT", &subscription, put).await.refused(404, "SubscriptionNotFound");
    sandbox.arm("GET", &credential("nothing"), Value::Null).await.refused(404, "NotFound");
    sandbox.arm("GET", "/subscriptions/x/providers", Value::Null).await.refused(404, "InvalidResourceType");
    sandbox.arm("POST", &credential("main"), json!({})).await.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn rejects_strangers() {
    let sandbox = Sandbox::new();
    let path = format!("{}?api-version=2024-11-30", seed::identity());
    let reply = sandbox.send("azure-arm", "GET", &path, &[], "").await;
    reply.refused(401, "AuthenticationFailed");
    assert!(reply.header("www-authenticate").contains("authorization_uri=\"https://login.microsoftonline.com/"));
    sandbox.api("azure-arm", "GET", &path, "x", Value::Null).await.refused(401, "InvalidAuthenticationToken");
    let other = sandbox.machine(crate::support::GRAPH).await;
    let reply = sandbox.api("azure-arm", "GET", &path, &other, Value::Null).await;
    reply.refused(401, "InvalidAuthenticationTokenAudience");
    let fields = with(Sandbox::fields(&sandbox.job(json!({}))), "scope", &format!("{ARM}/.default"));
    let token = sandbox.exchange_with(seed::TENANT, &fields).await.is(200)["access_token"].as_str().unwrap().to_owned();
    let text = sandbox.api("azure-arm", "GET", &path, &token, Value::Null).await.refused(403, "AuthorizationFailed");
    assert!(text.contains(
        "does not have authorization to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/read'"
    ));
    let token = sandbox.machine(ARM).await;
    sandbox.advance(jiff::SignedDuration::from_hours(24));
    sandbox.api("azure-arm", "GET", &path, &token, Value::Null).await.refused(401, "ExpiredAuthenticationToken");
}

#[tokio::test]
async fn rejects_a_call_without_version() {
    let sandbox = Sandbox::new();
    let token = sandbox.machine(ARM).await;
    let reply = sandbox.api("azure-arm", "GET", &seed::identity(), &token, Value::Null).await;
    reply.refused(400, "MissingApiVersionParameter");
}

#[tokio::test]
async fn tools_learn_of_the_cloud_and_of_the_subscription() {
    let sandbox = Sandbox::new();
    let cloud = sandbox.send("azure-arm", "GET", "/metadata/endpoints?api-version=2022-09-01", &[], "").await.is(200);
    assert_eq!(cloud["authentication"]["loginEndpoint"], "https://login.microsoftonline.com");
    let listed = sandbox.arm("GET", "/subscriptions", Value::Null).await.is(200);
    assert_eq!(listed["value"][0]["subscriptionId"], seed::SUBSCRIPTION);
    assert_eq!(sandbox.arm("GET", "/tenants", Value::Null).await.is(200)["value"][0]["tenantId"], seed::TENANT);
    let provider = format!("/subscriptions/{}/providers/Microsoft.ManagedIdentity/register", seed::SUBSCRIPTION);
    assert_eq!(sandbox.arm("POST", &provider, Value::Null).await.is(200)["registrationState"], "Registered");
}
