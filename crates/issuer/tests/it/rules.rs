//! Every condition of a rule refuses by itself.

use carnet_issuer::{Caller, Rule, RuleSet};
use carnet_store::Outcome;
use serde_json::{Value, json};

use crate::{
    support::{ACCESS_TOKEN, EXCHANGE, JWT, X509_SVID, form},
    world::{AUDIENCE, ISSUER, World, claims, claims_with, rule, rule_with, sign},
};

/// With this rule these claims and parameters are refused: told so, and written so.
async fn refused(rule: Rule, changes: Value, more: &[(&str, &str)], told: &str, clause: &str) {
    let world = World::new(vec![rule]).await;
    let answer = world.exchange(&sign(&claims_with(changes)), more).await;
    assert_eq!((answer.error().as_str(), answer.status.as_u16()), (told, 400), "{}", answer.text);
    let row = world.last().await;
    assert_eq!((row.outcome, row.clause.as_deref()), (Outcome::Refused, Some(clause)), "{row:?}");
    assert_eq!(row.rule.as_deref(), Some("ci"));
}

const NO: &str = "invalid_request";

#[tokio::test]
async fn rejects_another_subject() {
    refused(rule(), json!({ "sub": "repo:org/other:main" }), &[], NO, "subject").await;
    refused(rule(), json!({ "sub": "repo:org/app:a:b" }), &[], NO, "subject").await;
}

#[tokio::test]
async fn rejects_another_claim_value_a_missing_claim_and_another_type() {
    for value in [json!("43"), Value::Null, json!(42), json!(["43"])] {
        refused(rule(), json!({ "owner_id": value }), &[], NO, "claims").await;
    }
}

#[tokio::test]
async fn rejects_a_condition_that_does_not_hold_or_has_no_value() {
    refused(rule(), json!({ "ref": "develop" }), &[], NO, "condition").await;
    refused(rule(), json!({ "ref": null }), &[], NO, "condition").await;
}

#[tokio::test]
async fn rejects_a_token_type_that_the_rule_does_not_take() {
    refused(rule_with(json!({ "subject_token_types": ["id-token"] })), json!({}), &[], NO, "token-type").await;
}

#[tokio::test]
async fn rejects_a_caller_from_elsewhere() {
    let rule = rule_with(json!({ "networks": ["198.51.100.0/24", "2001:db8::/32"] }));
    refused(rule.clone(), json!({}), &[], NO, "network").await;
    let world = World::new(vec![rule]).await;
    let token = sign(&claims());
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", JWT), ("subject_token", token.expose())];
    for (peer, allowed) in [("198.51.100.9:1", true), ("[2001:db8::9]:1", true), ("unix:0", false), ("", false)] {
        let answer = world.post_as("/oauth2/token", form(&fields), Caller::at(peer)).await;
        assert_eq!(answer.status == 200, allowed, "{peer}");
    }
}

#[tokio::test]
async fn rejects_a_kind_that_the_rule_does_not_issue() {
    let rule = rule_with(json!({ "issue": ["jwt-svid"] }));
    refused(rule.clone(), json!({}), &[("requested_token_type", ACCESS_TOKEN)], NO, "issue").await;
    refused(rule, json!({}), &[("requested_token_type", X509_SVID), ("csr", "AA")], NO, "issue").await;
}

#[tokio::test]
async fn rejects_a_target_that_the_rule_does_not_name() {
    let told = "invalid_target";
    refused(rule(), json!({}), &[("audience", "https://other.example")], told, "target").await;
    refused(rule(), json!({}), &[("audience", AUDIENCE), ("audience", "b")], told, "target").await;
    refused(rule(), json!({}), &[("resource", AUDIENCE)], told, "target").await;
    refused(rule(), json!({}), &[("audience", "https://audience.example/")], told, "target").await;
    let several = rule_with(json!({ "audiences": ["a", "b"] }));
    refused(several, json!({}), &[], told, "target").await;
}

#[tokio::test]
async fn rejects_audiences_that_take_different_algorithms() {
    let rule = rule_with(json!({ "audiences": ["sts.amazonaws.com", AUDIENCE] }));
    let more = [("audience", "sts.amazonaws.com"), ("audience", AUDIENCE)];
    refused(rule, json!({}), &more, "invalid_target", "target").await;
}

#[tokio::test]
async fn rejects_a_scope_that_the_rule_does_not_name() {
    let told = "invalid_scope";
    let rule = rule_with(json!({ "scopes": ["read"] }));
    let more = [("requested_token_type", ACCESS_TOKEN), ("scope", "read write")];
    refused(rule.clone(), json!({}), &more, told, "scope").await;
    refused(rule, json!({}), &[("scope", "read")], told, "scope").await;
}

#[tokio::test]
async fn rejects_an_identity_made_of_more_than_a_segment() {
    for app in [json!("a/b"), json!(".."), json!(""), Value::Null, json!(["a"]), json!("é")] {
        refused(rule(), json!({ "app": app }), &[], NO, "identity").await;
    }
}

#[tokio::test]
async fn rejects_an_identity_that_a_claim_puts_among_those_of_the_authority() {
    let rule = rule_with(json!({ "identity": "/{app}/authority" }));
    refused(rule, json!({ "app": "carnet" }), &[], NO, "identity").await;
}

#[tokio::test]
async fn rejects_a_custom_claim_that_cannot_be_made() {
    let rule = rule_with(json!({ "custom_claims": { "team": "{team}" } }));
    refused(rule, json!({}), &[], NO, "custom-claims").await;
}

