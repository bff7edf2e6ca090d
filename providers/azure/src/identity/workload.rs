//! AKS: the token file that the webhook names, redeemed at Entra or at the token proxy of identity bindings ("Workload identity
//! on AKS", "Identity bindings for AKS").

use std::path::Path;

use bytes::Bytes;
use carnet_core::{Context, Credential, Error, Found, Request, Want, safe_text};
use carnet_jose::SubjectToken;
use url::Url;

use super::{Asked, TOKEN_FILE};
use crate::{
    cloud::{Cloud, named, token_endpoint},
    config::{check_client, check_tenant},
    error::Attempt,
    exchange::redeem,
    wire::TokenRequest,
};

const CLIENT: &str = "AZURE_CLIENT_ID";
const TENANT: &str = "AZURE_TENANT_ID";
const PROXY: &str = "AZURE_KUBERNETES_TOKEN_PROXY";
const PROXY_NAME: &str = "AZURE_KUBERNETES_SNI_NAME";
const PROXY_CA_FILE: &str = "AZURE_KUBERNETES_CA_FILE";
const PROXY_CA_DATA: &str = "AZURE_KUBERNETES_CA_DATA";
/// The audience of tokens that only the proxy takes.
const BINDING_AUDIENCE: &str = "api://AKSIdentityBinding";
/// Largest token file and largest CA file, in bytes.
const MAX_FILE: usize = 64 * 1024;

/// The token file as it is.
pub(super) fn assertion(context: &Context, want: &Want) -> Result<Found, Error> {
    let token = match read(context)? {
        Ok(token) => token,
        Err(reason) => return Ok(Found::not_here(reason)),
    };
    token
        .refuse_other_audience("the token of AKS", want.audience.as_deref())
        .map_err(|error| error.hint("the audience is set where the pod's service account token is projected"))?;
    Ok(Found::credential(token.into_credential()))
}

/// The token file, redeemed for a token of the client that the webhook names.
pub(super) async fn ask(context: &Context, resource: &str, client: Option<&str>) -> Result<Asked, Error> {
    let token = match read(context)? {
        Ok(token) => token,
        Err(reason) => return Ok(Asked::NotHere(reason)),
    };
    let bound = token.names_audience(BINDING_AUDIENCE);
    let credential: Credential = token.into_credential();
    let carnet_core::Material::Jwt(assertion) = &credential.material else {
        return Err(Error::internal("redeem a token file that is no JWT"));
    };
    let client = client.map(ToOwned::to_owned).or_else(|| context.env(CLIENT));
    let (Some(client), Some(tenant)) = (client, context.env(TENANT)) else {
        return Err(Error::configuration(format!("redeem the token of AKS: {CLIENT} and {TENANT} are not both set"))
            .hint("annotate the service account with `azure.workload.identity/client-id`, and label the pod with `azure.workload.identity/use: \"true\"`"));
    };
    let mut mistakes = Vec::new();
    check_client(CLIENT, &client, &mut mistakes);
    check_tenant(TENANT, &tenant, &mut mistakes);
    if let Some(mistake) = mistakes.into_iter().next() {
        return Err(Error::configuration(format!("read {}: it {}", mistake.field, mistake.message))
            .hint(mistake.hint.unwrap_or_default()));
    }
    let scope = format!("{resource}/.default");
    let request = TokenRequest { client_id: &client, scope: &scope, assertion, claims: None };
    let proxy = proxy(context, &tenant)?;
    if bound && proxy.is_none() {
        return Err(Error::configuration(format!(
            "redeem the token of AKS: its audience is {BINDING_AUDIENCE}, which Entra refuses"
        ))
        .clause("audience")
        .hint(format!("set {PROXY}: tokens of identity bindings are only taken by the cluster's token proxy")));
    }
    let request = match proxy {
        Some(proxy) => {
            let mut request = Request::post_form(proxy.url, &request.fields());
            request.ca_pem = proxy.ca_pem;
            request.server_name = proxy.server_name;
            request
        }
        None => Request::post_form(token_endpoint(context, None, Cloud::Public, &tenant)?, &request.fields()),
    };
    let attempt = Attempt::of(&credential, context.now(), &tenant, &client, &scope);
    redeem(context, request, &attempt).await.map(Asked::Token)
}

/// The token, or the reason why there is none. Blanks around it are not part of it.
fn read(context: &Context) -> Result<Result<SubjectToken, String>, Error> {
    let Some(path) = context.env(TOKEN_FILE) else { return Ok(Err(format!("{TOKEN_FILE} is not set"))) };
    let shown = safe_text(&path);
    let Some(bytes) = context.files.read(Path::new(&path), MAX_FILE)? else {
        return Err(Error::configuration(format!("read {shown}, which {TOKEN_FILE} names: it is not there"))
            .hint("the webhook projects it; look at the volumes of the pod"));
    };
    let no_token = || {
        Error::configuration(format!("read {shown}, which {TOKEN_FILE} names: it is not a JWT"))
            .hint("it holds one token and nothing else")
    };
    let text = std::str::from_utf8(bytes.expose()).map_err(|error| no_token().because(error))?;
    let token =
        SubjectToken::parse(carnet_core::Secret::new(text.trim())).map_err(|error| no_token().because(error))?;
    token.refuse_expired(&format!("the token in {shown}"), context.now())?;
    Ok(Ok(token))
}

/// The token proxy of a cluster.
struct Proxy {
    url: Url,
    /// The name that its certificate has. The address is that of the API server, which has another.
    server_name: Option<String>,
    ca_pem: Option<Bytes>,
}

/// Where the proxy is and what its certificate is checked with, if variables name one.
fn proxy(context: &Context, tenant: &str) -> Result<Option<Proxy>, Error> {
    let Some(address) = context.env(PROXY) else {
        let alone = [PROXY_NAME, PROXY_CA_FILE, PROXY_CA_DATA].into_iter().find(|name| context.env(name).is_some());
        return match alone {
            Some(name) => {
                Err(Error::configuration(format!("use {name}: {PROXY} is not set"))
                    .hint("set both or none, as AKS does"))
            }
            None => Ok(None),
        };
    };
    let base = named(PROXY, &address)?;
    let ca_pem = match (context.env(PROXY_CA_FILE), context.env(PROXY_CA_DATA)) {
        (Some(_), Some(_)) => {
            return Err(Error::configuration(format!("use {PROXY_CA_FILE} and {PROXY_CA_DATA}: both are set"))
                .hint("set one of them"));
        }
        (Some(file), None) => {
            let bytes = context.files.read(Path::new(&file), MAX_FILE)?.ok_or_else(|| {
                Error::configuration(format!("read {}, which {PROXY_CA_FILE} names: it is not there", safe_text(&file)))
                    .hint("AKS mounts it; look at the volumes of the pod")
            })?;
            Some(Bytes::copy_from_slice(bytes.expose()))
        }
        (None, Some(data)) => Some(Bytes::from(data)),
        (None, None) => None,
    };
    let url = token_endpoint(context, Some(&base), Cloud::Public, tenant)?;
    Ok(Some(Proxy { url, server_name: context.env(PROXY_NAME), ca_pem }))
}
