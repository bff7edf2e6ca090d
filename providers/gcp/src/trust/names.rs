//! Resource names of pools and providers.

use std::fmt;

use carnet_trust::Refusal;

use super::refuse;

/// The start of an audience for the token service.
const SERVICE: &str = "//iam.googleapis.com/";

/// A workload identity pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName {
    /// The number of the project as it stands in the name; a project id there is another, unknown name.
    pub project: String,
    /// The id of the pool.
    pub pool: String,
}

/// A provider of a workload identity pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName {
    /// Its pool.
    pub pool: PoolName,
    /// The id of the provider.
    pub provider: String,
}

impl PoolName {
    /// Parses `projects/…/locations/global/workloadIdentityPools/…`.
    pub fn parse(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.split('/').collect();
        let ["projects", project, "locations", "global", "workloadIdentityPools", pool] = parts.as_slice() else {
            return None;
        };
        let named = !project.is_empty() && !pool.is_empty();
        named.then(|| Self { project: (*project).to_owned(), pool: (*pool).to_owned() })
    }
}

impl ProviderName {
    /// Parses `projects/…/locations/global/workloadIdentityPools/…/providers/…`.
    pub fn parse(name: &str) -> Option<Self> {
        let (pool, provider) = name.rsplit_once("/providers/")?;
        let named = !provider.is_empty() && !provider.contains('/');
        named.then_some(())?;
        Some(Self { pool: PoolName::parse(pool)?, provider: provider.to_owned() })
    }

    /// Parses the `audience` of an exchange: `//iam.googleapis.com/` and the name.
    ///
    /// # Errors
    /// The refusal of the token service, with the usual mistake named.
    pub fn from_audience(audience: &str) -> Result<Self, Box<Refusal>> {
        if let Some(name) = audience.strip_prefix(SERVICE).and_then(Self::parse) {
            return Ok(name);
        }
        let fix = if audience.starts_with("https:") {
            "begin the audience of the exchange with `//iam.googleapis.com/`, without `https:`; the form with `https:` \
             belongs into the claim `aud` of the token"
        } else if audience.contains("/workforcePools/") {
            "use a workload identity pool: workforce pools are not supported here"
        } else {
            "give the full resource name of the provider as the audience of the exchange"
        };
        let wanted =
            "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
        Err(refuse("request", audience, wanted, "invalid_request", fix))
    }

    /// The `audience` of an exchange.
    pub fn audience(&self) -> String {
        format!("{SERVICE}{self}")
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/global/workloadIdentityPools/{}", self.project, self.pool)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/providers/{}", self.pool, self.provider)
    }
}
