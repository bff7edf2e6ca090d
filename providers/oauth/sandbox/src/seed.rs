//! What is there when the sandbox starts: at each party one trust in a CI job of the sandbox's repository, and, where
//! the party takes others than CI systems, one in a workload of OCI and one in a pod of a Kubernetes cluster.

use std::collections::BTreeMap;

use carnet_oauth::trust::Trust;

use crate::{face::Face, faces::FACES, trusts::Trusts};

/// Issuer of the jobs.
pub const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Subject of the jobs.
pub const GITHUB_SUBJECT: &str = "repo:carnet-sandbox/app:ref:refs/heads/main";
/// The repository of the jobs.
pub const REPOSITORY: &str = "carnet-sandbox/app";
/// Its owner's immutable id.
pub const OWNER_ID: &str = "71000000";
/// Issuer of the workloads: the sandbox's identity domain.
pub const ORACLE_ISSUER: &str = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";
/// Subject of the workload: the instance.
pub const ORACLE_SUBJECT: &str = "ocid1.instance.oc1.iad.anuwcljtcarnetsandboxinstance000000000000000000000000000001";
/// Issuer of a Kubernetes cluster (OKE with OpenID Connect discovery): one of the sandbox's owner, as `carnet demo` has one.
/// Nobody answers there otherwise.
pub const CLUSTER_ISSUER: &str = "https://cluster.demo.test";
/// Subject of its pods: a service account.
pub const CLUSTER_SUBJECT: &str = "system:serviceaccount:shop:checkout";
/// The account at Databricks, which is the audience of its policies.
pub const DATABRICKS_ACCOUNT: &str = "c0ffee00-0000-4000-8000-00000000da7a";
/// The organization at Claude.
pub const ORGANIZATION: &str = "c0ffee00-0000-4000-8000-00000000c1a0";
/// The package at npm.
pub const PACKAGE: &str = "@carnet-sandbox/app";
/// The project at PyPI and the crate at crates.io.
pub const PROJECT: &str = "carnet-sandbox";
/// A crate at crates.io that trusts nobody here.
pub const NEIGHBOUR: &str = "carnet-neighbour";
/// The project at Infisical whose members all seeded identities are.
pub const INFISICAL_PROJECT: &str = "c0ffee00-0000-4000-8000-0000000000f0";
/// A project at Infisical of which none of them is a member.
pub const INFISICAL_NEIGHBOUR: &str = "c0ffee00-0000-4000-8000-0000000000f1";
/// The project at HCP.
pub const HCP_PROJECT: &str = "c0ffee00-0000-4000-8000-0000000000cc";

/// Who is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A job of GitHub Actions.
    Job,
    /// A pod of a Kubernetes cluster, with the projected token of its service account.
    Pod,
    /// An instance of OCI, with a token of the identity domain.
    Workload,
}

impl Who {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Job, Self::Pod, Self::Workload];

    /// Its issuer.
    pub const fn issuer(self) -> &'static str {
        match self {
            Self::Job => GITHUB_ISSUER,
            Self::Pod => CLUSTER_ISSUER,
            Self::Workload => ORACLE_ISSUER,
        }
    }

    /// Its subject.
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Job => GITHUB_SUBJECT,
            Self::Pod => CLUSTER_SUBJECT,
            Self::Workload => ORACLE_SUBJECT,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Pod => "pod",
            Self::Workload => "workload",
        }
    }

    const fn identity(self) -> &'static str {
        match self {
            Self::Job => "c0ffee00-0000-4000-8000-0000000000a1",
            Self::Pod => "c0ffee00-0000-4000-8000-0000000000a3",
            Self::Workload => "c0ffee00-0000-4000-8000-0000000000a2",
        }
    }
}

