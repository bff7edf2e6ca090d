//! AWS's own clients: against the sandbox, fed by carnet, and through the proxy without any endpoint.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, carnet, json, node, output, python},
    matrix::{alone, proven},
};

const READER: &str = "arn:aws:sts::123456789012:assumed-role/reader";

/// Both SDKs, as the matrix calls them.
pub(crate) const SDKS: [&str; 2] = ["boto3", "AWS SDK for JavaScript"];

type Variables = Vec<(String, String)>;

/// The clients' own settings without anything that gives them an identity: what is found is what a test adds.
fn settings(sandbox: &Sandbox, options: &[&str]) -> Variables {
    let mut variables = sandbox.environment(options);
    variables.push(("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()));
    variables
}

/// A token file that carnet writes for a GitHub job, and the variables with which SDKs find it.
fn token_file(sandbox: &Sandbox, folder: &Path) -> Variables {
    let path = folder.join("token");
    let mut command = carnet(["get", "--quiet", "--from", "github-actions", "--audience", "sts.amazonaws.com"]);
    command.args(["--deliver", "aws-web-identity-file"]).arg(format!("path={}", path.display()));
    command.arg(format!("role_arn={}", sandbox.seed("aws_role")));
    let done = output(command.envs(sandbox.environment(&["--job", "github"])));
    assert!(done.status.success(), "{}", both(&done));
    vec![
        ("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), path.display().to_string()),
        ("AWS_ROLE_ARN".to_owned(), sandbox.seed("aws_role").to_owned()),
    ]
}

/// A profile `carnet` whose `credential_process` is carnet, for a GitHub job; `words` are further settings of the exchange.
fn process(sandbox: &Sandbox, folder: &Path, words: &[String]) -> Variables {
    let program = folder.join("keys");
    let binary = carnet::<&str>([]);
    let export = |(name, value): (String, String)| format!("export {name}='{}'\n", value.replace('\'', "'\\''"));
    let job: Vec<String> = sandbox.environment(&["--job", "github"]).into_iter().map(export).collect();
    let script = format!(
        "#!/bin/sh\n{}exec {} get --from github-actions --to aws role_arn={} {} --format aws-process\n",
        job.concat(),
        binary.get_program().to_string_lossy(),
        sandbox.seed("aws_role"),
        words.join(" ")
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let config = folder.join("config");
    let profile = format!(
        "[profile carnet]\nregion = {}\ncredential_process = {}\n",
        sandbox.seed("aws_region"),
        program.display()
    );
    std::fs::write(&config, profile).unwrap();
    vec![("AWS_CONFIG_FILE".to_owned(), config.display().to_string()), ("AWS_PROFILE".to_owned(), "carnet".to_owned())]
}

/// The container endpoint of the sandbox, with its authorization in a file.
fn container(sandbox: &Sandbox, folder: &Path) -> Variables {
    let token = folder.join("authorization");
    std::fs::write(&token, sandbox.seed("aws_container_token")).unwrap();
    let url = format!("{}{}", sandbox.plain("aws-container"), sandbox.seed("aws_container_path"));
    vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), token.display().to_string()),
    ]
}

/// The pod identity agent of the sandbox, with the pod's token in a file.
fn pod(sandbox: &Sandbox) -> Variables {
    let token = sandbox.folder().join("aws/eks-pod-identity-token");
    vec![
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
            format!("{}/v1/credentials", sandbox.plain("aws-pod-identity")),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), token.display().to_string()),
    ]
}

#[track_caller]
fn expect(answer: &Value, arn: &str) {
    assert_eq!(answer["arn"], arn, "{answer}");
    assert_eq!(answer["buckets"], json!(["carnet-logs", "carnet-reports"]), "{answer}");
    assert_eq!(answer["keys"], json!(["2026/11/report.txt"]), "{answer}");
    assert_eq!(answer["report"], "carnet sandbox report\n", "{answer}");
}

/// boto3 and the JavaScript SDK, each started with these variables.
fn both_sdks(settings: &Variables, identity: &Variables, arn: &str) {
    let programs: [Command; 2] = [python("aws_chain.py"), node("aws_chain.mjs")];
    for mut program in programs {
        expect(&json(program.envs(settings.clone()).envs(identity.clone())), arn);
    }
}

#[test]
fn both_sdks_assume_the_role_from_the_token_file() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    both_sdks(&settings(sandbox, &[]), &token_file(sandbox, folder.path()), READER);
    for sdk in SDKS {
        proven("github-actions", "aws", sdk);
    }
}

