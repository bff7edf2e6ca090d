//! Rules that a stranger could match are refused, unless they say why.

mod ids;

use carnet_issuer::{Rule, RuleSet};
use serde_json::{Value, json};

use crate::world::rule_with;

/// The rule is refused for this field, and accepted with a reason.
fn risky(members: &Value, field: &str) {
    let rule = rule_with(members.clone());
    let mistakes = RuleSet::load(vec![rule.clone()]).expect_err(&members.to_string());
    let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(fields, [format!("rules[0].{field}")], "{members}: {mistakes:?}");
    assert!(mistakes[0].hint.as_deref().unwrap().contains("accept_risk"));
    let accepted = Rule { accept_risk: Some("the issuer is ours alone".to_owned()), ..rule };
    let set = RuleSet::load(vec![accepted]).unwrap();
    assert_eq!(set.accepted_risks().collect::<Vec<_>>(), [("ci", "the issuer is ours alone")]);
}

fn harmless(members: &Value) {
    let mistakes = RuleSet::load(vec![rule_with(members.clone())]).err();
    assert_eq!(mistakes, None, "{members}");
}

#[test]
fn rejects_a_rule_that_says_nothing_of_the_subject() {
    risky(&json!({ "subject": null, "claims": {}, "condition": null, "identity": "/x" }), "subject");
    harmless(&json!({ "subject": null, "claims": {} , "identity": "/x" }));
}

#[test]
fn rejects_claims_that_every_subject_of_the_issuer_has() {
    let with = |claims: Value| json!({ "subject": null, "condition": null, "identity": "/x", "claims": claims });
    risky(&with(json!({ "iss": "https://issuer.example" })), "claims");
    risky(&with(json!({ "iss": "https://issuer.example", "aud": "https://authority.example" })), "claims");
    harmless(&with(json!({ "iss": "https://issuer.example", "owner_id": "42" })));
}

#[test]
fn rejects_a_condition_that_holds_for_strangers_where_nothing_else_says_who_is_meant() {
    let with = |condition: &str| json!({ "subject": null, "claims": {}, "identity": "/x", "condition": condition });
    for loose in [
        "true",
        "claims.sub == claims.sub",
        "has(claims.sub)",
        "has(claims.jti)",
        "!has(claims.jti)",
        "claims.exp - claims.iat < 3600",
        "claims.sub != 'mallory'",
        "claims.owner_id == '42' || true",
        "has(actor.sub) || claims.owner_id == '42'",
        "claims.iss == 'https://issuer.example'",
    ] {
        risky(&with(loose), "condition");
        let meant = json!({ "claims": {}, "identity": "/x", "condition": loose });
        harmless(&meant);
    }
    for narrow in ["claims.owner_id == '42'", "claims.sub.startsWith('repo:org/')", "has(claims.owner_id)"] {
        harmless(&with(narrow));
    }
    let own = "spiffe://example.org";
    let condition = "claims.sub.startsWith('spiffe://example.org/')";
    risky(
        &json!({ "issuer": own, "subject": null, "claims": {}, "identity": "/x", "condition": condition }),
        "condition",
    );
}

#[test]
fn rejects_wildcards_that_cross_separators_or_lead() {
    risky(&json!({ "subject": "repo:org/**" }), "subject");
    risky(&json!({ "subject": "*:main" }), "subject");
    risky(&json!({ "audiences": ["*"] }), "audiences");
    risky(&json!({ "audiences": ["https://**"] }), "audiences");
    risky(&json!({ "resources": ["**x"] }), "resources");
    risky(&json!({ "actors": [{ "issuer": "https://a.example", "subject": "*" }] }), "actors[0].subject");
    harmless(&json!({ "audiences": ["https://*.audience.example"] }));
}

#[test]
fn rejects_shared_issuers_without_a_tenant() {
    for (issuer, bound) in [
        ("https://token.actions.githubusercontent.com", json!({ "claims": { "repository_owner_id": "1" } })),
        ("https://gitlab.com", json!({ "claims": { "namespace_id": "1" } })),
        ("https://accounts.google.com", json!({ "subject": "1234", "claims": {} })),
        ("https://login.microsoftonline.com/common/v2.0", json!({ "claims": { "tid": "t" } })),
        (
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            json!({ "claims": { "oid": "o" } }),
        ),
        (
            "https://api.bitbucket.org/2.0/workspaces/w/pipelines-config/identity/oidc",
            json!({ "claims": { "workspaceUuid": "{u}" } }),
        ),
        ("https://oidc.circleci.com/org/o", json!({ "claims": { "oidc.circleci.com/project-id": "p" } })),
        ("https://app.terraform.io", json!({ "claims": { "terraform_organization_id": "o" } })),
        ("https://oidc.vercel.com", json!({ "claims": { "owner_id": "o" } })),
        ("https://agent.buildkite.com", json!({ "claims": { "organization_id": "o" } })),
        ("https://oidc.codefresh.io", json!({ "claims": { "account_id": "a" } })),
        ("https://identity.oraclecloud.com/", json!({ "claims": { "client_tenantname": "t" } })),
    ] {
        let loose = json!({ "issuer": issuer, "subject": null, "claims": { "event": "push" }, "identity": "/x" });
        risky(&loose, "issuer");
        let mut bound_rule = loose.clone();
        for (name, value) in bound.as_object().unwrap() {
            bound_rule[name] = value.clone();
        }
        harmless(&bound_rule);
    }
}

