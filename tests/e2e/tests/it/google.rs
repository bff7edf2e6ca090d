//! Google's own clients: against the sandbox, fed by carnet, and through the proxy without any endpoint.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, both, carnet, json, node, output, python},
    matrix::{alone, proven},
};

/// The libraries, as the matrix calls them.
pub(crate) const PYTHON: &str = "google-auth";
pub(crate) const NODE: &str = "google-auth-library";
const BOTH: &str = "oci and google-auth";

const BUCKETS: [&str; 2] = ["carnet-logs", "carnet-reports"];

/// The credential file that carnet writes for a GitHub job: its subject token in a file beside it.
fn credential_file(sandbox: &Sandbox, folder: &Path, more: &[&str]) -> PathBuf {
    let path = folder.join("google.json");
    let mut command = carnet(["get", "--quiet", "--from", "github-actions"]);
    command.arg("--audience").arg(format!("https:{}", sandbox.seed("gcp_github_audience")));
    command.args(["--deliver", "gcp-credential-file"]).arg(format!("path={}", path.display()));
    command.arg(format!("audience={}", sandbox.seed("gcp_github_audience"))).args(more);
    let done = output(command.envs(sandbox.environment(&["--job", "github"])));
    assert!(done.status.success(), "{}", both(&done));
    path
}

/// Where Google's services are when nothing answers for their names.
fn endpoints(sandbox: &Sandbox) -> Vec<String> {
    vec![
        format!("token_url={}/v1/token", sandbox.plain("gcp-sts")),
        format!("iamcredentials_url={}/", sandbox.plain("gcp-iamcredentials")),
    ]
}

fn impersonating(sandbox: &Sandbox) -> String {
    format!("service_account={}", sandbox.seed("gcp_service_account"))
}

fn buckets(sandbox: &Sandbox, file: &Path, direct: bool) -> Value {
    let mut program = python("google_adc.py");
    program.args(["--project", sandbox.seed("gcp_project")]);
    if direct {
        program.arg("--storage").arg(sandbox.plain("gcp-storage"));
    }
    // The proxy in both cases: the library asks for regional boundaries in the background, whatever it was told.
    program.envs(sandbox.environment(&["--proxy"])).env("GOOGLE_APPLICATION_CREDENTIALS", file);
    program.env("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    program.env("GOOGLE_CLOUD_PROJECT", sandbox.seed("gcp_project"));
    json(&mut program)
}

#[test]
fn the_python_library_reads_the_file_form() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let endpoints = endpoints(sandbox);
    let more: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let file = credential_file(sandbox, folder.path(), &more);
    assert_eq!(buckets(sandbox, &file, true), json!({"buckets": BUCKETS}));
    proven("github-actions", "gcp", PYTHON);
}

#[test]
fn the_python_library_impersonates_and_needs_no_endpoint_inside_the_sandbox() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = credential_file(sandbox, folder.path(), &[&impersonating(sandbox)]);
    assert_eq!(buckets(sandbox, &file, false), json!({"buckets": BUCKETS}));
    proven("github-actions", "gcp", PYTHON);
}

#[test]
fn the_python_library_reads_the_url_form() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let job: std::collections::BTreeMap<_, _> = sandbox.environment(&["--job", "github"]).into_iter().collect();
    let audience = format!("https:{}", sandbox.seed("gcp_github_audience"));
    let url = format!("url.url={}&audience={audience}", job["ACTIONS_ID_TOKEN_REQUEST_URL"]);
    let header = "url.headers.Authorization=Bearer ${ACTIONS_ID_TOKEN_REQUEST_TOKEN}";
    let file = credential_file(sandbox, folder.path(), &[&url, header, "url.format=json", "url.field=value"]);
    assert_eq!(buckets(sandbox, &file, false), json!({"buckets": BUCKETS}));
    proven("github-actions", "gcp", PYTHON);
}

