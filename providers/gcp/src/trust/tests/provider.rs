use serde_json::json;

use super::{super::*, mapping, oidc, provider};

#[track_caller]
fn refused(id: &str, change: impl FnOnce(&mut Provider), field: &str) {
    let mut provider = provider();
    change(&mut provider);
    let mistakes = CheckedProvider::new(id, provider).unwrap_err();
    let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, [field], "{mistakes:?}");
}

#[test]
fn accepts_a_good_provider() {
    assert!(CheckedProvider::new("github", provider()).is_ok());
}

#[test]
fn rejects_none_and_several_of_what_a_provider_can_trust() {
    refused("github", |provider| provider.oidc = None, "providerConfig");
    let aws = || Some(Aws { account_id: "123456789012".to_owned() });
    refused("github", |provider| provider.aws = aws(), "providerConfig");
    let both = |provider: &mut Provider| {
        (provider.oidc, provider.aws, provider.x509) = (None, aws(), Some(super::certificate::x509()));
    };
    refused("github", both, "providerConfig");
}

#[test]
fn rejects_accounts_of_aws_that_are_none() {
    for account in ["", "12345678901", "1234567890123", "12345678901x"] {
        let aws = |provider: &mut Provider| {
            (provider.oidc, provider.aws) = (None, Some(Aws { account_id: account.to_owned() }));
        };
        refused("github", aws, "aws.accountId");
    }
}

#[test]
fn rejects_ids_of_a_wrong_form() {
    for id in ["abc", "Github", "git_hub", "gcp-github", "g".repeat(33).as_str(), ""] {
        refused(id, |_| {}, "workloadIdentityPoolProviderId");
        assert_eq!(check_pool(id, &Pool::default()).len(), 1, "{id}");
    }
    assert!(check_pool("oracle", &Pool::default()).is_empty());
}

#[test]
fn rejects_texts_that_are_too_long() {
    refused("github", |provider| provider.display_name = "x".repeat(33), "displayName");
    refused("github", |provider| provider.description = "x".repeat(257), "description");
    assert_eq!(check_pool("oracle", &Pool { display_name: "x".repeat(33), ..Pool::default() }).len(), 1);
}

#[test]
fn rejects_issuer_that_is_no_https_url() {
    for issuer in
        ["", "http://issuer.example", "issuer.example", "https://issuer.example?x", "https://issuer.example#x"]
    {
        refused("github", |provider| oidc(provider).issuer_uri = issuer.to_owned(), "oidc.issuerUri");
    }
}

#[test]
fn rejects_too_many_or_too_long_audiences() {
    refused("github", |provider| oidc(provider).allowed_audiences = vec!["x".to_owned(); 11], "oidc.allowedAudiences");
    refused("github", |provider| oidc(provider).allowed_audiences = vec!["x".repeat(257)], "oidc.allowedAudiences");
    refused("github", |provider| oidc(provider).allowed_audiences = vec![String::new()], "oidc.allowedAudiences");
}

#[test]
fn rejects_discovery_at_another_origin_or_path() {
    for uri in [
        "https://elsewhere.example/.well-known/openid-configuration",
        "http://token.actions.githubusercontent.com/.well-known/openid-configuration",
        "https://token.actions.githubusercontent.com:444/.well-known/openid-configuration",
        "https://token.actions.githubusercontent.com/openid",
    ] {
        refused("github", |provider| oidc(provider).discovery_uri = Some(uri.to_owned()), "oidc.discoveryUri");
    }
}

#[test]
fn discovery_is_below_the_issuer_unless_it_is_given() {
    let checked = CheckedProvider::new("github", provider()).unwrap();
    assert_eq!(checked.issuer().unwrap().1, format!("{}/.well-known/openid-configuration", super::ISSUER));
    let given = format!("{}/.well-known/other", super::ISSUER);
    let mut provider = provider();
    oidc(&mut provider).discovery_uri = Some(given.clone());
    assert_eq!(CheckedProvider::new("github", provider).unwrap().issuer().unwrap().1, given);
}

