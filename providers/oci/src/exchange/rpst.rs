//! `oci-rpst`: an external JWT for the session of a resource that exists only in the token.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{Exchange, ExchangeConfig, Kinds, Mistake};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    caller::{CallerConfig, CallerFields},
    federation::{self, Federation, Fields, Requested},
};
use crate::{duration, session_key::SessionKeyConfig};

/// UNCONFIRMED: the longest life of a federated RPST. Oracle's A-Team writes 43200 and calls the unit seconds; the
/// Java SDK's documentation says minutes. carnet sends seconds and never asks for more than this. Were the unit minutes,
/// a session would live sixty times as long as asked, and the check of the answer refuses it.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(12);
/// Less than a minute would be over before it is used.
const MIN_LIFETIME: SignedDuration = SignedDuration::from_mins(1);

/// Exchanges an external JWT for a session of a resource that exists only in the token (ephemeral RPST): no user, no group.
/// Policies see `request.principal.type = 'identityfederateddomainapp'` and the claims that the trust propagates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RpstConfig {
    /// The identity domain: its URL, host or id.
    pub url: String,
    /// The label of the resource: exactly `impersonatingResource` of the trust.
    pub res_type: String,
    /// How long the session is to live, for instance `"20m"` or seconds; one minute to 12 hours. Sent in seconds. Default:
    /// the domain's (20 minutes seen).
    #[serde(default)]
    #[schemars(with = "Option<duration::Text>")]
    pub rpst_exp: Option<duration::Duration>,
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
    /// The audience that the JWT is asked for, see `oci-upst`.
    #[serde(default)]
    pub audience: Option<String>,
    /// The key that the session gets bound to.
    #[serde(default)]
    pub session_key: Option<SessionKeyConfig>,
}

impl ExchangeConfig for RpstConfig {
    const NAME: &'static str = "oci-rpst";
    const ABOUT: &'static str = "an external JWT for the session of an OCI resource that exists only in the token";
    const TAKES: Kinds = federation::TAKES;
    const GIVES: Kinds = federation::GIVES;

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.res_type.trim().is_empty() {
            mistakes
                .push(Mistake::new("res_type", "must not be empty").hint("copy impersonatingResource of the trust"));
        }
        if let Some(duration::Duration(lifetime)) = self.rpst_exp
            && !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime)
        {
            mistakes.push(Mistake::new("rpst_exp", "must be between one minute and 12 hours"));
        }
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
        let requested =
            Requested::Rpst { resource_type: self.res_type, lifetime: self.rpst_exp.map(|lifetime| lifetime.0) };
        Ok(Arc::new(Federation::build(fields, requested, mistakes)?))
    }
}
