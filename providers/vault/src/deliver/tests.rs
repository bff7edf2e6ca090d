use carnet_core::{Delivered, ErrorKind, ScriptedHttp};
use serde_json::{Value, json};

use super::*;
use crate::testing::{deliver, token, world};

const V1: &str = r#"{"data":{"password":"p1","port":5432}}"#;
const V2: &str = r#"{"data":{"data":{"password":"p'2"},"metadata":{"version":3}}}"#;

fn text(delivered: &Delivered) -> String {
    String::from_utf8(delivered.output.as_ref().unwrap().expose().to_vec()).unwrap()
}

fn one(item: Value) -> Value {
    json!({ "secrets": Value::Array(vec![item]) })
}

#[test]
fn the_token_goes_to_its_file_and_to_the_helper_as_it_is() {
    let world = world(ScriptedHttp::default(), &[]);
    deliver::<VaultTokenFile>(json!({}), &token(), &world).unwrap();
    assert_eq!(world.files.get("/home/user/.vault-token").unwrap(), b"hvs.it's");
    assert_eq!(text(&deliver::<VaultTokenHelper>(json!({}), &token(), &world).unwrap()), "hvs.it's");
}

#[test]
fn the_variables_are_those_of_the_clients() {
    let world = world(ScriptedHttp::default(), &[]);
    let done = deliver::<VaultEnv>(json!({ "openbao": true }), &token(), &world).unwrap();
    let names: Vec<_> = done.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["VAULT_TOKEN", "VAULT_ADDR", "VAULT_NAMESPACE", "BAO_TOKEN", "BAO_ADDR", "BAO_NAMESPACE"]);
    assert!(text(&done).starts_with("export VAULT_TOKEN='hvs.it'\\''s'\n"));
}

#[test]
fn secrets_of_both_engines_go_to_files_and_variables_and_the_token_back() {
    let http = ScriptedHttp::default().answer(200, V1).answer(200, V2).answer(204, "");
    let world = world(http, &[]);
    let section = json!({ "revoke": true, "secrets": [
        { "mount": "kv", "path": "db", "engine": 1, "file": "/run/db.json", "variables": { "PORT": "port" } },
        { "mount": "secret", "path": "app/x", "version": 3, "file": "/run/p", "member": "password" } ] });
    let done = deliver::<VaultSecrets>(section, &token(), &world).unwrap();
    assert_eq!(text(&done), "export PORT='5432'\n");
    assert_eq!(world.files.get("/run/p").unwrap(), b"p'2");
    let all: Value = serde_json::from_slice(&world.files.get("/run/db.json").unwrap()).unwrap();
    assert_eq!(all["password"], "p1");
    let requests = world.http.requests();
    let urls: Vec<_> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://vault.example:8200/v1/kv/db",
            "https://vault.example:8200/v1/secret/data/app/x?version=3",
            "https://vault.example:8200/v1/auth/token/revoke-self",
        ]
    );
    assert!(requests.iter().all(
        |request| request.headers["x-vault-token"] == "hvs.it's" && request.headers["x-vault-namespace"] == "team"
    ));
}

#[test]
fn a_batch_token_is_not_given_back_as_it_cannot_be() {
    let world = world(ScriptedHttp::default().answer(200, V1), &[]);
    let section =
        json!({ "revoke": true, "secrets": [{ "mount": "kv", "path": "db", "engine": 1, "file": "/run/db" }] });
    deliver::<VaultSecrets>(section, &token().fact("token_type", "batch"), &world).unwrap();
    assert_eq!(world.http.requests().len(), 1);
}

#[test]
fn rejects_denied_secret_and_writes_nothing() {
    let http = ScriptedHttp::default().answer(200, V1).answer(403, r#"{"errors":["permission denied"]}"#);
    let world = world(http, &[]);
    let section = json!({ "secrets": [
        { "mount": "kv", "path": "a", "engine": 1, "file": "/run/a" }, { "mount": "kv", "path": "b", "file": "/run/b" } ] });
    let error = deliver::<VaultSecrets>(section, &token(), &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")));
    assert!(world.files.get("/run/a").is_none());
}

#[test]
fn a_token_is_given_back_when_a_secret_cannot_be_read() {
    let denied = || ScriptedHttp::default().answer(200, V1).answer(403, r#"{"errors":["permission denied"]}"#);
    let section = json!({ "revoke": true, "secrets": [
        { "mount": "kv", "path": "a", "engine": 1, "file": "/run/a" }, { "mount": "kv", "path": "b", "file": "/run/b" } ] });
    let given_back = world(denied().answer(204, ""), &[]);
    let error = deliver::<VaultSecrets>(section.clone(), &token(), &given_back).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")));
    let last = given_back.http.requests().pop().unwrap();
    assert_eq!(last.url.path(), "/v1/auth/token/revoke-self");
    assert!(!error.hints().iter().any(|hint| hint.contains("lives on")), "{:?}", error.hints());
    let kept = world(denied().answer(503, r#"{"errors":["Vault is sealed"]}"#), &[]);
    let error = deliver::<VaultSecrets>(section, &token(), &kept).unwrap_err();
    assert_eq!(error.failed_clause(), Some("permission"), "what was wrong first is what is told");
    assert!(error.hints().iter().any(|hint| hint.contains("lives on")), "{:?}", error.hints());
    assert!(kept.files.get("/run/a").is_none());
}

#[test]
fn a_token_is_given_back_when_a_member_is_not_there() {
    let world = world(ScriptedHttp::default().answer(200, V1).answer(204, ""), &[]);
    let item = json!({ "mount": "m", "path": "p", "engine": 1, "variables": { "A": "none" } });
    let section = json!({ "revoke": true, "secrets": [item] });
    assert_eq!(deliver::<VaultSecrets>(section, &token(), &world).unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(world.http.requests().len(), 2);
}

#[test]
fn rejects_absent_member_and_wrong_engine() {
    for (answer, item) in [
        (V2, json!({ "mount": "m", "path": "p", "variables": { "A": "none" } })),
        (V1, json!({ "mount": "m", "path": "p", "variables": { "A": "password" } })),
    ] {
        let world = world(ScriptedHttp::default().answer(200, answer), &[]);
        let error = deliver::<VaultSecrets>(one(item), &token(), &world).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!format!("{error:?}").contains("p1"));
    }
}

#[test]
fn rejects_each_field_that_cannot_work() {
    use carnet_core::DeliveryConfig as _;
    for (item, field) in [
        (json!({ "mount": "", "path": "p", "file": "/f" }), "secrets.0.mount"),
        (json!({ "mount": "m", "path": "../p", "file": "/f" }), "secrets.0.path"),
        (json!({ "mount": "m", "path": "p", "engine": 3, "file": "/f" }), "secrets.0.engine"),
        (json!({ "mount": "m", "path": "p", "engine": 1, "version": 2, "file": "/f" }), "secrets.0.version"),
        (json!({ "mount": "m", "path": "p" }), "secrets.0"),
        (json!({ "mount": "m", "path": "p", "file": "/" }), "secrets.0.file"),
        (json!({ "mount": "m", "path": "p", "member": "x", "variables": { "A": "b" } }), "secrets.0.member"),
        (json!({ "mount": "m", "path": "p", "variables": { "A B": "b" } }), "secrets.0.variables"),
    ] {
        let section: VaultSecrets = serde_json::from_value(one(item)).unwrap();
        let fields: Vec<_> = section.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, [field]);
    }
}