#[test]
fn rejects_uploaded_keys_with_other_members() {
    let jwk = serde_json::to_value(super::key(Some("k"), carnet_jose::Algorithm::Es256).public_jwk()).unwrap();
    let upload = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut jwk = jwk.clone();
        change(&mut jwk);
        json!({ "keys": [jwk] }).to_string()
    };
    let mut good = provider();
    oidc(&mut good).jwks_json = Some(upload(&|_| {}));
    assert!(CheckedProvider::new("github", good).unwrap().keys().is_some());
    for wrong in [
        upload(&|jwk| jwk["x5c"] = json!(["MII"])),
        upload(&|jwk| jwk["key_ops"] = json!(["verify"])),
        upload(&|jwk| jwk["kty"] = json!("OKP")),
        upload(&|jwk| jwk["x"] = json!("!")),
        r#"{"keys":[]}"#.to_owned(),
        "{}".to_owned(),
        "nonsense".to_owned(),
    ] {
        refused("github", |provider| oidc(provider).jwks_json = Some(wrong), "oidc.jwksJson");
    }
}

#[test]
fn rejects_mapping_without_subject() {
    refused("github", |provider| provider.attribute_mapping = mapping(&[("attribute.x", "'x'")]), "attributeMapping");
}

#[test]
fn rejects_mapping_keys_and_expressions() {
    let add = |key: &str, source: &str| {
        let (key, source) = (key.to_owned(), source.to_owned());
        move |provider: &mut Provider| {
            provider.attribute_mapping.insert(key, source);
        }
    };
    for key in ["google.other", "attribute.", "attribute.Upper", "attribute.a-b", "subject"] {
        refused("github", add(key, "assertion.sub"), &format!("attributeMapping.{key}"));
    }
    let long = format!("attribute.{}", "a".repeat(101));
    refused("github", add(&long, "assertion.sub"), &format!("attributeMapping.{long}"));
    for source in ["assertion.", "google.subject", "now()", "assertion.sub.reverse()"] {
        refused("github", add("attribute.x", source), "attributeMapping.attribute.x");
    }
    refused("github", add("attribute.x", &format!("'{}'", "x".repeat(2048))), "attributeMapping.attribute.x");
}

#[test]
fn rejects_more_than_50_custom_attributes() {
    let many = |provider: &mut Provider| {
        let entries = (0..51).map(|at| (format!("attribute.a{at}"), "assertion.sub".to_owned()));
        provider.attribute_mapping.extend(entries);
    };
    refused("github", many, "attributeMapping");
}

#[test]
fn rejects_conditions() {
    for condition in ["assertion.", "other.x == 'y'", format!("'{}' == ''", "x".repeat(4096)).as_str()] {
        refused("github", |provider| condition.clone_into(&mut provider.attribute_condition), "attributeCondition");
    }
}

#[test]
fn rejects_shared_issuer_without_condition() {
    for issuer in [super::ISSUER, "https://gitlab.com", "https://app.terraform.io"] {
        let change = |provider: &mut Provider| {
            provider.attribute_condition.clear();
            issuer.clone_into(&mut oidc(provider).issuer_uri);
        };
        refused("github", change, "attributeCondition");
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let provider = Provider { display_name: "x".repeat(33), ..Provider::default() };
    let mistakes = CheckedProvider::new("x", provider).unwrap_err();
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
}

#[test]
fn warns_of_what_works_and_should_not() {
    let clauses = |change: &dyn Fn(&mut Provider)| {
        let mut provider = provider();
        change(&mut provider);
        lint_provider(&provider).into_iter().map(|warning| warning.clause).collect::<Vec<_>>()
    };
    assert_eq!(clauses(&|_| {}), Vec::<&str>::new());
    let by_name = |provider: &mut Provider| {
        "assertion.repository_owner == 'carnet-sandbox'".clone_into(&mut provider.attribute_condition);
    };
    assert_eq!(clauses(&by_name), ["condition"]);
    let boolean = |provider: &mut Provider| {
        provider.attribute_mapping.insert("google.subject".to_owned(), "assertion.sub == 'x'".to_owned());
    };
    assert_eq!(clauses(&boolean), ["mapping"]);
    let shared = |provider: &mut Provider| {
        provider.attribute_condition.clear();
        "https://identity.oraclecloud.com/".clone_into(&mut oidc(provider).issuer_uri);
    };
    assert_eq!(clauses(&shared), ["condition"]);
}
