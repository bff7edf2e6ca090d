//! Oracle's own clients: against the sandbox, fed by carnet, and through the proxy without any endpoint.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, carnet, json, node, output, python},
    matrix::{alone, proven},
};

/// The clients, as the matrix calls them.
pub(crate) const PYTHON: &str = "OCI SDK for Python";
pub(crate) const NODE: &str = "OCI SDK for JavaScript";
pub(crate) const COMMAND: &str = "oci";

/// `carnet get` from a CI job's token to a session.
fn upst(sandbox: &Sandbox) -> Command {
    let mut command = session(sandbox, &["github-actions"]);
    command.arg(format!("audience={}", sandbox.seed("oci_domain")));
    command.envs(sandbox.environment(&["--job", "github"]));
    command
}

/// `carnet get` from what these words give to a session.
fn session(sandbox: &Sandbox, from: &[&str]) -> Command {
    let secret = sandbox.put("client-secret", sandbox.seed("oci_client_secret"));
    let mut command = carnet(["get", "--quiet", "--from"]);
    command.args(from).args(["--to", "oci-upst", &format!("url={}", sandbox.plain("oci-domain"))]);
    command.arg(format!("client_id={}", sandbox.seed("oci_client_id")));
    command.arg(format!("client_secret_file={secret}")).arg(format!("region={}", sandbox.seed("oci_region")));
    command
}

/// A profile that carnet wrote with the session of a CI job.
pub(crate) fn profile(sandbox: &Sandbox, folder: &Path) -> Vec<(String, String)> {
    delivered(&mut upst(sandbox), folder)
}

/// The profile that this run writes.
pub(crate) fn delivered(command: &mut Command, folder: &Path) -> Vec<(String, String)> {
    let directory = folder.join("profile");
    let done = output(command.arg("--deliver").arg("oci-profile").arg(format!("directory={}", directory.display())));
    assert!(done.status.success(), "{}", crate::harness::both(&done));
    let config = directory.join("current/config").display().to_string();
    vec![
        ("OCI_CLI_CONFIG_FILE".to_owned(), config.clone()),
        ("OCI_CONFIG_FILE".to_owned(), config),
        ("OCI_CLI_PROFILE".to_owned(), "CARNET".to_owned()),
        ("OCI_CLI_AUTH".to_owned(), "security_token".to_owned()),
    ]
}

fn compartment(sandbox: &Sandbox) -> Vec<String> {
    vec!["--compartment".to_owned(), sandbox.seed("oci_compartment").to_owned()]
}

/// Where the services are that `oci_session_token.py` calls.
fn endpoints(sandbox: &Sandbox) -> [String; 6] {
    let [storage, identity, core] =
        ["oci-objectstorage", "oci-identity", "oci-core"].map(|service| sandbox.plain(service));
    ["--objectstorage".to_owned(), storage, "--identity".to_owned(), identity, "--core".to_owned(), core]
}

fn expect_buckets(answer: &Value) {
    assert_eq!(answer["namespace"], "axcarnetsbx", "{answer}");
    assert_eq!(answer["buckets"], json!(["artifacts"]), "{answer}");
}

#[test]
fn the_python_sdk_uses_a_profile_that_carnet_wrote() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let mut program = python("oci_session_token.py");
    program.args(compartment(sandbox)).args(["--put", "artifacts/from-python.txt"]).args(endpoints(sandbox));
    let answer = json(program.envs(profile(sandbox, folder.path())));
    expect_buckets(&answer);
    assert_eq!(answer["object"], "hello from a session token");
    assert_eq!(answer["compartments"], json!(["ci"]));
    assert_eq!(answer["domains"].as_array().unwrap().len(), 3);
    assert_eq!(answer["vcns"].as_array().unwrap().len(), 1);
    proven("github-actions", "oci", PYTHON);
}

#[test]
fn the_python_sdk_needs_no_endpoint_inside_the_sandbox() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let mut program = python("oci_session_token.py");
    program.args(compartment(sandbox)).envs(sandbox.environment(&["--proxy"]));
    expect_buckets(&json(program.envs(profile(sandbox, folder.path()))));
    proven("github-actions", "oci", PYTHON);
}

#[test]
fn the_python_sdk_uses_profiles_of_machines_in_other_clouds() {
    let sandbox = Sandbox::shared();
    let domain = format!("audience={}", sandbox.seed("oci_domain"));
    let application = format!("resource={}", sandbox.seed("azure_application"));
    let machines: [&[&str]; 3] = [
        &["aws-identity", "place=instance", "--to", "aws-web-identity-token", &domain],
        &["azure-identity", "token=identity", &application],
        &["gcp-metadata", &domain],
    ];
    for from in machines {
        let folder = tempfile::tempdir().unwrap();
        let mut command = session(sandbox, from);
        let profile = delivered(command.envs(sandbox.environment(&[])), folder.path());
        let mut program = python("oci_session_token.py");
        expect_buckets(&json(program.args(compartment(sandbox)).args(endpoints(sandbox)).envs(profile)));
        proven(from[0], "oci", PYTHON);
    }
}

