//! Infisical's own SDKs: every login that they have, alone, and with tokens that carnet got.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, carnet, json, node, python},
    matrix::{alone, proven},
    pods::Pod,
    scene::{fails, works},
};

/// Both SDKs, as the matrix calls them.
const PYTHON: &str = "infisicalsdk";
const NODE: &str = "@infisical/sdk";
/// The identity of jobs, machines and pods, and the project that it may read.
const IDENTITY: &str = "1f15ca10-0000-4000-8000-000000000001";
const PROJECT: &str = "1f15ca10-0000-4000-8000-0000000000d1";
/// The identities with client secrets: the worker is no member of the project, the administrator can change that.
const WORKER: &str = "1f15ca10-0000-4000-8000-000000000002";
const CLIENTS: [(&str, &str); 4] = [
    ("WORKER_ID", "1f15ca10-0000-4000-8000-0000000000c2"),
    ("WORKER_SECRET", "carnet-sandbox-not-a-client-secret-of-the-worker"),
    ("ADMIN_ID", "1f15ca10-0000-4000-8000-0000000000c3"),
    ("ADMIN_SECRET", "carnet-sandbox-not-a-client-secret-of-the-admin"),
];
/// The user of AWS whose keys log in: a profile of the sandbox.
const BUILDER: [(&str, &str); 2] = [("AWS_PROFILE", "builder"), ("AWS_EC2_METADATA_DISABLED", "true")];

/// The secrets of the project, references replaced.
fn secrets() -> Value {
    json!({
        "own": { "DB_PASSWORD": "sandbox", "DB_URL": "postgres://app:sandbox@db.carnet-sandbox.example/app" },
        "imported": { "DB_HOST": "db.carnet-sandbox.example", "DB_PASSWORD": "of-the-import" },
    })
}

fn in_python(sandbox: &Sandbox) -> Command {
    let mut program = python("infisical_logins.py");
    program.arg("--host").arg(sandbox.plain("infisical")).args(["--project", PROJECT, "--identity", IDENTITY]);
    program
}

fn in_node(sandbox: &Sandbox) -> Command {
    let mut program = node("infisical_logins.mjs");
    program.arg(sandbox.plain("infisical")).args([PROJECT, IDENTITY]);
    program
}

#[test]
fn the_python_sdk_logs_in_in_every_way_that_it_has() {
    let sandbox = Sandbox::start();
    let mut program = in_python(&sandbox);
    program.args(["--worker", WORKER]).envs(sandbox.environment(&[])).envs(CLIENTS).envs(BUILDER);
    program.env("OIDC_TOKEN", sandbox.token("github", &["--audience", "infisical"]));
    let stranger = ["--audience", "infisical", "--claim", "repository=else/where"];
    program.env("STRANGER_TOKEN", sandbox.token("github", &stranger));
    let wanted = json!({
        "login": ["Bearer", 3600, 7200],
        "oidc": secrets(),
        "aws": "sandbox",
        "token": "sandbox",
        "no_member": [403, "PermissionDenied"],
        "universal": "sandbox",
        "write": [403, "PermissionDenied"],
        "stranger": [401, "UnauthorizedError"],
        "secret": [401, "UnauthorizedError"],
    });
    assert_eq!(json(&mut program), wanted);
    assert_eq!(sandbox.refusals("infisical"), ["permission", "permission", "bound-claims", "secret"]);
    for source in ["github-actions", "aws-identity"] {
        alone(source, "infisical", PYTHON);
    }
}

#[test]
fn the_node_sdk_logs_in_in_every_way_that_it_has() {
    let sandbox = Sandbox::start();
    let mut program = in_node(&sandbox);
    program.envs(sandbox.environment(&[])).envs(CLIENTS).envs(BUILDER);
    let wanted = json!({ "aws": secrets(), "token": "sandbox", "no_member": 403, "secret": 401 });
    assert_eq!(json(&mut program), wanted);
    assert_eq!(sandbox.refusals("infisical"), ["permission", "secret"]);
    alone("aws-identity", "infisical", NODE);
}

/// `carnet run` of this program behind a route to the identity, with these fields of the exchange and this delivery. The program
/// sees nothing of the source.
fn run(folder: &Path, source: &str, fields: &str, delivery: &str, program: &Command) -> Command {
    let configuration = folder.join("carnet.toml");
    let text = format!(
        "version = 1\n[route.app]\nsource = {source}\n\
         through = [{{ infisical = {{ identity_id = \"{IDENTITY}\", {fields} }} }}]\ndeliver = [{{ {delivery} }}]\n"
    );
    std::fs::write(&configuration, text).unwrap();
    let mut command = carnet(["run", "--config"]);
    command.arg(configuration).args(["app", "--", "env", "-u", "KUBECONFIG"]);
    command.args(["OCI_CONFIG_FILE", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"].iter().flat_map(|name| ["-u", name]));
    command.arg(program.get_program()).args(program.get_args());
    command.envs(Sandbox::shared().environment(&["--job", "github"]));
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// The token in the variable that Infisical's own programs read.
const TOKEN: &str = "env = { variable = \"INFISICAL_TOKEN\" }";

#[test]
fn the_sdks_read_with_tokens_that_carnet_got() {
    let sandbox = Sandbox::shared();
    let pod = format!("{{ kubernetes = {{ {} }} }}", Pod::new(sandbox, "prod", "admin-0").request());
    let routes = [
        ("github-actions", "\"github-actions\"", "audience = \"infisical\""),
        ("kubernetes", &*pod, "method = \"kubernetes\", audience = \"infisical\""),
        ("oci-config", "\"oci-config\"", "method = \"oci\""),
    ];
    for (name, source, fields) in routes {
        let folder = tempfile::tempdir().unwrap();
        let answer = json(&mut run(folder.path(), source, fields, TOKEN, &in_python(sandbox)));
        assert_eq!(answer, json!({ "secrets": secrets(), "bent": [403, "TokenError"] }), "{name}");
        proven(name, "infisical", PYTHON);
        let answer = json(&mut run(folder.path(), source, fields, TOKEN, &in_node(sandbox)));
        assert_eq!(answer, json!({ "secrets": secrets(), "bent": 403 }), "{name}");
        proven(name, "infisical", NODE);
    }
}

#[test]
fn a_child_finds_secrets_in_its_variables() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh");
    child.args(["-c", "printf %s \"$DB_URL $DB_HOST $DB_PASSWORD\""]);
    let delivery = format!(
        "infisical-secrets = {{ secrets = [{{ project_id = \"{PROJECT}\", environment = \"prod\", export = true }}] }}"
    );
    let fields = "audience = \"infisical\"";
    let said = works(&mut run(folder.path(), "\"github-actions\"", fields, &delivery, &child));
    assert_eq!(said, "postgres://app:sandbox@db.carnet-sandbox.example/app db.carnet-sandbox.example sandbox");
    proven("github-actions", "infisical", "secrets in variables");
}

#[test]
fn carnet_tells_by_which_clause_infisical_refuses() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new("true");
    let pod = format!("{{ kubernetes = {{ {} }} }}", Pod::new(sandbox, "prod", "admin-0").request());
    let elsewhere = "method = \"kubernetes\", audience = \"https://somebody.else\"";
    fails(&mut run(folder.path(), &pod, elsewhere, TOKEN, &child), 4, &["clause: audience"]);
    let elsewhere = "audience = \"https://somebody.else\"";
    fails(&mut run(folder.path(), "\"github-actions\"", elsewhere, TOKEN, &child), 4, &["clause: audience"]);
}
