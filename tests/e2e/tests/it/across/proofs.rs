//! What is shown in place of a token: a request of AWS or OCI that is signed and passed on, and the certificate of a workload.

use std::{path::Path, sync::OnceLock};

use serde_json::{Value, json};

use super::{
    scene::{Across, OTHER, WORKLOAD, refused, route},
    targets::HVAC,
};
use crate::{
    harness::{both, json, python},
    matrix::proven,
};

const MACHINE: &str = "{ aws-identity = { place = \"instance\" } }";
const JOB: &str = "\"github-actions\"";

/// A crossing, and the same bent in one place.
struct Proof {
    source: &'static str,
    target: &'static str,
    client: &'static str,
    from: String,
    exchange: String,
    bent: (String, String),
    refusal: &'static str,
}

impl Proof {
    /// Crosses and uses what it got; `opens` is what the client sees.
    fn hold(&self, opens: &Value) {
        let across = Across::shared();
        let folder = tempfile::tempdir().unwrap();
        let done =
            across.get(&route(&self.from, &[&self.exchange], None, &self.delivery(folder.path())), folder.path(), &[]);
        assert!(done.status.success(), "{} to {}\n{}", self.source, self.target, both(&done));
        let answer = across.opened(self.target, &[folder.path().to_owned()]);
        let seen = answer.as_object().unwrap().values().next();
        assert_eq!(seen, Some(opens), "{} to {}", self.source, self.target);
        let (from, exchange) = &self.bent;
        let done = across.get(&route(from, &[exchange], None, &self.delivery(folder.path())), folder.path(), &[]);
        refused(&done, self.refusal);
        proven(self.source, self.target, self.client);
    }

    fn delivery(&self, folder: &Path) -> String {
        let folder = folder.display();
        match self.target {
            "aws" => format!("{{ aws-profile = {{ path = \"{folder}/credentials\", profile = \"carnet\" }} }}"),
            _ => format!("{{ token-file = {{ path = \"{folder}/token\" }} }}"),
        }
    }
}

/// What was made for such proofs.
fn made() -> &'static Value {
    static MADE: OnceLock<Value> = OnceLock::new();
    MADE.get_or_init(|| {
        let across = Across::shared();
        let folder = across.path("svid");
        std::fs::create_dir_all(&folder).unwrap();
        let files = format!("{{ x509-files = {{ directory = \"{}\" }} }}", folder.display());
        let done = across.get(&route(&certificate(WORKLOAD), &[], None, &files), &folder, &[]);
        assert!(done.status.success(), "{}", both(&done));
        let sandbox = &across.sandbox;
        let mut program = across.inside(python("across_proofs.py"));
        program.args(["--number", sandbox.seed("gcp_project_number")]);
        program.args(["--account", sandbox.seed("gcp_service_account"), "--workload", WORKLOAD]);
        program.arg("--bundle").arg(folder.join("current/svid_bundle.pem"));
        program.args(["--vault-token", sandbox.seed("vault_root_token"), "--tenancy", sandbox.seed("oci_tenancy")]);
        let group = "ocid1.dynamicgroup.oc1..aaaaaaaacarnetsandboxinstances00000000000000000000000000001";
        json(program.args(["--oci-group", group]))
    })
}

/// The certificate of this identity.
fn certificate(id: &str) -> String {
    format!("{{ spiffe = {{ svid = \"x509\", spiffe_id = \"{id}\" }} }}")
}

/// The keys of the role that jobs of GitHub become, and on.
fn by_other_role(exchange: &str) -> (String, String) {
    let role = Across::shared().sandbox.seed("aws_role");
    (JOB.to_owned(), format!("{{ aws = {{ role_arn = \"{role}\" }} }}, {exchange}"))
}

fn google(provider: &str) -> String {
    made();
    let pool = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/proofs";
    let account = Across::shared().sandbox.seed("gcp_service_account");
    format!("{{ gcp = {{ audience = \"{pool}/providers/{provider}\", service_account = \"{account}\" }} }}")
}

fn vault(fields: &str) -> String {
    made();
    format!("{{ vault = {{ role = \"app\", {fields} }} }}")
}