/// Google's Python library with a credential file whose executable is carnet; `job` is where both run.
fn runs_carnet(sandbox: &Sandbox, folder: &Path, job: &[&str]) -> std::process::Command {
    let program = folder.join("subject-token");
    let binary = carnet::<&str>([]);
    let script = format!(
        "#!/bin/sh\nexec {} get --from github-actions --audience \"https:$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE\" --format gcp-executable\n",
        binary.get_program().to_string_lossy()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let command = format!("executable.command={}", program.display());
    let file = credential_file(sandbox, folder, &[&command]);
    let mut reader = python("google_adc.py");
    reader.args(["--project", sandbox.seed("gcp_project")]);
    reader.envs(sandbox.environment(&[&["--proxy"], job].concat())).env("GOOGLE_APPLICATION_CREDENTIALS", &file);
    reader
        .env("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
        .env("GOOGLE_CLOUD_PROJECT", sandbox.seed("gcp_project"));
    reader
}

#[test]
fn the_python_library_runs_carnet_for_the_subject_token() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = runs_carnet(Sandbox::shared(), folder.path(), &["--job", "github"]);
    assert_eq!(json(&mut reader), json!({"buckets": BUCKETS}));
    proven("github-actions", "gcp", PYTHON);
}

#[test]
fn the_python_library_shows_why_carnet_has_no_subject_token() {
    let folder = tempfile::tempdir().unwrap();
    let said = both(&output(&mut runs_carnet(Sandbox::shared(), folder.path(), &[])));
    assert!(said.contains("unsuccessful response: code: 3, message: find the identity of github-actions"), "{said}");
}

#[test]
fn a_token_for_another_audience_is_refused_in_googles_words() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = credential_file(sandbox, folder.path(), &[]);
    std::fs::write(folder.path().join("google.json.token"), sandbox.token("github", &["--audience", "https://else"]))
        .unwrap();
    let answer = buckets(sandbox, &file, false);
    let said = answer["refused"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(said.contains("invalid_grant") && said.contains("audience"), "{said}");
}

#[test]
fn the_node_library_reads_the_file_form() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let endpoints = endpoints(sandbox);
    let mut more: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let account = impersonating(sandbox);
    more.push(&account);
    let file = credential_file(sandbox, folder.path(), &more);
    let mut program = node("google_adc.mjs");
    program.arg(sandbox.seed("gcp_project")).arg(sandbox.plain("gcp-storage"));
    assert_eq!(json(program.env("GOOGLE_APPLICATION_CREDENTIALS", file)), json!({"buckets": BUCKETS}));
    proven("github-actions", "gcp", NODE);
}

#[test]
fn the_python_library_finds_the_metadata_server() {
    let sandbox = Sandbox::shared();
    let mut program = python("google_adc.py");
    program.args(["--project", sandbox.seed("gcp_project")]).envs(sandbox.environment(&["--proxy"]));
    assert_eq!(json(&mut program), json!({"buckets": BUCKETS}));
    alone("gcp-metadata", "gcp", PYTHON);
}

fn from_oci(principal: &str) -> Value {
    let sandbox = Sandbox::shared();
    let mut program = python("google_from_oci.py");
    program.args(["--principal", principal, "--domain", sandbox.seed("oci_domain")]);
    program.args(["--audience", sandbox.seed("gcp_oracle_audience"), "--project", sandbox.seed("gcp_project")]);
    program.arg("--impersonation").arg(format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken",
        sandbox.seed("gcp_service_account")
    ));
    json(program.envs(sandbox.environment(&["--proxy"])))
}

#[test]
fn an_oci_instance_reaches_google_with_both_vendors_libraries() {
    assert_eq!(from_oci("instance"), json!({"buckets": BUCKETS}));
    alone("oci-instance", "gcp", BOTH);
}

#[test]
fn an_oci_function_reaches_google_with_both_vendors_libraries() {
    assert_eq!(from_oci("resource"), json!({"buckets": BUCKETS}));
    alone("oci-resource", "gcp", BOTH);
}
