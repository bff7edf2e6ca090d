//! Azure: an access token of a managed identity (`identity-azure-auth-service.ts`).

use std::collections::BTreeMap;

use carnet_core::Secret;
use carnet_jose::KeySet;
use carnet_trust::Warning;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Checked, Proven, Refused, TokenSettings, listed,
    refused::Why,
    shown,
    token::{self, Expected, FORM_FIX},
    warning,
};

/// What the metadata service gives tokens for unless it is asked for something else, and so everybody's.
const USUAL_RESOURCE: &str = "https://management.azure.com";

/// `azure-auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// The tenant.
    pub tenant_id: String,
    /// What `aud` must be. A slash at its end is dropped when the token has none.
    pub resource: String,
    /// Object ids of service principals, separated by commas. Empty: not looked at.
    pub allowed_service_principal_ids: String,
}

impl AzureAuth {
    /// Where the tenant's keys are.
    pub fn keys_url(&self) -> String {
        format!("https://login.microsoftonline.com/{}/discovery/keys", self.tenant_id)
    }

    /// The keys could not be had: nobody catches that.
    pub fn unfetched(&self, why: &str) -> Box<Refused> {
        let fix = "check `tenantId`, and make login.microsoftonline.com reachable from the server";
        Refused::broken(&Why { clause: "keys", seen: why, wanted: &self.keys_url(), fix })
    }

    /// Whether this token logs in.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, token: &Secret, keys: &KeySet, now: Timestamp) -> Checked<Proven> {
        let broken = |seen: &str, wanted: &str| Refused::broken(&Why { clause: "form", seen, wanted, fix: FORM_FIX });
        let token = token::decode(token).ok_or_else(|| broken("no JWT", "a signed JWT"))?;
        let kid = token.unverified_kid().unwrap_or_default();
        let named = token::by_kid(keys, kid);
        if named.is_empty() {
            let fix = "take a token of this tenant: other tenants, and Microsoft's other clouds, have other keys";
            let why = Why { clause: "key", seen: &shown(Some(kid)), wanted: "a key of the tenant", fix };
            return Err(Refused::unauthorized(&why, "Invalid signing key"));
        }
        let Some(Value::String(audience)) = token.unverified_claims().get("aud") else {
            return Err(broken("`aud` is no text", "a text"));
        };
        let resource = match self.resource.strip_suffix('/') {
            Some(resource) if !audience.ends_with('/') => resource,
            _ => self.resource.as_str(),
        };
        let issuer = format!("https://sts.windows.net/{}/", self.tenant_id);
        let expected = Expected { audience: Some(resource), issuer: Some(&issuer), ..Expected::default() };
        // What the library throws becomes an error of the token, as if it were the server's own.
        let claims = token::verify(&token, &named, expected, now)
            .map_err(|thrown| Refused::token(&thrown.why(), &thrown.text))?;
        let mut held = vec!["signature", "expired", "audience", "issuer"];
        let tenant = claims.str("tid");
        if tenant != Some(self.tenant_id.as_str()) {
            let fix = "take a token of the tenant of the method";
            let why = Why { clause: "tenant", seen: &shown(tenant), wanted: &self.tenant_id, fix };
            return Err(Refused::unauthorized(&why, "Tenant ID mismatch"));
        }
        held.push("tenant");
        let id = claims.str("oid").unwrap_or_default();
        let allowed = &self.allowed_service_principal_ids;
        if !allowed.is_empty() && !listed(allowed).any(|one| one == id) {
            let seen = shown(Some(id));
            let fix =
                "add the object id of the service principal (`oid`, not the client id) to `allowedServicePrincipalIds`";
            let why = Why { clause: "principal", seen: &seen, wanted: allowed, fix };
            return Err(Refused::unauthorized(&why, format!("Service principal '{seen}' not allowed")));
        }
        held.push("principal");
        let attributes = BTreeMap::from([("oid".to_owned(), shown(Some(id))), ("tid".to_owned(), shown(tenant))]);
        Ok(Proven { principal: shown(Some(id)), attributes, held, warnings: token::lint(&claims) })
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.allowed_service_principal_ids.is_empty() {
            let message = "every user and service principal of the tenant that gets a token for the resource logs in";
            warnings.push(warning("principal", message, "set `allowedServicePrincipalIds`"));
        }
        if self.resource.trim_end_matches('/') == USUAL_RESOURCE {
            warnings.push(warning(
                "audience",
                "tokens for Azure's own API log in: whoever is shown one here can use it there, and the other way round",
                "register an application for Infisical, and use its URI as `resource`",
            ));
        }
        warnings
    }
}
