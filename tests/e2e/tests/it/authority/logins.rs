//! Logins by signed request: Oracle's own signers and botocore sign, PyJWT and others believe what the authority gives.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    scene::{AUDIENCE, Authority, command},
    verifiers::{VERIFIERS, believed},
};
use crate::{
    harness::{Sandbox, json, python},
    matrix::proven,
};

/// Those who sign, as the matrix calls them.
const SIGNERS: [&str; 2] = ["OCI SDK for Python", "botocore"];
/// The account of the sandbox, and the unique id of its user `builder`.
const ACCOUNT: &str = "123456789012";
const BUILDER: &str = "AIDACARNETSANDBOX2345";

/// A rule for principals of this issuer, whose tokens nothing is remembered of.
fn rule(name: &str, issuer: &str, who: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nissuer = \"{issuer}\"\n{who}\nidentity = \"/{name}\"\naudiences = [\"{AUDIENCE}\"]\n\
         issue = [\"access-token\"]\nstateless = true\n"
    )
}

/// The user of the sandbox's profile `DEFAULT`.
fn user(sandbox: &Sandbox) -> String {
    let variables: BTreeMap<_, _> = sandbox.environment(&[]).into_iter().collect();
    let profile = std::fs::read_to_string(&variables["OCI_CONFIG_FILE"]).unwrap();
    let user = profile.lines().find_map(|line| line.strip_prefix("user="));
    user.expect("a profile names its user").to_owned()
}

/// An authority that reaches Oracle and AWS in the sandbox alone, with these rules.
fn authority(sandbox: &Sandbox, rules: &str) -> Authority {
    Authority::trial_with(rules, "", |command| {
        command.envs(sandbox.environment(&["--proxy"]));
    })
}

fn tenancy(sandbox: &Sandbox) -> String {
    format!("oci://{}", sandbox.seed("oci_tenancy"))
}

fn of_user(sandbox: &Sandbox) -> String {
    rule("user", &tenancy(sandbox), &format!("subject = \"{}\"", user(sandbox)))
}

/// The program that signs and logs in, as this principal.
fn login(sandbox: &Sandbox, authority: &Authority, principal: &str) -> Command {
    let mut program = python("signed_login.py");
    program.args([authority.issuer(), principal, "--for", AUDIENCE]).envs(sandbox.environment(&["--proxy"]));
    program.envs([("ACCOUNT", ACCOUNT), ("AWS_PROFILE", "builder")]);
    program
}

/// The last of what the program was answered.
fn answer(program: &mut Command) -> Value {
    json(program).as_array_mut().and_then(Vec::pop).expect("an answer")
}

/// What the audit says of the last login.
fn audited(authority: &Authority) -> Value {
    let admin = Path::new(authority.service.says("admin"));
    let rows = json(&mut command(admin, ["audit", "list", "--action", "token.exchange"]));
    let last = rows["rows"].as_array().and_then(|rows| rows.iter().max_by_key(|row| row["seq"].as_u64()));
    last.unwrap_or_else(|| panic!("no login in {rows}"))["record"].clone()
}

/// It must be refused like any other, and by this clause in the audit.
fn refused(authority: &Authority, answer: &Value, clause: &str) {
    assert_eq!(
        (&answer["status"], &answer["challenge"]),
        (&json!(401), &json!("Signature realm=\"carnet\"")),
        "{answer}"
    );
    assert!(answer["access_token"].is_null() && !answer.to_string().contains("ocid1"), "{answer}");
    assert_eq!(audited(authority)["clause"], clause, "{answer}");
}

#[test]
fn oracles_signers_and_botocore_log_in_and_foreign_verifiers_believe_the_token() {
    let sandbox = Sandbox::shared();
    let instance =
        format!("claims = {{ ptype = \"instance\", compartment = \"{}\" }}", sandbox.seed("oci_compartment"));
    let rules = [
        of_user(sandbox),
        rule("instance", &tenancy(sandbox), &instance),
        rule("builder", &format!("aws://{ACCOUNT}"), &format!("subject = \"{BUILDER}\"")),
    ];
    let authority = authority(sandbox, &rules.concat());
    for (principal, identity, source, signer) in [
        ("oci-user", "user", "oci-config", SIGNERS[0]),
        ("oci-instance", "instance", "oci-instance", SIGNERS[0]),
        ("aws", "builder", "aws-identity", SIGNERS[1]),
    ] {
        let answer = answer(&mut login(sandbox, &authority, principal));
        assert_eq!((&answer["status"], &answer["token_type"]), (&json!(200), &json!("Bearer")), "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        // PyJWT, Authlib and jose, by the authority's metadata and key set alone.
        assert_eq!(believed(authority.issuer(), token), format!("{}/{identity}", authority.domain()), "{principal}");
        for client in [signer].iter().chain(&VERIFIERS) {
            proven(source, "authority", client);
        }
    }
}

#[test]
fn a_login_is_good_once_for_one_authority_and_for_who_has_signed() {
    let sandbox = Sandbox::shared();
    let builder = rule("builder", &format!("aws://{ACCOUNT}"), &format!("subject = \"{BUILDER}\""));
    let authority = authority(sandbox, &[of_user(sandbox), builder].concat());
    for principal in ["oci-user", "aws"] {
        let answers = json(login(sandbox, &authority, principal).arg("--again"));
        assert_eq!(answers[0]["status"], 200, "{answers}");
        refused(&authority, &answers[1], "replay");
        let mut elsewhere = login(sandbox, &authority, principal);
        refused(&authority, &answer(elsewhere.args(["--named", "https://other.test"])), "audience");
    }
    let mut colleague = login(sandbox, &authority, "oci-user");
    let other = user(sandbox).replace("admin", "other");
    refused(&authority, &answer(colleague.args(["--claimed", &other])), "signer");
}

/// Oracle's signer for API keys signs no header of ours: its request is for Oracle, and for whoever is shown it.
#[test]
fn what_names_no_authority_is_taken_by_rules_alone_that_say_so() {
    let sandbox = Sandbox::shared();
    let strict = authority(sandbox, &of_user(sandbox));
    refused(&strict, &answer(&mut login(sandbox, &strict, "oci-user-plain")), "audience");
    let careless = format!(
        "{}expected_audiences = [\"https://identity.{}.oraclecloud.com\"]\naccept_risk = \"the signer takes no further headers\"\n",
        of_user(sandbox),
        sandbox.seed("oci_region")
    );
    let careless = authority(sandbox, &careless);
    let answer = answer(&mut login(sandbox, &careless, "oci-user-plain"));
    assert_eq!(answer["status"], 200, "{answer}");
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(believed(careless.issuer(), token), format!("{}/user", careless.domain()));
}
