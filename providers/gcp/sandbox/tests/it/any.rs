//! Whatever is asked, something is answered: no panic, no 500, and a body of the right kind.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, Sandbox};

const SERVICES: [&str; 7] =
    ["gcp-certs", "gcp-iam", "gcp-iamcredentials", "gcp-metadata", "gcp-resourcemanager", "gcp-storage", "gcp-sts"];

fn path() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "v1",
        "v3",
        "projects",
        "-",
        "carnet-sandbox",
        "locations",
        "global",
        "workloadIdentityPools",
        "github",
        "providers",
        "serviceAccounts",
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        "storage",
        "upload",
        "download",
        "b",
        "o",
        "carnet-logs",
        "a%2Fb",
        "%ff",
        "computeMetadata",
        "instance",
        "service-accounts",
        "default",
        "token",
        "identity",
        "",
        ":",
        "operations",
        "allowedLocations",
        "oauth2",
        "certs",
    ]);
    let verb = prop::sample::select(vec![
        "",
        ":",
        ":undelete",
        ":setIamPolicy",
        ":getIamPolicy",
        ":testIamPermissions",
        ":generateAccessToken",
        ":signJwt",
    ]);
    let query = prop::sample::select(vec![
        "",
        "?",
        "?project=carnet-sandbox",
        "?pageSize=-1&pageToken=x",
        "?updateMask=oidc.jwksJson,displayName",
        "?uploadType=media&name=x",
        "?uploadType=multipart",
        "?uploadType=resumable&upload_id=x",
        "?audience=x&format=full",
        "?workloadIdentityPoolId=good-pool",
        "?workloadIdentityPoolProviderId=good-provider",
        "?recursive=true&alt=text",
    ]);
    (prop::collection::vec(parts, 0..9), verb, query)
        .prop_map(|(parts, verb, query)| format!("/{}{verb}{query}", parts.join("/")))
}

fn body() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!([]),
        json!("text"),
        json!({}),
        json!({ "policy": { "bindings": [{ "role": "roles/viewer", "members": ["allUsers"] }], "etag": 1 } }),
        json!({ "permissions": [1, "x"] }),
        json!({ "scope": [CLOUD_PLATFORM], "delegates": ["x"], "lifetime": "1s" }),
        json!({ "payload": "{}", "audience": "x" }),
        json!({ "oidc": { "issuerUri": "https://x.example" }, "attributeMapping": { "google.subject": "(" } }),
        json!({ "accountId": "abcdef", "serviceAccount": 7, "name": "bucket-name" }),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_is_answered(
        requests in prop::collection::vec(
            (prop::sample::select(SERVICES.to_vec()), prop::sample::select(vec!["GET", "POST", "PATCH", "DELETE", "PUT"]), path(), body()),
            1..12,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::new();
            let token = sandbox.builder().await;
            for (service, method, path, body) in requests {
                let Ok(_) = path.parse::<http::Uri>() else { continue };
                let reply = sandbox.api(service, method, &path, &token, body).await;
                assert_ne!(reply.status.as_u16(), 500, "{service} {method} {path}: {}", String::from_utf8_lossy(&reply.body));
            }
        });
    }
}
