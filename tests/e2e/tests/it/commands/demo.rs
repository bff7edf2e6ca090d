//! `carnet demo`: the main job, whole. This is the acceptance test of the crossings.

use serde_json::{Value, json};

use crate::{
    harness::{carnet, json},
    matrix,
    scene::{fails, works},
};

/// A crossing: its name, its hops, a part of the principal, the host that is called.
type Crossing = (&'static str, &'static [&'static str], &'static str, &'static str);

const OBJECT_STORAGE: &str = "https://objectstorage.us-ashburn-1.oraclecloud.com/";
const CLOUD_STORAGE: &str = "https://storage.googleapis.com/";
const SERVICE_USER: &str = "ocid1.user.oc1..aaaaaaaacarnetsandboxservice";
/// The object id of the application at Entra.
const APPLICATION: &str = "c0ffee00-0000-4000-8000-00000000b003";
/// The authority of the demo's own trust domain, by the name that the emulated clouds know.
const AUTHORITY: &str = "https://authority.demo.test/";
const POD: &str = "spiffe://demo.test/ns/shop/sa/checkout";
const JOB: &str = "spiffe://demo.test/github/710000001/build";

const CROSSINGS: &[Crossing] = &[
    (
        "GitHub JWT to UPST to object storage",
        &["source github-actions jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "GitLab JWT to RPST, claims used in a policy",
        &["source gitlab-ci jwt", "exchange oci-rpst oci-session"],
        "project_path:carnet-sandbox/app:ref_type:branch:ref:main",
        OBJECT_STORAGE,
    ),
    (
        "external JWT to UPST, rule `eq`: the deployment user",
        &["source file jwt", "exchange oci-upst oci-session"],
        "ocid1.user.oc1..aaaaaaaacarnetsandboxdeploy",
        OBJECT_STORAGE,
    ),
    (
        "external JWT to UPST, rule `co`: the deployment user",
        &["source file jwt", "exchange oci-upst oci-session"],
        "ocid1.user.oc1..aaaaaaaacarnetsandboxdeploy",
        OBJECT_STORAGE,
    ),
    (
        "external JWT to UPST, rule `eq` with `*`: the CI user",
        &["source file jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "instance principal to identity domain to Google to buckets",
        &["source oci-instance oci-session", "exchange oci-domain jwt", "exchange gcp access-token"],
        "workloadIdentityPools/oracle/subject/ocid1.instance.",
        CLOUD_STORAGE,
    ),
    (
        "resource principal to identity domain to Google, impersonating",
        &["source oci-resource oci-session", "exchange oci-domain jwt", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "the same through an external_account file",
        &["source oci-resource oci-session", "exchange oci-domain jwt", "source file jwt", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "GitHub JWT to Google, no service account",
        &["source github-actions jwt", "exchange gcp access-token"],
        "workloadIdentityPools/github/subject/repo:carnet-sandbox/app:ref:refs/heads/main",
        CLOUD_STORAGE,
    ),
    (
        "GitHub JWT to Entra to a blob",
        &["source github-actions jwt", "exchange entra access-token"],
        APPLICATION,
        BLOBS,
    ),
    (
        "GitHub JWT to Vault to a secret",
        &["source github-actions jwt", "exchange vault access-token"],
        "repo:carnet-sandbox/app:ref:refs/heads/main",
        "http://127.0.0.1:",
    ),
    (
        "GitHub JWT to an AWS role to buckets",
        &["source github-actions jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/reader/",
        S3,
    ),
    (
        "GitHub JWT to an AWS role to the role behind it",
        &["source github-actions jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/writer/",
        S3,
    ),
    ("GitHub JWT to Claude", PARTY, "svac_job", "https://api.anthropic.com"),
    ("GitHub JWT to OpenAI", PARTY, "sa_job", "https://api.openai.com"),
    ("GitHub JWT to OpenRouter", PARTY, "job of carnet-sandbox", "https://openrouter.ai"),
    ("GitHub JWT to Tailscale", PARTY, "tag:job", "https://api.tailscale.com"),
    (
        "Azure machine to an Entra application to a blob",
        &["source azure-identity jwt", "exchange entra access-token"],
        APPLICATION,
        BLOBS,
    ),
    (
        "AWS machine to buckets",
        &["source aws-identity aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/machine/",
        S3,
    ),
    ("JWT-SVID to Entra to a blob", &["source spiffe jwt", "exchange entra access-token"], APPLICATION, BLOBS),
    (
        "JWT-SVID to Vault to a secret",
        &["source spiffe jwt", "exchange vault access-token"],
        "spiffe://demo.test/app",
        "http://127.0.0.1:",
    ),
    (
        "JWT-SVID to an AWS role to buckets",
        &["source spiffe jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/reader/",
        S3,
    ),
    (
        "AWS machine to UPST to object storage",
        &["source aws-identity aws-keys", "exchange aws-web-identity-token jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "Azure machine to UPST to object storage",
        &["source azure-identity jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "Google machine to UPST to object storage",
        &["source gcp-metadata jwt", "exchange oci-upst oci-session"],
        SERVICE_USER,
        OBJECT_STORAGE,
    ),
    (
        "AWS machine to Google by a signed request",
        &["source aws-identity aws-keys", "exchange gcp access-token"],
        "reader@carnet-sandbox.iam.gserviceaccount.com",
        CLOUD_STORAGE,
    ),
    (
        "AWS machine to Vault to a secret",
        &["source aws-identity aws-keys", "exchange aws-web-identity-token jwt", "exchange vault access-token"],
        "arn:aws:iam::123456789012:role/carnet/machine",
        "http://127.0.0.1:",
    ),
    (
        "Azure machine to an AWS role to buckets",
        &["source azure-identity jwt", "exchange aws aws-keys"],
        "arn:aws:sts::123456789012:assumed-role/reader/",
        S3,
    ),
    (
        "Google machine to Entra to a blob",
        &["source gcp-metadata jwt", "exchange entra access-token"],
        APPLICATION,
        BLOBS,
    ),
    ("Kubernetes pod to Claude", POD_TO_PARTY, "svac_pod", "https://api.anthropic.com"),
    ("Kubernetes pod to OpenAI", POD_TO_PARTY, "sa_pod", "https://api.openai.com"),
    ("Kubernetes pod to Tailscale", POD_TO_PARTY, "tag:pod", "https://api.tailscale.com"),
    ("Kubernetes pod to Databricks", POD_TO_PARTY, "pod of carnet-sandbox", "https://demo.cloud.databricks.com"),
    ("unix process to JWT-SVID", &["source spiffe jwt"], "spiffe://demo.test/user/", AUTHORITY),
    ("unix process to X509-SVID", &["source spiffe x509"], "spiffe://demo.test/user/", AUTHORITY),
    ("simulated pod to JWT-SVID", &["source spiffe jwt"], POD, AUTHORITY),
    ("simulated pod to X509-SVID", &["source spiffe x509"], POD, AUTHORITY),
    ("GitHub JWT to JWT-SVID by RFC 8693", &["source github-actions jwt", "exchange carnet jwt"], JOB, AUTHORITY),
    ("GitHub JWT to X509-SVID by RFC 8693", &["source github-actions jwt", "exchange carnet x509"], JOB, AUTHORITY),
    (ROTATION, &["source github-actions jwt", "exchange carnet jwt"], JOB, AUTHORITY),
];

const PARTY: &[&str] = &["source github-actions jwt", "exchange relying-party access-token"];
const POD_TO_PARTY: &[&str] = &["source file jwt", "exchange relying-party access-token"];
const BLOBS: &str = "https://carnetsandbox.blob.core.windows.net/logs";
const S3: &str = "https://s3.eu-central-1.amazonaws.com";
const ROTATION: &str = "GitHub JWT to JWT-SVID while keys rotate";

/// A refusal: its name, the clause that must fail, the client's exit code.
const REFUSALS: &[(&str, &str, i64)] = &[
    ("wrong audience, at Google", "audience", 4),
    ("wrong audience, at OCI", "audience", 4),
    ("wrong subject", "subject", 4),
    ("a stranger at the same issuer", "claim-validation", 4),
    ("expired", "expired", 4),
    ("wrong key", "signature", 4),
    ("tampered", "signature", 4),
    ("replayed signed request", "replay", 4),
    ("clock skew", "date", 6),
    ("denied by policy", "policy", 4),
    ("another repository, at Entra", "subject", 4),
    ("another repository, at Vault", "bound-claims", 7),
    ("another repository, at AWS", "condition", 7),
    ("the neighbour's secret, at Vault", "policy", 4),
    ("the neighbour's secret, with a JWT-SVID", "policy", 4),
    ("another workload's JWT-SVID, at Entra", "subject", 4),
    ("another workload's JWT-SVID, at Vault", "subject", 4),
    ("another workload's JWT-SVID, at AWS", "condition", 7),
    ("JWT-SVID for another audience, at Entra", "audience", 4),
    ("JWT-SVID for another audience, at Vault", "audience", 4),
    ("JWT-SVID for another audience, at AWS", "audience", 4),
    ("JWT-SVID signed with an elliptic curve, at Entra", "algorithm", 4),
    ("another role of AWS, at OCI", "subject", 4),
    ("another managed identity of Azure, at OCI", "subject", 4),
    ("Google's token for another audience, at OCI", "audience", 4),
    ("another role of AWS, at Google", "permission", 4),
    ("another role of AWS, at Vault", "subject", 4),
    ("another managed identity of Azure, at AWS", "audience", 4),
    ("Google's token for another audience, at Entra", "audience", 4),
    ("another service account of the cluster, at Claude", "subject", 4),
    ("a pod's token for another party, at OpenAI", "audience", 4),
    ("wrong audience, at the authority", "audience", 4),
    ("wrong repository claim", "claims", 4),
    ("expired, at the authority", "expired", 4),
    ("forged signature", "signature", 4),
    ("unknown kid", "key", 4),
    ("single-use token used twice", "single-use", 4),
    ("certificate request with a foreign SPIFFE ID", "csr-identity", 4),
    ("a process asks for the identity of another entry", "entry", 3),
    ("a process outside of the simulated pod", "entry", 3),
];

/// What was wanted, was that it verifies: there is no value to name.
const WITHOUT_WANTED: &str = "forged signature";

fn check_crossing(row: &Value, (name, hops, principal, host): &Crossing) {
    assert_eq!((&row["name"], &row["passed"], &row["error"]), (&json!(name), &json!(true), &Value::Null), "{row}");
    let word = |hop: &Value, pointer: &str| hop.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let list = row["hops"].as_array().unwrap();
    let seen: Vec<String> = list
        .iter()
        .map(|hop| format!("{} {} {}", word(hop, "/step/role"), word(hop, "/step/name"), word(hop, "/kind")))
        .collect();
    assert_eq!(&seen, hops, "{name}");
    for hop in list {
        assert!(hop["elapsed_ms"].as_f64().is_some_and(|time| time >= 0.0), "{name}: {hop}");
    }
    // What the emulated cloud has decided, or a verifier that knows the issuer alone.
    assert!(row["principal"].as_str().unwrap().contains(principal) && !principal.is_empty(), "{name}: {row}");
    let status = row["call"]["status"].as_u64().unwrap();
    assert!((200..300).contains(&status), "{name}: {row}");
    assert!(row["call"]["url"].as_str().unwrap().starts_with(host), "{name}: {row}");
    assert!(!row["call"]["answer"].as_str().unwrap().is_empty(), "{name}: {row}");
    let end: jiff::Timestamp = row["expires_at"].as_str().unwrap().parse().unwrap();
    let first: jiff::Timestamp = list[0]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(end.duration_since(first).as_hours().abs() < 24, "{name}: {row}");
}

fn check_refusal(row: &Value, (name, clause, exit_code): &(&str, &str, i64)) {
    assert_eq!((&row["name"], &row["passed"], &row["error"]), (&json!(name), &json!(true), &Value::Null), "{row}");
    assert_eq!((&row["clause"], &row["decision"]["clause"]), (&json!(clause), &json!(clause)), "{row}");
    for part in ["seen", "wanted", "fix"] {
        if (*name, part) == (WITHOUT_WANTED, "wanted") {
            continue;
        }
        assert!(row["decision"][part].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {part}: {row}");
    }
    assert_eq!(row["client"]["exit_code"], *exit_code, "{row}");
    assert!(row["client"]["code"].as_str().is_some_and(|code| !code.is_empty()), "{row}");
    assert!(row["client"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{row}");
}

#[test]
fn every_crossing_is_made_and_every_bent_one_is_refused() {
    let answer = json(&mut carnet(["--output", "json", "demo"]));
    assert_eq!((&answer["version"], &answer["passed"]), (&json!(1), &json!(true)), "{answer}");
    let crossings = answer["crossings"].as_array().unwrap();
    let refusals = answer["refusals"].as_array().unwrap();
    assert_eq!((crossings.len(), refusals.len()), (CROSSINGS.len(), REFUSALS.len()), "{answer}");
    for (row, wanted) in crossings.iter().zip(CROSSINGS) {
        check_crossing(row, wanted);
    }
    for (row, wanted) in refusals.iter().zip(REFUSALS) {
        check_refusal(row, wanted);
    }
    matrix::demo(&answer);
}

#[test]
fn one_row_can_be_chosen() {
    let text = works(&mut carnet(["demo", "--only", "TAMPERED"]));
    assert!(text.contains("ok     refused: tampered"), "{text}");
    assert!(text.contains("0 of 0 crossings made, 1 of 1 bent ones refused by the right clause"), "{text}");
    let answer = json(&mut carnet(["--output", "json", "demo", "--only", "external_account"]));
    assert_eq!(answer["crossings"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["refusals"], json!([]));
}

#[test]
fn tokens_are_issued_and_believed_all_through_a_rotation() {
    let answer = json(&mut carnet(["--output", "json", "demo", "--only", ROTATION]));
    let row = &answer["crossings"][0];
    assert_eq!((&row["name"], &row["passed"]), (&json!(ROTATION), &json!(true)), "{answer}");
    let said = row["call"]["answer"].as_str().unwrap();
    // Before the rotation, while the next key is published, after it: eight at least of each.
    let count: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(count >= 24 && said.contains("none failed"), "{said}");
    let kids: Vec<&str> = said.split([' ', ';', ',']).filter(|word| word.len() == 32).collect();
    assert_eq!(kids.len(), 2, "{said}");
    assert_ne!(kids[0], kids[1], "{said}");
}

#[test]
fn a_row_that_does_not_exist_is_told() {
    fails(&mut carnet(["demo", "--only", "no such row"]), 2, &["no such row", "carnet demo"]);
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let made = |folder: &std::path::Path| {
        works(carnet(["sandbox", "run", "--", "sh", "-c", "ls \"$TMPDIR\""]).env("TMPDIR", folder))
    };
    assert!(!made(folder.path()).is_empty(), "this is where it would be");
    works(carnet(["demo", "--only", "tampered"]).env("TMPDIR", folder.path()));
    works(carnet(["demo", "--only", "simulated pod"]).env("TMPDIR", folder.path()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
