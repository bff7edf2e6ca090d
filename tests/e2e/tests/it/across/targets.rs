//! The targets, and every source to each of them.

use std::{path::Path, process::Output};

use serde_json::json;

use super::{
    scene::{Across, DOMAIN, To, refused},
    sources::{self, Source},
};
use crate::{
    authority::{
        scene::{AUDIENCE, Authority},
        verifiers::{VERIFIERS, believed},
    },
    harness::both,
    matrix::proven,
};

/// Vault's library.
pub(super) const HVAC: &str = "hvac";

/// A cloud that trusts.
struct Target {
    /// As the matrix calls it.
    name: &'static str,
    /// Its own library.
    client: &'static str,
    /// For whom tokens are there, unless they are always for the same.
    audience: fn(&Source) -> String,
    /// The exchange of such a token. Where there is none, the library makes it.
    exchange: fn(&Across, &Source, audience: &str) -> Option<String>,
    delivery: fn(&Across, &Source, &Path) -> String,
    /// What the library sees.
    opens: &'static [&'static str],
    /// What is said to the bent one.
    refusal: fn(&Source) -> &'static str,
}

/// The name of the provider at Google.
fn provider(source: &Source) -> String {
    format!(
        "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/across/providers/from-{}",
        source.trust
    )
}

const GOOGLE: Target = Target {
    name: "gcp",
    client: crate::google::PYTHON,
    audience: |source| format!("https:{}", provider(source)),
    exchange: |_, _, _| None,
    delivery: |across, source, folder| {
        format!(
            "{{ gcp-credential-file = {{ path = \"{}/google.json\", audience = \"{}\", service_account = \"{}\" }} }}",
            folder.display(),
            provider(source),
            across.sandbox.seed("gcp_service_account")
        )
    },
    opens: &["carnet-logs", "carnet-reports"],
    refusal: |source| match source.stranger {
        None => "does not match the expected audience",
        Some(_) => "The given credential is rejected by the attribute condition.",
    },
};

const AZURE: Target = Target {
    name: "azure",
    client: crate::azure::PYTHON,
    audience: |_| "api://AzureADTokenExchange".to_owned(),
    exchange: |_, _, _| None,
    delivery: |across, _, folder| {
        format!(
            "{{ azure-token-file = {{ path = \"{}/token\", tenant = \"{}\", client_id = \"{}\" }} }}",
            folder.display(),
            across.sandbox.seed("azure_tenant"),
            across.application
        )
    },
    opens: &["logs", "reports"],
    refusal: |source| if source.stranger.is_none() { "AADSTS700212" } else { "AADSTS700213" },
};

const AWS: Target = Target {
    name: "aws",
    client: crate::aws::SDKS[0],
    audience: |_| "sts.amazonaws.com".to_owned(),
    exchange: |_, source, audience| {
        let role = format!("arn:aws:iam::123456789012:role/from-{}", source.trust);
        Some(format!("{{ aws = {{ role_arn = \"{role}\", audience = \"{audience}\" }} }}"))
    },
    delivery: |_, _, folder| {
        format!("{{ aws-profile = {{ path = \"{}/credentials\", profile = \"carnet\" }} }}", folder.display())
    },
    opens: &["carnet-logs", "carnet-reports"],
    refusal: |source| match (source.name, &source.stranger) {
        // The client that a token of Entra was made for is its `azp`, which AWS takes for the audience.
        ("azure-identity", _) => "InvalidIdentityToken: Incorrect token audience",
        // Google's provider has no list of audiences: the role's policy has.
        ("gcp-metadata", _) | (_, Some(_)) => "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        _ => "InvalidIdentityToken: Incorrect token audience",
    },
};

const VAULT: Target = Target {
    name: "vault",
    client: HVAC,
    audience: |_| "vault".to_owned(),
    exchange: |_, source, audience| {
        let mount = source.trust;
        Some(format!("{{ vault = {{ mount = \"from-{mount}\", role = \"app\", audience = \"{audience}\" }} }}"))
    },
    delivery: |_, _, folder| format!("{{ vault-token-file = {{ path = \"{}/token\" }} }}", folder.display()),
    opens: &["app/db"],
    refusal: |source| match source.stranger {
        None => "invalid audience (aud) claim",
        Some(_) => "invalid subject (sub) claim",
    },
};

const ORACLE: Target = Target {
    name: "oci",
    client: crate::oracle::PYTHON,
    audience: |_| DOMAIN.to_owned(),
    exchange: |across, _, audience| {
        Some(format!(
            "{{ oci-upst = {{ url = \"{DOMAIN}\", client_id = \"{}\", audience = \"{audience}\", region = \"us-ashburn-1\" }} }}",
            across.sandbox.seed("oci_client_id")
        ))
    },
    delivery: |_, _, folder| format!("{{ oci-profile = {{ directory = \"{}/profile\" }} }}", folder.display()),
    opens: &["artifacts"],
    refusal: |_| "The subject token is invalid, expired or not trusted.",
};

