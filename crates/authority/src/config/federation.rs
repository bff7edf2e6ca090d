//! Foreign trust domains.

use std::path::PathBuf;

use carnet_core::Mistake;
use carnet_discovery::{EndpointProfile, Relationship, check_endpoint_url};
use carnet_spiffe::TrustDomain;
use schemars::JsonSchema;
use serde::Deserialize;

/// A foreign trust domain (SPIFFE Federation, 5).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FederationSection {
    /// Where it publishes its bundle.
    url: String,
    /// The SPIFFE ID of that endpoint, for `https_spiffe`. Without it the endpoint has a certificate of the web.
    #[serde(default)]
    endpoint_id: Option<String>,
    /// File with its first bundle, which `https_spiffe` cannot do without.
    #[serde(default)]
    bundle_file: Option<PathBuf>,
    /// Longest life of its JWT-SVIDs (`exp - iat`), in seconds: 86400 unless given. Those without `iat` are refused.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_age: Option<u32>,
}

/// It, checked.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Where it publishes its bundle, and how that endpoint shows who it is. The first bundle is read at the start.
    pub relationship: Relationship,
    /// File with its first bundle.
    pub bundle_file: Option<PathBuf>,
    /// Longest life of its JWT-SVIDs, in seconds; a day unless given.
    pub max_age: Option<u32>,
}

impl FederationSection {
    pub(super) fn check(self, name: &str) -> Result<Foreign, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let trust_domain = TrustDomain::try_from(name);
        let trust_domain = trust_domain.map_err(|error| mistakes.push(Mistake::new("", error.to_string()))).ok();
        let profile = match self.endpoint_id.as_deref().map(str::parse) {
            None => Some(EndpointProfile::HttpsWeb),
            Some(Ok(endpoint_spiffe_id)) => Some(EndpointProfile::HttpsSpiffe { endpoint_spiffe_id }),
            Some(Err(error)) => {
                mistakes.push(Mistake::new("endpoint_id", format!("{error}")));
                None
            }
        };
        if matches!(&profile, Some(EndpointProfile::HttpsSpiffe { .. })) && self.bundle_file.is_none() {
            let mistake = Mistake::new("bundle_file", "https_spiffe needs a first bundle from elsewhere");
            mistakes.push(mistake.hint("ask the other side for its bundle and name the file here"));
        }
        if self.max_age == Some(0) {
            mistakes.push(Mistake::new("max_age", "no token lives for 0 seconds"));
        }
        mistakes.extend(check_endpoint_url("url", &self.url).err());
        match (trust_domain, profile) {
            (Some(trust_domain), Some(profile)) if mistakes.is_empty() => {
                let relationship = Relationship { trust_domain, url: self.url, profile, bootstrap: None };
                Ok(Foreign { relationship, bundle_file: self.bundle_file, max_age: self.max_age })
            }
            _ => Err(mistakes),
        }
    }
}
