//! The section of the exchange.

use std::sync::Arc;

use carnet_core::{Exchange, ExchangeConfig, Kind, Kinds, Mistake};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    cloud::{Cloud, check_url},
    exchange::Federation,
    trust,
};

/// Exchanges a JWT for an access token of Microsoft Entra, as an application or a managed identity that trusts its issuer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// The tenant: its id, or one of its domain names.
    pub tenant: String,
    /// The client id (application id) of the application or of the user-assigned managed identity. Not its object id.
    pub client_id: String,
    /// What the token is for, with `/.default` at its end, for instance `https://storage.azure.com/.default`. Either this or
    /// `resource`.
    #[serde(default)]
    pub scope: Option<String>,
    /// What the token is for, without `/.default`: `https://storage.azure.com`. A slash at its end is kept.
    #[serde(default)]
    pub resource: Option<String>,
    /// `public` (default), `china` or `us-government`.
    #[serde(default)]
    pub cloud: Cloud,
    /// The authority. By default `AZURE_AUTHORITY_HOST`, else that of the cloud.
    #[serde(default)]
    pub authority: Option<String>,
    /// The audience that the subject token must name: that of the federated credential. By default the one that Microsoft
    /// recommends for the cloud, `api://AzureADTokenExchange`.
    #[serde(default)]
    pub subject_audience: Option<String>,
    /// The `claims` of the request, a JSON object as text: what a resource asked for in a claims challenge, as it stands or in
    /// base64.
    #[serde(default)]
    pub claims: Option<String>,
}

impl ExchangeConfig for Entra {
    const NAME: &'static str = "entra";
    const ABOUT: &'static str = "a JWT to a Microsoft Entra access token (workload identity federation)";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(Arc::new(self.check()?))
    }
}

impl Entra {
    /// Checks the raw form, reporting all mistakes.
    pub(crate) fn check(self) -> Result<Federation, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_tenant("tenant", &self.tenant, &mut mistakes);
        check_client("client_id", &self.client_id, &mut mistakes);
        let scope = check_scope(self.scope, self.resource, &mut mistakes);
        let mut noted = |result: Result<_, Mistake>| result.map_err(|mistake| mistakes.push(mistake)).ok();
        let authority = self.authority.as_deref().and_then(|text| noted(check_url("authority", text)));
        let claims = match self.claims.as_deref().map(check_claims) {
            Some(Ok(claims)) => Some(claims),
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                None
            }
            None => None,
        };
        if self.subject_audience.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("subject_audience", "is empty").hint("leave it out for the cloud's default"));
        }
        let (Some(scope), true) = (scope, mistakes.is_empty()) else { return Err(mistakes) };
        Ok(Federation {
            tenant: self.tenant,
            client_id: self.client_id,
            scope,
            cloud: self.cloud,
            authority,
            subject_audience: self.subject_audience.unwrap_or_else(|| self.cloud.audience().to_owned()),
            claims,
        })
    }
}

/// A tenant becomes part of a path, so nothing but an id or a domain passes.
pub(crate) fn check_tenant(field: &str, tenant: &str, mistakes: &mut Vec<Mistake>) {
    if matches!(tenant, "common" | "organizations" | "consumers") {
        let mistake = Mistake::new(field, "names no tenant, and a workload belongs to one");
        mistakes.push(mistake.hint("give the tenant's id"));
    } else if let Err(refusal) = trust::check_tenant(tenant) {
        let mistake = Mistake::new(field, "is not a tenant's id or domain name");
        mistakes.push(mistake.hint(format!("{}; `az account show --query tenantId` tells it", refusal.fix)));
    }
}

/// A client id is a GUID.
pub(crate) fn check_client(field: &str, client: &str, mistakes: &mut Vec<Mistake>) {
    if !trust::is_guid(client) {
        let mistake = Mistake::new(field, "is not a client id, which is a GUID");
        mistakes.push(mistake.hint("take `appId` of the application, or `clientId` of the managed identity"));
    }
}

/// One scope from either field.
pub(crate) fn check_scope(
    scope: Option<String>,
    resource: Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<String> {
    let (field, scope) = match (scope, resource) {
        (Some(scope), None) => ("scope", scope),
        (None, Some(resource)) => ("resource", format!("{resource}/.default")),
        (Some(_), Some(_)) => {
            mistakes.push(Mistake::new("resource", "and `scope` are both there").hint("leave one out"));
            return None;
        }
        (None, None) => {
            let mistake = Mistake::new("scope", "is missing");
            mistakes.push(mistake.hint("say what the token is for: `scope = \"https://storage.azure.com/.default\"`"));
            return None;
        }
    };
    if trust::parse_scope(&scope).is_ok() && !(field == "resource" && scope.ends_with("/.default/.default")) {
        return Some(scope);
    }
    let hint = match field {
        "scope" => "give exactly one resource with `/.default` at its end; for a resource alone there is `resource`",
        _ => "give exactly one resource, without `/.default`",
    };
    mistakes.push(Mistake::new(field, "is not one resource").hint(hint));
    None
}

/// The challenge as JSON, on one line.
fn check_claims(text: &str) -> Result<String, Mistake> {
    let object = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().filter(Value::is_object);
    let decoded = || object(&crate::wire::decode_base64(text)?);
    let claims = object(text.as_bytes()).or_else(decoded);
    claims.map(|claims| claims.to_string()).ok_or_else(|| {
        Mistake::new("claims", "is neither a JSON object nor one in base64")
            .hint("copy the value of `claims` from the header WWW-Authenticate")
    })
}

#[cfg(test)]
mod tests;
