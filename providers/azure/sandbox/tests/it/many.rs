//! Ten thousand identities, each with a federated credential and a role: the one that is asked is found as fast as the
//! only one.

use carnet_azure_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{ARM, Sandbox, with};

const MANY: usize = 10_000;
const READER: &str = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";

fn subject(at: usize) -> String {
    format!("repo:carnet-sandbox/app-{at}:ref:refs/heads/main")
}

#[tokio::test]
async fn each_of_ten_thousand_identities_is_found() {
    let sandbox = Sandbox::new();
    let machine = sandbox.machine(ARM).await;
    let put = async |path: String, body: Value| {
        let uri = format!("{path}?api-version=2024-11-30");
        sandbox.api("azure-arm", "PUT", &uri, &machine, body).await.is(201)
    };
    let role =
        format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{READER}", seed::SUBSCRIPTION);
    let mut clients = Vec::new();
    for at in 0..MANY {
        let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
        let identity = seed::resource(seed::GROUP, &format!("{kind}/worker-{at}"));
        let made = put(identity.clone(), json!({ "location": "westeurope" })).await["properties"].clone();
        let trust = json!({ "issuer": seed::GITHUB_ISSUER, "subject": subject(at),
            "audiences": ["api://AzureADTokenExchange"] });
        put(format!("{identity}/federatedIdentityCredentials/main"), json!({ "properties": trust })).await;
        let granted = json!({ "roleDefinitionId": role, "principalId": made["principalId"],
            "principalType": "ServicePrincipal" });
        let name = format!("c0ffee00-0000-4000-8000-{at:012}");
        let assignment = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", seed::account());
        put(assignment, json!({ "properties": granted })).await;
        clients.push(made["clientId"].as_str().unwrap().to_owned());
    }
    for at in [0, MANY / 2, MANY - 1] {
        let fields = with(Sandbox::fields(&sandbox.job(json!({ "sub": subject(at) }))), "client_id", &clients[at]);
        let body = sandbox.exchange_with(seed::TENANT, &fields).await.is(200);
        let token = body["access_token"].as_str().unwrap();
        let path = format!("/reports/{}", seed::BLOB.0);
        assert_eq!(sandbox.blob("GET", &path, token, &[], "").await.status, 200, "{at}");
        let neighbour = with(fields, "client_id", &clients[(at + 1) % MANY]);
        sandbox.exchange_with(seed::TENANT, &neighbour).await.aadsts(401, "invalid_client", 700_213);
    }
}

#[tokio::test]
async fn applications_are_found_by_their_names() {
    let sandbox = Sandbox::new();
    let mut made = Vec::new();
    for name in ["twin", "twin", "other"] {
        made.push(sandbox.graph("POST", "/v1.0/applications", json!({ "displayName": name })).await.is(201));
    }
    let count = async |name: &str| {
        let path = format!("/v1.0/applications?$filter=displayName%20eq%20'{name}'");
        sandbox.graph("GET", &path, Value::Null).await.is(200)["value"].as_array().unwrap().len()
    };
    assert_eq!((count("twin").await, count("other").await, count("nobody").await), (2, 1, 0));
    let first = format!("/v1.0/applications/{}", made[0]["id"].as_str().unwrap());
    sandbox.graph("PATCH", &first, json!({ "displayName": "renamed" })).await.is(204);
    assert_eq!((count("twin").await, count("renamed").await), (1, 1));
    let second = format!("/v1.0/applications/{}", made[1]["id"].as_str().unwrap());
    sandbox.graph("DELETE", &second, Value::Null).await.is(204);
    assert_eq!(count("twin").await, 0);
}
