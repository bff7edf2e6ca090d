//! Set-up on Google's side for an issuer whose keys are not public.

use serde_json::json;

use crate::{
    harness::{Sandbox, json, python},
    matrix::alone,
};

#[test]
fn an_identity_domain_with_protected_keys_is_trusted_by_its_uploaded_key_set() {
    let sandbox = Sandbox::start();
    let environment = sandbox.environment(&["--proxy"]);
    let mut set_up = python("google_trust_setup.py");
    set_up.args(["--domain", sandbox.seed("oci_domain"), "--project", sandbox.seed("gcp_project")]);
    set_up.args(["--number", sandbox.seed("gcp_project_number"), "--account", sandbox.seed("gcp_service_account")]);
    let answer = json(set_up.envs(environment.clone()));
    let expected = json!({"protected": 401, "extra_member": 400, "bound": 200, "stale_etag": 409});
    assert_eq!(answer, expected);

    let provider = format!(
        "//iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/uploaded/providers/domain",
        sandbox.seed("gcp_project_number")
    );
    let mut program = python("google_from_oci.py");
    program.args(["--principal", "instance", "--domain", sandbox.seed("oci_domain")]);
    program.args(["--audience", &provider, "--project", sandbox.seed("gcp_project")]);
    program.arg("--impersonation").arg(format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken",
        sandbox.seed("gcp_service_account")
    ));
    assert_eq!(json(program.envs(environment)), json!({"buckets": ["carnet-logs", "carnet-reports"]}));
    alone("oci-instance", "gcp", "oci and google-auth");
}
