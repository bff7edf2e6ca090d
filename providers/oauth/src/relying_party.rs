//! The exchange `relying-party`: a JWT to a token of one of the services in the catalogue.

mod answer;
mod check;
mod refusal;
mod request;

use std::{collections::BTreeMap, sync::Arc};

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig, Kind, Kinds, Material, Mistake,
    Secret, Want, safe_text,
};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use self::refusal::Attempt;
use crate::{call::send, catalogue::Party, exchange::shown};

/// Exchanges a JWT at a service that the catalogue knows, in the form which that service wants.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelyingParty {
    /// The service's name in the catalogue, for instance `claude` or `npm`.
    pub name: String,
    /// What the service is told beside the token, by the names of the catalogue, for instance `client_id`. Nothing secret.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The audience that the token shown must name. By default what the catalogue says; where only the service's side of the
    /// trust says it, it is needed here.
    #[serde(default)]
    pub subject_audience: Option<String>,
    /// `https://host` of the service, where it is not the one in the catalogue, or where each customer has one.
    #[serde(default)]
    pub origin: Option<String>,
}

impl ExchangeConfig for RelyingParty {
    const NAME: &'static str = "relying-party";
    const ABOUT: &'static str = "a JWT to a token of a service that the catalogue knows (claude, npm, tailscale, …)";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(Arc::new(check::check(&self)?))
    }
}

/// The exchange, checked.
#[derive(Debug)]
pub(crate) struct Asking {
    party: Party,
    /// Where to ask; `None` if nothing is sent.
    url: Option<Url>,
    /// What is sent beside the token, by the names on the wire.
    members: Vec<(String, String)>,
    /// What goes before a token that is presented as it is.
    prefix: String,
    audience: String,
}

impl Exchange for Asking {
    fn name(&self) -> &'static str {
        RelyingParty::NAME
    }

    fn takes(&self) -> Kinds {
        RelyingParty::TAKES
    }

    fn gives(&self) -> Kinds {
        RelyingParty::GIVES
    }

    fn audience(&self) -> Option<String> {
        Some(self.audience.clone())
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(self.ask(context, credential))
    }
}

impl Asking {
    async fn ask(&self, context: &Context, credential: &Credential) -> Result<Credential, Error> {
        let token = shown(credential, RelyingParty::TAKES)?;
        let what = format!("exchange the token at {}", self.party.title);
        self.refuse_unfit(context, token, &what)?;
        let Some(url) = &self.url else { return Ok(self.presented(credential, token)) };
        let request = request::build(self, url.clone(), token)?;
        // Before the request, so that the end is never later than the real one.
        let asked_at = context.now();
        let response = send(context, request, &what).await?;
        let attempt = Attempt { party: &self.party, what: &what, credential, token, now: asked_at };
        if !response.status.is_success() {
            return Err(refusal::refusal(&response, &attempt));
        }
        let made = answer::credential(&response, &attempt)?;
        Ok(self.with_facts(made))
    }

    /// Tells early what the service would refuse without a word: a token that is over, or lacks what it looks at.
    fn refuse_unfit(&self, context: &Context, token: &Secret, what: &str) -> Result<(), Error> {
        let subject = SubjectToken::parse(token.clone())
            .map_err(|error| Error::internal(format!("{what}: it is not a JWT")).because(error))?;
        subject.refuse_expired("the token that is shown", context.now())?;
        let claims = subject.unverified_claims();
        let needed = self.party.claims.needed.iter();
        let missing: Vec<&str> = needed.filter(|name| claims.get(name).is_none()).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::configuration(format!("{what}: the token has no claim {}", missing.join(", ")))
            .clause("claims")
            .hint(format!("{} needs {}", self.party.title, self.party.claims.needed.join(", ")))
            .hint("use a token of an issuer that puts them in"))
    }

    /// The token itself, in the form in which the service takes it. It ends as it did.
    fn presented(&self, credential: &Credential, token: &Secret) -> Credential {
        let token = Secret::new(format!("{}{}", self.prefix, token.expose()));
        let mut made = Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() }));
        made.expires_at = credential.expires_at;
        self.with_facts(made)
    }

    fn with_facts(&self, mut made: Credential) -> Credential {
        let answer = &self.party.answer;
        made.facts.insert("issuer", self.party.title.clone());
        if let Some(url) = &self.url {
            made.facts.insert("audience", safe_text(&url.origin().ascii_serialization()));
        }
        for (name, text) in [("header", &answer.header), ("use", &answer.usage)] {
            if let Some(text) = text {
                made.facts.insert(name, text.clone());
            }
        }
        made
    }
}

#[cfg(test)]
mod tests;
