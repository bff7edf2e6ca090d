//! The sources, and what a trust in each of them says.

use std::path::Path;

use serde_json::{Value, json};

use super::scene::{DOMAIN, OTHER, WORKLOAD};
use crate::{authority::site::ISSUER, harness::Sandbox, scene::put};

/// How a JWT comes about, in TOML.
pub(super) struct Way {
    /// The source. `FOLDER` stands for the crossing's own folder.
    pub(super) from: String,
    pub(super) through: Option<String>,
}

/// A source whose JWTs others trust.
pub(super) struct Source {
    /// As in a configuration.
    pub(super) name: &'static str,
    /// The trust in it: what stands behind `from-` at each cloud.
    pub(super) trust: &'static str,
    pub(super) way: Way,
    /// For whom its tokens are, where that is always the same.
    pub(super) audience: Option<String>,
    /// Another one at the same issuer. Where there is none, a token for somebody else is refused in its place.
    pub(super) stranger: Option<Way>,
}

/// An identity that the clouds trust.
struct Trust {
    name: &'static str,
    issuer: String,
    subject: String,
    audience: Option<String>,
    /// The `azp` of its tokens.
    azp: Option<&'static str>,
    /// Where an identity domain finds its keys, if it has no trust in it from the beginning.
    keys: Option<String>,
}

impl Source {
    fn new(name: &'static str, trust: &'static str, from: impl Into<String>) -> Self {
        Self { name, trust, way: Way { from: from.into(), through: None }, audience: None, stranger: None }
    }

    /// With an exchange that makes a JWT of what it gives.
    fn through(mut self, exchange: String) -> Self {
        self.way.through = Some(exchange);
        self
    }

    /// With tokens that are always for the same.
    fn only_for(self, audience: &str) -> Self {
        Self { audience: Some(audience.to_owned()), ..self }
    }

    fn stranger(self, from: impl Into<String>, through: Option<String>) -> Self {
        Self { stranger: Some(Way { from: from.into(), through }), ..self }
    }

    /// What the place gives to the source: the variables, and the file with the token.
    pub(super) fn given(&self, sandbox: &Sandbox, audience: &str, folder: &Path) -> Vec<(String, String)> {
        match self.name {
            "gitlab-ci" => sandbox.environment(&["--proxy", "--job", "gitlab", "--audience", audience]),
            "command" | "env" | "file" => {
                let token = sandbox.token("github", &["--audience", audience]);
                put(&folder.join("shown.jwt"), &token, 0o600);
                vec![("SHOWN".to_owned(), token)]
            }
            // They ask for themselves.
            _ => Vec::new(),
        }
    }
}

/// All of them, but `github-actions`, which the tests of each cloud begin with.
pub(super) fn all(sandbox: &Sandbox) -> Vec<Source> {
    let domain = || format!("{{ oci-domain = {{ url = \"{DOMAIN}\" }} }}");
    let principal = |name: &'static str| {
        // The service user, by the session of a job.
        let user = format!(
            "{{ oci-upst = {{ url = \"{DOMAIN}\", client_id = \"{}\", audience = \"{DOMAIN}\", region = \"us-ashburn-1\" }} }}, {}",
            sandbox.seed("oci_client_id"),
            domain()
        );
        let source = Source::new(name, name, format!("\"{name}\"")).through(domain()).only_for(DOMAIN);
        source.stranger("\"github-actions\"", Some(user))
    };
    let managed = |more: &str| format!("{{ azure-identity = {{ token = \"identity\"{more} }} }}");
    let workload = |id: &str| format!("{{ spiffe = {{ spiffe_id = \"{id}\" }} }}");
    vec![
        Source::new("gitlab-ci", "gitlab", "\"gitlab-ci\""),
        Source::new("spiffe", "spiffe", workload(WORKLOAD)).stranger(workload(OTHER), None),
        principal("oci-resource"),
        principal("oci-instance"),
        principal("oci-config"),
        Source::new("gcp-metadata", "google", "\"gcp-metadata\""),
        Source::new("azure-identity", "azure", managed(""))
            .only_for(sandbox.seed("azure_application"))
            .stranger(managed(&format!(", client_id = \"{}\"", sandbox.seed("azure_identity"))), None),
        Source::new("aws-identity", "aws", "{ aws-identity = { place = \"instance\" } }")
            .through(format!("{{ aws-web-identity-token = {{ region = \"{}\" }} }}", sandbox.seed("aws_region"))),
        Source::new("command", "github", "{ command = { argv = [\"cat\", \"FOLDER/shown.jwt\"] } }"),
        Source::new("env", "github", "{ env = { variable = \"SHOWN\" } }"),
        Source::new("file", "github", "{ file = { path = \"FOLDER/shown.jwt\" } }"),
        Source::new(
            "url",
            "github",
            "{ url = { url = \"${ACTIONS_ID_TOKEN_REQUEST_URL}\", audience_parameter = \"audience\", format = \"json\", \
             field = \"value\", headers = { Authorization = \"Bearer ${ACTIONS_ID_TOKEN_REQUEST_TOKEN}\" } } }",
        ),
    ]
}

