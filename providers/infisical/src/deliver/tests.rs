use carnet_core::{ErrorKind, ScriptedHttp};
use serde_json::json;

use super::*;
use crate::testing::{ADDRESS, deliver, token, world};

const LIST: &str = r#"{"secrets":[{"secretKey":"PASSWORD","secretValue":"p'1"},{"secretKey":"USER","secretValue":"u"}],
    "imports":[{"secrets":[{"secretKey":"USER","secretValue":"early"},{"secretKey":"HOST","secretValue":"early"}]},
    {"secrets":[{"secretKey":"HOST","secretValue":"late"}]}]}"#;
const ONE: &str = r#"{"secret":{"secretKey":"KEY/1","secretValue":"-----BEGIN"}}"#;

fn item(more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no item") };
    let mut item = json!({ "project_id": "p", "environment": "prod" });
    item.as_object_mut().unwrap().extend(more);
    json!({ "secrets": [item] })
}

fn text(delivered: &Delivered) -> String {
    String::from_utf8(delivered.output.as_ref().unwrap().expose().to_vec()).unwrap()
}

#[test]
fn a_folder_goes_to_a_file_and_variables_and_its_own_secrets_go_before_imports() {
    let world = world(ScriptedHttp::default().answer(200, LIST), &[]);
    let section = item(json!({ "path": "/api/", "file": "/run/all.json", "variables": { "DB_PASSWORD": "PASSWORD" } }));
    let done = deliver::<InfisicalSecrets>(section, &token(), &world).unwrap();
    assert_eq!(text(&done), "export DB_PASSWORD='p'\\''1'\n");
    let all: Value = serde_json::from_slice(&world.files.get("/run/all.json").unwrap()).unwrap();
    assert_eq!(all, json!({ "PASSWORD": "p'1", "USER": "u", "HOST": "late" }));
    let request = world.http.requests().remove(0);
    assert_eq!(
        request.url.as_str(),
        format!(
            "{ADDRESS}/api/v3/secrets/raw?workspaceId=p&environment=prod&secretPath=%2Fapi&viewSecretValue=true\
             &expandSecretReferences=true&include_imports=true&recursive=false"
        )
    );
    assert_eq!(request.headers["authorization"], "Bearer the-token-of-the-login");
    assert!(request.headers["authorization"].is_sensitive());
}

#[test]
fn one_secret_goes_to_its_file_as_it_is_and_the_token_back() {
    let world = world(ScriptedHttp::default().answer(200, ONE).answer(200, r#"{"message":"x"}"#), &[]);
    let mut section =
        item(json!({ "name": "KEY/1", "file": "/run/key", "imports": false, "expand_references": false }));
    section["revoke"] = json!(true);
    deliver::<InfisicalSecrets>(section, &token(), &world).unwrap();
    assert_eq!(world.files.get("/run/key").unwrap(), b"-----BEGIN");
    let requests = world.http.requests();
    assert_eq!(requests[0].url.path(), "/api/v3/secrets/raw/KEY%2F1");
    assert!(requests[0].url.query().unwrap().ends_with("expandSecretReferences=false&include_imports=false"));
    assert_eq!(requests[1].url.path(), "/api/v1/auth/token/revoke");
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body, json!({ "accessToken": "the-token-of-the-login" }));
}

#[test]
fn every_secret_can_become_a_variable() {
    let world = world(ScriptedHttp::default().answer(200, LIST), &[]);
    let done = deliver::<InfisicalSecrets>(item(json!({ "export": true })), &token(), &world).unwrap();
    let names: Vec<_> = done.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["HOST", "PASSWORD", "USER"]);
}

#[test]
fn rejects_denied_folder_and_writes_nothing() {
    let denied = r#"{"statusCode":403,"message":"You are not allowed to read on secrets","error":"PermissionDenied"}"#;
    let world = world(ScriptedHttp::default().answer(200, LIST).answer(403, denied), &[]);
    let mut section = item(json!({ "file": "/run/a" }));
    let second = item(json!({ "path": "/b", "file": "/run/b" }));
    section["secrets"].as_array_mut().unwrap().push(second["secrets"][0].clone());
    let error = deliver::<InfisicalSecrets>(section, &token(), &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")));
    assert!(world.files.get("/run/a").is_none());
}

#[test]
fn rejects_values_that_are_hidden() {
    let hidden = r#"{"secrets":[{"secretKey":"A","secretValue":"<hidden-by-infisical>","secretValueHidden":true}]}"#;
    let world = world(ScriptedHttp::default().answer(200, hidden), &[]);
    let error = deliver::<InfisicalSecrets>(item(json!({ "file": "/run/a" })), &token(), &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")));
}

#[test]
fn rejects_absent_names_names_twice_and_names_that_no_variable_has() {
    let twice = r#"{"secrets":[{"secretKey":"A","secretValue":"1"},{"secretKey":"A","secretValue":"2"}]}"#;
    let odd = r#"{"secrets":[{"secretKey":"A-B","secretValue":"1"}]}"#;
    for (answer, more) in [
        (LIST, json!({ "variables": { "A": "NONE" } })),
        (twice, json!({ "recursive": true, "file": "/run/a" })),
        (odd, json!({ "export": true })),
    ] {
        let world = world(ScriptedHttp::default().answer(200, answer), &[]);
        let error = deliver::<InfisicalSecrets>(item(more), &token(), &world).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!format!("{error:?}").contains("p'1"));
    }
}

#[test]
fn rejects_answers_that_are_no_secrets_without_quoting_them() {
    let world = world(ScriptedHttp::default().answer(200, r#"{"secrets":"hush"}"#), &[]);
    let error = deliver::<InfisicalSecrets>(item(json!({ "file": "/run/a" })), &token(), &world).unwrap_err();
    assert!(error.is_retryable() && !format!("{error:?}").contains("hush"));
}

#[test]
fn rejects_each_field_that_cannot_work() {
    for (more, field) in [
        (json!({ "project_id": "", "file": "/f" }), "secrets.0.project_id"),
        (json!({ "environment": "a b", "file": "/f" }), "secrets.0.environment"),
        (json!({ "path": "api", "file": "/f" }), "secrets.0.path"),
        (json!({ "path": "/a/../b", "file": "/f" }), "secrets.0.path"),
        (json!({ "path": "/a//b", "file": "/f" }), "secrets.0.path"),
        (json!({ "name": "..", "file": "/f" }), "secrets.0.name"),
        (json!({ "name": "A", "recursive": true, "file": "/f" }), "secrets.0.recursive"),
        (json!({}), "secrets.0"),
        (json!({ "file": "/" }), "secrets.0.file"),
        (json!({ "variables": { "A B": "b" } }), "secrets.0.variables"),
    ] {
        let section: InfisicalSecrets = serde_json::from_value(item(more)).unwrap();
        let fields: Vec<_> = section.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, [field]);
    }
    let empty: InfisicalSecrets = serde_json::from_value(json!({ "secrets": [] })).unwrap();
    assert_eq!(empty.build().unwrap_err()[0].field, "secrets");
}