/// What a request says at this party beside the token, by the names on the wire (those in the path too). Empty where
/// nothing is said, and for an unknown party.
pub fn members(party: &str, who: Who) -> BTreeMap<String, String> {
    let name = who.name();
    let pairs: Vec<(&str, String)> = match party {
        "claude" => vec![
            ("federation_rule_id", format!("fdrl_{name}")),
            ("organization_id", ORGANIZATION.to_owned()),
            ("service_account_id", format!("svac_{name}")),
        ],
        "databricks" => vec![("client_id", who.identity().to_owned())],
        "databricks-account" => {
            vec![("account_id", DATABRICKS_ACCOUNT.to_owned()), ("client_id", who.identity().to_owned())]
        }
        "hcp" => vec![("provider", provider(who))],
        "infisical" => vec![("identityId", who.identity().to_owned())],
        "npm" => vec![("package", PACKAGE.to_owned())],
        "octo-sts" => vec![("identity", name.to_owned()), ("scope", REPOSITORY.to_owned())],
        "openai" => vec![("identity_provider_id", format!("idp_{name}")), ("service_account_id", format!("sa_{name}"))],
        "openrouter" => vec![("federation_policy_id", who.identity().to_owned())],
        "tailscale" => vec![("client_id", format!("k{name}CNTRL"))],
        _ => Vec::new(),
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The audience that a token for this party names; `None` for an unknown party.
pub fn audience(party: &str, who: Who) -> Option<String> {
    let face = FACES.into_iter().find(|face| face.name == party)?;
    Some(match party {
        "claude" => "https://api.anthropic.com".to_owned(),
        "databricks" | "databricks-account" => DATABRICKS_ACCOUNT.to_owned(),
        "hcp" => provider(who),
        "infisical" => "https://app.infisical.com".to_owned(),
        "openai" => "https://api.openai.com/v1".to_owned(),
        "openrouter" => "https://openrouter.ai".to_owned(),
        "tailscale" => format!("api.tailscale.com/k{}CNTRL", who.name()),
        _ => face.manner.audience?.to_owned(),
    })
}

/// The trust of this party in this caller; `None` where the party takes jobs only.
pub fn trust(party: &str, who: Who) -> Option<Trust> {
    let face: &Face = FACES.into_iter().find(|face| face.name == party)?;
    let publishing = matches!(party, "crates-io" | "npm" | "pypi");
    if publishing && who != Who::Job {
        return None;
    }
    let own = face.manner.audience.is_none();
    let one = |value: &str| vec![value.to_owned()];
    let claims: BTreeMap<String, Vec<String>> = if publishing {
        [
            ("repository".to_owned(), one(REPOSITORY)),
            ("repository_owner_id".to_owned(), one(OWNER_ID)),
            ("workflow_ref".to_owned(), one(&format!("{REPOSITORY}/.github/workflows/deploy.yml@*"))),
        ]
        .into()
    } else {
        BTreeMap::new()
    };
    Some(Trust {
        id: format!("{party}-{}", who.name()),
        issuer: who.issuer().to_owned(),
        subject: (!publishing).then(|| who.subject().to_owned()),
        audiences: if own { audience(party, who).into_iter().collect() } else { Vec::new() },
        claims,
        members: members(party, who).into_iter().map(|(name, value)| (name, vec![value])).collect(),
        principal: principal(party, who),
        ..Trust::default()
    })
}

/// Fills an empty world.
pub(crate) fn fill(trusts: &mut Trusts) {
    for face in FACES {
        for who in Who::ALL {
            if let Some(trust) = trust(face.name, who) {
                trusts.add(face, trust);
            }
        }
    }
}

fn provider(who: Who) -> String {
    format!("iam/project/{HCP_PROJECT}/service-principal/sandbox/workload-identity-provider/{}", who.name())
}

fn principal(party: &str, who: Who) -> String {
    let name = who.name();
    match party {
        "claude" => format!("svac_{name}"),
        "crates-io" | "pypi" => PROJECT.to_owned(),
        "npm" => PACKAGE.to_owned(),
        "octo-sts" => format!("{REPOSITORY} as {name}"),
        "openai" => format!("sa_{name}"),
        "snowflake" => name.to_ascii_uppercase(),
        "tailscale" => format!("tag:{name}"),
        _ => format!("{name} of carnet-sandbox"),
    }
}
