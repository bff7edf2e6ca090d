use carnet_core::{AccessToken, Credential, ErrorKind, Material, ScriptedHttp};
use serde_json::{Value, json};

use super::*;
use crate::{
    external_account::{CredentialSource, parse_external_account},
    testing::{PROVIDER, READER, World, deliver, subject, subject_token, world},
};

const PATH: &str = "/run/carnet/gcp.json";

fn offline() -> World {
    world(ScriptedHttp::default(), &[])
}

fn written(world: &World) -> Value {
    serde_json::from_slice(&world.files.get(PATH).unwrap()).unwrap()
}

/// What the exchange `gcp` gives.
fn access_token() -> Credential {
    let material = AccessToken { token: Secret::new("ya29.c.reader"), token_type: "Bearer".to_owned() };
    Credential::new(Material::AccessToken(material)).fact("provider", PROVIDER).fact("principal", READER)
}

#[test]
fn the_file_form_keeps_the_subject_token_beside_it() {
    let world = offline();
    let section = json!({ "path": PATH, "audience": PROVIDER, "service_account": READER, "lifetime": "1h", "project": "carnet-sandbox" });
    let done = deliver::<GcpCredentialFile>(section, &subject(), &world).unwrap();
    assert_eq!(world.files.get("/run/carnet/gcp.json.token").unwrap(), subject_token().expose().as_bytes());
    assert_eq!(
        written(&world),
        json!({
            "type": "external_account",
            "audience": PROVIDER,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "token_info_url": "https://sts.googleapis.com/v1/introspect",
            "universe_domain": "googleapis.com",
            "service_account_impersonation_url": format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{READER}:generateAccessToken"),
            "service_account_impersonation": { "token_lifetime_seconds": 3600 },
            "credential_source": { "file": "/run/carnet/gcp.json.token", "format": { "type": "text" } },
        })
    );
    let names: Vec<&str> = done.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"]);
    assert!(done.output.is_none());
}

#[test]
fn a_json_token_file_names_its_member() {
    let world = offline();
    let section = json!({ "path": PATH, "audience": PROVIDER, "file": { "token_path": "/run/t", "format": "json", "field": "tok" } });
    deliver::<GcpCredentialFile>(section, &subject(), &world).unwrap();
    let token: Value = serde_json::from_slice(&world.files.get("/run/t").unwrap()).unwrap();
    assert_eq!(token, json!({ "tok": subject_token().expose() }));
    assert_eq!(written(&world)["credential_source"]["format"]["subject_token_field_name"], "tok");
    assert!(written(&world).get("service_account_impersonation_url").is_none());
}

#[test]
fn the_executable_form_takes_provider_and_account_from_the_exchange() {
    let world = offline();
    let section = json!({ "path": PATH, "executable": { "command": "/usr/bin/carnet get r --format gcp-executable", "timeout": "20s", "output_file": "/run/o" } });
    let done = deliver::<GcpCredentialFile>(section, &access_token(), &world).unwrap();
    let file = written(&world);
    assert_eq!(file["audience"], PROVIDER);
    assert!(file["service_account_impersonation_url"].as_str().unwrap().contains(READER));
    assert_eq!(
        file["credential_source"],
        json!({ "executable": { "command": "/usr/bin/carnet get r --format gcp-executable", "timeout_millis": 20000, "output_file": "/run/o" } })
    );
    assert!(done.environment.iter().any(|(name, _)| name == "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"));
    assert!(!file.to_string().contains("ya29"));
}

#[test]
fn the_url_form_carries_its_headers() {
    let world = offline();
    let section = json!({ "path": PATH, "audience": PROVIDER,
        "url": { "url": "http://127.0.0.1:7/token", "headers": { "Metadata": "True" }, "format": "json", "field": "access_token" } });
    deliver::<GcpCredentialFile>(section, &subject(), &world).unwrap();
    assert_eq!(
        written(&world)["credential_source"],
        json!({ "url": "http://127.0.0.1:7/token", "headers": { "Metadata": "True" },
            "format": { "type": "json", "subject_token_field_name": "access_token" } })
    );
}

#[test]
fn direct_access_names_no_account() {
    let world = offline();
    let mut credential = access_token();
    credential.facts.insert("principal", "principal://iam.googleapis.com/projects/1/x/subject/s".to_owned());
    let section = json!({ "path": PATH, "executable": { "command": "/usr/bin/carnet get r --format gcp-executable" } });
    deliver::<GcpCredentialFile>(section, &credential, &world).unwrap();
    assert!(written(&world).get("service_account_impersonation_url").is_none());
}

#[test]
fn what_is_written_reads_back_without_warning() {
    let world = offline();
    let section = json!({ "path": PATH, "audience": PROVIDER, "service_account": READER, "lifetime": "1h" });
    deliver::<GcpCredentialFile>(section, &subject(), &world).unwrap();
    let account = parse_external_account(&world.files.get(PATH).unwrap()).unwrap();
    assert_eq!((account.audience.to_string().as_str(), account.service_account.as_deref()), (PROVIDER, Some(READER)));
    assert_eq!(account.source, CredentialSource::File { path: "/run/carnet/gcp.json.token".into(), field: None });
    assert!(account.warnings.is_empty(), "{:?}", account.warnings);
}

#[test]
fn rejects_access_token_in_the_file_form_and_says_what_to_do() {
    let world = offline();
    let section = json!({ "path": PATH, "audience": PROVIDER });
    let error = deliver::<GcpCredentialFile>(section, &access_token(), &world).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.hints().iter().any(|hint| hint.contains("--format gcp-executable")));
    assert!(world.files.get(PATH).is_none());
}

#[test]
fn rejects_unknown_provider() {
    let section = json!({ "path": PATH, "executable": { "command": "/usr/bin/carnet get r --format gcp-executable" } });
    let error = deliver::<GcpCredentialFile>(section, &subject(), &offline()).unwrap_err();
    assert!(error.to_string().contains("provider is not known"));
}

#[test]
fn rejects_sections_bent_in_one_place() {
    for (name, value, field) in [
        ("path", json!("gcp.json"), "path"),
        ("audience", Value::Null, "audience"),
        ("service_account", json!("x"), "service_account"),
        ("lifetime", json!("1s"), "lifetime"),
        ("project", json!("My Project"), "project"),
        ("file", json!({ "token_path": PATH }), "file.token_path"),
        ("file", json!({ "field": "x" }), "file.field"),
        ("url", json!({ "url": "x" }), "url.url"),
        ("url", json!({ "url": "https://a", "headers": { "a": "b\nc" } }), "url.headers"),
        ("executable", json!({ "command": "carnet get r" }), "executable.command"),
        ("executable", json!({ "command": "/a b 'c d'" }), "executable.command"),
        ("executable", json!({ "command": "/a", "timeout": "1s" }), "executable.timeout"),
        ("executable", json!({ "command": "/a", "output_file": "o" }), "executable.output_file"),
    ] {
        let mut section = json!({ "path": PATH, "audience": PROVIDER, "service_account": READER });
        section[name] = value;
        let mistakes = serde_json::from_value::<GcpCredentialFile>(section).unwrap().build().unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].field.as_str()), (1, field), "{mistakes:?}");
    }
}

#[test]
fn rejects_two_forms() {
    let section =
        json!({ "path": PATH, "audience": PROVIDER, "url": { "url": "https://a" }, "executable": { "command": "/a" } });
    let mistakes = serde_json::from_value::<GcpCredentialFile>(section).unwrap().build().unwrap_err();
    assert!(mistakes[0].message.contains("more than one"));
}
