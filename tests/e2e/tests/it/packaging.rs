//! The packaging: container file, Helm chart, plain manifests and workloads, looked at with Helm itself, the schemas that are published
//! for each release of Kubernetes, a linter, and the binary. What is looked at, and how, is in `tests/e2e/python/packaging`; each of
//! these bends what it looks at as well, so that a look that sees nothing is a failure.

use carnet_store::testing::TestPostgres;
use serde_json::{Value, json};

use crate::harness::{self, both, carnet, installed, output, python, root};

/// What was looked at. Nothing may be wrong with it.
fn look(matter: &str, variables: &[(&str, &str)]) -> Value {
    let none: [&str; 0] = [];
    let binary = carnet(none);
    let mut command = python("packaging/check.py");
    command.arg(matter).env("CARNET", binary.get_program()).env("CARGO", env!("CARGO"));
    let report = harness::json(command.envs(variables.iter().copied()));
    let problems = report["problems"].as_array().expect("a list of problems");
    assert!(problems.is_empty(), "{matter}: {problems:#?}");
    report
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn every_object_is_what_the_published_schemas_of_kubernetes_say() {
    let report = look("schemas", &[]);
    let releases = report["releases"].as_array().expect("a list of releases");
    assert!(releases.len() >= 8 && number(&report, "objects") > 90 && number(&report, "monitors") > 0, "{report}");
    let kinds = report["kinds"].as_array().expect("a list of kinds");
    for kind in [
        "CustomResourceDefinition",
        "TrustRule",
        "StatefulSet",
        "Deployment",
        "DaemonSet",
        "CSIDriver",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Ingress",
        "Route",
    ] {
        assert!(kinds.iter().any(|one| one == kind), "no {kind} in {report}");
    }
}

#[test]
fn what_the_objects_name_is_there() {
    look("references", &[]);
}

#[test]
fn containers_keep_to_the_standard_restricted_but_for_those_that_are_named() {
    assert!(number(&look("restricted", &[]), "containers") > 20);
}

#[test]
fn nobody_has_a_right_that_is_not_needed() {
    look("rights", &[]);
}

#[test]
fn the_binary_knows_every_command_and_takes_every_configuration() {
    assert!(number(&look("commands", &[]), "containers") > 40);
}

#[test]
fn rejects_values_that_make_no_sense() {
    assert!(number(&look("values", &[]), "refused") > 30);
}

#[test]
fn the_plain_manifests_are_what_the_chart_makes() {
    look("plain", &[]);
}

#[test]
fn the_image_is_pinned_has_no_shell_and_runs_with_what_is_in_it() {
    look("image", &[]);
}

#[test]
fn an_authority_starts_over_its_volume_and_again_and_not_over_one_that_its_group_may_write() {
    let report = look("live_single", &[]);
    assert_eq!(number(&report, "keys"), 2, "{report}");
}

#[test]
fn two_pods_share_a_database_with_secrets_that_were_copied_for_them_alone() {
    let store = TestPostgres::shared().expect("start PostgreSQL").database().expect("make a database");
    let report = look("live_postgres", &[("CARNET_TEST_STORE", &store)]);
    assert_eq!((&report["modes"], &report["ended"]), (&json!(["0o600"]), &json!([0, 0])), "{report}");
}

#[test]
fn a_sidecar_writes_a_token_that_its_probe_finds() {
    let report = look("live_workloads", &[]);
    assert_eq!(report["audience"], json!(["https://storage.example.org"]), "{report}");
    assert_eq!(report["ended"], 128 + 15, "the signal is handed on, and its end: {report}");
}

#[test]
fn an_agent_proves_what_its_node_is_and_gives_a_process_its_identity() {
    let report = look("live_cluster", &[]);
    assert_eq!(report["sub"], "spiffe://example.org/process", "{report}");
    assert_eq!(report["iss"], "https://oidc.example.org", "{report}");
    assert_eq!(report["asked"], json!([["carnet"]]), "{report}");
}

/// `packaging/ci/tests`: the action and the component in runners that do what those of GitHub and GitLab do, with this binary, and
/// the published schemas. Each of them bends something as well.
#[test]
fn the_action_and_the_component_do_what_their_manuals_say() {
    let binary = std::path::absolute(carnet::<&str>([]).get_program()).expect("the path of the binary");
    let mut tests = installed("python");
    tests.args(["-m", "unittest"]).current_dir(root().join("packaging/ci/tests"));
    tests.env("CARNET_BIN", binary).env("PYTHONDONTWRITEBYTECODE", "1");
    let done = output(&mut tests);
    let said = both(&done);
    // Where it finds no tests, or passes some over, that is no failure of its own.
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(done.status.success() && ran.is_some_and(|ran| ran > 20) && !said.contains("skipped"), "{said}");
}