#[test]
fn a_request_that_an_aws_role_signed_opens_google() {
    let exchange = google("aws-account");
    Proof {
        source: "aws-identity",
        target: "gcp",
        client: crate::google::PYTHON,
        from: MACHINE.to_owned(),
        bent: by_other_role(&exchange),
        exchange,
        refusal: "Permission 'iam.serviceAccounts.getAccessToken' denied",
    }
    .hold(&json!(["carnet-logs", "carnet-reports"]));
}

#[test]
fn the_certificate_of_a_workload_opens_google() {
    Proof {
        source: "spiffe",
        target: "gcp",
        client: crate::google::PYTHON,
        from: certificate(WORKLOAD),
        exchange: google("mesh"),
        bent: (certificate(OTHER), google("mesh")),
        refusal: "Permission 'iam.serviceAccounts.getAccessToken' denied",
    }
    .hold(&json!(["carnet-logs", "carnet-reports"]));
}

#[test]
fn the_certificate_of_a_workload_opens_an_aws_role() {
    let text = |name: &str| made()[name].as_str().expect("an ARN");
    let exchange = format!(
        "{{ aws-roles-anywhere = {{ profile_arn = \"{}\", role_arn = \"{}\", trust_anchor_arn = \"{}\" }} }}",
        text("profile"),
        text("role"),
        text("anchor")
    );
    Proof {
        source: "spiffe",
        target: "aws",
        client: crate::aws::SDKS[0],
        from: certificate(WORKLOAD),
        bent: (certificate(OTHER), exchange.clone()),
        exchange,
        refusal: "verify that the role's trust policy allows this certificate",
    }
    .hold(&json!(["carnet-logs", "carnet-reports"]));
}

#[test]
fn a_request_that_an_aws_role_signed_logs_in_at_vault() {
    let aws = |server: &str| vault(&format!("method = \"aws\", server_id = \"{server}\""));
    let proof = |bent, refusal| Proof {
        source: "aws-identity",
        target: "vault",
        client: HVAC,
        from: MACHINE.to_owned(),
        exchange: aws("vault.example"),
        bent,
        refusal,
    };
    let other = by_other_role(&aws("vault.example"));
    proof(other, "does not belong to the role \"app\"").hold(&json!(["app/db"]));
    let elsewhere = (MACHINE.to_owned(), aws("other.example"));
    proof(elsewhere, "expected \"vault.example\" but got \"other.example\"").hold(&json!(["app/db"]));
}

#[test]
fn a_request_that_an_oci_instance_signed_logs_in_at_vault() {
    let proof = |from: &str, refusal| Proof {
        source: "oci-instance",
        target: "vault",
        client: HVAC,
        from: "\"oci-instance\"".to_owned(),
        exchange: vault("method = \"oci\""),
        bent: (from.to_owned(), vault("method = \"oci\"")),
        refusal,
    };
    proof("\"oci-resource\"", "Wrong principal type").hold(&json!(["app/db"]));
    proof("\"oci-config\"", "Entity not a part of any of the Role OCIDs").hold(&json!(["app/db"]));
}

#[test]
fn the_certificate_of_a_workload_logs_in_at_vault() {
    let sandbox = &Across::shared().sandbox;
    let authority = sandbox.folder().join("ca.pem");
    let at = format!("address = \"{}\", ca_file = \"{}\"", sandbox.tls("vault"), authority.display());
    let exchange = vault(&format!("method = \"cert\", {at}"));
    Proof {
        source: "spiffe",
        target: "vault",
        client: HVAC,
        from: certificate(WORKLOAD),
        bent: (certificate(OTHER), exchange.clone()),
        exchange,
        refusal: "no chain matching all constraints could be found for this login certificate",
    }
    .hold(&json!(["app/db"]));
}

/// What the machine has needs no exchange at AWS itself.
#[test]
fn the_keys_of_a_machine_are_delivered_to_its_own_cloud() {
    let across = Across::shared();
    let folder = tempfile::tempdir().unwrap();
    let deliver =
        format!("{{ aws-profile = {{ path = \"{}/credentials\", profile = \"carnet\" }} }}", folder.path().display());
    let done = across.get(&route(MACHINE, &[], None, &deliver), folder.path(), &[]);
    assert!(done.status.success(), "{}", both(&done));
    let answer = across.opened("aws", &[folder.path().to_owned()]);
    let seen = answer.as_object().unwrap().values().next();
    assert_eq!(seen, Some(&json!(["carnet-logs", "carnet-reports"])), "{answer}");
    proven("aws-identity", "aws", crate::aws::SDKS[0]);
}
