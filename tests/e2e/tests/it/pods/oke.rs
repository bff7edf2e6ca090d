//! Workload identity of Oracle's Kubernetes Engine: Oracle's own signers at proxymux, and with sessions that carnet got there.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::Pod;
use crate::{
    harness::{Sandbox, carnet, installed, json, node, output, python},
    matrix::{alone, proven},
    oracle::{COMMAND, NODE, PYTHON, delivered},
    scene::{fails, works},
    unchanged::inside,
};

/// A program in a pod, which wants to make this bucket.
type Program = fn(&Pod<'_>, &str) -> Command;

/// Oracle's signer in a pod, which wants to make this bucket.
fn in_python(pod: &Pod<'_>, bucket: &str) -> Command {
    let mut program = python("oci_oke.py");
    program.args(["--make", bucket, "--compartment", pod.sandbox.seed("oci_compartment"), "--objectstorage"]);
    program.arg(pod.sandbox.plain("oci-objectstorage"));
    program.envs(pod.sandbox.environment(&[])).envs(pod.variables());
    program
}

fn in_node(pod: &Pod<'_>, bucket: &str) -> Command {
    let mut program = node("oci_oke.mjs");
    program.arg(pod.sandbox.plain("oci-objectstorage")).arg(pod.sandbox.seed("oci_compartment")).arg(bucket);
    program.envs(pod.sandbox.environment(&[])).envs(pod.variables());
    program
}

/// `carnet get` of a session of the pod that has this pod's variables, with the token of that one.
fn session(pod: &Pod<'_>, of: &Pod<'_>) -> Command {
    let mut command = carnet(["get", "--quiet", "--from", "oci-oke"]);
    command.arg(format!("token_file={}", of.file("token").display()));
    command.arg(format!("ca_file={}", pod.ca().display())).envs(pod.variables());
    command
}

/// A profile with the pod's session, as variables for Oracle's clients.
fn profile(pod: &Pod<'_>, folder: &Path) -> Vec<(String, String)> {
    delivered(&mut session(pod, pod), folder)
}

/// What the viewer is told about a bucket that it may not make: that there may be one already.
fn taken() -> Value {
    json!([409, "BucketAlreadyExists"])
}

#[test]
fn oracles_signers_let_each_pod_do_what_its_account_may() {
    let sandbox = Sandbox::start();
    let (admin, viewer) = (Pod::new(&sandbox, "prod", "admin-0"), Pod::new(&sandbox, "prod", "viewer-0"));
    let mut there = vec!["artifacts"];
    let programs: [(&str, Program, &str); 2] = [(PYTHON, in_python, "by-python"), (NODE, in_node, "by-the-other")];
    for (client, program, bucket) in programs {
        there.push(bucket);
        assert_eq!(json(&mut program(&admin, bucket)), json!({ "made": bucket, "buckets": there }), "{client}");
        let wanted = json!({ "refused": taken(), "buckets": there });
        assert_eq!(json(&mut program(&viewer, "by-the-viewer")), wanted, "{client}");
        let refusals = sandbox.refusals("oci-objectstorage");
        assert_eq!(refusals.last().map(String::as_str), Some("condition"), "{client}: {refusals:?}");
        alone("oci-oke", "oci", client);
    }
}

#[test]
fn oracles_signers_are_told_that_a_token_is_of_another_cluster_or_the_cluster_a_basic_one() {
    let sandbox = Sandbox::start();
    let token = Pod::new(&sandbox, "dev", "admin-0").file("token");
    let trick = [("CARNET_SANDBOX_POD_TOKEN_FILE", token)];
    let (prod, basic) = (Pod::new(&sandbox, "prod", "admin-0"), Pod::new(&sandbox, "basic", "admin-0"));
    let programs: [Program; 2] = [in_python, in_node];
    for program in programs {
        let answer = json(program(&prod, "x").envs(trick.clone()));
        assert_eq!(answer["proxymux"], 401, "{answer}");
        let answer = json(&mut program(&basic, "x"));
        assert_eq!(answer["proxymux"], 403, "{answer}");
    }
    for (service, clause) in [("oke-proxymux-prod", "token"), ("oke-proxymux-basic", "cluster-type")] {
        let refusals = sandbox.refusals(service);
        // One of them tries again.
        assert!(refusals.len() >= 2 && refusals.iter().all(|one| one == clause), "{service}: {refusals:?}");
    }
}

#[test]
fn pods_need_no_endpoint_inside_the_sandbox() {
    let mut program = python("oci_oke.py");
    program.args(["--compartment", Sandbox::shared().seed("oci_compartment"), "--make", "by-a-pod"]);
    let script = "for pod in admin-0 viewer-0; do \
                  (set -a; . \"$CARNET_SANDBOX/kubernetes/prod/example/$pod/environment\"; exec \"$@\") || exit; done";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = works(&mut inside(&[], &shell));
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let buckets = ["artifacts", "by-a-pod"];
    let wanted = [json!({ "made": "by-a-pod", "buckets": buckets }), json!({ "refused": taken(), "buckets": buckets })];
    assert_eq!(answers, wanted);
    alone("oci-oke", "oci", PYTHON);
}

#[test]
fn oracles_clients_use_the_sessions_of_pods_that_carnet_got() {
    let sandbox = Sandbox::start();
    let (admin, viewer) = (Pod::new(&sandbox, "prod", "admin-0"), Pod::new(&sandbox, "prod", "viewer-0"));
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (of_admin, of_viewer) = (profile(&admin, folders[0].path()), profile(&viewer, folders[1].path()));
    // None of them sees anything of the pod.
    let in_python = |profile: &[(String, String)], bucket: &str| {
        let mut program = python("oci_oke.py");
        program.args(["--profile", "--make", bucket, "--compartment", sandbox.seed("oci_compartment")]);
        program.arg("--objectstorage").arg(sandbox.plain("oci-objectstorage"));
        program.env("OCI_RESOURCE_PRINCIPAL_REGION", sandbox.seed("oci_region"));
        json(program.envs(profile.iter().cloned()))
    };
    let buckets = ["artifacts", "by-python"];
    assert_eq!(in_python(&of_admin, "by-python"), json!({ "made": "by-python", "buckets": buckets }));
    assert_eq!(in_python(&of_viewer, "by-the-viewer"), json!({ "refused": taken(), "buckets": buckets }));
    proven("oci-oke", "oci", PYTHON);

    let mut program = node("oci_session_token.mjs");
    program.arg(sandbox.plain("oci-objectstorage")).arg(sandbox.seed("oci_compartment"));
    let answer = json(program.envs(of_viewer.clone()));
    assert_eq!(answer["buckets"], json!(buckets), "{answer}");
    proven("oci-oke", "oci", NODE);

    let oci = |profile: &[(String, String)], bucket: &str| {
        let mut program = installed("oci");
        program.args(["os", "bucket", "create", "--name", bucket, "--namespace-name", "axcarnetsbx"]);
        program.args(["--compartment-id", sandbox.seed("oci_compartment"), "--endpoint"]);
        program.arg(sandbox.plain("oci-objectstorage")).envs(profile.iter().cloned());
        program
    };
    let answer = json(&mut oci(&of_admin, "by-the-command-line"));
    assert_eq!(answer["data"]["name"], "by-the-command-line", "{answer}");
    let refused = output(&mut oci(&of_viewer, "by-the-viewer"));
    let said = crate::harness::both(&refused);
    assert!(!refused.status.success() && said.contains("BucketAlreadyExists"), "{said}");
    proven("oci-oke", "oci", COMMAND);
}

#[test]
fn carnet_tells_by_which_clause_a_pod_gets_no_session() {
    let sandbox = Sandbox::shared();
    let (prod, dev) = (Pod::new(sandbox, "prod", "admin-0"), Pod::new(sandbox, "dev", "admin-0"));
    fails(&mut session(&prod, &dev), 4, &["clause: token"]);
    let basic = Pod::new(sandbox, "basic", "admin-0");
    fails(&mut session(&basic, &basic), 7, &["clause: cluster-type"]);
}