fn trusted(sandbox: &Sandbox) -> Vec<Trust> {
    let trust = |name, issuer: &str, subject: &str| {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        Trust { name, issuer, subject, audience: None, azp: None, keys: None }
    };
    let principal = |name, subject| Trust { audience: Some(DOMAIN.to_owned()), ..trust(name, DOMAIN, subject) };
    let (account, machine) = ("107531864209753186420", "c0ffee00-0000-4000-8000-00000000d002");
    let tenant = format!("https://login.microsoftonline.com/{}/v2.0", sandbox.seed("azure_tenant"));
    vec![
        trust("github", "https://token.actions.githubusercontent.com", "repo:carnet-sandbox/app:ref:refs/heads/main"),
        trust("gitlab", "https://gitlab.com", "project_path:carnet-sandbox/app:ref_type:branch:ref:main"),
        Trust { keys: Some(format!("{ISSUER}/keys")), ..trust("spiffe", ISSUER, WORKLOAD) },
        principal("oci-resource", sandbox.seed("oci_function")),
        principal("oci-instance", "ocid1.instance.oc1.iad.anuwcljtcarnetsandboxinstance000000000000000000000000000001"),
        principal("oci-config", "admin@carnet-sandbox.example"),
        Trust { azp: Some(account), ..trust("google", "https://accounts.google.com", account) },
        Trust {
            audience: Some(sandbox.seed("azure_application").to_owned()),
            azp: Some("c0ffee00-0000-4000-8000-00000000d001"),
            ..trust("azure", &tenant, machine)
        },
        trust("aws", sandbox.seed("aws_issuer"), "arn:aws:iam::123456789012:role/carnet/machine"),
    ]
}

/// The trusts, for the script that makes them.
pub(super) fn trusts(sandbox: &Sandbox) -> Value {
    let form = |Trust { name, issuer, subject, audience, azp, keys }| {
        json!({
            "name": name, "issuer": issuer, "subject": subject, "audience": audience, "azp": azp, "keys": keys,
        })
    };
    trusted(sandbox).into_iter().map(form).collect()
}

/// The trusts, as rules of an authority that gives each an identity of its own name.
pub(super) fn rules(sandbox: &Sandbox, audience: &str) -> String {
    let rule = |Trust { name, issuer, subject, audience: own, .. }| {
        let own = own.map(|own| format!("expected_audiences = [\"{own}\"]\n")).unwrap_or_default();
        format!(
            "[[rule]]\nname = \"from-{name}\"\nissuer = \"{issuer}\"\nsubject = \"{subject}\"\n{own}\
             identity = \"/from/{name}\"\nissue = [\"jwt-svid\"]\naudiences = [\"{audience}\"]\n"
        )
    };
    // Google's keys are not at its issuer's host.
    let google = "[[issuer]]\nissuer = \"https://accounts.google.com\"\njwks_hosts = [\"www.googleapis.com\"]\n";
    trusted(sandbox).into_iter().map(rule).fold(google.to_owned(), |all, one| all + &one)
}
