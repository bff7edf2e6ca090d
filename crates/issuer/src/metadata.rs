//! Authorization server metadata (RFC 8414).

use carnet_jose::Algorithm;
use serde_json::{Value, json};

use crate::{Grant, Issuer};

/// Where the endpoints are, below [`Issuer::endpoint_base`].
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";
pub(crate) const INTROSPECTION_PATH: &str = "/oauth2/introspect";
pub(crate) const REVOCATION_PATH: &str = "/oauth2/revoke";
/// RFC 8414, 3. Behind it comes the path of the issuer's URL.
const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// How clients authenticate: by assertion (RFC 7523), by certificate (RFC 8705), or not at all.
const CLIENT_METHODS: [&str; 2] = ["private_key_jwt", "tls_client_auth"];

impl Issuer {
    /// The metadata document. `issuer` is what it is byte for byte; there is no authorization endpoint, and so no response type.
    pub fn metadata(&self) -> Value {
        let base = self.endpoint_base();
        let jwks = self.settings().jwks_uri.clone().unwrap_or_else(|| format!("{base}/keys"));
        let grants: Vec<&str> = Grant::ALL.into_iter().map(Grant::as_str).collect();
        let with_none: Vec<&str> = CLIENT_METHODS.into_iter().chain(["none"]).collect();
        let algorithms = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256].map(Algorithm::name);
        json!({
            "issuer": self.issuer_url(),
            "token_endpoint": format!("{base}{TOKEN_PATH}"),
            "jwks_uri": jwks,
            "response_types_supported": [],
            "grant_types_supported": grants,
            "token_endpoint_auth_methods_supported": with_none,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint": format!("{base}{INTROSPECTION_PATH}"),
            "introspection_endpoint_auth_methods_supported": CLIENT_METHODS,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint": format!("{base}{REVOCATION_PATH}"),
            "revocation_endpoint_auth_methods_supported": with_none,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        })
    }

    /// The paths of the metadata document: the well-known one, and that with the path of the issuer's URL behind it, if it has one
    /// (RFC 8414, 3.1).
    pub fn metadata_paths(&self) -> Vec<String> {
        let path = url::Url::parse(self.issuer_url()).map(|url| url.path().trim_end_matches('/').to_owned());
        let path = path.unwrap_or_default();
        let below = (!path.is_empty()).then(|| format!("{METADATA_PATH}{path}"));
        std::iter::once(METADATA_PATH.to_owned()).chain(below).collect()
    }
}
