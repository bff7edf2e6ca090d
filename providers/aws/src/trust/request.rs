//! Condition keys that only a request has ("AWS global condition context keys": properties of the network, properties of the
//! request).

use std::net::IpAddr;

use super::condition::Context;

/// The keys, in lower case. Those of VPC endpoints and of services that call for somebody are absent from most requests; whether
/// they are cannot be told without one either.
pub(super) const REQUEST_KEYS: [&str; 16] = [
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:referer",
    "aws:requestedregion",
    "aws:securetransport",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:useragent",
    "aws:viaawsservice",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
    "aws:vpcsourceip",
];

/// What a request to a service says besides its parameters.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Whom it came from: `aws:SourceIp`.
    pub source: IpAddr,
    /// Whether it came by TLS: `aws:SecureTransport`.
    pub secure: bool,
    /// The region that is called: `aws:RequestedRegion`.
    pub region: &'a str,
    /// `aws:UserAgent`, if it has one.
    pub user_agent: Option<&'a str>,
    /// `aws:Referer`, if it has one.
    pub referer: Option<&'a str>,
}

impl Context {
    /// Adds what the request says. `aws:ViaAWSService` is false: who calls here calls for himself.
    #[must_use]
    pub fn with_request(self, facts: &RequestFacts<'_>) -> Self {
        self.with("aws:SourceIp", [facts.source.to_canonical().to_string()])
            .with("aws:SecureTransport", [facts.secure.to_string()])
            .with("aws:RequestedRegion", [facts.region])
            .with("aws:UserAgent", facts.user_agent)
            .with("aws:Referer", facts.referer)
            .with("aws:ViaAWSService", ["false"])
    }
}
