//! The client of the SPIFFE Workload API.

mod claims;
mod watch;

use std::{collections::BTreeMap, time::Duration};

use carnet_core::{Error, Result, Secret, SecretBytes};
use serde_json::{Map, Value};
use tonic::{Request, metadata::MetadataValue, transport::Channel};

pub use watch::{State, Watch};

use crate::{
    Endpoint,
    connection::{Connection, MAX_MESSAGE, Meaning},
    spiffe_workload::{
        JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, X509BundlesRequest, X509svidRequest,
        spiffe_workload_api_client::SpiffeWorkloadApiClient,
    },
};

/// The metadata key that every call of the Workload API carries with the value `true`, so that somebody who can make a
/// server send plain HTTP requests cannot call it (SPIFFE Workload Endpoint, 3).
pub const SECURITY_HEADER: &str = "workload.spiffe.io";

/// A connection to a Workload API: what a workload asks about itself.
///
/// Cheap to clone; the clones share one connection, which comes back by itself when the agent was restarted. Calls
/// that are not watches end within a deadline, 40 s unless [`WorkloadApi::with_deadline`] says otherwise; messages of more
/// than 4 MiB are refused.
///
/// ```no_run
/// # async fn example() -> carnet_core::Result<()> {
/// let api = carnet_grpc::WorkloadApi::connect("unix:///run/spire/agent/public/api.sock").await?;
/// let svids = api.fetch_jwt_svid(&["https://api.example.org"], None).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WorkloadApi {
    connection: Connection,
}

/// An X509-SVID with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Svid {
    /// The SPIFFE ID, as the server wrote it.
    pub spiffe_id: String,
    /// Concatenated DER certificates, leaf first.
    pub certificates: Vec<u8>,
    /// Unencrypted PKCS#8 DER.
    pub private_key: SecretBytes,
    /// Concatenated DER CA certificates of the trust domain of this SVID.
    pub bundle: Vec<u8>,
    /// The operator's label for this identity.
    pub hint: Option<String>,
}

/// Everything that a workload needs for mutual TLS: the whole state, what is missing is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Context {
    /// At least one; the first is the default identity.
    pub svids: Vec<X509Svid>,
    /// DER certificate revocation lists.
    pub crls: Vec<Vec<u8>>,
    /// Trust domain ID (`spiffe://other`) to concatenated DER CA certificates.
    pub federated_bundles: BTreeMap<String, Vec<u8>>,
}

/// X.509 bundles that a workload may see: the whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509Bundles {
    /// DER certificate revocation lists.
    pub crls: Vec<Vec<u8>>,
    /// Trust domain ID to concatenated DER CA certificates; the workload's own trust domain too.
    pub bundles: BTreeMap<String, Vec<u8>>,
}

/// JWT bundles that a workload may see: the whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtBundles {
    /// Trust domain ID to a JWK set as JSON (RFC 7517, 5).
    pub bundles: BTreeMap<String, Vec<u8>>,
}

/// A JWT-SVID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSvid {
    /// The SPIFFE ID, as the server wrote it.
    pub spiffe_id: String,
    /// JWS in compact serialization; not verified.
    pub token: Secret,
    /// The operator's label for this identity.
    pub hint: Option<String>,
}

/// What the Workload API says about a JWT-SVID that is good.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedJwtSvid {
    /// The SPIFFE ID of its holder.
    pub spiffe_id: String,
    /// Its claims. Numbers passed through a 64-bit float on the way, so integers beyond 2^53 are not exact.
    pub claims: Map<String, Value>,
}

impl WorkloadApi {
    /// Connects to the Workload API at an address as [`Endpoint`] reads it.
    ///
    /// # Errors
    /// `Configuration` when it is not an address, `Unreachable` when nothing answers there.
    pub async fn connect(endpoint: &str) -> Result<Self> {
        let connection = Connection::open(&endpoint.parse::<Endpoint>()?, "the Workload API").await?;
        Ok(Self { connection })
    }

