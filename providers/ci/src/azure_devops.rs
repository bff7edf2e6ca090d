//! Azure Pipelines: a token on request, of a service connection or of the pipeline itself.

use std::{sync::Arc, time::Duration};

use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Request, Response, Secret, Source,
    SourceConfig, Want, safe_text,
};
use carnet_jose::SubjectToken;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{ask, system, token::with_facts};

/// Set to `True` in every job ("Use predefined variables", learn.microsoft.com).
const IN_PIPELINE: &str = "TF_BUILD";
/// Where the token is asked for; set by the agent (same page).
const REQUEST_URI: &str = "SYSTEM_OIDCREQUESTURI";
/// The job's token for Azure DevOps. A job must map it into its environment (same page, `System.AccessToken`).
const ACCESS_TOKEN: &str = "SYSTEM_ACCESSTOKEN";
/// The service connection of the task that runs; the Azure CLI and Azure PowerShell tasks set it.
const CONNECTION: &str = "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID";
/// What `azidentity` asks with ("Oidctoken - Create", REST reference of Azure DevOps).
const API_VERSION: &str = "7.1";
/// Keeps Azure DevOps from answering somebody unknown with a page to log in at; its own clients send it.
const NO_REDIRECT: (&str, &str) = ("x-tfs-fedauthredirect", "Suppress");
/// The audience of these tokens, which nobody can choose.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The same where Entra has signed: its tokens of version 2 name an application by its id. UNCONFIRMED for service connections; seen in
/// other tokens for the same exchange.
const AUDIENCE_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";
/// Who sets the variables.
const OWNER: &str = "Azure Pipelines";
/// It is asked again at the next renewal.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The ID token of a job of Azure Pipelines: of a service connection (with workload identity federation), or of the pipeline. Its
/// audience is always `api://AzureADTokenExchange`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureDevOps {
    /// The service connection by its id, a GUID (`resourceId` in the address of its page). By default what the task says in
    /// `AZURESUBSCRIPTION_SERVICE_CONNECTION_ID`; without either the token is that of the pipeline.
    #[serde(default)]
    pub service_connection: Option<String>,
}

impl SourceConfig for AzureDevOps {
    const NAME: &'static str = "azure-devops";
    const ABOUT: &'static str = "the ID token of a job of Azure Pipelines";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        if self.service_connection.as_deref().is_some_and(|id| !is_guid(id)) {
            return Err(vec![Mistake::new("service_connection", "is not a GUID").hint(
                "give the id of the service connection, not its name: `resourceId` in the address of its page",
            )]);
        }
        Ok(Arc::new(self))
    }
}

/// Whether a text is a GUID in its usual form, without braces.
fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

impl Source for AzureDevOps {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let in_pipeline = context.env(IN_PIPELINE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
            let (uri, token) = (context.env(REQUEST_URI), context.environment.secret(ACCESS_TOKEN));
            let (Some(uri), Some(token)) = (&uri, &token) else {
                return Ok(Found::not_here(missing(in_pipeline, uri.is_some())));
            };
            let response = self.ask(context, uri, token).await?;
            let token = read_answer(&response)?;
            credential(token, want.audience.as_deref(), context).map(Found::credential)
        })
    }
}

impl AzureDevOps {
    async fn ask(&self, context: &Context, uri: &str, token: &Secret) -> Result<Response, Error> {
        let connection = match &self.service_connection {
            Some(id) => Some(id.clone()),
            None => match context.env(CONNECTION) {
                Some(id) if !is_guid(&id) => {
                    return Err(Error::configuration(format!("read {CONNECTION}: it is not a GUID"))
                        .hint("the task sets it; or give `service_connection`"));
                }
                found => found,
            },
        };
        let mut request = Request::new(Method::POST, request_url(uri, connection.as_deref())?)
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(HeaderName::from_static(NO_REDIRECT.0), HeaderValue::from_static(NO_REDIRECT.1))
            .timeout(TIMEOUT);
        request = ask::bearer(request, ACCESS_TOKEN, OWNER, token)?;
        context.http.send(request).await.map_err(|error| {
            Error::from(error)
                .hint("the agent must reach dev.azure.com; self-hosted agents need it in their proxy rules")
        })
    }
}

fn request_url(uri: &str, connection: Option<&str>) -> Result<Url, Error> {
    let mut url = ask::request_url(REQUEST_URI, OWNER, uri)?;
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    if let Some(connection) = connection {
        url.query_pairs_mut().append_pair("serviceConnectionId", connection);
    }
    Ok(url)
}

fn missing(in_pipeline: bool, has_uri: bool) -> String {
    match (in_pipeline || has_uri, has_uri) {
        (false, _) => format!("not a job of Azure Pipelines: {IN_PIPELINE} and {REQUEST_URI} are not set"),
        (true, true) => format!(
            "this is a job of Azure Pipelines, but {ACCESS_TOKEN} is not set: give the step \
             `env: {{ {ACCESS_TOKEN}: $(System.AccessToken) }}`"
        ),
        (true, false) => {
            format!(
                "this is a job of Azure Pipelines, but {REQUEST_URI} is not set: the agent is too old, or no agent's step"
            )
        }
    }
}

fn read_answer(response: &Response) -> Result<Secret, Error> {
    if response.status == StatusCode::OK {
        return parse_oidc_token_answer(response.body.expose())
            .ok_or_else(|| ask::malformed(OWNER, "oidcToken", REQUEST_URI, response));
    }
    Err(ask::refusal(
        "ask Azure Pipelines for an ID token",
        response.status,
        &[
            "the job may use only service connections that its pipeline is permitted to use: see the connection's security",
            "SYSTEM_ACCESSTOKEN ends with the job; check that it is `$(System.AccessToken)` of this job",
        ],
        "check the id of the service connection, and that it uses workload identity federation",
    ))
}

/// Takes the token out of `{"oidcToken":"eyJ…"}`. `None` when there is none.
pub fn parse_oidc_token_answer(body: &[u8]) -> Option<Secret> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        oidc_token: Secret,
    }
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.oidc_token).filter(|token| !token.is_empty())
}

fn credential(token: Secret, wanted: Option<&str>, context: &Context) -> Result<Credential, Error> {
    const WHAT: &str = "the ID token from Azure Pipelines";
    let token = SubjectToken::parse(token)
        .map_err(|error| Error::unreachable(format!("read {WHAT}: it is not a JWT")).because(error))?;
    token.refuse_expired(WHAT, context.now())?;
    let is_same = wanted == Some(AUDIENCE) && token.names_audience(AUDIENCE_ID);
    token.refuse_other_audience(WHAT, wanted.filter(|_| !is_same)).map_err(|error| {
        error.hint(format!(
            "nobody can choose it: let the other side accept {}, or exchange the token first where that is accepted (`azure`)",
            safe_text(&token.audience_text().unwrap_or_else(|| AUDIENCE.to_owned()))
        ))
    })?;
    Ok(with_facts(token, &system::AZURE_DEVOPS))
}

#[cfg(test)]
mod tests;
