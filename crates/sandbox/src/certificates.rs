//! The sandbox's own certificate authority, and a certificate for each name on demand.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use axum::extract::Request;
use carnet_core::Error;
use carnet_jose::Algorithm;
use carnet_net::{ChainVerifier, ClientCertificates, PeerCertificates, ServerCertificate, TlsServerConfig};
use carnet_sandbox_kit::ShownCertificates;
use carnet_x509::{Authority, LeafProfile};
use jiff::{SignedDuration, Timestamp};

/// How long before now certificates begin, for clients whose clock is behind.
const BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// How long after now certificates end. The authority dies with the process; this is for one that runs for months.
const AFTER: SignedDuration = SignedDuration::from_hours(24 * 365);

/// The authority. Its key never leaves this process.
#[derive(Debug)]
pub(crate) struct Certificates {
    pem: String,
    tls: Arc<TlsServerConfig>,
}

impl Certificates {
    /// A new authority (P-256, so it is there at once), and TLS that has a certificate for each name that `is_ours`. Clients
    /// are asked for a certificate and need not have one.
    pub(crate) fn new<F>(now: Timestamp, is_ours: F) -> Result<Self, Error>
    where
        F: Fn(&str) -> bool + Send + Sync + 'static,
    {
        let attempt = |error| Error::internal("make the sandbox's certificate authority").because(error);
        let not_before = now.saturating_sub(BEFORE).unwrap_or(now);
        let not_after = now.saturating_add(AFTER).unwrap_or(now);
        let authority = Authority::root("carnet sandbox", Algorithm::Es256, not_before, not_after).map_err(attempt)?;
        let pem = authority.certificate_pem();
        // Whether a certificate is believed is for each service to say; what is asked of TLS is that its key is there.
        let anybody: ChainVerifier = Arc::new(|_chain| Ok(()));
        let make = move |name: &str| {
            if name != "localhost" && !is_ours(name) {
                return Err(Error::configuration(format!("make a certificate for {name:?}, which no service claims")));
            }
            let issued = authority
                .issue(&leaf(name, not_before, not_after))
                .map_err(|error| Error::internal(format!("make a certificate for {name}")).because(error))?;
            Ok(ServerCertificate { chain: vec![issued.certificate], private_key: issued.private_key })
        };
        let tls = TlsServerConfig::by_name(make, ClientCertificates::Optional(anybody))?;
        Ok(Self { pem, tls: Arc::new(tls) })
    }

    /// The authority's certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS for a listener.
    pub(crate) fn tls(&self) -> Arc<TlsServerConfig> {
        Arc::clone(&self.tls)
    }
}

/// Tells a service what its client has shown in TLS.
pub(crate) async fn tell(mut request: Request) -> Request {
    if let Some(PeerCertificates(chain)) = request.extensions_mut().remove() {
        request.extensions_mut().insert(ShownCertificates(chain));
    }
    request
}

/// Clients reach services as `localhost`, as `127.0.0.1` and under real names, some of them in one session, so each
/// certificate is good for all three.
fn leaf(name: &str, not_before: Timestamp, not_after: Timestamp) -> LeafProfile {
    let mut dns = vec![name.to_owned()];
    if name != "localhost" {
        dns.push("localhost".to_owned());
    }
    LeafProfile {
        // A common name has 64 characters at most (RFC 5280, appendix A.1), identity domains' names have more.
        subject: vec![("CN", "carnet sandbox service".to_owned())],
        dns,
        ip: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        uri: Vec::new(),
        server: true,
        client: false,
        not_before,
        not_after,
        key: Algorithm::Es256,
    }
}