#[test]
fn the_node_sdk_uses_a_profile_that_carnet_wrote() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let mut program = node("oci_session_token.mjs");
    program.arg(sandbox.plain("oci-objectstorage")).arg(sandbox.seed("oci_compartment"));
    expect_buckets(&json(program.envs(profile(sandbox, folder.path()))));
    proven("github-actions", "oci", NODE);
}

#[test]
fn the_oci_command_line_uses_a_profile_that_carnet_wrote() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let mut program = crate::harness::installed("oci");
    program.args(["os", "bucket", "list", "--namespace-name", "axcarnetsbx", "--compartment-id"]);
    program.arg(sandbox.seed("oci_compartment")).arg("--endpoint").arg(sandbox.plain("oci-objectstorage"));
    let answer = json(program.envs(profile(sandbox, folder.path())));
    assert_eq!(answer["data"][0]["name"], "artifacts", "{answer}");
    proven("github-actions", "oci", COMMAND);
}

#[test]
fn oracles_instance_principal_signer_is_served_directly() {
    let sandbox = Sandbox::shared();
    let mut program = python("oci_instance_principal.py");
    program.args(compartment(sandbox)).arg("--federation").arg(format!("{}/v1/x509", sandbox.plain("oci-auth")));
    program.arg("--objectstorage").arg(sandbox.plain("oci-objectstorage"));
    let answer = json(program.envs(sandbox.environment(&[])));
    expect_buckets(&answer);
    assert_eq!(answer["region"], "us-ashburn-1");
    alone("oci-instance", "oci", PYTHON);
}

#[test]
fn the_node_instance_principal_is_served_directly() {
    let sandbox = Sandbox::shared();
    let mut program = node("oci_instance_principal.mjs");
    program.arg(format!("{}/opc/v2", sandbox.plain("oci-imds"))).arg(sandbox.plain("oci-auth"));
    program.arg(sandbox.plain("oci-objectstorage")).arg(sandbox.seed("oci_compartment"));
    expect_buckets(&json(&mut program));
    alone("oci-instance", "oci", NODE);
}

#[test]
fn oracles_instance_principal_signer_needs_no_argument_inside_the_sandbox() {
    let sandbox = Sandbox::shared();
    let mut program = python("oci_instance_principal.py");
    expect_buckets(&json(program.args(compartment(sandbox)).envs(sandbox.environment(&["--proxy"]))));
    alone("oci-instance", "oci", PYTHON);
}

#[test]
fn oracles_resource_principal_signer_is_served() {
    let sandbox = Sandbox::shared();
    let mut program = python("oci_resource_principal.py");
    program.args(compartment(sandbox)).arg("--objectstorage").arg(sandbox.plain("oci-objectstorage"));
    expect_buckets(&json(program.envs(sandbox.environment(&[]))));
    alone("oci-resource", "oci", PYTHON);
}

/// The function, as a service plays it that has no token in files: a token of the resource first, then its session.
#[test]
fn oracles_resource_principal_signer_is_served_in_its_older_versions() {
    let sandbox = Sandbox::shared();
    let auth = sandbox.plain("oci-auth");
    for version in ["2.1", "2.1.1", "2.1.2"] {
        let mut program = python("oci_resource_principal.py");
        program.args(compartment(sandbox)).arg("--objectstorage").arg(sandbox.plain("oci-objectstorage"));
        program.envs(sandbox.environment(&[])).env_remove("OCI_RESOURCE_PRINCIPAL_RPST");
        program.env("OCI_RESOURCE_PRINCIPAL_VERSION", version);
        program.env("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", &auth).env("OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT", &auth);
        program.env("OCI_RESOURCE_PRINCIPAL_RESOURCE_ID", sandbox.seed("oci_function"));
        program.env("OCI_RESOURCE_PRINCIPAL_TENANCY_ID", sandbox.seed("oci_tenancy"));
        program.env("OCI_RESOURCE_PRINCIPAL_SECURITY_CONTEXT", "context");
        expect_buckets(&json(&mut program));
    }
    alone("oci-resource", "oci", PYTHON);
}

