//! Code exactly as users have it, that names no endpoint: `carnet sandbox run -- CMD`.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    google,
    harness::{Sandbox, carnet, installed, json, node, python},
    matrix::alone,
    oracle,
};

/// The command inside `carnet sandbox run`, with the variables of the command itself.
pub(crate) fn inside(options: &[&str], command: &Command) -> Command {
    let mut run = carnet(["sandbox", "run"]);
    run.args(options).arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            run.env(name, value);
        }
    }
    run
}

/// A value of the seeded world, which every sandbox shares.
fn seed(name: &str) -> &'static str {
    Sandbox::shared().seed(name)
}

fn with_compartment(script: &str) -> Command {
    let mut program = python(script);
    program.args(["--compartment", seed("oci_compartment")]);
    program
}

fn artifacts(answer: &Value) {
    assert_eq!(answer["buckets"], json!(["artifacts"]), "{answer}");
}

#[test]
fn an_instance_principal() {
    artifacts(&json(&mut inside(&[], &with_compartment("oci_instance_principal.py"))));
    alone("oci-instance", "oci", oracle::PYTHON);
}

#[test]
fn a_resource_principal() {
    artifacts(&json(&mut inside(&[], &with_compartment("oci_resource_principal.py"))));
    alone("oci-resource", "oci", oracle::PYTHON);
}

#[test]
fn the_oci_command_line_with_an_api_key() {
    let mut oci = installed("oci");
    oci.args(["os", "bucket", "list", "--namespace-name", "axcarnetsbx", "--compartment-id", seed("oci_compartment")]);
    let answer = json(&mut inside(&[], &oci));
    assert_eq!(answer["data"][0]["name"], "artifacts", "{answer}");
    alone("oci-config", "oci", oracle::COMMAND);
}

#[test]
fn the_identity_domains_client() {
    let mut program = python("oci_identity_domains.py");
    program.args(["--domain", seed("oci_domain")]);
    assert_eq!(json(&mut inside(&[], &program))["service_users"], 2);
    alone("oci-config", "oci", oracle::PYTHON);
}

#[test]
fn the_token_exchange_signer() {
    // The token is of the sandbox inside, so it is asked for inside: by the job's own endpoint.
    let script = format!(
        "import json, os, subprocess, sys, urllib.parse, requests\n\
         url = os.environ['ACTIONS_ID_TOKEN_REQUEST_URL'] + '&audience=' + urllib.parse.quote('{domain}', safe='')\n\
         answer = requests.get(url, headers={{'Authorization': 'Bearer ' + os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}})\n\
         os.environ['SUBJECT_TOKEN'] = answer.json()['value']\n\
         os.execv(sys.executable, [sys.executable] + sys.argv[1:])\n",
        domain = seed("oci_domain")
    );
    let exchange = with_compartment("oci_token_exchange.py");
    let mut program = Command::new(exchange.get_program());
    program.arg("-c").arg(script).args(exchange.get_args());
    program.args(["--domain", seed("oci_domain"), "--client-id", seed("oci_client_id")]);
    program.env("CLIENT_SECRET", seed("oci_client_secret"));
    artifacts(&json(&mut inside(&["--job", "github"], &program)));
    alone("github-actions", "oci", oracle::PYTHON);
}

/// A credential file as gcloud makes it, with a URL source: the job's token endpoint.
fn gcloud_file(sandbox: &Sandbox, folder: &std::path::Path, source: &Value) -> std::path::PathBuf {
    let file = json!({
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": sandbox.seed("gcp_github_audience"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "token_info_url": "https://sts.googleapis.com/v1/introspect",
        "credential_source": source,
        "service_account_impersonation_url": format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken",
            sandbox.seed("gcp_service_account")
        ),
    });
    let path = folder.join("gcloud.json");
    std::fs::write(&path, file.to_string()).unwrap();
    path
}

fn gcloud_source(sandbox: &Sandbox, folder: &std::path::Path) -> Value {
    let token = folder.join("token");
    let audience = format!("https:{}", sandbox.seed("gcp_github_audience"));
    let content = json!({"value": sandbox.token("github", &["--audience", &audience])});
    std::fs::write(&token, content.to_string()).unwrap();
    json!({"file": token, "format": {"type": "json", "subject_token_field_name": "value"}})
}

#[test]
fn a_file_that_gcloud_made_with_the_python_library() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = gcloud_file(sandbox, folder.path(), &gcloud_source(sandbox, folder.path()));
    let mut program = python("google_adc.py");
    program.args(["--project", sandbox.seed("gcp_project")]).envs(sandbox.environment(&["--proxy"]));
    let answer = json(program.env("GOOGLE_APPLICATION_CREDENTIALS", file));
    assert_eq!(answer, json!({"buckets": ["carnet-logs", "carnet-reports"]}));
    alone("github-actions", "gcp", google::PYTHON);
}

#[test]
fn a_file_that_gcloud_made_with_the_node_library() {
    let sandbox = Sandbox::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = gcloud_file(sandbox, folder.path(), &gcloud_source(sandbox, folder.path()));
    let mut program = node("google_adc.mjs");
    program.arg(sandbox.seed("gcp_project")).envs(sandbox.environment(&["--proxy"]));
    let answer = json(program.env("GOOGLE_APPLICATION_CREDENTIALS", file));
    assert_eq!(answer, json!({"buckets": ["carnet-logs", "carnet-reports"]}));
    alone("github-actions", "gcp", google::NODE);
}

#[test]
fn the_metadata_server_with_the_node_library() {
    let mut program = node("google_adc.mjs");
    program.arg(seed("gcp_project"));
    let answer = json(&mut inside(&[], &program));
    assert_eq!(answer, json!({"buckets": ["carnet-logs", "carnet-reports"]}));
    alone("gcp-metadata", "gcp", google::NODE);
}
