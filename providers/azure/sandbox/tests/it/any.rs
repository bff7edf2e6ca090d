//! Whatever is asked, something is answered: no panic, no 500, and a body of the right kind.

use carnet_azure_sandbox::seed;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{ARM, GRAPH, STORAGE, Sandbox};

const SERVICES: [&str; 7] =
    ["azure-app-service", "azure-arc", "azure-arm", "azure-blob", "azure-entra", "azure-graph", "azure-imds"];
const METHODS: [&str; 6] = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"];

fn path() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "v1.0",
        "beta",
        "applications",
        "applications(appId='x')",
        "servicePrincipals",
        "federatedIdentityCredentials",
        "(name='x')",
        seed::APPLICATION_OBJECT,
        seed::APPLICATION_PRINCIPAL,
        seed::TENANT,
        seed::SUBSCRIPTION,
        seed::GROUP,
        seed::ACCOUNT,
        seed::IDENTITY,
        "subscriptions",
        "resourceGroups",
        "providers",
        "Microsoft.ManagedIdentity",
        "userAssignedIdentities",
        "Microsoft.Storage",
        "storageAccounts",
        "blobServices",
        "default",
        "containers",
        "Microsoft.Authorization",
        "roleAssignments",
        "roleDefinitions",
        "oauth2",
        "v2.0",
        "token",
        ".well-known",
        "openid-configuration",
        "discovery",
        "keys",
        "instance",
        "common",
        "metadata",
        "identity",
        "msi",
        "reports",
        "a%2Fb",
        "%ff",
        "",
        ":",
    ]);
    let query = prop::sample::select(vec![
        "",
        "?",
        "?api-version=2024-11-30",
        "?api-version=2019-08-01&resource=https://storage.azure.com",
        "?api-version=2020-06-01&resource=x&client_id=y",
        "?$filter=appId%20eq%20'x'",
        "?$top=0&$skiptoken=-1",
        "?$top=1&api-version=x&$skiptoken=99999999999999999999",
        "?restype=container",
        "?restype=container&comp=list&maxresults=1&marker=YQ&delimiter=a",
        "?comp=list&prefix=%ff",
        "?authorization_endpoint=https://login.microsoftonline.com/x/y",
    ]);
    (prop::collection::vec(parts, 0..10), query).prop_map(|(parts, query)| format!("/{}{query}", parts.join("/")))
}

fn body() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!([]),
        json!("text"),
        json!({}),
        json!({ "displayName": "x", "identifierUris": ["api://x"], "api": { "requestedAccessTokenVersion": 3 } }),
        json!({ "name": "good-name", "issuer": "https://x.example", "subject": "s", "audiences": ["a"] }),
        json!({ "properties": { "issuer": 1, "subject": "s", "audiences": ["a", "b"] } }),
        json!({ "properties": { "roleDefinitionId": "x", "principalId": seed::APPLICATION_PRINCIPAL } }),
        json!({ "location": "westeurope", "kind": "StorageV2", "sku": { "name": "x" }, "tags": { "a": 1 } }),
        json!({ "appId": seed::APPLICATION }),
    ])
}

#[test]
fn any_request_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // One sandbox for all cases: making its key takes longer than the cases.
    let sandbox = Sandbox::new();
    let tokens = runtime
        .block_on(async { [sandbox.machine(ARM).await, sandbox.machine(GRAPH).await, sandbox.machine(STORAGE).await] });
    let request = (prop::sample::select(SERVICES.to_vec()), prop::sample::select(METHODS.to_vec()), path(), body());
    let requests = prop::collection::vec(request, 1..12);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(128));
    let outcome = runner.run(&requests, |requests| {
        runtime.block_on(async {
            for (service, method, path, body) in requests {
                let Ok(_) = path.parse::<http::Uri>() else { continue };
                let token = match service {
                    "azure-graph" => &tokens[1],
                    "azure-blob" => &tokens[2],
                    _ => &tokens[0],
                };
                let authorization = format!("Bearer {token}");
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", "application/json"),
                    ("metadata", "true"),
                    ("x-identity-header", seed::IDENTITY_HEADER),
                    ("x-ms-version", "2026-10-06"),
                    ("x-ms-blob-type", "BlockBlob"),
                ];
                let reply = sandbox.send(service, method, &path, &headers, body.to_string()).await;
                let status = reply.status.as_u16();
                prop_assert!(status != 500, "{service} {method} {path}: {}", String::from_utf8_lossy(&reply.body));
                if reply.header("content-type").starts_with("application/json") && !reply.body.is_empty() {
                    prop_assert!(serde_json::from_slice::<Value>(&reply.body).is_ok(), "{service} {method} {path}");
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
