//! The identity that a place in Azure gives: managed identity or AKS workload identity.

mod arc;
mod managed;
mod workload;

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Error, Found, Kind, Kinds, Mistake, Secret, Source, SourceConfig, Want};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{config::check_client, exchange::access_token, trust, wire::TokenAnswer};

/// What the platform sets ("How to use managed identities for App Service", "for Azure Arc", "Workload identity on AKS").
const ENDPOINT: &str = "IDENTITY_ENDPOINT";
const HEADER: &str = "IDENTITY_HEADER";
const THUMBPRINT: &str = "IDENTITY_SERVER_THUMBPRINT";
const IMDS_ENDPOINT: &str = "IMDS_ENDPOINT";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// The identity of a machine, app, container or pod in Azure.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureIdentity {
    /// `access` (default): an access token for `resource`. `identity`: the same token as a JWT for whoever verifies it; its
    /// audience is the resource. `assertion`: the token file of AKS as it is, for `entra`.
    #[serde(default)]
    pub token: IdentityToken,
    /// What the token is for, without `/.default`, for instance `https://storage.azure.com`. With `token = "identity"` by default
    /// the audience that the next step needs.
    #[serde(default)]
    pub resource: Option<String>,
    /// The client id of a user-assigned identity. By default the system-assigned one, or on AKS `AZURE_CLIENT_ID`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Where to ask. By default what the variables tell, else the metadata service.
    #[serde(default)]
    pub place: Option<IdentityPlace>,
}

/// Which token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityToken {
    /// An access token.
    #[default]
    Access,
    /// The projected token of AKS, unchanged.
    Assertion,
    /// The access token as a JWT.
    Identity,
}

/// Who gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityPlace {
    /// App Service, Functions, Container Apps.
    AppService,
    /// A machine elsewhere that Azure Arc manages.
    Arc,
    /// A virtual machine: the metadata service.
    Imds,
    /// A pod of AKS: token file and Entra.
    WorkloadIdentity,
}

impl SourceConfig for AzureIdentity {
    const NAME: &'static str = "azure-identity";
    const ABOUT: &'static str = "the managed or workload identity of a place in Azure";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if let Some(client) = &self.client_id {
            check_client("client_id", client, &mut mistakes);
        }
        let one = |resource: &str| trust::parse_scope(&format!("{resource}/.default")).is_ok();
        if self.resource.as_deref().is_some_and(|resource| !one(resource) || resource.ends_with("/.default")) {
            let mistake = Mistake::new("resource", "is not one resource without `/.default`");
            mistakes.push(mistake.hint("write for instance https://storage.azure.com"));
        }
        match (self.token, &self.resource) {
            (IdentityToken::Access, None) => mistakes.push(
                Mistake::new("resource", "is missing")
                    .hint("say what the access token is for: https://storage.azure.com"),
            ),
            (IdentityToken::Assertion, Some(_)) => mistakes.push(
                Mistake::new("resource", "does not apply to the token file").hint("give it to the exchange `entra`"),
            ),
            _ => {}
        }
        if self.token == IdentityToken::Assertion
            && self.place.is_some_and(|place| place != IdentityPlace::WorkloadIdentity)
        {
            mistakes
                .push(Mistake::new("place", "gives no token file").hint("leave it out, or use `token = \"identity\"`"));
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Source for AzureIdentity {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        match self.token {
            IdentityToken::Access => Kinds::of(&[Kind::AccessToken]),
            IdentityToken::Assertion | IdentityToken::Identity => Kinds::of(&[Kind::Jwt]),
        }
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            if self.token == IdentityToken::Assertion {
                return workload::assertion(context, want);
            }
            let Some(resource) = self.resource.as_deref().or(want.audience.as_deref()) else {
                return Err(Error::configuration("ask for an identity token: no audience is known")
                    .clause("audience")
                    .hint("set `resource`, or put an exchange after this source that needs an audience"));
            };
            let client = self.client_id.as_deref();
            let answer = match self.place.map_or_else(|| detect(context), Ok)? {
                IdentityPlace::AppService => managed::app_service(context, resource, client).await?,
                IdentityPlace::Arc => arc::ask(context, resource, client).await?,
                IdentityPlace::WorkloadIdentity => workload::ask(context, resource, client).await?,
                IdentityPlace::Imds => managed::imds(context, resource, client, self.place.is_some()).await?,
            };
            match answer {
                Asked::Token(answer) => self.credential(answer, resource, context).map(Found::credential),
                Asked::NotHere(reason) => Ok(Found::not_here(reason)),
            }
        })
    }
}

/// What a place answered.
enum Asked {
    Token(TokenAnswer),
    NotHere(String),
}

/// The order of Microsoft's Python library: what the platform of an app sets, Arc, AKS, else the metadata service.
fn detect(context: &Context) -> Result<IdentityPlace, Error> {
    let set = |name: &str| context.env(name).is_some();
    match (set(ENDPOINT), set(HEADER), set(IMDS_ENDPOINT)) {
        (true, true, _) if set(THUMBPRINT) => {
            Err(Error::configuration("ask Service Fabric for the managed identity: it is not supported")
                .hint("take the token from a program (`command`) or a file (`file`)"))
        }
        (true, true, _) => Ok(IdentityPlace::AppService),
        (true, false, true) => Ok(IdentityPlace::Arc),
        _ if set(TOKEN_FILE) => Ok(IdentityPlace::WorkloadIdentity),
        _ => Ok(IdentityPlace::Imds),
    }
}

impl AzureIdentity {
    fn credential(
        &self,
        answer: TokenAnswer,
        resource: &str,
        context: &Context,
    ) -> Result<carnet_core::Credential, Error> {
        let TokenAnswer { access_token: token, expires_at, client_id } = answer;
        let principal = client_id.or_else(|| self.client_id.clone());
        let mut credential = match self.token {
            IdentityToken::Identity => jwt(token, resource, context)?,
            _ => access_token(token, &format!("{resource}/.default")),
        };
        credential.expires_at = Some(expires_at);
        Ok(match principal {
            Some(principal) => credential.fact("principal", principal),
            None => credential,
        })
    }
}

/// The token as a JWT. Its audience is not compared with the resource: for some it is the id of an application and no URL.
fn jwt(token: Secret, resource: &str, context: &Context) -> Result<carnet_core::Credential, Error> {
    let token = SubjectToken::parse(token)
        .map_err(|error| Error::unreachable("read the managed identity's token: it is not a JWT").because(error))?;
    token.refuse_expired("the managed identity's token", context.now())?;
    Ok(token.into_credential().fact("resource", resource))
}

#[cfg(test)]
mod tests;
