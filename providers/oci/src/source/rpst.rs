//! From a resource principal token to a session token: the two calls that versions 1.1, 2.1 and 3.0 share.
//!
//! Oracle's SDKs: Go `common/auth/resource_principal_key_provider.go` and `resource_principals_v3.go`, Python
//! `oci/auth/signers/resource_principals_signer.py` and the signers beside it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Context, Destination, Error, Request, Response, Secret};
use carnet_jose::SigningKey;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::instance::TokenAnswer;
use crate::{client::SigningClient, endpoint, signer::OciSigner, wire::Scope};

/// What the service that owns a resource answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceTokens {
    resource_principal_token: Secret,
    service_principal_session_token: Secret,
}

/// Asks the service that owns the resource for its token. The answer's headers may name the parent's.
pub(crate) async fn resource_tokens(
    context: &Context,
    signer: &OciSigner,
    url: Url,
    destination: Destination,
    extra: Option<(HeaderName, HeaderValue)>,
) -> Result<(ResourceTokens, Response), Error> {
    let what = format!("get the resource principal token from {}", url.origin().ascii_serialization());
    let mut request = Request::get(url).destination(destination);
    if let Some((name, value)) = extra {
        request = request.header(name, value);
    }
    let response = SigningClient::new(context, signer).send_scoped(request, Scope::Full, &what).await?;
    Ok((response.json("the resource principal token")?, response))
}

/// Trades it for a session token that is bound to `key`.
pub(crate) async fn session_token(
    context: &Context,
    signer: &OciSigner,
    auth_service: &Url,
    tokens: &ResourceTokens,
    key: &Arc<SigningKey>,
) -> Result<Secret, Error> {
    let url = endpoint::join(auth_service, "/v1/resourcePrincipalSessionToken");
    let what = format!("get the resource principal's session token from {}", url.origin().ascii_serialization());
    let body = json!({
        "resourcePrincipalToken": tokens.resource_principal_token.expose(),
        "servicePrincipalSessionToken": tokens.service_principal_session_token.expose(),
        "sessionPublicKey": STANDARD.encode(key.public_spki()),
    });
    let sent = [&tokens.resource_principal_token, &tokens.service_principal_session_token];
    let client = SigningClient::new(context, signer).sending(&sent);
    let response = client.send(Request::post_json(url, &body), &what).await?;
    Ok(response.json::<TokenAnswer>("the resource principal's session token")?.token)
}