    /// The same connection with another limit on the time that a call may take.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { connection: self.connection.with_deadline(deadline) }
    }

    /// JWT-SVIDs for `audiences`, of which there must be one at least: of all identities of the caller, or of `spiffe_id` only.
    /// There is at least one in the answer; the first is the default identity.
    ///
    /// # Errors
    /// `NotHere` when the caller has no identity, `Configuration` when the request is wrong, `Unreachable` when there is no
    /// answer or one without form.
    pub async fn fetch_jwt_svid(&self, audiences: &[impl AsRef<str>], spiffe_id: Option<&str>) -> Result<Vec<JwtSvid>> {
        if audiences.is_empty() {
            return Err(Error::configuration("a JWT-SVID is for an audience, and none was given")
                .hint("name the service that the token is for"));
        }
        let message = JwtsvidRequest {
            audience: audiences.iter().map(|audience| audience.as_ref().to_owned()).collect(),
            spiffe_id: spiffe_id.unwrap_or_default().to_owned(),
        };
        let mut client = self.client();
        let answer = self
            .connection
            .call("fetch a JWT-SVID", Meaning::Identity, Box::pin(client.fetch_jwtsvid(request(message))))
            .await?;
        let svids: Vec<JwtSvid> = answer
            .svids
            .into_iter()
            .map(|mut svid| JwtSvid {
                spiffe_id: std::mem::take(&mut svid.spiffe_id),
                token: Secret::new(std::mem::take(&mut svid.svid)),
                hint: label(std::mem::take(&mut svid.hint)),
            })
            .collect();
        if svids.is_empty() {
            return Err(empty(self.connection.server(), "JWT-SVID"));
        }
        Ok(svids)
    }

    /// All X509-SVIDs of the caller, as they are now.
    ///
    /// # Errors
    /// As [`WorkloadApi::fetch_jwt_svid`].
    pub async fn fetch_x509_svid(&self) -> Result<X509Context> {
        self.first(self.watch_x509()).await
    }

    /// All X509-SVIDs of the caller, now and after every change.
    ///
    /// # Errors
    /// As [`WorkloadApi::fetch_jwt_svid`].
    pub async fn watch_x509(&self) -> Result<Watch<X509Context>> {
        let mut client = self.client();
        self.watch("fetch X509-SVIDs", Box::pin(client.fetch_x509svid(request(X509svidRequest {})))).await
    }

    /// The X.509 bundles that the caller may see, as they are now.
    ///
    /// # Errors
    /// As [`WorkloadApi::fetch_jwt_svid`].
    pub async fn fetch_x509_bundles(&self) -> Result<X509Bundles> {
        self.first(self.watch_x509_bundles()).await
    }

    /// The X.509 bundles that the caller may see, now and after every change.
    ///
    /// # Errors
    /// As [`WorkloadApi::fetch_jwt_svid`].
    pub async fn watch_x509_bundles(&self) -> Result<Watch<X509Bundles>> {
        let mut client = self.client();
        self.watch("fetch X.509 bundles", Box::pin(client.fetch_x509_bundles(request(X509BundlesRequest {})))).await
    }

    /// The JWT bundles that the caller may see, as they are now.
    ///
    /// # Errors
    /// As [`WorkloadApi::fetch_jwt_svid`].
    pub async fn fetch_jwt_bundles(&self) -> Result<JwtBundles> {
        self.first(self.watch_jwt_bundles()).await
    }

    /// The JWT bundles that the caller may see, now and after every change.
    ///
    /// # Errors
    /// As [`WorkloadApi::fetch_jwt_svid`].
    pub async fn watch_jwt_bundles(&self) -> Result<Watch<JwtBundles>> {
        let mut client = self.client();
        self.watch("fetch JWT bundles", Box::pin(client.fetch_jwt_bundles(request(JwtBundlesRequest {})))).await
    }

    /// Asks whether a JWT-SVID that somebody else has shown is good for `audience`.
    ///
    /// # Errors
    /// `Refused` when it is not, with the server's reason as the cause; `NotHere` when the caller has no identity
    /// and the server wants one; `Unreachable` when there is no answer or one without form.
    pub async fn validate_jwt_svid(&self, audience: &str, token: &Secret) -> Result<ValidatedJwtSvid> {
        let message = ValidateJwtsvidRequest { audience: audience.to_owned(), svid: token.expose().to_owned() };
        let mut client = self.client();
        let answer = self
            .connection
            .call("get a JWT-SVID validated", Meaning::Judgement, Box::pin(client.validate_jwtsvid(request(message))))
            .await?;
        Ok(ValidatedJwtSvid { spiffe_id: answer.spiffe_id, claims: claims::object(answer.claims.unwrap_or_default()) })
    }

    async fn first<T: State>(&self, watch: impl Future<Output = Result<Watch<T>>>) -> Result<T> {
        let action = format!("fetch from {}", self.connection.server());
        self.connection.in_time(&action, async { watch.await?.next().await }).await?
    }

    async fn watch<T: State>(
        &self,
        action: &str,
        call: impl Future<Output = Result<tonic::Response<tonic::Streaming<T::Message>>, tonic::Status>>,
    ) -> Result<Watch<T>> {
        let stream = self.connection.call(action, Meaning::Identity, call).await?;
        Ok(Watch::new(stream, self.connection.server()))
    }

    fn client(&self) -> SpiffeWorkloadApiClient<Channel> {
        SpiffeWorkloadApiClient::new(self.connection.channel())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(SECURITY_HEADER, MetadataValue::from_static("true"));
    request
}

fn label(hint: String) -> Option<String> {
    (!hint.is_empty()).then_some(hint)
}

/// A server that has nothing must say so with a status (SPIFFE Workload Endpoint, 6); some send an empty answer.
fn empty(server: &str, what: &str) -> Error {
    Error::not_here(format!("{server} answered without any {what}"))
        .hint("register an entry whose selectors this process has")
}
