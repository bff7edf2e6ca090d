use serde_json::{Value, json};

use super::*;

fn mistakes(section: Value) -> Vec<String> {
    let section: Infisical = serde_json::from_value(section).unwrap();
    section.check().unwrap_err().into_iter().map(|mistake| mistake.field).collect()
}

#[test]
fn rejects_each_field_that_cannot_work() {
    for (section, field) in [
        (json!({ "address": "http://infisical.example" }), "address"),
        (json!({ "address": "https://infisical.example/api" }), "address"),
        (json!({ "address": "https://u@infisical.example" }), "address"),
        (json!({ "address": "https://infisical.example?x" }), "address"),
        (json!({ "identity_id": "a/b" }), "identity_id"),
        (json!({ "identity_id": "" }), "identity_id"),
        (json!({ "organization_slug": "a b" }), "organization_slug"),
        (json!({ "audience": "" }), "audience"),
        (json!({ "method": "azure", "audience": "a" }), "audience"),
        (json!({ "region": "eu-central-1" }), "region"),
        (json!({ "method": "aws", "region": "evil.example#" }), "region"),
        (json!({ "method": "aws", "region": "a-region-that-is-too-long" }), "region"),
        (json!({ "method": "oci", "region": "us-gov-ashburn-1" }), "region"),
        (json!({ "method": "oci", "region": "nowhere" }), "region"),
        (json!({ "method": "gcp-iam", "service_account": "a/b@c" }), "service_account"),
        (json!({ "service_account": "a@b" }), "service_account"),
        (json!({ "client_id": "a" }), "client_id"),
        (json!({ "method": "universal", "identity_id": "a" }), "identity_id"),
    ] {
        assert_eq!(mistakes(section.clone()), [field], "{section}");
    }
}

#[test]
fn the_method_says_what_is_taken_and_where_it_logs_in() {
    for (method, kind, path) in [
        ("aws", Kind::AwsKeys, "aws-auth"),
        ("azure", Kind::AccessToken, "azure-auth"),
        ("gcp", Kind::Jwt, "gcp-auth"),
        ("gcp-iam", Kind::AccessToken, "gcp-auth"),
        ("jwt", Kind::Jwt, "jwt-auth"),
        ("kubernetes", Kind::Jwt, "kubernetes-auth"),
        ("oci", Kind::OciApiKey, "oci-auth"),
        ("oidc", Kind::Jwt, "oidc-auth"),
        ("spiffe", Kind::Jwt, "spiffe-auth"),
        ("universal", Kind::AccessToken, "universal-auth"),
    ] {
        let section: Infisical = serde_json::from_value(json!({ "method": method })).unwrap();
        let login = section.check().unwrap();
        assert!(login.takes().contains(kind) && Infisical::TAKES.contains(kind), "{method}");
        assert_eq!((login.method.name(), login.method.path()), (method, path));
    }
}

#[test]
fn the_audience_for_google_is_the_identity() {
    let audience = |section: Value| {
        let section: Infisical = serde_json::from_value(section).unwrap();
        section.check().unwrap().audience()
    };
    assert_eq!(audience(json!({ "method": "gcp", "identity_id": "i" })).as_deref(), Some("i"));
    assert_eq!(audience(json!({ "identity_id": "i", "audience": "a" })).as_deref(), Some("a"));
    assert_eq!(audience(json!({ "identity_id": "i" })), None);
}
