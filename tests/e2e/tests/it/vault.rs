//! Vault's own clients: the guide's set-up by HTTP, the usual flows of hvac and node-vault, and both fed by carnet.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::{
    harness::{Sandbox, both, carnet, json, node, output, python},
    matrix::{alone, proven},
};

/// Both libraries, as the matrix calls them.
const HVAC: &str = "hvac";
const NODE: &str = "node-vault";
/// The issuer that the emulated server can discover.
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The subject of its jobs.
const SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";

/// A good token of a job and one of another repository, in the variables that the programs read.
fn with_tokens(program: &mut Command, sandbox: &Sandbox, audience: &str) {
    program.env("SUBJECT_TOKEN", sandbox.token("github", &["--audience", audience]));
    let stranger = ["--audience", audience, "--claim", "repository=else/where", "--claim", "sub=repo:else/where:x"];
    program.env("STRANGER_TOKEN", sandbox.token("github", &stranger));
}

/// The token of a login that carnet made, in the file that Vault's clients read.
fn token_file(sandbox: &Sandbox, folder: &Path) -> String {
    let path = folder.join("vault-token").display().to_string();
    let mut command =
        carnet(["get", "--quiet", "--from", "github-actions", "--to", "vault", "role=app", "audience=vault"]);
    command.arg(format!("address={}", sandbox.plain("vault")));
    command.args(["--deliver", "vault-token-file"]).arg(format!("path={path}"));
    let done = output(command.envs(sandbox.environment(&["--job", "github"])));
    assert!(done.status.success(), "{}", both(&done));
    path
}

#[test]
fn the_guides_set_up_works_request_by_request() {
    let sandbox = Sandbox::start();
    let mut program = python("vault_guide.py");
    program.args(["--issuer", ISSUER, "--subject", SUBJECT, "--audience", "client"]);
    program.arg("--url").arg(sandbox.plain("vault-new"));
    with_tokens(&mut program, &sandbox, "client");
    let expected = json!({
        "health": [501, 503, 200],
        "sealed": 503,
        "policies": ["default", "ztwim-policy"],
        "seconds": 86_400,
        "default_role": ["default", "ztwim-policy"],
        "secret": { "version": "v0.1.0" },
        "neighbour": 403,
        "stranger": 400,
        "again": 400,
    });
    assert_eq!(json(&mut program), expected);
    alone("github-actions", "vault", "plain HTTP");
}

#[test]
fn hvac_sets_a_server_up_and_reads_as_a_job() {
    let sandbox = Sandbox::start();
    let mut program = python("vault_hvac.py");
    program.args(["--issuer", ISSUER, "--url"]).arg(sandbox.plain("vault-new"));
    with_tokens(&mut program, &sandbox, "vault");
    let expected = json!({
        "before": [false, 501],
        "newest": "second",
        "version": 2,
        "paths": ["app/", "neighbour/"],
        "stale": "InvalidRequest",
        "unwrapped": { "answer": 42 },
        "twice": "InvalidRequest",
        "policies": ["app", "default"],
        "ttl": 600,
        "secret": { "password": "second" },
        "neighbour": "Forbidden",
        "write": "Forbidden",
        "renewed": 600,
        "stranger": "InvalidRequest",
        "revoked": "Forbidden",
        "sealed": "VaultDown",
    });
    assert_eq!(json(&mut program), expected);
    alone("github-actions", "vault", HVAC);
}

#[test]
fn node_vault_sets_a_server_up_and_reads_as_a_job() {
    let sandbox = Sandbox::start();
    let mut program = node("vault_node.mjs");
    program.arg(sandbox.plain("vault-new")).arg(ISSUER);
    with_tokens(&mut program, &sandbox, "vault");
    let expected = json!({
        "before": false,
        "sealed": false,
        "listed": ["app/", "neighbour/"],
        "policies": ["app", "default"],
        "secret": { "password": "first" },
        "neighbour": 403,
        "stranger": 400,
        "ttl": 600,
        "revoked": 403,
    });
    assert_eq!(json(&mut program), expected);
    alone("github-actions", "vault", NODE);
}

#[test]
fn hvac_reads_with_a_token_that_carnet_delivered() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let mut program = python("vault_hvac.py");
    program.arg("--url").arg(sandbox.plain("vault")).arg("--token-file").arg(token_file(sandbox, folder.path()));
    assert_eq!(json(&mut program), json!({ "secret": "app/db", "neighbour": "Forbidden" }));
    proven("github-actions", "vault", HVAC);
}

#[test]
fn node_vault_reads_with_a_token_that_carnet_delivered() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let token = std::fs::read_to_string(token_file(sandbox, folder.path())).unwrap();
    let mut program = node("vault_node.mjs");
    program.arg(sandbox.plain("vault")).env("VAULT_TOKEN", token);
    assert_eq!(json(&mut program), json!({ "secret": "app/db", "neighbour": 403 }));
    proven("github-actions", "vault", NODE);
}

#[test]
fn a_secret_that_carnet_delivers_is_in_its_file() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.json");
    let configuration = folder.path().join("carnet.toml");
    let text = format!(
        "version = 1\n[route.db]\nsource = \"github-actions\"\n\
         through = [{{ vault = {{ address = \"{}\", role = \"app\", audience = \"vault\" }} }}]\n\
         [[route.db.deliver]]\n[route.db.deliver.vault-secrets]\nrevoke = true\n\
         secrets = [{{ mount = \"secret\", path = \"app/db\", file = \"{}\" }}]\n",
        sandbox.plain("vault"),
        file.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let mut command = carnet(["get", "--quiet", "--config"]);
    command.arg(&configuration).arg("db").envs(sandbox.environment(&["--job", "github"]));
    let done = output(&mut command);
    assert!(done.status.success(), "{}", both(&done));
    let secret: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(secret["username"], "app/db");
    proven("github-actions", "vault", "a secret rendered to a file");
}
