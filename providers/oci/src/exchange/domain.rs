//! `oci-domain`: an OCI principal for an access token of an identity domain, the token that other clouds can verify.
//!
//! Oracle, "Token Exchange Grant Type" (docs.oracle.com, Identity/api-getstarted/token_exchange_grant_type.htm): a signed
//! request without a subject token. The subject is the signer.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig, Kind, Kinds, Mistake, Request, Secret, Want,
    safe_text,
};
use carnet_jose::SubjectToken;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::federation::GRANT_TYPE;
use crate::{client::SigningClient, domain_url::DomainUrl, signer::OciSigner, wire::Scope};

/// Whatever the caller may do in the domain: the scope of Oracle's own samples.
const MY_SCOPES: &str = "urn:opc:idm:__myscopes__";
/// RFC 8693, 3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Exchanges an OCI principal (instance, resource, user session or API key) for an access token of an identity domain: a
/// JWT that Google, AWS or anybody else can verify with the domain's keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainConfig {
    /// The identity domain: its URL, host or id.
    pub url: String,
    /// The scope asked for. Default: `urn:opc:idm:__myscopes__`, whose audience is the domain itself. A scope of a
    /// resource App puts that App's primary audience into the token.
    #[serde(default)]
    pub scope: Option<String>,
    /// The audience that the token must name, compared character by character. Default: not checked here.
    #[serde(default)]
    pub audience: Option<String>,
}

impl ExchangeConfig for DomainConfig {
    const NAME: &'static str = "oci-domain";
    const ABOUT: &'static str = "an OCI principal for a JWT of an identity domain, which other clouds can verify";
    const TAKES: Kinds = Kinds::of(&[Kind::OciApiKey, Kind::OciSession]);
    const GIVES: Kinds = Kinds::of(&[Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        for (field, value) in [("scope", &self.scope), ("audience", &self.audience)] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                mistakes.push(Mistake::new(field, "must not be empty"));
            }
        }
        match DomainUrl::parse(&self.url) {
            Ok(url) if mistakes.is_empty() => {
                let scope = self.scope.unwrap_or_else(|| MY_SCOPES.to_owned());
                Ok(Arc::new(Domain { url, scope, audience: self.audience }))
            }
            Ok(_) => Err(mistakes),
            Err(mistake) => {
                mistakes.push(mistake);
                Err(mistakes)
            }
        }
    }
}

/// See [`DomainConfig`].
#[derive(Debug)]
struct Domain {
    url: DomainUrl,
    scope: String,
    audience: Option<String>,
}

/// RFC 6749, 5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<i64>,
}

impl Exchange for Domain {
    fn name(&self) -> &'static str {
        DomainConfig::NAME
    }

    fn takes(&self) -> Kinds {
        DomainConfig::TAKES
    }

    fn gives(&self) -> Kinds {
        DomainConfig::GIVES
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let signer = OciSigner::new(credential)?;
            let fields =
                [("grant_type", GRANT_TYPE), ("scope", self.scope.as_str()), ("requested_token_type", ACCESS_TOKEN)];
            let request = Request::post_form(self.url.token_endpoint(), &fields);
            let what = format!("get an access token of the identity domain {}", self.url);
            let response = SigningClient::new(context, &signer).send_scoped(request, Scope::Once, &what).await?;
            let answer: Answer = response.json("the identity domain's access token")?;
            self.credential(context, answer, want)
        })
    }
}

impl Domain {
    fn credential(&self, context: &Context, answer: Answer, want: &Want) -> Result<Credential, Error> {
        let what = "the identity domain's access token";
        let token = SubjectToken::parse(answer.access_token)
            .map_err(|error| Error::unreachable(format!("read {what}: it is not a JWT")).because(error))?;
        token.refuse_expired(what, context.now())?;
        if let Some(wanted) = &self.audience
            && !token.names_audience(wanted)
        {
            let seen = token.audience_text().unwrap_or_else(|| "none".to_owned());
            return Err(Error::refused(format!("use {what}: its audience is {seen}, the configuration wants {}", safe_text(wanted)))
                .clause("audience")
                .hint("ask for a scope of the App whose primary audience it is, or correct audience, down to the slash at its end"));
        }
        // Not an error: the receiving side may allow the domain's audience besides the one that it is known to want.
        let other = want.audience.as_deref().filter(|wanted| !token.names_audience(wanted)).map(|wanted| {
            let seen = token.audience_text().unwrap_or_else(|| "none".to_owned());
            format!(
                "the next step asks for the audience {}, the token names {seen}: allow that one there",
                safe_text(wanted)
            )
        });
        let tenancy = token.unverified_claims().str("tenant").map(safe_text);
        let mut credential = token.into_credential();
        if credential.expires_at.is_none() {
            let life = answer.expires_in.filter(|seconds| *seconds > 0).map(SignedDuration::from_secs);
            credential.expires_at = life.and_then(|life| context.now().saturating_add(life).ok());
        }
        if let Some(principal) = credential.facts.get("subject").cloned() {
            credential.facts.insert("principal", principal);
        }
        credential.facts.extend(tenancy.map(|tenancy| ("tenant", tenancy)));
        credential.facts.extend(other.map(|warning| ("warning", warning)));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests;
