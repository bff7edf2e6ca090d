//! `oci-upst`: an external JWT for a user's session (workload identity federation).

use std::{path::PathBuf, sync::Arc};

use carnet_core::{Exchange, ExchangeConfig, Kinds, Mistake};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    caller::{CallerConfig, CallerFields},
    federation::{self, Federation, Fields, Requested},
};
use crate::session_key::SessionKeyConfig;

/// Exchanges an external JWT for a session of an OCI user (UPST). The identity domain needs an identity propagation
/// trust for the issuer. The session lives an hour at most.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstConfig {
    /// The identity domain: its URL, host or id.
    pub url: String,
    /// The OAuth client that asks: the App's `name` attribute. Listed in `oauthClients` of the trust.
    #[serde(default)]
    pub client_id: Option<String>,
    /// File with the client secret. Read at each use.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Variable with the client secret. Default: `OCI_TOKEN_EXCHANGE_CLIENT_SECRET`.
    #[serde(default)]
    pub client_secret_env: Option<String>,
    /// PEM file with the RSA key that the client proves itself with instead of a secret (RFC 7523).
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// Alias of the certificate of that key, as imported for the App.
    #[serde(default)]
    pub client_key_id: Option<String>,
    /// The OCI principal that signs the request instead of an OAuth client, so that no secret is needed.
    #[serde(default)]
    pub caller: Option<CallerConfig>,
    /// The region where the session is going to be used, identifier or short code. Default: `OCI_REGION`.
    #[serde(default)]
    pub region: Option<String>,
    /// The audience that the JWT is asked for. The domain looks at it only when the trust sets `clientClaimName = aud`;
    /// set both, so that a token made for somebody else does not open this door.
    #[serde(default)]
    pub audience: Option<String>,
    /// The key that the session gets bound to.
    #[serde(default)]
    pub session_key: Option<SessionKeyConfig>,
}

impl ExchangeConfig for UpstConfig {
    const NAME: &'static str = "oci-upst";
    const ABOUT: &'static str = "an external JWT for the session of an OCI user";
    const TAKES: Kinds = federation::TAKES;
    const GIVES: Kinds = federation::GIVES;

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let fields = Fields {
            name: Self::NAME,
            url: self.url,
            caller: CallerFields {
                client_id: self.client_id,
                client_secret_file: self.client_secret_file,
                client_secret_env: self.client_secret_env,
                client_key_file: self.client_key_file,
                client_key_id: self.client_key_id,
                caller: self.caller,
            },
            region: self.region,
            audience: self.audience,
            session_key: self.session_key,
        };
        Ok(Arc::new(Federation::build(fields, Requested::Upst, Vec::new())?))
    }
}
