use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{PROVIDER, READER};

fn good() -> Value {
    json!({
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url":
            format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{READER}:generateAccessToken"),
        "service_account_impersonation": { "token_lifetime_seconds": 3600 },
        "quota_project_id": "billing",
        "credential_source": { "file": "/run/token", "format": { "type": "json", "subject_token_field_name": "t" } },
    })
}

fn parse(file: &Value) -> Result<ExternalAccount, Vec<Mistake>> {
    parse_external_account(file.to_string().as_bytes())
}

/// The only mistake of the good file after this change.
fn rejects(pointer: &str, value: Value, field: &str, says: &str) {
    let mut file = good();
    *file.pointer_mut(pointer).unwrap() = value;
    let mistakes = parse(&file).unwrap_err();
    assert!(mistakes.len() == 1 && mistakes[0].field == field && mistakes[0].message.contains(says), "{mistakes:?}");
}

/// The clause of the only warning about the good file after this change.
fn warns(pointer: &str, value: Value) -> &'static str {
    let mut file = good();
    *file.pointer_mut(pointer).unwrap() = value;
    let account = parse(&file).unwrap();
    assert_eq!(account.warnings.len(), 1, "{:?}", account.warnings);
    account.warnings[0].clause
}

#[test]
fn reads_a_file_as_gcloud_writes_it() {
    let account = parse(&good()).unwrap();
    assert_eq!(account.service_account.as_deref(), Some(READER));
    assert_eq!((account.lifetime, account.quota_project.as_deref()), (Some(3600), Some("billing")));
    assert_eq!(account.source, CredentialSource::File { path: "/run/token".into(), field: Some("t".to_owned()) });
    assert!(account.warnings.is_empty(), "{:?}", account.warnings);
}

#[test]
fn reads_the_other_sources() {
    let with = |source: Value| {
        let mut file = good();
        file["credential_source"] = source;
        parse(&file)
    };
    let url = with(json!({"url": "http://169.254.169.254/t", "headers": {"Metadata": "True"}})).unwrap();
    assert!(matches!(url.source, CredentialSource::Url { headers, .. } if headers == ["Metadata"]));
    let program = with(json!({"executable": {"command": "/bin/token", "timeout_millis": 5000}})).unwrap();
    assert!(matches!(program.source, CredentialSource::Executable { command, .. } if command == "/bin/token"));
    let certificate = with(json!({"certificate": {"use_default_certificate_config": true}})).unwrap();
    assert_eq!(certificate.source, CredentialSource::Certificate);
    let aws = with(
        json!({"environment_id": "aws1", "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
        "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}),
    );
    assert_eq!(aws.unwrap().source, CredentialSource::Aws);
}

#[test]
fn rejects_service_account_key() {
    rejects("/type", json!("service_account"), "type", "key that never ends");
}

#[test]
fn rejects_login_of_a_person() {
    rejects("/type", json!("authorized_user"), "type", "person");
}

#[test]
fn rejects_project_id() {
    rejects("/audience", json!(PROVIDER.replace("123456789012", "my-project")), "audience", "`my-project`");
}

#[test]
fn rejects_unknown_token_type() {
    rejects("/subject_token_type", json!("jwt"), "subject_token_type", "not known");
}

#[test]
fn rejects_token_url_that_is_none() {
    rejects("/token_url", json!("sts.googleapis.com"), "token_url", "URL");
}

#[test]
fn rejects_missing_token_url() {
    rejects("/token_url", Value::Null, "token_url", "missing");
}

#[test]
fn rejects_impersonation_url_without_account() {
    let field = "service_account_impersonation_url";
    rejects("/service_account_impersonation_url", json!("https://iamcredentials.googleapis.com/v1/x"), field, "name");
}

#[test]
fn rejects_lifetime_out_of_range() {
    let pointer = "/service_account_impersonation/token_lifetime_seconds";
    rejects(pointer, json!(599), "service_account_impersonation.token_lifetime_seconds", "600");
}

#[test]
fn rejects_missing_and_double_sources() {
    rejects("/credential_source", Value::Null, "credential_source", "missing");
    rejects("/credential_source", json!({}), "credential_source", "no source");
    rejects("/credential_source", json!({"file": "/a", "url": "https://b"}), "credential_source", "several");
}

#[test]
fn rejects_environment_id_in_a_file_source() {
    let source = json!({"file": "/a", "environment_id": "aws1"});
    rejects("/credential_source", source, "credential_source.environment_id", "AWS");
}

#[test]
fn rejects_json_without_field() {
    let source = json!({"file": "/a", "format": {"type": "json"}});
    rejects("/credential_source", source, "credential_source.format.subject_token_field_name", "missing");
}

#[test]
fn rejects_timeout_out_of_range() {
    let mut file = good();
    file["credential_source"] = json!({"executable": {"command": "/a", "timeout_millis": 4999}});
    assert_eq!(parse(&file).unwrap_err()[0].field, "credential_source.executable.timeout_millis");
}

#[test]
fn warns_about_foreign_hosts() {
    assert_eq!(warns("/token_url", json!("https://sts.googleapis.com.evil.example/v1/token")), "token_url");
    assert_eq!(warns("/token_url", json!("http://sts.googleapis.com/v1/token")), "token_url");
    let url = format!("https://evil.example/v1/projects/-/serviceAccounts/{READER}:generateAccessToken");
    assert_eq!(warns("/service_account_impersonation_url", json!(url)), "service_account_impersonation_url");
    assert_eq!(warns("/token_url", json!("http://127.0.0.1:7101/v1/token")), "token_url");
}

#[test]
fn google_s_other_hosts_are_no_strangers() {
    for host in ["sts.googleapis.com", "sts.mtls.googleapis.com", "sts.us-east1.rep.googleapis.com"] {
        assert!(is_google_host(host, "sts", "googleapis.com"), "{host}");
    }
    for host in ["xsts.googleapis.com", "sts.evil.rep.x.googleapis.com", "sts.googleapis.com.x", "stsgoogleapis.com"] {
        assert!(!is_google_host(host, "sts", "googleapis.com"), "{host}");
    }
}

#[test]
fn warns_about_programs() {
    assert_eq!(
        warns("/credential_source", json!({"executable": {"command": "/bin/x"}})),
        "credential_source.executable"
    );
}

#[test]
fn keeps_no_header_value() {
    let mut file = good();
    file["credential_source"] = json!({"url": "https://a", "headers": {"Authorization": "Bearer hush"}});
    let account = parse(&file).unwrap();
    assert!(!format!("{account:?}").contains("hush"));
    assert_eq!(account.warnings[0].clause, "credential_source.headers");
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse_external_account(&body));
    }

    #[test]
    fn never_panics_on_bent_files(pointer in "/(audience|token_url|type|credential_source|service_account_impersonation|credential_source/format|credential_source/file)", text in ".{0,30}", number in any::<i64>()) {
        for value in [json!(text), json!(number), json!([text]), json!({ text.as_str(): number })] {
            let mut file = good();
            *file.pointer_mut(&pointer).unwrap() = value;
            drop(parse(&file));
        }
    }
}
