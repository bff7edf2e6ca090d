//! Tokens, good and broken.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Error;
use carnet_jose::SigningKey;
use carnet_sandbox_kit::World;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{azure_devops, bitbucket, buildkite, circleci, github, gitlab, keys::KeyRing, runs, seed};

/// Whose token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Issuer {
    /// GitHub Actions.
    Github,
    /// GitHub Actions, for an enterprise that has its slug in its issuer.
    GithubEnterprise,
    /// GitHub Actions, for an enterprise with data residency.
    GithubResidency,
    /// GitHub Enterprise Server.
    GithubServer,
    /// GitLab.
    Gitlab,
    /// A GitLab of one's own.
    GitlabSelfManaged,
    /// Bitbucket Pipelines.
    Bitbucket,
    /// CircleCI, with the organization's issuer.
    Circleci,
    /// CircleCI, with the issuer of all organizations.
    CircleciRoot,
    /// Buildkite.
    Buildkite,
    /// Azure Pipelines.
    AzureDevops,
    /// HCP Terraform.
    HcpTerraform,
    /// Spacelift.
    Spacelift,
    /// Jenkins.
    Jenkins,
}

impl Issuer {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Github,
        Self::GithubEnterprise,
        Self::GithubResidency,
        Self::GithubServer,
        Self::Gitlab,
        Self::GitlabSelfManaged,
        Self::Bitbucket,
        Self::Circleci,
        Self::CircleciRoot,
        Self::Buildkite,
        Self::AzureDevops,
        Self::HcpTerraform,
        Self::Spacelift,
        Self::Jenkins,
    ];

    /// The name of its service in the sandbox.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Github | Self::GithubEnterprise => "ci-github",
            Self::GithubResidency => "ci-github-residency",
            Self::GithubServer => "ci-github-server",
            Self::Gitlab => "ci-gitlab",
            Self::GitlabSelfManaged => "ci-gitlab-self-managed",
            Self::Bitbucket => "ci-bitbucket",
            Self::Circleci | Self::CircleciRoot => "ci-circleci",
            Self::Buildkite => "ci-buildkite",
            Self::AzureDevops => "ci-azure-devops",
            Self::HcpTerraform => "ci-hcp-terraform",
            Self::Spacelift => "ci-spacelift",
            Self::Jenkins => "ci-jenkins",
        }
    }

    /// `iss` of its tokens.
    pub const fn url(self) -> &'static str {
        match self {
            Self::Github => seed::GITHUB_ISSUER,
            Self::GithubEnterprise => seed::GITHUB_ENTERPRISE_ISSUER,
            Self::GithubResidency => seed::GITHUB_RESIDENCY_ISSUER,
            Self::GithubServer => seed::GITHUB_SERVER_ISSUER,
            Self::Gitlab => seed::GITLAB_ISSUER,
            Self::GitlabSelfManaged => seed::GITLAB_SELF_MANAGED_ISSUER,
            Self::Bitbucket => seed::BITBUCKET_ISSUER,
            Self::Circleci => seed::CIRCLECI_ISSUER,
            Self::CircleciRoot => seed::CIRCLECI_ROOT_ISSUER,
            Self::Buildkite => seed::BUILDKITE_ISSUER,
            Self::AzureDevops => seed::AZURE_ISSUER,
            Self::HcpTerraform => seed::HCP_ISSUER,
            Self::Spacelift => seed::SPACELIFT_ISSUER,
            Self::Jenkins => seed::JENKINS_ISSUER,
        }
    }

    /// `kid` of the first key of its service.
    pub(crate) fn first_kid(self) -> String {
        match self {
            Self::Jenkins => seed::JENKINS_CREDENTIAL.to_owned(),
            other => other.service().replacen("ci-", "carnet-sandbox-", 1),
        }
    }
}

/// What is wrong with a token, one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The header says `none` and there is no signature.
    AlgNone,
    /// Signed with ES256 under the `kid` of the RSA key.
    Es256,
    /// It ended an hour ago.
    Expired,
    /// The header has no `kid`.
    NoKid,
    /// It counts from an hour from now.
    NotYet,
    /// A claim was changed after the signature.
    Tampered,
    /// Signed with a key that is in no key set, under its own `kid`.
    UnknownKid,
    /// Signed with a key that is in no key set, under the `kid` of the right one.
    WrongKey,
}