#[test]
fn both_sdks_run_carnet_for_keys() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    both_sdks(&settings(sandbox, &[]), &process(sandbox, folder.path(), &[]), READER);
    for sdk in SDKS {
        proven("github-actions", "aws", sdk);
    }
}

#[test]
fn both_sdks_ask_the_container_endpoint() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    let machine = "arn:aws:sts::123456789012:assumed-role/machine";
    both_sdks(&settings(sandbox, &[]), &container(sandbox, folder.path()), machine);
    for sdk in SDKS {
        alone("aws-identity", "aws", sdk);
    }
}

#[test]
fn boto3_asks_the_pod_identity_agent() {
    let sandbox = Sandbox::shared();
    expect(&json(python("aws_chain.py").envs(settings(sandbox, &[])).envs(pod(sandbox))), READER);
    alone("aws-identity", "aws", SDKS[0]);
}

#[test]
fn both_sdks_ask_the_metadata_service() {
    let sandbox = Sandbox::shared();
    let version_2 = vec![("AWS_EC2_METADATA_V1_DISABLED".to_owned(), "true".to_owned())];
    both_sdks(&sandbox.environment(&[]), &version_2, "arn:aws:sts::123456789012:assumed-role/machine");
    for sdk in SDKS {
        alone("aws-identity", "aws", sdk);
    }
}

#[test]
fn boto3_needs_no_endpoint_inside_the_sandbox_and_uploads_in_chunks() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    let next = format!(
        "'then=[{{role_arn=\"{}\", external_id=\"{}\"}}]'",
        sandbox.seed("aws_next_role"),
        sandbox.seed("aws_external_id")
    );
    let mut program = python("aws_chain.py");
    program.args(["--put", "carnet-reports/from-boto3.txt"]).envs(settings(sandbox, &["--proxy"]));
    let answer = json(program.envs(process(sandbox, folder.path(), &[next])));
    expect(&answer, "arn:aws:sts::123456789012:assumed-role/writer");
    assert_eq!(answer["object"], "hello from boto3", "{answer}");
    proven("github-actions", "aws", SDKS[0]);
}

#[test]
fn the_node_sdk_uploads_in_chunks() {
    let sandbox = Sandbox::shared();
    let mut program = node("aws_chain.mjs");
    program.arg("carnet-logs/from-node.txt").envs(settings(sandbox, &[])).env("AWS_PROFILE", "builder");
    let answer = json(&mut program);
    assert_eq!(answer["object"], "hello from node", "{answer}");
}

#[test]
fn a_token_of_another_repository_is_refused_in_awss_words() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    let identity = token_file(sandbox, folder.path());
    let other = sandbox.token("github", &["--audience", "https://else"]);
    std::fs::write(folder.path().join("token"), other).unwrap();
    let mut program = python("aws_chain.py");
    let answer = json(program.envs(settings(sandbox, &[])).envs(identity));
    assert_eq!((&answer["refused"], &answer["status"]), (&json!("InvalidIdentityToken"), &json!(400)), "{answer}");
    assert_eq!(answer["message"], "Incorrect token audience");
}

#[test]
fn what_the_role_may_not_is_refused_in_s3s_words() {
    let (sandbox, folder) = (Sandbox::shared(), tempfile::tempdir().unwrap());
    let mut program = python("aws_chain.py");
    program.args(["--put", "carnet-reports/x"]).envs(settings(sandbox, &[]));
    let answer = json(program.envs(token_file(sandbox, folder.path())));
    assert_eq!((&answer["refused"], &answer["status"]), (&json!("AccessDenied"), &json!(403)), "{answer}");
}

#[test]
fn boto3_sets_up_providers_roles_and_anchors() {
    let sandbox = Sandbox::start();
    let authority = sandbox.folder().join("ca.pem");
    let mut program = python("aws_set_up.py");
    program.args(["--issuer", "https://issuer.example/a"]).arg("--certificate").arg(&authority);
    let answer = json(program.envs(settings(&sandbox, &[])));
    assert_eq!(answer["arn"], "arn:aws:iam::123456789012:oidc-provider/issuer.example/a");
    assert_eq!(answer["role"], "arn:aws:iam::123456789012:role/set-up");
    assert_eq!((&answer["duration"], &answer["trust"], &answer["policy"]), (&json!(7200), &json!(true), &json!(true)));
    assert_eq!(answer["client_ids"], json!(["sts.amazonaws.com"]));
    assert_eq!(answer["roles"], json!(["certificate", "machine", "reader", "set-up", "writer"]));
    assert_eq!((&answer["again"], &answer["gone"]), (&json!("EntityAlreadyExists"), &json!(true)));
    assert_eq!(answer["anchors"], json!(["anchor"]), "{answer}");
}