/// The instance's own resource principal. Oracle's signer asks for its id under the real address, so this needs the proxy.
#[test]
fn oracles_resource_principal_signer_is_served_in_its_oldest_version() {
    let sandbox = Sandbox::shared();
    let auth = "https://auth.us-ashburn-1.oraclecloud.com";
    let mut program = python("oci_resource_principal.py");
    program.args(compartment(sandbox)).envs(sandbox.environment(&["--proxy"]));
    program.env_remove("OCI_RESOURCE_PRINCIPAL_RPST").env_remove("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM");
    program.env("OCI_RESOURCE_PRINCIPAL_VERSION", "1.1");
    program.env("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", auth).env("OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT", auth);
    expect_buckets(&json(&mut program));
    alone("oci-resource", "oci", PYTHON);
}

#[test]
fn a_resource_principal_that_carnet_delivers_is_one_to_oracles_sdk() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("principal");
    let mut command = upst(sandbox);
    command.arg("--deliver").arg("oci-resource-principal").arg(format!("directory={}", directory.display()));
    let done = output(&mut command);
    assert!(done.status.success(), "{}", crate::harness::both(&done));
    let current = directory.join("current");
    let files: Vec<_> = std::fs::read_dir(&current).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let file = |part: &str| {
        let name = files.iter().find(|name| name.to_string_lossy().contains(part));
        current.join(name.unwrap_or_else(|| panic!("no {part} in {files:?}"))).display().to_string()
    };
    let mut program = python("oci_resource_principal.py");
    program.args(compartment(sandbox)).arg("--objectstorage").arg(sandbox.plain("oci-objectstorage"));
    program.env("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2").env("OCI_RESOURCE_PRINCIPAL_REGION", "us-ashburn-1");
    program
        .env("OCI_RESOURCE_PRINCIPAL_RPST", file("rpst"))
        .env("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", file("private.pem"));
    expect_buckets(&json(&mut program));
    proven("github-actions", "oci", PYTHON);
}

fn token_exchange(sandbox: &Sandbox, token: &str) -> Value {
    let mut program = python("oci_token_exchange.py");
    program.args(compartment(sandbox)).arg("--domain").arg(sandbox.plain("oci-domain"));
    program.arg("--client-id").arg(sandbox.seed("oci_client_id"));
    program.arg("--objectstorage").arg(sandbox.plain("oci-objectstorage"));
    json(program.env("SUBJECT_TOKEN", token).env("CLIENT_SECRET", sandbox.seed("oci_client_secret")))
}

#[test]
fn oracles_token_exchange_signer_gets_a_session() {
    let sandbox = Sandbox::shared();
    let token = sandbox.token("github", &["--audience", sandbox.seed("oci_domain")]);
    expect_buckets(&token_exchange(sandbox, &token));
    alone("github-actions", "oci", PYTHON);
}

#[test]
fn oracles_token_exchange_signer_takes_the_token_that_carnet_got() {
    let sandbox = Sandbox::shared();
    let mut command = carnet(["get", "--from", "github-actions", "--format", "token", "--audience"]);
    let got = output(command.arg(sandbox.seed("oci_domain")).envs(sandbox.environment(&["--job", "github"])));
    assert!(got.status.success(), "{}", crate::harness::both(&got));
    expect_buckets(&token_exchange(sandbox, &String::from_utf8(got.stdout).unwrap()));
    proven("github-actions", "oci", PYTHON);
}

#[test]
fn oracles_token_exchange_signer_is_refused_a_stranger() {
    let sandbox = Sandbox::shared();
    let claim = ["--audience", sandbox.seed("oci_domain"), "--claim", "repository_owner_id=\"66600000\""];
    let answer = token_exchange(sandbox, &sandbox.token("github", &claim));
    assert!([400, 401].contains(&answer["refused"].as_i64().unwrap_or_default()), "{answer}");
    assert!(answer["body"]["error"].is_string(), "{answer}");
}

#[test]
fn a_signature_from_carnet_lets_curl_call_oci() {
    let sandbox = Sandbox::shared();
    let url = format!(
        "{}/n/axcarnetsbx/b?compartmentId={}",
        sandbox.plain("oci-objectstorage"),
        sandbox.seed("oci_compartment")
    );
    let mut command = carnet(["get", "--from", "oci-instance", "--format", "oci-signature"]);
    let signed = output(command.arg(format!("url={url}")).envs(sandbox.environment(&[])));
    assert!(signed.status.success(), "{}", crate::harness::both(&signed));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("curl");
    std::fs::write(&config, signed.stdout).unwrap();
    let mut curl = Command::new("curl");
    let answer = json(curl.env_clear().args(["--silent", "--config"]).arg(config));
    assert_eq!(answer[0]["name"], "artifacts", "{answer}");
    proven("oci-instance", "oci", "curl");
}
