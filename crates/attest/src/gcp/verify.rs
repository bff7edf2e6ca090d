//! The authority's half.

use carnet_core::{Context, Destination, Error, Mistake};
use carnet_jose::{Algorithm, CachedKeySets, KeySource};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Payload, audience};
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    load,
    shown::{self, Wanted},
};

const KIND: Kind = Kind::Gcp;
/// The one issuer of these tokens.
const ISSUER: &str = "https://accounts.google.com";
/// Tolerance for clocks that disagree.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Tokens live one hour.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_mins(70);

/// Which instances are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpConfig {
    /// What the tokens must be for. The nonce is added to it.
    pub audience: String,
    /// Identifiers of the projects whose instances may be nodes.
    pub projects: Vec<String>,
    /// URL of Google's key set. Default: where the discovery document of `https://accounts.google.com` says.
    #[serde(default)]
    pub jwks_url: Option<Url>,
}

/// See [`GcpConfig`].
#[derive(Debug)]
pub struct GcpVerifier {
    config: GcpConfig,
    fetched: CachedKeySets,
    context: Context,
}

#[derive(Deserialize)]
struct Instance {
    project_id: String,
    zone: String,
    #[serde(rename = "instance_id")]
    id: String,
    #[serde(rename = "instance_name")]
    name: String,
}

impl GcpConfig {
    /// What is wrong with it: there is no file to read.
    pub(crate) fn check(&self, mistakes: &mut Vec<Mistake>) {
        load::not_empty("gcp.projects", &self.projects, "the projects", mistakes);
        if self.audience.is_empty() {
            mistakes.push(Mistake::new("gcp.audience", "is empty"));
        }
        load::keys_url("gcp.jwks_url", self.jwks_url.as_ref(), mistakes);
    }
}

impl GcpVerifier {
    /// Of a checked configuration.
    pub(crate) fn load(config: &GcpConfig, context: &Context, fetched: CachedKeySets) -> Self {
        Self { config: config.clone(), fetched, context: context.clone() }
    }

    /// Whether Google has made the token for this attempt and its instance is of an allowed project.
    ///
    /// # Errors
    /// The first of these that does not hold; [`carnet_core::ErrorKind::Unreachable`] when Google's keys cannot be had.
    pub async fn verify(&self, evidence: &Value, nonce: &[u8]) -> Result<Attested, Error> {
        let Payload { token } = payload(KIND, evidence)?;
        let token = shown::parse(KIND, &token)?;
        let source = match &self.config.jwks_url {
            Some(url) => KeySource::Url(url.clone(), Destination::Configured),
            None => KeySource::Discovery(Destination::Untrusted),
        };
        let keys = self.fetched.keys(ISSUER, &source, token.unverified_kid()).await?;
        let wanted = Wanted {
            kind: KIND,
            issuer: ISSUER,
            audience: &audience(&self.config.audience, nonce),
            algorithms: &[Algorithm::Rs256],
            leeway: LEEWAY,
            max_lifetime: Some(MAX_LIFETIME),
        };
        let token = wanted.verify(&token, &keys, self.context.now())?;
        let instance = token.claims().get("google").and_then(|google| google.get("compute_engine"));
        let instance = instance.and_then(|instance| Instance::deserialize(instance).ok()).ok_or_else(|| {
            refused(KIND, "claims", "the token names no instance").hint("the agent must ask for the format full")
        })?;
        if !self.config.projects.contains(&instance.project_id) {
            let shown = carnet_core::safe_text(&instance.project_id);
            return Err(refused(KIND, "project", format!("project {shown} is not allowed")));
        }
        let facts = [
            ("project-id", instance.project_id.as_str()),
            ("zone", &instance.zone),
            ("instance-id", &instance.id),
            ("instance-name", &instance.name),
            ("sa", token.claims().str("email").unwrap_or_default()),
        ];
        Ok(Attested {
            kind: KIND,
            // Old projects have a colon in their identifier, `example.com:project`; no two have these otherwise.
            path: path(KIND, &[&instance.project_id.replace(':', "_"), &instance.id])?,
            selectors: selectors(KIND, facts)?,
            once: Once::FirstUse,
        })
    }
}
