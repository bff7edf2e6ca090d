use serde_json::json;

use super::*;
use crate::testing::{CLIENT, TENANT, good};

fn check(section: Value) -> Result<Federation, Vec<Mistake>> {
    serde_json::from_value::<Entra>(section).unwrap().check()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Value), field: &str) {
    let mut section = good();
    change(&mut section);
    let mistakes = check(section).unwrap_err();
    assert_eq!(mistakes.iter().map(|mistake| mistake.field.as_str()).collect::<Vec<_>>(), [field]);
    assert!(mistakes[0].hint.is_some());
}

#[test]
fn accepts_scope_and_resource_alike() {
    assert_eq!(check(good()).unwrap().scope, "https://storage.azure.com/.default");
    let section = json!({ "tenant": TENANT, "client_id": CLIENT, "resource": "https://storage.azure.com" });
    assert_eq!(check(section).unwrap().scope, "https://storage.azure.com/.default");
}

#[test]
fn each_cloud_has_its_audience() {
    for (cloud, audience) in [
        ("public", "api://AzureADTokenExchange"),
        ("china", "api://AzureADTokenExchangeChina"),
        ("us-government", "api://AzureADTokenExchangeUSGov"),
    ] {
        let mut section = good();
        section["cloud"] = json!(cloud);
        assert_eq!(check(section).unwrap().subject_audience, audience);
    }
}

#[test]
fn a_claims_challenge_may_be_in_base64() {
    for claims in
        [r#"{"access_token":{"nbf":1}}"#, "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjoxfX0=", "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjoxfX0"]
    {
        let mut section = good();
        section["claims"] = json!(claims);
        assert_eq!(check(section).unwrap().claims.unwrap(), r#"{"access_token":{"nbf":1}}"#);
    }
}

#[test]
fn rejects_fields_bent_one_by_one() {
    refused(|section| section["tenant"] = json!("common"), "tenant");
    refused(|section| section["tenant"] = json!("a/b.example"), "tenant");
    refused(|section| section["client_id"] = json!("my-app"), "client_id");
    refused(|section| section["scope"] = json!("https://storage.azure.com"), "scope");
    refused(|section| section["scope"] = json!("https://a/.default https://b/.default"), "scope");
    refused(|section| section["scope"] = Value::Null, "scope");
    refused(|section| section["resource"] = json!("https://storage.azure.com"), "resource");
    refused(|section| section["authority"] = json!("http://login.example"), "authority");
    refused(|section| section["authority"] = json!("https://u:p@login.example"), "authority");
    refused(|section| section["subject_audience"] = json!(""), "subject_audience");
    refused(|section| section["claims"] = json!("nbf"), "claims");
}
