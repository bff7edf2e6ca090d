//! The secrets API.

use carnet_infisical_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{Sandbox, refused};

fn v3(more: &str) -> String {
    format!("v3/secrets/raw?workspaceId={}&environment={}{more}", seed::PROJECT, seed::ENVIRONMENT)
}

fn one(name: &str, more: &str) -> String {
    format!("v3/secrets/raw/{name}?workspaceId={}&environment={}{more}", seed::PROJECT, seed::ENVIRONMENT)
}

fn values(secrets: &Value) -> Vec<(&str, &str)> {
    let secrets = secrets.as_array().unwrap().iter();
    secrets.map(|one| (one["secretKey"].as_str().unwrap(), one["secretValue"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_folder_is_read_with_its_imports_in_both_versions() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let v4 = format!("v4/secrets?projectId={}&environment={}&include_imports=true", seed::PROJECT, seed::ENVIRONMENT);
    for path in [v3("&include_imports=true"), v4] {
        let (status, body) = sandbox.with(&token, "GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(values(&body["secrets"])[0], ("DB_PASSWORD", "sandbox"));
        assert_eq!(body["imports"][0]["secretPath"], "/shared");
        assert_eq!(values(&body["imports"][0]["secrets"]).len(), 2);
        for field in
            ["id", "_id", "workspace", "environment", "version", "type", "secretComment", "createdAt", "updatedAt"]
        {
            assert!(!body["secrets"][0][field].is_null(), "{field}");
        }
    }
    let (_, body) = sandbox.with(&token, "GET", &v3(""), Value::Null).await;
    assert!(body["imports"].is_null(), "imports are given to who asks for them");
}

#[tokio::test]
async fn references_are_replaced_for_who_asks_for_it() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    for (flag, wanted) in [
        ("&expandSecretReferences=true", "postgres://app:sandbox@db.carnet-sandbox.example/app"),
        ("", "postgres://app:${DB_PASSWORD}@${prod.shared.DB_HOST}/app"),
    ] {
        let (_, body) = sandbox.with(&token, "GET", &one("DB_URL", flag), Value::Null).await;
        assert_eq!(body["secret"]["secretValue"], wanted);
    }
}

#[tokio::test]
async fn one_secret_is_the_folder_s_own_or_imported() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let read = async |name: &str, flag: &str| sandbox.with(&token, "GET", &one(name, flag), Value::Null).await;
    let (_, own) = read("DB_PASSWORD", "&include_imports=true").await;
    assert_eq!(own["secret"]["secretValue"], "sandbox");
    let (_, imported) = read("DB_HOST", "&include_imports=true").await;
    assert_eq!((&imported["secret"]["secretPath"], &imported["secret"]["type"]), (&json!("/shared"), &json!("shared")));
    refused(read("DB_HOST", "").await, 404, "NotFound", "Secret with name 'DB_HOST' not found");
}

#[tokio::test]
async fn folders_below_are_read_too_for_who_asks_for_it() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let (_, body) = sandbox.with(&token, "GET", &v3("&recursive=true"), Value::Null).await;
    assert_eq!(body["secrets"].as_array().unwrap().len(), 4);
    let (_, body) = sandbox.with(&token, "GET", &v3("&secretPath=%2Fshared%2F"), Value::Null).await;
    assert_eq!(body["secrets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn values_can_stay_hidden() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let (_, body) = sandbox.with(&token, "GET", &one("DB_PASSWORD", "&viewSecretValue=false"), Value::Null).await;
    assert_eq!(body["secret"]["secretValueHidden"], true);
    assert!(!body.to_string().contains("sandbox\""), "{body}");
}

#[tokio::test]
async fn rejects_reads_that_name_no_place_or_one_that_is_not_there() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let project = seed::PROJECT;
    for (path, status, error, text) in [
        (format!("v3/secrets/raw?workspaceId={project}"), 400, "BadRequest", "Missing workspace id or environment"),
        ("v4/secrets?environment=prod".to_owned(), 400, "BadRequest", "Missing project id or environment"),
        ("v4/secrets?projectId=x&environment=prod".to_owned(), 404, "NotFound", "Project with ID 'x' not found"),
        (
            v3("&secretPath=/none"),
            404,
            "NotFound",
            "Folder with path '/none' in environment with slug 'prod' not found",
        ),
        (v3("&recursive=1"), 422, "ValidationFailure", "recursive"),
        (v3("&expandSecretReferences=yes"), 422, "ValidationFailure", "expandSecretReferences"),
    ] {
        refused(sandbox.with(&token, "GET", &path, Value::Null).await, status, error, text);
    }
    let by_slug = format!("v3/secrets/raw?workspaceSlug={}&environment=prod", seed::PROJECT_SLUG);
    assert_eq!(sandbox.with(&token, "GET", &by_slug, Value::Null).await.0, 200);
}

#[tokio::test]
async fn rejects_identities_without_a_role_that_allows_it() {
    let sandbox = Sandbox::new();
    let (admin, viewer) = (sandbox.admin().await, sandbox.token().await);
    let stranger = sandbox.with(&admin, "GET", &v3(""), Value::Null).await;
    refused(stranger, 403, "PermissionDenied", "You are not allowed to read on secrets");
    let body = json!({ "workspaceId": seed::PROJECT, "environment": seed::ENVIRONMENT, "secretValue": "x" });
    let write = sandbox.with(&viewer, "POST", "v3/secrets/raw/NEW", body).await;
    refused(write, 403, "PermissionDenied", "You are not allowed to edit on secrets");
}

#[tokio::test]
async fn a_member_makes_changes_and_deletes_a_secret() {
    let sandbox = Sandbox::new();
    let (admin, token) = (sandbox.admin().await, sandbox.token().await);
    let path = format!("v2/workspace/{}/identity-memberships/{}", seed::PROJECT, seed::IDENTITY);
    assert_eq!(sandbox.with(&admin, "POST", &path, json!({ "role": "member" })).await.0, 200);
    let body =
        |value: &str| json!({ "workspaceId": seed::PROJECT, "environment": seed::ENVIRONMENT, "secretValue": value });
    let at = "v3/secrets/raw/NEW";
    let (_, made) = sandbox.with(&token, "POST", at, body("  kept \n")).await;
    assert_eq!((&made["secret"]["secretValue"], &made["secret"]["version"]), (&json!("kept\n"), &json!(1)));
    refused(sandbox.with(&token, "POST", at, body("x")).await, 400, "BadRequest", "Secret already exist");
    let (_, changed) = sandbox.with(&token, "PATCH", at, body("new")).await;
    assert_eq!((&changed["secret"]["secretValue"], &changed["secret"]["version"]), (&json!("new"), &json!(2)));
    assert_eq!(sandbox.with(&token, "DELETE", at, body("")).await.0, 200);
    refused(sandbox.with(&token, "PATCH", at, body("x")).await, 404, "NotFound", "Secret with name 'NEW' not found");
    refused(
        sandbox.with(&token, "POST", at, json!({ "environment": "prod" })).await,
        422,
        "ValidationFailure",
        "workspaceId",
    );
}

#[tokio::test]
async fn a_project_is_made_with_folders_and_imports() {
    let sandbox = Sandbox::new();
    let admin = sandbox.admin().await;
    let (_, made) = sandbox.with(&admin, "POST", "v2/workspace", json!({ "projectName": "New One" })).await;
    let id = made["project"]["id"].as_str().unwrap();
    assert_eq!(made["project"]["slug"], "new-one");
    let folder = json!({ "workspaceId": id, "environment": "dev", "name": "api", "path": "/" });
    let (_, body) = sandbox.with(&admin, "POST", "v1/folders", folder).await;
    assert_eq!(body["folder"]["path"], "/api");
    let import = json!({ "projectId": id, "environment": "dev", "import": { "environment": "dev", "path": "/api" } });
    assert_eq!(sandbox.with(&admin, "POST", "v2/secret-imports", import).await.0, 200);
    let secret = json!({ "projectId": id, "environment": "dev", "secretPath": "/api", "secretValue": "v" });
    assert_eq!(sandbox.with(&admin, "POST", "v4/secrets/K", secret).await.0, 200);
    let path = format!("v4/secrets/K?projectId={id}&environment=dev&include_imports=true");
    assert_eq!(sandbox.with(&admin, "GET", &path, Value::Null).await.1["secret"]["secretValue"], "v");
    let environments = format!("v1/workspace/{id}/environments");
    let test = json!({ "name": "Test", "slug": "test" });
    assert_eq!(sandbox.with(&admin, "POST", &environments, test.clone()).await.0, 200);
    let twice = sandbox.with(&admin, "POST", &environments, test).await;
    refused(twice, 400, "BadRequest", "Environment with slug already exist");
}