#[test]
fn rejects_claims_that_are_the_same_or_may_be_had_in_every_tenant() {
    let common = "https://login.microsoftonline.com/common/v2.0";
    let personal = "https://login.microsoftonline.com/consumers/v2.0";
    for (issuer, loose) in [
        (common, json!({ "claims": { "oid": "o" } })),
        (personal, json!({ "claims": { "tid": "9188040d-6c67-4c5b-b112-36a304b66dad" } })),
        ("https://oidc.vercel.com", json!({ "claims": { "owner": "o" } })),
        ("https://identity.oraclecloud.com/", json!({ "subject": "admin", "claims": {} })),
    ] {
        let mut rule = json!({ "issuer": issuer, "subject": null, "identity": "/x" });
        for (name, value) in loose.as_object().unwrap() {
            rule[name] = value.clone();
        }
        risky(&rule, "issuer");
    }
}

#[test]
fn a_condition_alone_does_not_bind_a_tenant() {
    risky(
        &json!({
            "issuer": "https://token.actions.githubusercontent.com", "subject": null, "claims": {}, "identity": "/x",
            "condition": "claims.repository_owner_id == '1' || claims.event == 'push'",
        }),
        "issuer",
    );
}

#[test]
fn a_subject_binds_a_tenant_if_the_tenant_is_literal() {
    let github = "https://token.actions.githubusercontent.com";
    let with = |subject: &str| json!({ "issuer": github, "subject": subject, "claims": {}, "identity": "/x" });
    harmless(&with("repo:org/app:*:*:*"));
    harmless(&with("repo:org/*:environment:prod"));
    risky(&with("repo:org*/app:ref:main"), "issuer");
    risky(&with("repo:*/app:ref:main"), "issuer");
}

#[test]
fn a_shared_issuer_of_actors_is_held_to_the_same() {
    let github = "https://token.actions.githubusercontent.com";
    risky(&json!({ "actors": [{ "issuer": github, "subject": "repo:*" }] }), "actors[0].issuer");
    harmless(&json!({ "actors": [{ "issuer": github, "subject": "repo:org/app:ref:x" }] }));
}

#[test]
fn rejects_an_identity_that_the_subject_writes_itself() {
    for claim in ["name", "email", "preferred_username", "head_ref", "ref"] {
        risky(&json!({ "identity": format!("/x/{{{claim}}}") }), "identity");
        harmless(&json!({ "identity": format!("/x/{{{claim}}}"), "claims": { claim: ["a", "b"] } }));
    }
}

#[test]
fn rejects_an_identity_that_the_subject_writes_in_a_member_of_a_claim() {
    for claim in ["user/name", "user/login", "https://claims.example/email"] {
        risky(&json!({ "identity": format!("/u/{{{claim}}}") }), "identity");
        harmless(&json!({ "identity": format!("/u/{{{claim}}}"), "claims": { claim: "a" } }));
    }
    let both = rule_with(json!({ "identity": "/u/{user/email}/{login}" }));
    assert_eq!(RuleSet::load(vec![both]).unwrap_err().len(), 2);
    harmless(&json!({ "identity": "/ns/{kubernetes.io/namespace}/sa/{kubernetes.io/serviceaccount/name}" }));
}

#[test]
fn all_risks_are_told_at_once() {
    let rule = rule_with(json!({ "subject": "**", "identity": "/{name}", "audiences": ["**"] }));
    let fields: Vec<String> = RuleSet::load(vec![rule]).unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    let expected = ["rules[0].subject", "rules[0].subject", "rules[0].audiences", "rules[0].identity"];
    assert_eq!(fields, expected);
}

#[test]
fn rejects_the_identity_of_an_agent_with_any_reason() {
    for subject in ["spiffe://example.org/carnet/agent/join-token/web/*", "spiffe://example.org/carnet/authority"] {
        let rule = json!({
            "issuer": "spiffe://example.org", "subject": subject, "claims": {}, "condition": null, "identity": "{sub}",
            "accept_risk": "the nodes are ours",
        });
        let mistakes = RuleSet::load(vec![rule_with(rule)]).unwrap_err();
        assert_eq!(
            mistakes.iter().map(|mistake| &*mistake.field).collect::<Vec<_>>(),
            ["rules[0].identity"],
            "{subject}"
        );
    }
}
