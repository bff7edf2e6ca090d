use std::sync::Arc;

use carnet_core::{AccessToken, Credential, DeliveryConfig, ErrorKind, Material, ScriptedCommands, ScriptedHttp};
use serde_json::{Value, json};

use super::*;
use crate::testing::{CLIENT, TENANT, World, deliver, subject, subject_token, world};

fn offline() -> World {
    world(ScriptedHttp::default(), &[])
}

fn file() -> Value {
    json!({ "path": "/run/token", "tenant": TENANT, "client_id": CLIENT, "authority": "https://login.example" })
}

fn cli() -> Value {
    json!({ "token_file": "/run/token", "tenant": TENANT, "client_id": CLIENT, "config_dir": "/run/az" })
}

#[test]
fn the_token_file_has_no_newline_and_its_variables() {
    let world = offline();
    let done = deliver::<AzureTokenFile>(file(), &subject(), &world).unwrap();
    assert_eq!(world.files.get("/run/token").unwrap(), subject_token().expose().as_bytes());
    let variables: Vec<(&str, &str)> =
        done.environment.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(
        variables,
        [
            ("AZURE_FEDERATED_TOKEN_FILE", "/run/token"),
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_AUTHORITY_HOST", "https://login.example"),
        ]
    );
}

#[test]
fn rejects_sections_bent_in_one_place() {
    for (name, value) in [
        ("path", json!("/")),
        ("tenant", json!("common")),
        ("client_id", json!("app")),
        ("authority", json!("http://127.0.0.1:1")),
    ] {
        let mut section = file();
        section[name] = value;
        let mistakes = serde_json::from_value::<AzureTokenFile>(section).unwrap().build().unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].field.as_str()), (1, name));
    }
    let mut section = cli();
    section["token_file"] = json!("token");
    let mistakes = serde_json::from_value::<AzureCli>(section).unwrap().build().unwrap_err();
    assert_eq!(mistakes[0].field, "token_file");
    let bent = AzureEnv { variable: Some("A B".to_owned()) };
    assert_eq!(bent.build().unwrap_err()[0].field, "variable");
}

#[test]
fn a_script_finds_the_access_token() {
    let material = AccessToken { token: Secret::new("it's"), token_type: "Bearer".to_owned() };
    let credential = Credential::new(Material::AccessToken(material));
    let done = deliver::<AzureEnv>(json!({}), &credential, &offline()).unwrap();
    assert_eq!(
        done.output.unwrap().expose(),
        br"export AZURE_ACCESS_TOKEN='it'\''s'
"
    );
}

#[test]
fn az_signs_in_and_no_argument_holds_the_token() {
    let mut world = offline();
    let commands = Arc::new(ScriptedCommands::default().answer(Some(0), "", ""));
    world.context.commands = Arc::clone(&commands) as _;
    deliver::<AzureCli>(cli(), &subject(), &world).unwrap();
    let command = commands.commands().remove(0);
    assert_eq!(command.argv[..2], ["az", "login"]);
    assert!(command.argv.contains(&"@/run/token".to_owned()));
    assert!(!command.argv.iter().any(|argument| argument.contains("eyJ")));
    assert_eq!(command.environment[0].0, "AZURE_CONFIG_DIR");
}

#[test]
fn a_refusal_of_az_has_its_code_and_none_of_its_text() {
    for (stderr, kind, code) in [
        ("ERROR: AADSTS700024: eyJhbGciOi.a.b is late", ErrorKind::Expired, Some("AADSTS700024")),
        ("ERROR: eyJhbGciOi.a.b", ErrorKind::Refused, None),
    ] {
        let mut world = offline();
        world.context.commands = Arc::new(ScriptedCommands::default().answer(Some(1), "", stderr));
        let error = deliver::<AzureCli>(cli(), &subject(), &world).unwrap_err();
        assert_eq!((error.kind(), error.provider_code()), (kind, code));
        assert!(!format!("{error:?} {:?}", error.hints()).contains("eyJ"));
    }
}
