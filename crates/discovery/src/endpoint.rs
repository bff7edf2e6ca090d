//! Reading a bundle from a bundle endpoint.

use carnet_core::{Destination, Error, HttpSend, Mistake, Request, Response};
use carnet_net::{Client, ClientTls, Settings as Network};
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, TrustDomain};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use url::Url;

use crate::endpoint_verifier;

/// Most redirects on the way to a bundle.
const MAX_REDIRECTS: usize = 3;

/// How a bundle endpoint proves who it is (SPIFFE Federation, 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum EndpointProfile {
    /// With a certificate for the host of its URL, under a root that this machine trusts.
    HttpsWeb,
    /// With an X509-SVID.
    HttpsSpiffe {
        /// The SPIFFE ID that it must show.
        endpoint_spiffe_id: SpiffeId,
    },
}

/// A bundle endpoint as a client reaches it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: Url,
    trust_domain: TrustDomain,
    client: Arc<dyn HttpSend>,
}

/// Looks at the URL of a bundle endpoint (SPIFFE Federation, 5.1), or of another server that is asked over TLS only.
///
/// # Errors
/// A mistake of this field, when it is not `https`, has no host, or has a user or a fragment.
pub fn check_endpoint_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let wrong = |what: &str| Mistake::new(field, format!("`{}` {what}", carnet_core::safe_text(text)));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if url.scheme() != "https" {
        return Err(wrong("is not https").hint("it is asked over TLS only"));
    }
    if url.host().is_none() || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong("must have a host, and neither a user nor a fragment"));
    }
    Ok(url)
}

impl Endpoint {
    /// `bundles` gives what is believed of the trust domain of an endpoint's SPIFFE ID at that moment.
    pub(crate) fn new(
        url: Url,
        trust_domain: TrustDomain,
        profile: &EndpointProfile,
        context: &carnet_core::Context,
        network: &Network,
        bundles: impl Fn() -> Arc<BundleMap> + Send + Sync + 'static,
    ) -> Self {
        let client = match profile {
            EndpointProfile::HttpsWeb => Arc::clone(&context.http),
            EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => {
                let verifier = endpoint_verifier(endpoint_spiffe_id.clone(), bundles, Arc::clone(&context.clock));
                Arc::new(Client::new(network.clone()).with_tls(ClientTls::new().verifier(verifier)))
            }
        };
        Self { url, trust_domain, client }
    }

    /// The bundle of the moment. Temporary redirects are followed, three at most, over TLS, and each server must prove itself as the
    /// first (SPIFFE Federation, 5.1.3 and 5.2); beyond the first address only public ones are dialled.
    pub(crate) async fn fetch(&self) -> Result<Bundle, Error> {
        let failed = || Error::unreachable(format!("read the bundle of {} from its endpoint", self.trust_domain));
        let mut url = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let ours = url.origin() == self.url.origin();
            let destination = if ours { Destination::Configured } else { Destination::Untrusted };
            let request = Request::get(url.clone()).destination(destination).max_response(Bundle::MAX_LENGTH);
            let answer = self.client.send(request).await.map_err(|error| failed().because(Error::from(error)))?;
            match answer.status {
                StatusCode::OK => return self.read(&answer).map_err(|error| failed().because(error)),
                StatusCode::FOUND | StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT => {
                    url = next(&url, &answer).map_err(|error| failed().because(error))?;
                }
                status => {
                    let hint = "look at the URL of the relationship; permanent redirects are not followed, so that a moved endpoint is noticed";
                    return Err(failed()
                        .because(Error::unreachable(format!("it answered {}", status.as_u16())))
                        .hint(hint));
                }
            }
        }
        Err(failed().because(Error::unreachable(format!("it redirected more than {MAX_REDIRECTS} times"))))
    }

    fn read(&self, answer: &Response) -> Result<Bundle, Error> {
        Ok(Bundle::parse(&self.trust_domain, answer.body.expose())?)
    }
}

fn next(url: &Url, answer: &Response) -> Result<Url, Error> {
    let location = answer.header(header::LOCATION.as_str());
    let location = location.ok_or_else(|| Error::unreachable("it redirected without saying where"))?;
    let next =
        url.join(location).map_err(|error| Error::unreachable("it redirected to what is no URL").because(error))?;
    check_endpoint_url("location", next.as_str()).map_err(|mistake| {
        Error::refused("it redirected to where bundles are not read").because(Error::refused(mistake.message))
    })
}
