//! One relationship with another trust domain.

use std::sync::Arc;

use carnet_core::{Error, Mistake};
use carnet_spiffe::{Bundle, TrustDomain};
use url::Url;

use crate::endpoint::{EndpointProfile, check_endpoint_url};

/// Where the bundle of another trust domain is read (SPIFFE Federation, 5.1). One-way: the other domain has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// Whose bundle it is.
    pub trust_domain: TrustDomain,
    /// The bundle endpoint, `https`.
    pub url: String,
    /// How the endpoint proves who it is.
    pub profile: EndpointProfile,
    /// A bundle that was handed over, to begin with: mandatory for `https_spiffe` where the endpoint is of the same domain, because
    /// nothing else says whom to believe at first.
    pub bootstrap: Option<Arc<Bundle>>,
}

impl Relationship {
    /// Looks at everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes: Vec<Mistake> = check_endpoint_url("url", &self.url).err().into_iter().collect();
        if self.bootstrap.as_ref().is_some_and(|bundle| bundle.trust_domain != self.trust_domain) {
            mistakes.push(Mistake::new("bootstrap", format!("it is not the bundle of {}", self.trust_domain)));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    pub(crate) fn checked_url(&self) -> Result<Url, Error> {
        check_endpoint_url("url", &self.url).map_err(|mistake| Error::configuration(mistake.message))
    }

    /// What is believed before the endpoint was asked: the newer one of what is there and what was handed over.
    pub(super) fn start(&self, held: Option<Arc<Bundle>>) -> Option<Arc<Bundle>> {
        match (held, self.bootstrap.clone()) {
            (Some(held), Some(bootstrap)) if bootstrap.sequence > held.sequence => Some(bootstrap),
            (held, bootstrap) => held.or(bootstrap),
        }
    }
}

/// A number that goes back is an old bundle, shown again to have a key believed that was revoked. So is a bundle that has
/// lost its number.
pub(super) fn refuse_older(held: &Bundle, new: &Bundle) -> Result<(), Error> {
    let Some(before) = held.sequence else { return Ok(()) };
    if new.sequence.is_some_and(|now| now >= before) {
        return Ok(());
    }
    let now = new.sequence.map_or_else(|| "none".to_owned(), |now| now.to_string());
    let domain = &held.trust_domain;
    Err(Error::refused(format!("believe the bundle of {domain}: its sequence is {now}, and {before} was seen before"))
        .clause("sequence")
        .hint("if the other domain was set up anew, end the federation with it and begin again with its new bundle"))
}
