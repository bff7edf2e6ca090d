//! Discovery and keys.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Domain, types::SETTINGS};
use crate::{
    scim::{ScimError, text},
    seed::DOMAIN_URL,
};

/// OpenID Connect Discovery 1.0, 4.
pub(super) const PATH: &str = "/.well-known/openid-configuration";

/// `iss` of access tokens when the setting `issuer` is empty: the same for every identity domain in the world
/// (documentation, "Updating OAuth Settings").
const GLOBAL_ISSUER: &str = "https://identity.oraclecloud.com/";

/// The discovery document. It is public even where the keys are not.
pub(super) async fn openid_configuration(State(domain): State<Domain>) -> Response {
    Json(json!({
        "issuer": domain.issuer(),
        "authorization_endpoint": format!("{DOMAIN_URL}/oauth2/v1/authorize"),
        "token_endpoint": format!("{DOMAIN_URL}{}", super::token::PATH),
        "userinfo_endpoint": format!("{DOMAIN_URL}/oauth2/v1/userinfo"),
        "jwks_uri": format!("{DOMAIN_URL}/admin/v1/SigningCert/jwk"),
        "revocation_endpoint": format!("{DOMAIN_URL}/oauth2/v1/revoke"),
        "introspection_endpoint": format!("{DOMAIN_URL}/oauth2/v1/introspect"),
        "end_session_endpoint": format!("{DOMAIN_URL}/oauth2/v1/userlogout"),
        "response_types_supported": ["code", "token", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "grant_types_supported": [
            "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["aud", "exp", "iat", "iss", "jti", "sub"],
    }))
    .into_response()
}

impl Domain {
    /// `iss` of access tokens.
    pub(super) fn issuer(&self) -> String {
        self.setting("issuer").unwrap_or_else(|| GLOBAL_ISSUER.to_owned())
    }

    /// The issuer before the last change, whose tokens are still accepted.
    pub(super) fn previous_issuer(&self) -> Option<String> {
        self.setting("prevIssuer")
    }

    /// The key set, if it may be read without signing in.
    pub(super) fn signing_keys(&self) -> Result<Value, ScimError> {
        let signer = self.signing().get(self.now()).map_err(|_key| ScimError::internal())?;
        Ok(json!({"keys": [signer.jwk()]}))
    }

    /// Whether anybody may read the key set.
    pub(super) fn signing_keys_are_public(&self) -> bool {
        let store = self.store();
        let settings = store.find(&SETTINGS, SETTINGS.name);
        settings.and_then(|settings| settings.get("signingCertPublicAccess")).and_then(Value::as_bool) == Some(true)
    }

    fn setting(&self, name: &str) -> Option<String> {
        let store = self.store();
        let value = store.find(&SETTINGS, SETTINGS.name).and_then(|settings| text(settings, name));
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    }
}
