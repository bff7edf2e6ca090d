//! A JWT, AWS keys or a certificate become a federated access token, and that a service account's token.

use std::sync::Arc;

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Error, Exchange, Kind, Kinds, Material, Request, Response, Secret,
    Want, X509Identity,
};
use carnet_jose::SubjectToken;
use http::{HeaderName, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};

use crate::{
    endpoint::Endpoints,
    error::{self, Attempt},
    resource::ProviderResource,
    subject::Subject,
    wire::{self, IAM_SCOPE, SubjectTokenType, TokenRequest},
};

/// The exchange `gcp`, checked.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) provider: ProviderResource,
    /// The provider's name as text, the `audience` of the exchange.
    pub(crate) audience: String,
    pub(crate) subject_audience: Option<String>,
    pub(crate) subject_token_type: SubjectTokenType,
    /// Where the signature of AWS keys is for.
    pub(crate) aws_region: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) impersonation: Option<Impersonation>,
    pub(crate) quota_project: Option<String>,
    pub(crate) workforce_user_project: Option<String>,
    pub(crate) endpoints: Endpoints,
}

/// Whose token is asked for with the federated one.
#[derive(Debug)]
pub(crate) struct Impersonation {
    pub(crate) account: String,
    pub(crate) delegates: Vec<String>,
    pub(crate) issue: Issue,
}

#[derive(Debug)]
pub(crate) enum Issue {
    AccessToken { lifetime: Option<i64> },
    IdToken { audience: String, include_email: bool },
}

impl Exchange for Federation {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn takes(&self) -> Kinds {
        Subject::TAKES
    }

    fn gives(&self) -> Kinds {
        match &self.impersonation {
            Some(Impersonation { issue: Issue::IdToken { .. }, .. }) => Kinds::of(&[Kind::Jwt]),
            _ => Kinds::of(&[Kind::AccessToken]),
        }
    }

    fn audience(&self) -> Option<String> {
        self.subject_audience.clone()
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let subject = Subject::of(credential, self, context)?;
            let attempt = self.attempt(credential, &subject.token);
            let federated = self.federate(context, &subject, &attempt).await?;
            let credential = match &self.impersonation {
                None => self.direct(federated, &attempt),
                Some(Impersonation { account, delegates, issue: Issue::AccessToken { lifetime } }) => {
                    let body = wire::access_token_request(&self.scopes, *lifetime, delegates);
                    let call = (account.as_str(), "generateAccessToken", body);
                    let response = self.call_iam(context, &federated, call, &attempt).await?;
                    let (token, expires) = wire::parse_access_token_answer(response.body.expose())
                        .map_err(|wrong| malformed("service-account credentials", &response, wrong))?;
                    access_token(token).expires_at(expires).fact("principal", account)
                }
                Some(Impersonation { account, delegates, issue: Issue::IdToken { audience, include_email } }) => {
                    let body = wire::id_token_request(audience, *include_email, delegates);
                    let call = (account.as_str(), "generateIdToken", body);
                    let response = self.call_iam(context, &federated, call, &attempt).await?;
                    let token = wire::parse_id_token_answer(response.body.expose())
                        .map_err(|wrong| malformed("service-account credentials", &response, wrong))?;
                    id_token(token, audience)?.fact("principal", account)
                }
            };
            Ok(self.with_facts(credential))
        })
    }
}

/// The token service's token and its end.
struct Federated {
    token: Secret,
    expires_at: Option<Timestamp>,
    /// What TLS showed when it was made, and shows again when it is used.
    identity: Option<Arc<X509Identity>>,
}

