//! Jobs of CI systems: hvac trusts them at Vault by an id that nobody else has, and reads with what carnet got for each.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, carnet, json, python},
    matrix::proven,
    scene::{fails, works},
};

/// The client, as the matrix calls it.
const HVAC: &str = "hvac";
const VAULT: &str = "https://vault.test";

/// A job, the source that finds its token, whom the token is for, and the claim that Vault compares. Buildkite's agents find theirs by
/// a program that no sandbox puts on the disk; jobs of GitHub are everywhere else in these tests.
const JOBS: [(&str, &str, &str, &str); 8] = [
    ("gitlab", "gitlab-ci", VAULT, "project_id"),
    ("bitbucket", "bitbucket-pipelines", VAULT, "repositoryUuid"),
    ("circleci", "circleci", "71000000-0000-4000-8000-00000000c001", "oidc.circleci.com/project-id"),
    ("azure-devops", "azure-devops", "api://AzureADTokenExchange", "prj_id"),
    ("hcp-terraform", "hcp-terraform", VAULT, "terraform_workspace_id"),
    ("spacelift", "spacelift", "carnet-sandbox.app.spacelift.io", "callerId"),
    ("jenkins", "jenkins", VAULT, "sub"),
    ("google-cloud-build", "google-cloud-build", VAULT, "email"),
];

/// `carnet get` in the job, before anything is said of the source.
fn within(sandbox: &Sandbox, job: &str, audience: &str) -> Command {
    let mut command = carnet(["get"]);
    let fixed = ["--job", job, "--audience", audience];
    // Only where the job's definition has the audience.
    let chosen = ["gitlab", "bitbucket", "hcp-terraform", "jenkins"].contains(&job);
    command.envs(sandbox.environment(if chosen { &fixed } else { &fixed[..2] }));
    command
}

/// What the job's token says.
fn claims(sandbox: &Sandbox, job: &str, source: &str, audience: &str) -> Value {
    let mut command = within(sandbox, job, audience);
    let token = works(command.args(["--from", source, "--format", "token", "--audience", audience]));
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// The same, to Vault, which gives a token into this file.
fn to_vault(sandbox: &Sandbox, job: &str, source: &str, audience: &str, mount: &str, path: &Path) -> Command {
    let mut command = within(sandbox, job, audience);
    command.args(["--quiet", "--from", source, "--to", "vault", "role=job"]).arg(format!("mount={mount}"));
    command.arg(format!("audience={audience}")).arg(format!("address={}", sandbox.plain("vault")));
    command.args(["--deliver", "vault-token-file"]).arg(format!("path={}", path.display()));
    command
}

#[test]
fn hvac_reads_as_the_jobs_of_every_system_and_none_is_taken_for_another() {
    let sandbox = Sandbox::start();
    let mut trusts = Vec::new();
    for (job, source, audience, claim) in JOBS {
        let claims = claims(&sandbox, job, source, audience);
        let trust = |mount: String, value: &Value| json!({ "mount": mount, "issuer": claims["iss"], "audience": audience, "bound_claims": { claim: value } });
        assert!(claims[claim].is_string(), "{job} has no {claim}: {claims}");
        trusts.push(trust(format!("own-{job}"), &claims[claim]));
        trusts.push(trust(format!("other-{job}"), &json!("another")));
    }
    let mut program = python("vault_trust_jobs.py");
    program.arg("--url").arg(sandbox.plain("vault")).args(["--token", sandbox.seed("vault_root_token")]);
    json(program.arg(Value::from(trusts).to_string()));

    let folder = tempfile::tempdir().unwrap();
    for (job, source, audience, _) in JOBS {
        let file = folder.path().join(job);
        works(&mut to_vault(&sandbox, job, source, audience, &format!("own-{job}"), &file));
        let mut program = python("vault_hvac.py");
        program.arg("--url").arg(sandbox.plain("vault")).arg("--token-file").arg(&file);
        assert_eq!(json(&mut program), json!({ "secret": "app/db", "neighbour": "Forbidden" }), "{job}");
        let mut stranger = to_vault(&sandbox, job, source, audience, &format!("other-{job}"), &file);
        fails(&mut stranger, 7, &["clause: bound-claims"]);
        proven(source, "vault", HVAC);
    }
}