#[tokio::test]
async fn the_rule_that_came_closest_is_named() {
    let far = rule_with(json!({ "name": "far", "subject": "repo:other/app:*" }));
    let world =
        World::new(vec![far.clone(), rule(), rule_with(json!({ "name": "also-far", "subject": "repo:third/*:*" }))])
            .await;
    world.exchange(&sign(&claims_with(json!({ "ref": "x" }))), &[]).await;
    assert_eq!(world.last().await.rule.as_deref(), Some("ci"));
}

#[tokio::test]
async fn what_a_decision_costs_does_not_depend_on_rules_for_others() {
    // Thousands of rules for other issuers and other subjects; the one that is meant is found by its subject.
    let mut rules: Vec<Rule> = (0..2000)
        .map(|number| {
            rule_with(json!({
                "name": format!("r{number}"), "issuer": format!("https://issuer-{number}.example"), "subject": "repo:org/app:main",
            }))
        })
        .collect();
    rules.push(rule_with(json!({ "subject": "repo:org/app:main" })));
    let world = World::new(rules).await;
    world.exchange(&sign(&claims()), &[]).await.token();
    assert_eq!(world.last().await.rule.as_deref(), Some("ci"));
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let wrong = rule_with(json!({
        "name": "a b", "subject": "", "condition": "claims.x", "identity": "/a/{b", "audiences": [""], "algorithm": "HS256",
        "networks": ["10.0.0.1/8", "x"], "custom_claims": { "iss": "x" }, "lifetime": 0, "uses": 0, "claims": { "a": [] },
    }));
    let mistakes = RuleSet::load(vec![rule(), wrong]).unwrap_err();
    let fields: std::collections::BTreeSet<&str> =
        mistakes.iter().map(|mistake| mistake.field.strip_prefix("rules[1].").unwrap()).collect();
    let expected = [
        "algorithm",
        "audiences",
        "claims.a",
        "condition",
        "custom_claims.iss",
        "identity",
        "lifetime",
        "name",
        "networks",
        "subject",
        "uses",
    ];
    assert_eq!(fields.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn rejects_each_mistake_of_a_rule() {
    for (members, field) in [
        (json!({ "issuer": "x" }), "issuer"),
        (json!({ "issuer": "https://issuer.example#x" }), "issuer"),
        (json!({ "issuer": "spiffe://UPPER" }), "issuer"),
        (json!({ "subject_token_types": ["x509-svid"] }), "subject_token_types"),
        (json!({ "condition": "claims.a == 1 ||" }), "condition"),
        (json!({ "condition": "token.a == 1" }), "condition"),
        (json!({ "identity": null }), "identity"),
        (json!({ "identity": "{sub}" }), "identity"),
        (json!({ "identity": "spiffe://other.example/x" }), "identity"),
        (json!({ "identity": "spiffe://example.org" }), "identity"),
        (json!({ "identity": "spiffe://{app}/x" }), "identity"),
        (json!({ "identity": "/carnet/authority" }), "identity"),
        (json!({ "identity": "/a//b" }), "identity"),
        (json!({ "issue": [] }), "issue"),
        (json!({ "issue": ["jwt-svid", "jwt-svid"] }), "issue"),
        (json!({ "audiences": [] }), "audiences"),
        (json!({ "algorithm": "EdDSA" }), "algorithm"),
        (json!({ "algorithm": "PS256" }), "algorithm"),
        (json!({ "scopes": ["a b"] }), "scopes"),
        (json!({ "issue": ["jwt-svid"], "uses": 1 }), "uses"),
        (json!({ "issue": ["jwt-svid"], "dns_names": ["a.example"] }), "dns_names"),
        (json!({ "lifetime": 10, "max_lifetime": 5 }), "max_lifetime"),
        (json!({ "max_lifetime": 5, "uses": 1 }), "max_lifetime"),
        (json!({ "stateless": true, "uses": 1 }), "uses"),
        (json!({ "stateless": true, "max_lifetime": 900 }), "max_lifetime"),
        (json!({ "stateless": true, "issue": ["jwt-svid"] }), "stateless"),
        (json!({ "custom_claims": { "carnet": "x" } }), "custom_claims.carnet"),
        (json!({ "issuer": "oci://ocid1.user.oc1..a" }), "issuer"),
        (json!({ "issuer": "aws://12345" }), "issuer"),
        (json!({ "issuer": "aws://123456789012", "subject_token_types": ["jwt"] }), "subject_token_types"),
        (json!({ "actors": [{ "issuer": "oci://ocid1.tenancy.oc1..a", "subject": "a" }] }), "actors[0].issuer"),
        (json!({ "claims": { "a": { "b": 1 } } }), "claims.a"),
        (json!({ "custom_claims": { "a": "{" } }), "custom_claims.a"),
        (json!({ "accept_risk": " " }), "accept_risk"),
        (json!({ "actors": [{ "issuer": "x", "subject": "a" }] }), "actors[0].issuer"),
    ] {
        let shown = members.to_string();
        let domain = crate::world::domain();
        let mistakes = RuleSet::load_with(vec![rule_with(members)], &[], Some(&domain)).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.field == format!("rules[0].{field}")), "{shown}: {mistakes:?}");
    }
}

#[test]
fn rejects_two_rules_of_one_name() {
    let mistakes = RuleSet::load(vec![rule(), rule()]).unwrap_err();
    assert_eq!(mistakes[0].field, "rules[1].name");
}

#[test]
fn rejects_members_that_are_not_known() {
    let text = format!("name = \"a\"\nissuer = \"{ISSUER}\"\naudience = \"x\"\n");
    let error = toml::from_str::<Rule>(&text).unwrap_err().to_string();
    assert!(error.contains("unknown field `audience`"), "{error}");
}
