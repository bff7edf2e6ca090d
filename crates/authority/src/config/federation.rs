//! Foreign trust domains.

use std::path::PathBuf;

use carnet_core::Mistake;
use carnet_spiffe::{SpiffeId, TrustDomain};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

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
}

/// It, checked.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Its name.
    pub trust_domain: TrustDomain,
    /// Where it publishes its bundle.
    pub url: Url,
    /// How that endpoint shows who it is.
    pub profile: Profile,
    /// File with its first bundle.
    pub bundle_file: Option<PathBuf>,
}

/// How a bundle endpoint shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// By a certificate of the web for its host name.
    HttpsWeb,
    /// By an X509-SVID with this ID.
    HttpsSpiffe(SpiffeId),
}

impl FederationSection {
    pub(super) fn check(self, name: &str) -> Result<Foreign, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let trust_domain = TrustDomain::try_from(name);
        let trust_domain = trust_domain.map_err(|error| mistakes.push(Mistake::new("", error.to_string()))).ok();
        let url = Url::parse(&self.url).ok().filter(|url| url.scheme() == "https" && url.username().is_empty());
        if url.is_none() {
            mistakes.push(Mistake::new("url", "it is not an https URL without a user (SPIFFE Federation, 5.1)"));
        }
        let profile = match self.endpoint_id.as_deref().map(str::parse) {
            None => Some(Profile::HttpsWeb),
            Some(Ok(id)) => Some(Profile::HttpsSpiffe(id)),
            Some(Err(error)) => {
                mistakes.push(Mistake::new("endpoint_id", format!("{error}")));
                None
            }
        };
        if matches!(&profile, Some(Profile::HttpsSpiffe(_))) && self.bundle_file.is_none() {
            let mistake = Mistake::new("bundle_file", "https_spiffe needs a first bundle from elsewhere");
            mistakes.push(mistake.hint("ask the other side for its bundle and name the file here"));
        }
        match (trust_domain, url, profile) {
            (Some(trust_domain), Some(url), Some(profile)) if mistakes.is_empty() => {
                Ok(Foreign { trust_domain, url, profile, bundle_file: self.bundle_file })
            }
            _ => Err(mistakes),
        }
    }
}