/// A token to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    /// Whose.
    pub issuer: Issuer,
    /// `aud`. By default what the system puts when nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Claims that are added or replaced; `null` takes one away.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
}

impl MintRequest {
    /// A good token of this issuer for this audience.
    pub fn new(issuer: Issuer, audience: impl Into<String>) -> Self {
        Self { issuer, audience: Some(audience.into()), claims: Map::new(), flaw: None }
    }

    /// Adds or replaces a claim; `null` takes it away.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Breaks it.
    #[must_use]
    pub fn flaw(mut self, flaw: Flaw) -> Self {
        self.flaw = Some(flaw);
        self
    }
}

/// How far [`Flaw::Expired`] and [`Flaw::NotYet`] move the times, in seconds: more than anybody's tolerance.
const FAR: i64 = 7_200;

pub(crate) fn mint(keys: &KeyRing, request: &MintRequest, now: Timestamp, world: &World) -> Result<String, Error> {
    let moved = match request.flaw {
        Some(Flaw::Expired) => -FAR,
        Some(Flaw::NotYet) => FAR,
        _ => 0,
    };
    let made = now.as_second().saturating_add(moved);
    let audience = request.audience.as_deref();
    let issuer = request.issuer;
    let mut claims = match issuer {
        Issuer::Github | Issuer::GithubEnterprise | Issuer::GithubResidency | Issuer::GithubServer => {
            github::claims(issuer, audience, made, world)
        }
        Issuer::Gitlab | Issuer::GitlabSelfManaged => gitlab::claims(issuer, audience, made, world),
        Issuer::Bitbucket => bitbucket::claims(audience, made),
        Issuer::Circleci | Issuer::CircleciRoot => circleci::claims(issuer, audience, made, world),
        Issuer::Buildkite => buildkite::claims(audience, made),
        Issuer::AzureDevops => azure_devops::claims(audience, made, world),
        Issuer::HcpTerraform => runs::hcp_terraform(audience, made, world),
        Issuer::Spacelift => runs::spacelift(audience, made, world),
        Issuer::Jenkins => runs::jenkins(audience, made),
    };
    for (name, value) in &request.claims {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    let active = keys.active()?;
    let kid = active.kid().map(ToOwned::to_owned);
    // The plugin of Jenkins writes no `typ`.
    let right = |alg: &str| match issuer {
        Issuer::Jenkins => json!({ "alg": alg, "kid": kid }),
        _ => json!({ "typ": "JWT", "alg": alg, "kid": kid }),
    };
    let compact = match request.flaw {
        Some(Flaw::AlgNone) => unsigned(&json!({ "typ": "JWT", "alg": "none" }), &claims) + ".",
        Some(Flaw::Es256) => signed(&right("ES256"), &claims, &*keys.stranger_ec()?)?,
        Some(Flaw::NoKid) => signed(&json!({ "typ": "JWT", "alg": "RS256" }), &claims, &active)?,
        Some(Flaw::Tampered) => tampered(&signed(&right("RS256"), &claims, &active)?, claims),
        Some(Flaw::UnknownKid) => {
            let stranger = keys.stranger()?;
            signed(&json!({ "typ": "JWT", "alg": "RS256", "kid": stranger.kid() }), &claims, &stranger)?
        }
        Some(Flaw::WrongKey) => signed(&right("RS256"), &claims, &*keys.stranger()?)?,
        Some(Flaw::Expired | Flaw::NotYet) | None => signed(&right("RS256"), &claims, &active)?,
    };
    Ok(compact)
}

/// The members of a JSON object.
pub(crate) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn unsigned(header: &Value, claims: &Map<String, Value>) -> String {
    let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}", encode(header.to_string()), encode(Value::Object(claims.clone()).to_string()))
}

fn signed(header: &Value, claims: &Map<String, Value>, key: &SigningKey) -> Result<String, Error> {
    let message = unsigned(header, claims);
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Another subject under the same signature.
fn tampered(token: &str, mut claims: Map<String, Value>) -> String {
    claims.insert("sub".to_owned(), json!("repo:attacker/app:ref:refs/heads/main"));
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
    let mut parts = token.split('.');
    let (header, signature) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    format!("{header}.{payload}.{signature}")
}
