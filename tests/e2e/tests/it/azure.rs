//! Microsoft's own clients: against the sandbox under the real host names, fed by carnet, and on the machine's identity.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, carnet, json, node, output, python},
    matrix::{alone, proven},
};

/// Both libraries, as the matrix calls them.
pub(crate) const PYTHON: &str = "azure-identity";
const NODE: &str = "@azure/identity";
const CONTAINERS: [&str; 2] = ["logs", "reports"];

/// The variables of workload identity, with the file that carnet writes for a GitHub job.
fn workload(sandbox: &Sandbox, folder: &Path, client: &str) -> Vec<(String, String)> {
    let path = folder.join("azure-identity-token");
    let mut command = carnet(["get", "--quiet", "--from", "github-actions"]);
    command.args(["--audience", "api://AzureADTokenExchange", "--deliver", "azure-token-file"]);
    command.arg(format!("path={}", path.display())).arg(format!("tenant={}", sandbox.seed("azure_tenant")));
    command.arg(format!("client_id={client}"));
    let done = output(command.envs(sandbox.environment(&["--job", "github"])));
    assert!(done.status.success(), "{}", both(&done));
    let mut variables = sandbox.environment(&["--proxy"]);
    variables.extend([
        ("AZURE_TENANT_ID".to_owned(), sandbox.seed("azure_tenant").to_owned()),
        ("AZURE_CLIENT_ID".to_owned(), client.to_owned()),
        ("AZURE_FEDERATED_TOKEN_FILE".to_owned(), path.display().to_string()),
    ]);
    variables
}

fn blob(arguments: &[&str], variables: Vec<(String, String)>) -> Value {
    let mut program = python("azure_blob.py");
    program.args(arguments).envs(variables);
    json(&mut program)
}

/// The containers that @azure/identity opens with these credentials.
fn in_node(sandbox: &Sandbox, kinds: &[&str], variables: Vec<(String, String)>) -> Value {
    let mut program = node("azure_token.mjs");
    program.arg(format!("{}/{}", sandbox.plain("azure-blob"), sandbox.seed("azure_account"))).args(kinds);
    json(program.envs(variables))
}

#[test]
fn the_python_library_puts_a_blob_with_the_file_that_carnet_writes() {
    let sandbox = Sandbox::start();
    let folder = tempfile::tempdir().unwrap();
    let variables = workload(&sandbox, folder.path(), sandbox.seed("azure_application"));
    let answer = blob(&["--credential", "workload", "--container", "fresh", "--create", "--write"], variables);
    let expected = json!({
        "containers": ["fresh", "logs", "reports"],
        "blobs": ["from/python.txt"],
        "content": "written by azure-storage-blob",
    });
    assert_eq!(answer, expected);
    proven("github-actions", "azure", PYTHON);
}

#[test]
fn the_default_credential_finds_it_and_the_reader_may_not_write() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let variables = || workload(sandbox, folder.path(), sandbox.seed("azure_identity"));
    assert_eq!(blob(&[], variables())["containers"], json!(CONTAINERS));
    let answer = blob(&["--write"], variables());
    assert_eq!(answer, json!({ "status": 403, "code": "AuthorizationPermissionMismatch" }));
}

#[test]
fn the_python_library_shows_entras_refusal() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let variables = workload(sandbox, folder.path(), sandbox.seed("azure_machine"));
    let answer = blob(&["--credential", "workload"], variables);
    assert!(answer["refused"].as_str().unwrap().contains("AADSTS70025"), "{answer}");
}

#[test]
fn the_machines_identity_is_found_at_the_metadata_service() {
    let sandbox = Sandbox::shared();
    let answer = blob(&["--credential", "managed"], sandbox.environment(&["--proxy"]));
    assert_eq!(answer["containers"], json!(CONTAINERS));
    let other = ["--credential", "managed", "--client-id", sandbox.seed("azure_application")];
    let answer = blob(&other, sandbox.environment(&["--proxy"]));
    assert!(answer["refused"].as_str().unwrap().contains("Identity not found"), "{answer}");
    alone("azure-identity", "azure", PYTHON);
}

#[test]
fn the_endpoint_of_app_service_serves_every_language() {
    let sandbox = Sandbox::shared();
    let mut variables = sandbox.environment(&["--proxy"]);
    variables.retain(|(name, _)| name != "AZURE_POD_IDENTITY_AUTHORITY_HOST");
    variables.extend([
        ("IDENTITY_ENDPOINT".to_owned(), format!("{}/msi/token", sandbox.plain("azure-app-service"))),
        ("IDENTITY_HEADER".to_owned(), sandbox.seed("azure_identity_header").to_owned()),
    ]);
    assert_eq!(blob(&["--credential", "managed"], variables.clone())["containers"], json!(CONTAINERS));
    assert_eq!(in_node(sandbox, &["managed"], variables), json!({ "managed": CONTAINERS }));
    for library in [PYTHON, NODE] {
        alone("azure-identity", "azure", library);
    }
}

#[test]
fn the_javascript_library_makes_the_exchange() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let variables = workload(sandbox, folder.path(), sandbox.seed("azure_application"));
    let answer = in_node(sandbox, &["workload", "assertion"], variables);
    assert_eq!(answer, json!({ "workload": CONTAINERS, "assertion": CONTAINERS }));
    proven("github-actions", "azure", NODE);
}

#[test]
fn a_set_up_from_nothing_lets_a_job_in() {
    let sandbox = Sandbox::start();
    let mut set_up = python("azure_trust_setup.py");
    set_up.arg("--imds").arg(sandbox.plain("azure-imds")).args(["--subscription", sandbox.seed("azure_subscription")]);
    set_up.args(["--issuer", "https://token.actions.githubusercontent.com"]);
    set_up.args(["--subject", "repo:carnet-sandbox/app:ref:refs/heads/main"]);
    let answer = json(set_up.envs(sandbox.environment(&["--proxy"])));
    assert_eq!((&answer["statuses"], &answer["polls"]), (&json!([201, 200, 202]), &json!(1)), "{answer}");
    let folder = tempfile::tempdir().unwrap();
    let variables = workload(&sandbox, folder.path(), answer["identity"].as_str().unwrap());
    let account = answer["account"].as_str().unwrap();
    let arguments =
        ["--credential", "workload", "--account-url", account, "--container", "things", "--create", "--write"];
    assert_eq!(blob(&arguments, variables)["containers"], json!(["things"]));
}