impl Federation {
    fn attempt<'a>(&'a self, credential: &'a Credential, subject_token: &'a Secret) -> Attempt<'a> {
        // What Google maps is what stands in a token, not what is known of keys and certificates.
        let of_token = Some(credential).filter(|credential| credential.kind() == Kind::Jwt);
        let fact = |name: &str| of_token?.facts.get(name).map(String::as_str);
        Attempt {
            provider: &self.provider,
            audience: fact("audience"),
            issuer: fact("issuer"),
            subject: fact("subject"),
            subject_token,
        }
    }

    async fn federate(&self, context: &Context, subject: &Subject, attempt: &Attempt<'_>) -> Result<Federated, Error> {
        let own_scopes = self.scopes.join(" ");
        let options = self
            .workforce_user_project
            .as_ref()
            .map(|project| serde_json::json!({ "userProject": project }).to_string());
        let request = TokenRequest {
            audience: &self.audience,
            scope: if self.impersonation.is_some() { IAM_SCOPE } else { &own_scopes },
            subject_token: &subject.token,
            subject_token_type: subject.token_type,
            options: options.as_deref(),
        };
        let url = self.endpoints.token(context, subject.identity.is_some())?;
        let request = Request::post_form(url, &request.fields())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"));
        let request = showing(request, subject.identity.as_ref());
        // The clock is read before the request, so that the end is never later than the real one.
        let now = context.now();
        let response = send(context, request, "exchange the subject token at Google's token service").await?;
        if !response.status.is_success() {
            return Err(error::token_service(&response, attempt));
        }
        let answer = wire::parse_token_answer(response.body.expose())
            .map_err(|wrong| malformed("token service", &response, wrong))?;
        if let Some(over) = answer.expires_in.filter(|seconds| *seconds <= 0) {
            return Err(Error::expired(format!("use the token of Google's token service: its life is {over} s"))
                .clause("expired")
                .hint("it has just been issued: the service is out of order; try again"));
        }
        let life = answer.expires_in.map(SignedDuration::from_secs);
        Ok(Federated {
            token: answer.access_token,
            expires_at: life.and_then(|life| now.checked_add(life).ok()),
            identity: subject.identity.clone(),
        })
    }

    async fn call_iam(
        &self,
        context: &Context,
        federated: &Federated,
        (account, method, body): (&str, &str, serde_json::Value),
        attempt: &Attempt<'_>,
    ) -> Result<Response, Error> {
        let url = self.endpoints.service_account(context, account, method, federated.identity.is_some())?;
        let request = Request::post_json(url, &body)
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .bearer(&federated.token)?;
        let mut request = showing(request, federated.identity.as_ref());
        if let Some(project) = &self.quota_project {
            let value = HeaderValue::from_str(project)
                .map_err(|error| Error::configuration("send the quota project").because(error))?;
            request = request.header(HeaderName::from_static("x-goog-user-project"), value);
        }
        let response = send(context, request, &format!("impersonate {account}")).await?;
        if response.status.is_success() {
            Ok(response)
        } else {
            Err(error::impersonation(&response, account, &federated.token, attempt))
        }
    }

    fn direct(&self, federated: Federated, attempt: &Attempt<'_>) -> Credential {
        let mut credential = access_token(federated.token);
        credential.expires_at = federated.expires_at;
        match attempt.subject {
            // Right if the provider maps google.subject from `sub`, which the token service does not tell: no `principal`, since
            // nobody has said so.
            Some(subject) => credential.fact("assumed_principal", self.provider.principal(subject)),
            None => credential,
        }
    }

    fn with_facts(&self, credential: Credential) -> Credential {
        let credential = credential.fact("provider", &self.audience);
        match &self.quota_project {
            Some(project) => credential.fact("quota_project", project),
            None => credential,
        }
    }
}

fn access_token(token: Secret) -> Credential {
    Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() }))
}

fn id_token(token: Secret, audience: &str) -> Result<Credential, Error> {
    let token = SubjectToken::parse(token)
        .map_err(|error| Error::unreachable("read the ID token from Google: it is not a JWT").because(error))?;
    if !token.names_audience(audience) {
        return Err(Error::unreachable("read the ID token from Google: it is for another audience than asked"));
    }
    Ok(token.into_credential())
}

fn showing(request: Request, identity: Option<&Arc<X509Identity>>) -> Request {
    match identity {
        Some(identity) => request.identity(Arc::clone(identity)),
        None => request,
    }
}

/// Sends it; a request without an answer is told as what it was for.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    let host = request.url.host_str().unwrap_or_default().to_owned();
    context.http.send(request).await.map_err(|error| {
        let error = Error::from(error);
        Error::new(error.kind(), format!("{what} ({host})")).because(error)
    })
}

fn malformed(who: &str, response: &Response, wrong: &'static str) -> Error {
    Error::unreachable(format!(
        "read the answer of Google's {who} (HTTP {}, {} bytes): {wrong}",
        response.status.as_u16(),
        response.body.len()
    ))
}

#[cfg(test)]
mod tests;
