//! Vault's own clients: the guide's set-up by HTTP, the usual flows of hvac and node-vault, and both fed by carnet.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, carnet, json, node, output, python},
    matrix::{alone, proven},
    scene::works,
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
    let secret: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(secret["username"], "app/db");
    proven("github-actions", "vault", "a secret rendered to a file");
}

/// A folder for a token, and what Vault's own client says of the token in it.
struct Safe {
    sandbox: &'static Sandbox,
    folder: tempfile::TempDir,
}

impl Safe {
    fn new() -> Self {
        Self { sandbox: Sandbox::shared(), folder: tempfile::tempdir().unwrap() }
    }

    fn token_file(&self) -> String {
        self.folder.path().join("vault-token").display().to_string()
    }

    fn hvac(&self) -> Command {
        let mut program = python("vault_hvac.py");
        program.arg("--url").arg(self.sandbox.plain("vault")).arg("--token-file").arg(self.token_file());
        program
    }

    /// `carnet run` with the token of a login in its file.
    fn run(&self, revoke: &[&str], script: &str) -> Command {
        let mut command = carnet(["run", "--from", "github-actions", "--to", "vault", "role=app", "audience=vault"]);
        command.arg(format!("address={}", self.sandbox.plain("vault"))).args(revoke);
        command.args(["--deliver", "vault-token-file"]).arg(format!("path={}", self.token_file()));
        command.args(["--", "sh", "-c", script, "sh"]).envs(self.sandbox.environment(&["--job", "github"]));
        command
    }
}

#[test]
fn the_token_of_a_command_counts_while_it_runs_and_not_after() {
    let safe = Safe::new();
    for revoke in ["revoke=end", "revoke=replaced"] {
        let client = safe.hvac();
        let mut command = safe.run(&[revoke], "\"$@\"; exit 3");
        let done = output(command.arg(client.get_program()).args(client.get_args()));
        assert_eq!((done.status.code(), done.stderr.as_slice()), (Some(3), &b""[..]), "{}", both(&done));
        let said: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(said, json!({ "secret": "app/db", "neighbour": "Forbidden" }));
        assert_eq!(json(&mut safe.hvac()), json!({ "token": "Forbidden" }));
    }
}

#[test]
fn a_token_that_shall_live_outlives_its_command() {
    let safe = Safe::new();
    for revoke in [&[][..], &["revoke=never"]] {
        works(&mut safe.run(revoke, "true"));
        assert_eq!(json(&mut safe.hvac())["secret"], "app/db", "{revoke:?}");
    }
}

#[test]
fn a_signal_that_ends_the_command_ends_its_token() {
    let safe = Safe::new();
    let mut command = safe.run(&["revoke=end"], "echo ready; exec sleep 1000");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    works(Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]));
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(json(&mut safe.hvac()), json!({ "token": "Forbidden" }));
}

#[test]
fn what_cannot_be_given_back_is_told_without_the_token_and_changes_no_exit_code() {
    let safe = Safe::new();
    let script =
        "exec curl --silent --fail -X POST -H \"X-Vault-Token: $(cat \"$1\")\" \"$2/v1/auth/token/revoke-self\"";
    let done = output(safe.run(&["revoke=end"], script).arg(safe.token_file()).arg(safe.sandbox.plain("vault")));
    assert_eq!(done.status.code(), Some(0), "{}", both(&done));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("was not given back") && said.contains("given back before or has ended"), "{said}");
    assert!(!said.contains(&std::fs::read_to_string(safe.token_file()).unwrap()), "{said}");
}