/// Lets a source cross, or it bent.
fn cross(source: &Source, target: &Target, bent: bool, folder: &Path) -> Output {
    let across = Across::shared();
    let to = To {
        audience: (target.audience)(source),
        exchange: &|audience| (target.exchange)(across, source, audience),
        delivery: (target.delivery)(across, source, folder),
    };
    across.cross(source, bent, &to, folder)
}

/// Lets each of these sources cross, and then the same bent.
fn cross_each(target: &Target, is_one: impl Fn(&Source) -> bool) {
    let across = Across::shared();
    let folder = tempfile::tempdir().unwrap();
    let sources: Vec<Source> = sources::all(&across.sandbox).into_iter().filter(is_one).collect();
    let by_library = |source: &Source| (target.exchange)(across, source, "").is_none();
    let at = |source: &Source, bent: &str| folder.path().join(format!("{}{bent}", source.name));
    let mut folders = Vec::new();
    for source in &sources {
        let done = cross(source, target, false, &at(source, ""));
        assert!(done.status.success(), "{} to {}\n{}", source.name, target.name, both(&done));
        folders.push(at(source, ""));
        let done = cross(source, target, true, &at(source, ".bent"));
        if by_library(source) {
            assert!(done.status.success(), "{} to {}\n{}", source.name, target.name, both(&done));
            folders.push(at(source, ".bent"));
        } else {
            refused(&done, (target.refusal)(source));
        }
    }
    let answer = across.opened(target.name, &folders);
    for source in &sources {
        assert_eq!(answer[source.name], json!(target.opens), "{} to {}: {answer}", source.name, target.name);
        if by_library(source) {
            let said = answer[format!("{}.bent", source.name)].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(said.contains((target.refusal)(source)), "{} to {}: {said}", source.name, target.name);
        }
        proven(source.name, target.name, target.client);
    }
}

#[test]
fn every_source_reaches_google() {
    cross_each(&GOOGLE, |_| true);
}

#[test]
fn every_source_reaches_azure() {
    cross_each(&AZURE, |_| true);
}

/// But AWS itself: it takes none of its own tokens back.
#[test]
fn every_other_source_reaches_aws() {
    cross_each(&AWS, |source| source.name != "aws-identity");
    let folder = tempfile::tempdir().unwrap();
    let mut all = sources::all(&Across::shared().sandbox).into_iter();
    let own = all.find(|source| source.name == "aws-identity").unwrap();
    refused(&cross(&own, &AWS, false, folder.path()), "No OpenIDConnect provider found in your account");
}

#[test]
fn every_source_reaches_vault() {
    cross_each(&VAULT, |_| true);
}

/// But OCI's own, which need no exchange, and GitLab, whose jobs become resources there and no users.
#[test]
fn every_foreign_source_reaches_oracle() {
    cross_each(&ORACLE, |source| source.trust != "gitlab" && !source.name.starts_with("oci-"));
}

#[test]
fn every_source_gets_an_identity_of_a_trust_domain() {
    let across = Across::shared();
    let folder = tempfile::tempdir().unwrap();
    let sandbox = &across.sandbox;
    let authority = Authority::trial_with(&sources::rules(sandbox, AUDIENCE), "", |command| {
        command.envs(sandbox.environment(&["--proxy"]));
    });
    let exchange = |audience: &str| {
        Some(format!(
            "{{ carnet = {{ url = \"{}\", issue = \"jwt-svid\", audience = \"{AUDIENCE}\", subject_audience = \"{audience}\" }} }}",
            authority.issuer()
        ))
    };
    // Those of the trust domain beside it have one already.
    for source in sources::all(sandbox).iter().filter(|source| source.name != "spiffe") {
        let at = folder.path().join(source.name);
        let to = To {
            audience: authority.issuer().to_owned(),
            exchange: &exchange,
            delivery: format!("{{ token-file = {{ path = \"{}/token\" }} }}", at.display()),
        };
        let done = across.cross(source, false, &to, &at);
        assert!(done.status.success(), "{}\n{}", source.name, both(&done));
        let token = std::fs::read_to_string(at.join("token")).unwrap();
        let id = believed(authority.issuer(), &token);
        assert_eq!(id, format!("{}/from/{}", authority.domain(), source.trust));
        refused(&across.cross(source, true, &to, &at), "the subject token is not accepted");
        for verifier in VERIFIERS {
            proven(source.name, "authority", verifier);
        }
    }
}
