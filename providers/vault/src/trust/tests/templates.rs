//! Policies that are templates over the claims.

use super::*;

fn with(policies: Value) -> Case {
    Case::valid().role("token_policies_template_claims", json!(true)).role("token_policies", policies)
}

#[test]
fn claims_stand_in_the_names_of_policies() {
    let case = with(json!(["Team-{{ .team }}", "{{.org.id}}-x", "plain", "{{ .empty }}"])).claim("empty", json!(""));
    assert_eq!(case.allowed().attributes["policies"], "7-x, default, plain, team-blue");
}

#[test]
fn braces_mean_nothing_without_the_switch() {
    let case = Case::valid().role("token_policies", json!(["{{ .team }}"]));
    assert_eq!(case.allowed().attributes["policies"], "default, {{ .team }}");
}

#[test]
fn rejects_absent_claims_and_those_that_are_no_text() {
    for template in ["{{ .none }}", "{{ .org.none }}", "{{ .org }}", "{{ .groups }}", "{{ .team.x }}"] {
        let Decision::Refuse(refusal) = with(json!([template])).decide() else { panic!("{template}") };
        assert_eq!((refusal.clause, status(&refusal)), ("policy-template", 500), "{template}");
        assert!(refusal.held.contains(&"bound-claims"), "the template is rendered last");
    }
}

#[test]
fn rejects_a_claim_that_makes_root() {
    with(json!(["{{ .team }}"])).claim("team", json!("ROOT")).refused("policy");
}

#[test]
fn rejects_templates_that_compute() {
    for template in ["{{ if .a }}x{{ end }}", "{{ .a | len }}", "{{ .a", "{{ }}", "{{ a }}", "{{ .a..b }}"] {
        let role = with(json!([template])).role;
        let error = CheckedRole::new("app", serde_json::from_value(role).unwrap()).unwrap_err();
        assert_eq!(error.field, "token_policies", "{template}");
    }
}
