//! Set-up with Oracle's SDK, in the way of Oracle's published sample.

use serde_json::json;

use crate::{
    harness::{Sandbox, json, python},
    matrix::{alone, proven},
    oracle::PYTHON,
};

fn set_up(sandbox: &Sandbox, rule: &str, token: &str) -> serde_json::Value {
    let mut program = python("wif_setup.py");
    program.arg("--domain").arg(sandbox.plain("oci-domain"));
    program.args(["--issuer", "https://gitlab.com", "--jwks", "https://gitlab.com/oauth/discovery/keys"]);
    program.arg("--rule").arg(rule).env("SUBJECT_TOKEN", token);
    json(program.envs(sandbox.environment(&[])))
}

/// A sandbox of its own whose domain has no trust for GitLab yet.
fn without_trust() -> Sandbox {
    let sandbox = Sandbox::start();
    let mut program = python("delete_trust.py");
    program.arg("--domain").arg(sandbox.plain("oci-domain")).args(["--issuer", "https://gitlab.com"]);
    assert_eq!(json(program.envs(sandbox.environment(&[])))["deleted"], 1);
    sandbox
}

#[test]
fn a_set_up_script_completes_and_its_exchange_works() {
    let sandbox = without_trust();
    let token = sandbox.token("gitlab", &["--audience", "anything"]);
    let answer = set_up(&sandbox, "sub eq *", &token);
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!((&answer["grant"], &answer["trust"], &answer["upst"]), (&json!(true), &json!(true), &json!(true)));
    assert!(answer["user"].as_str().unwrap().starts_with("ocid1.user.oc1.."), "{answer}");
    alone("gitlab-ci", "oci", PYTHON);
}

#[test]
fn a_rule_that_does_not_match_refuses_the_exchange() {
    let sandbox = without_trust();
    let token = sandbox.token("gitlab", &["--audience", "anything"]);
    let answer = set_up(&sandbox, "sub eq project_path:somebody/else*", &token);
    assert!([400, 401].contains(&answer["status"].as_i64().unwrap_or_default()), "{answer}");
    assert_eq!(answer["upst"], false);
}

#[test]
fn the_identity_domains_client_works_with_a_session_that_carnet_got() {
    let sandbox = Sandbox::start();
    let folder = tempfile::tempdir().unwrap();
    let mut program = python("oci_domain_by_session.py");
    program.arg("--domain").arg(sandbox.plain("oci-domain"));
    let environment: std::collections::BTreeMap<_, _> = sandbox.environment(&[]).into_iter().collect();
    program.arg("--administrator").arg(&environment["OCI_CLI_CONFIG_FILE"]);
    let answer = json(program.envs(crate::oracle::profile(&sandbox, folder.path())));
    assert_eq!(answer, json!({"before": 403, "after": ["svc-ci", "svc-deploy"]}));
    proven("github-actions", "oci", PYTHON);
}

#[test]
fn the_identity_domains_client_lists_filters_and_is_told_what_is_missing() {
    let sandbox = Sandbox::shared();
    let mut program = python("oci_identity_domains.py");
    program.arg("--domain").arg(sandbox.plain("oci-domain"));
    let answer = json(program.envs(sandbox.environment(&[])));
    let issuers = [
        "https://5f2dca12-e700-4000-8000-000000000001.tokens.sts.global.api.aws",
        "https://accounts.google.com",
        "https://gitlab.com",
        "https://login.microsoftonline.com/c0ffee00-0000-4000-8000-00000000a001/v2.0",
        "https://token.actions.githubusercontent.com",
    ];
    assert_eq!(answer["issuers"], json!(issuers));
    assert_eq!(answer["rules"].as_array().unwrap().len(), 6, "{answer}");
    assert_eq!((&answer["service_users"], &answer["page"], &answer["missing"]), (&json!(2), &json!(1), &json!(404)));
}
