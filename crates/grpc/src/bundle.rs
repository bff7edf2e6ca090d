//! The client of SPIRE's server API, as far as reading the server's own bundle.

use std::time::Duration;

use carnet_core::{Error, Result};
use tonic::Request;

use crate::{
    Endpoint,
    connection::{Connection, MAX_MESSAGE, Meaning},
    spire::api::{
        server::bundle::v1::{GetBundleRequest, bundle_client::BundleClient},
        types,
    },
};

/// A connection to the local API of a SPIRE server.
///
/// ```no_run
/// # async fn example() -> carnet_core::Result<()> {
/// let api = carnet_grpc::BundleApi::connect("unix:///tmp/spire-server/private/api.sock").await?;
/// println!("{} JWT authorities", api.get_bundle().await?.jwt_authorities.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BundleApi {
    connection: Connection,
}

/// The bundle of a SPIRE server's own trust domain. Nothing of it is checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerBundle {
    /// Name without `spiffe://`.
    pub trust_domain: String,
    /// Authorities of X509-SVIDs.
    pub x509_authorities: Vec<X509Authority>,
    /// Authorities of JWT-SVIDs.
    pub jwt_authorities: Vec<JwtAuthority>,
    /// How often the bundle should be read again.
    pub refresh_hint: Option<Duration>,
    /// Grows with every change.
    pub sequence_number: u64,
}

/// An authority of X509-SVIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Authority {
    /// A DER certificate.
    pub certificate: Vec<u8>,
    /// No longer secure: must not be used.
    pub tainted: bool,
}

/// An authority of JWT-SVIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtAuthority {
    /// The public key, a DER SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Its `kid`.
    pub key_id: String,
    /// When it expires, in Unix seconds; `None` is never.
    pub expires_at: Option<i64>,
    /// No longer secure: must not be used.
    pub tainted: bool,
}

impl BundleApi {
    /// Connects to the local API of a SPIRE server, `unix:///absolute/path`. Over TCP the API wants mutual TLS, which
    /// is not offered here.
    ///
    /// # Errors
    /// `Configuration` when it is not the address of a Unix socket, `Unreachable` when nothing answers there.
    pub async fn connect(endpoint: &str) -> Result<Self> {
        let endpoint: Endpoint = endpoint.parse()?;
        if matches!(endpoint, Endpoint::Tcp(_)) {
            return Err(Error::configuration(format!("the server API at {endpoint} is asked over a Unix socket only"))
                .hint(
                    "write unix:///tmp/spire-server/private/api.sock, or the socket_path of the server's configuration",
                ));
        }
        Ok(Self { connection: Connection::open(&endpoint, "the server API of SPIRE").await? })
    }

    /// The same connection with another limit on the time that a call may take.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { connection: self.connection.with_deadline(deadline) }
    }

    /// The bundle of the server's own trust domain.
    ///
    /// # Errors
    /// `Refused` when the server says no, `Unreachable` when there is no answer or one without form.
    pub async fn get_bundle(&self) -> Result<ServerBundle> {
        let request = Request::new(GetBundleRequest {});
        let mut client = BundleClient::new(self.connection.channel()).max_decoding_message_size(MAX_MESSAGE);
        let bundle =
            self.connection.call("get the bundle", Meaning::Plain, Box::pin(client.get_bundle(request))).await?;
        Ok(ServerBundle::from(bundle))
    }
}

impl From<types::Bundle> for ServerBundle {
    fn from(bundle: types::Bundle) -> Self {
        let x509 = |authority: types::X509Certificate| X509Authority {
            certificate: authority.asn1,
            tainted: authority.tainted,
        };
        let jwt = |authority: types::JwtKey| JwtAuthority {
            public_key: authority.public_key,
            key_id: authority.key_id,
            expires_at: (authority.expires_at != 0).then_some(authority.expires_at),
            tainted: authority.tainted,
        };
        Self {
            trust_domain: bundle.trust_domain,
            x509_authorities: bundle.x509_authorities.into_iter().map(x509).collect(),
            jwt_authorities: bundle.jwt_authorities.into_iter().map(jwt).collect(),
            refresh_hint: u64::try_from(bundle.refresh_hint)
                .ok()
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            sequence_number: bundle.sequence_number,
        }
    }
}
