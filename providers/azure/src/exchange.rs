//! A JWT becomes an access token of Entra.

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig as _, Kinds, Material, Request,
    Response, Secret, Want,
};
use http::{HeaderValue, header};
use url::Url;

use crate::{
    cloud::{Cloud, token_endpoint},
    config::Entra,
    error::{self, Attempt},
    wire::{self, TokenAnswer, TokenRequest},
};

/// The exchange `entra`, checked.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) cloud: Cloud,
    pub(crate) authority: Option<Url>,
    pub(crate) subject_audience: String,
    pub(crate) claims: Option<String>,
}

impl Exchange for Federation {
    fn name(&self) -> &'static str {
        Entra::NAME
    }

    fn takes(&self) -> Kinds {
        Entra::TAKES
    }

    fn gives(&self) -> Kinds {
        Entra::GIVES
    }

    fn audience(&self) -> Option<String> {
        Some(self.subject_audience.clone())
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let Material::Jwt(assertion) = &credential.material else {
                return Err(Error::internal(format!("exchange a credential of kind {} at Entra", credential.kind())));
            };
            let url = token_endpoint(context, self.authority.as_ref(), self.cloud, &self.tenant)?;
            let request = TokenRequest {
                client_id: &self.client_id,
                scope: &self.scope,
                assertion,
                claims: self.claims.as_deref(),
            };
            let request = Request::post_form(url, &request.fields());
            let attempt = Attempt::of(credential, context.now(), &self.tenant, &self.client_id, &self.scope);
            let answer = redeem(context, request, &attempt).await?;
            Ok(access_token(answer.access_token, &self.scope)
                .expires_at(answer.expires_at)
                .fact("principal", &self.client_id)
                .fact("tenant", &self.tenant))
        })
    }
}

/// Sends a token request and reads what comes back.
pub(crate) async fn redeem(context: &Context, request: Request, attempt: &Attempt<'_>) -> Result<TokenAnswer, Error> {
    let request = request.header(header::ACCEPT, HeaderValue::from_static("application/json"));
    // The clock is read before the request, so that the end is never later than the real one.
    let now = context.now();
    let response = send(context, request, "exchange the subject token at Entra").await?;
    if !response.status.is_success() {
        return Err(error::token_endpoint(&response, attempt));
    }
    wire::parse_token_answer(response.body.expose(), now).map_err(|wrong| malformed("Entra", &response, wrong))
}

/// The credential, with the scope as a fact.
pub(crate) fn access_token(token: Secret, scope: &str) -> Credential {
    Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() })).fact("scope", scope)
}

/// Sends it; a request without an answer is told as what it was for.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    let host = request.url.host_str().unwrap_or_default().to_owned();
    context.http.send(request).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(error.kind(), format!("{what} ({host})")).because(error)
    })
}

/// An answer that is not what it should be.
pub(crate) fn malformed(who: &str, response: &Response, wrong: &'static str) -> Error {
    Error::unreachable(format!(
        "read the answer of {who} (HTTP {}, {} bytes): {wrong}",
        response.status.as_u16(),
        response.body.len()
    ))
    .hint("this is not what the service answers: check the address, and what stands between here and there")
}

#[cfg(test)]
mod tests;
