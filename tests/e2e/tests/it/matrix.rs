//! What the tests have proven, for the page `docs/src/reference/matrix.md`: one record for each client that has used a
//! source's identity at a target. `cargo xtask matrix` makes the page from them.

use std::path::Path;

use serde_json::{Value, json};

/// What `carnet demo` is called on the page: no client of another vendor, the whole crossing is carnet's.
const DEMO: &str = "carnet";

/// The last step of a route and where it leads. Parties of the catalogue are told apart by the host that is called.
const TARGETS: &[(&str, &str)] = &[
    ("oci-upst", "oci"),
    ("oci-rpst", "oci"),
    ("oci-domain", "oci"),
    ("oci-instance", "oci"),
    ("oci-resource", "oci"),
    ("oci-oke", "oci"),
    ("gcp", "gcp"),
    ("gcp-metadata", "gcp"),
    ("entra", "azure"),
    ("azure-identity", "azure"),
    ("aws", "aws"),
    ("aws-roles-anywhere", "aws"),
    ("aws-identity", "aws"),
    ("vault", "vault"),
    ("infisical", "infisical"),
    ("carnet", "authority"),
    ("spiffe", "authority"),
];

/// The hosts of the catalogue's parties, as the rows of the demo call them.
const PARTIES: &[(&str, &str)] = &[
    ("anthropic.com", "claude"),
    ("openai.com", "openai"),
    ("openrouter.ai", "openrouter"),
    ("tailscale.com", "tailscale"),
    ("snowflakecomputing.com", "snowflake"),
    ("accounts.cloud.databricks.com", "databricks-account"),
    ("databricks.com", "databricks"),
    ("registry.npmjs.org", "npm"),
    ("pypi.org", "pypi"),
    ("crates.io", "crates-io"),
    ("octo-sts.dev", "octo-sts"),
    ("api.github.com", "octo-sts"),
    ("infisical.com", "infisical"),
    ("hashicorp.cloud", "hcp"),
];

/// Notes that this client has used at the target what carnet got from the source: the last line of a test. Source as in a
/// configuration, target as in the list of `xtask/src/docs/matrix.rs`.
pub(crate) fn proven(source: &str, target: &str, client: &str) {
    record(source, target, client, false);
}

/// The same of a client that made the whole crossing itself, carnet being no more than the sandbox around it.
pub(crate) fn alone(source: &str, target: &str, client: &str) {
    record(source, target, client, true);
}

/// Notes every crossing of the demo's report, all of which have passed.
pub(crate) fn demo(report: &Value) {
    for row in report["crossings"].as_array().expect("a list of crossings") {
        let word = |hop: &Value| hop["step"]["name"].as_str().map(str::to_owned);
        let name = |hop| word(hop).unwrap_or_else(|| panic!("a hop without a name: {row}"));
        let hops = row["hops"].as_array().unwrap_or_else(|| panic!("a crossing without hops: {row}"));
        let (first, last) = (name(&hops[0]), name(&hops[hops.len() - 1]));
        let known = TARGETS.iter().find(|(step, _)| *step == last).map(|(_, target)| *target);
        let target = known.unwrap_or_else(|| party(row["call"]["url"].as_str().expect("a call")));
        proven(&first, target, DEMO);
    }
}

fn party(url: &str) -> &'static str {
    let host = url.split('/').nth(2).unwrap_or_default();
    let found = PARTIES.iter().find(|(domain, _)| host.ends_with(domain));
    found.unwrap_or_else(|| panic!("{url} belongs to no party of PARTIES")).1
}

fn record(source: &str, target: &str, client: &str, alone: bool) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("matrix");
    std::fs::create_dir_all(&folder).expect("make a folder");
    let record = json!({ "source": source, "target": target, "client": client, "alone": alone });
    let word = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = [source, target, client, if alone { "alone" } else { "proven" }].map(word).join(".");
    // Tests run at the same time and may prove the same: the record is whole before it has its name.
    let mut file = tempfile::NamedTempFile::new_in(folder.parent().expect("a parent")).expect("make a file");
    std::io::Write::write_all(&mut file, format!("{record:#}\n").as_bytes()).expect("write a record");
    file.persist(folder.join(name + ".json")).expect("name a record");
}
