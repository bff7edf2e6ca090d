use std::sync::Arc;

use carnet_core::{Exchange, ExchangeConfig as _};

use super::*;
use crate::{
    catalogue,
    testing::{mistakes, with},
};

fn built(section: &Value) -> Arc<dyn Exchange> {
    serde_json::from_value::<RelyingParty>(section.clone()).unwrap().build().unwrap()
}

fn with_setting(name: &str, setting: &str, value: &str) -> Value {
    let mut section = section(name);
    section["settings"][setting] = value.into();
    section
}

fn only_mistake(section: &Value) -> (String, String) {
    let mut mistakes = mistakes::<RelyingParty>(section);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let mistake = mistakes.remove(0);
    assert!(mistake.hint.is_some() || mistake.message == "is empty", "{mistake:?}");
    (mistake.field, mistake.message)
}

#[test]
fn accepts_every_service_of_the_catalogue() {
    for name in catalogue::parties() {
        let exchange = built(&section(name));
        assert_eq!((exchange.name(), exchange.takes().iter().count()), ("relying-party", 1), "{name}");
    }
}

#[test]
fn the_audience_is_that_of_the_service_unless_its_trust_says_it() {
    for (name, audience) in [
        ("npm", "npm:registry.npmjs.org"),
        ("pypi", "pypi"),
        ("crates-io", "crates.io"),
        ("octo-sts", "octo-sts.dev"),
        ("snowflake", "snowflakecomputing.com"),
        ("hcp", "iam/project/p/service-principal/s/workload-identity-provider/w"),
        ("claude", "configured"),
    ] {
        assert_eq!(built(&section(name)).audience().as_deref(), Some(audience), "{name}");
    }
    let testpypi = with(section("pypi"), "subject_audience", "testpypi");
    assert_eq!(built(&testpypi).audience().as_deref(), Some("testpypi"));
}

#[test]
fn rejects_an_audience_that_the_service_does_not_take() {
    let (field, message) = only_mistake(&with(section("npm"), "subject_audience", "pypi"));
    assert_eq!(field, "subject_audience");
    assert_eq!(message, "is another one than npm trusted publishing takes: npm:registry.npmjs.org");
}

#[test]
fn rejects_an_empty_audience() {
    let (field, message) = only_mistake(&with(section("pypi"), "subject_audience", ""));
    assert_eq!((field.as_str(), message.as_str()), ("subject_audience", "is empty"));
}

#[test]
fn rejects_a_missing_audience_where_only_the_trust_says_it() {
    for name in ["claude", "openai", "openrouter", "tailscale", "databricks", "databricks-account", "infisical"] {
        let mut section = section(name);
        section.as_object_mut().unwrap().remove("subject_audience");
        let (field, message) = only_mistake(&section);
        assert!(field == "subject_audience" && message.starts_with("is missing"), "{name}: {field} {message}");
    }
}

#[test]
fn rejects_a_service_that_is_not_in_the_catalogue() {
    let found = mistakes::<RelyingParty>(&json!({"name": "headscale"}));
    assert_eq!((found[0].field.as_str(), found[0].message.as_str()), ("name", "is not in the catalogue"));
    assert!(found[0].hint.as_deref().unwrap().contains("claude, crates-io, databricks"), "{found:?}");
}

#[test]
fn rejects_each_setting_that_is_missing() {
    for (name, setting) in [
        ("claude", "federation_rule_id"),
        ("claude", "organization_id"),
        ("claude", "service_account_id"),
        ("openai", "identity_provider_id"),
        ("openai", "service_account_id"),
        ("openrouter", "federation_policy_id"),
        ("tailscale", "client_id"),
        ("databricks-account", "account_id"),
        ("npm", "package"),
        ("octo-sts", "scope"),
        ("octo-sts", "identity"),
        ("infisical", "identity_id"),
    ] {
        let mut section = section(name);
        section["settings"].as_object_mut().unwrap().remove(setting);
        let (field, message) = only_mistake(&section);
        assert_eq!((field, message.as_str()), (format!("settings.{setting}"), "is missing"), "{name}");
    }
}

#[test]
fn rejects_values_that_cannot_be_right() {
    for (name, setting, value, says) in [
        ("claude", "federation_rule_id", "rule", "does not begin with fdrl_"),
        ("claude", "workspace_id", "mine", "does not begin with wrkspc_ or default"),
        ("snowflake", "provider", "OCI", "is not one of OIDC, AWS, AZURE, GCP"),
        ("npm", "package", "..", "cannot be part of an address"),
        ("hcp", "provider", "iam/project/../x", "cannot be part of an address"),
        ("hcp", "provider", "iam/project//x", "cannot be part of an address"),
        ("openrouter", "federation_policy_id", "a b", "is empty, too long, or has blanks"),
        ("openrouter", "federation_policy_id", "", "is empty, too long, or has blanks"),
        ("openrouter", "audience", "a", "is no setting of this service"),
        ("crates-io", "crate", "a", "is no setting of this service"),
    ] {
        let (field, message) = only_mistake(&with_setting(name, setting, value));
        assert_eq!((field, message.as_str()), (format!("settings.{setting}"), says), "{name} {value}");
    }
}

#[test]
fn rejects_origins_to_which_no_token_may_go() {
    for (name, origin, says) in [
        ("npm", "http://registry.example", "is not https, and tokens are sent there"),
        ("npm", "https://registry.example/path", "is more than an origin"),
        ("npm", "registry.example", "is not an absolute URL"),
        ("snowflake", "https://a.example", "is not used: nothing is sent to this service"),
    ] {
        let (field, message) = only_mistake(&with(section(name), "origin", origin));
        assert_eq!((field.as_str(), message.as_str()), ("origin", says), "{name}");
    }
}

#[test]
fn rejects_a_missing_origin_where_each_customer_has_one() {
    let mut section = section("databricks");
    section.as_object_mut().unwrap().remove("origin");
    assert_eq!(only_mistake(&section).0, "origin");
}

#[test]
fn another_origin_keeps_the_path() {
    let world = world(ScriptedHttp::default().answer(200, r#"{"token":"t"}"#));
    let section = with(section("pypi"), "origin", "http://127.0.0.1:9");
    exchange_for::<RelyingParty>(&section, &world, &shown(), None).unwrap();
    assert_eq!(world.http.requests()[0].url.as_str(), "http://127.0.0.1:9/_/oidc/mint-token");
}
