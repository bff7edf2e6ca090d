//! A token becomes another one at a token endpoint.

use std::{collections::BTreeMap, path::PathBuf};

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig as _, Kind, Kinds, Material, Secret,
    Want, safe_text,
};
use carnet_jose::SubjectToken;
use jiff::Timestamp;

use crate::{
    call::{Answered, Asked, Call},
    client_auth::{Client, read_line},
    config::{Grant, OAuth, TokenKind},
    endpoint::Endpoint,
    token_type,
};

/// RFC 8693, 2.1.
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 7523, 2.1.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// RFC 6749, 4.4.2.
const CLIENT_CREDENTIALS: &str = "client_credentials";

/// The exchange `oauth`, checked.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) endpoint: Endpoint,
    pub(crate) grant: Grant,
    pub(crate) audiences: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) requested: Option<String>,
    pub(crate) kind: TokenKind,
    pub(crate) subject_type: Option<String>,
    pub(crate) subject_audience: Option<String>,
    pub(crate) actor: Option<Actor>,
    pub(crate) client: Client,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Who acts for the subject.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) file: PathBuf,
    pub(crate) token_type: String,
}

impl Exchange for Federation {
    fn name(&self) -> &'static str {
        OAuth::NAME
    }

    fn takes(&self) -> Kinds {
        if self.shows_assertion() { Kinds::of(&[Kind::Jwt]) } else { OAuth::TAKES }
    }

    fn gives(&self) -> Kinds {
        match self.kind {
            TokenKind::AccessToken => Kinds::of(&[Kind::AccessToken]),
            TokenKind::Jwt => Kinds::of(&[Kind::Jwt]),
        }
    }

    fn audience(&self) -> Option<String> {
        let by_default = || self.shows_assertion().then(|| self.endpoint.assertion_audience());
        self.subject_audience.clone().or_else(by_default)
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(self.federate(context, credential, want))
    }
}

impl Federation {
    /// Whether the credential serves as an assertion, which only a JWT can (RFC 7523, 3).
    fn shows_assertion(&self) -> bool {
        self.grant != Grant::TokenExchange || self.client.is_assertion()
    }

    async fn federate(&self, context: &Context, credential: &Credential, want: &Want) -> Result<Credential, Error> {
        let shown = shown(credential, self.takes())?;
        let mut proof = self.client.proof(context, shown)?;
        let actor =
            self.actor.as_ref().map(|actor| read_line(context, &actor.file, "the actor's token")).transpose()?;
        proof.secrets.extend(actor.clone());
        let wanted;
        let audiences = match &want.audience {
            Some(audience) if self.audiences.is_empty() && self.grant == Grant::TokenExchange => {
                wanted = [audience.clone()];
                wanted.as_slice()
            }
            _ => &self.audiences,
        };
        let endpoint = self.endpoint.resolve(context).await?;
        let what = format!("exchange the token at {}", safe_text(endpoint.host_str().unwrap_or_default()));
        let call = Call {
            what: &what,
            endpoint,
            grant: self.grant_fields(shown, credential.kind(), actor.as_ref()),
            asked: Asked {
                audiences,
                resources: &self.resources,
                scopes: &self.scopes,
                token_type: self.requested.as_deref(),
            },
            proof: &proof,
            credential,
        };
        let answered = call.send(context).await?;
        let made = self.credential(context, &answered, want)?;
        Ok(self.with_facts(made, &answered, audiences))
    }

    fn grant_fields<'a>(&'a self, shown: &'a Secret, kind: Kind, actor: Option<&'a Secret>) -> Vec<(&'a str, &'a str)> {
        let mut fields = match self.grant {
            Grant::TokenExchange => vec![
                ("grant_type", TOKEN_EXCHANGE),
                ("subject_token", shown.expose()),
                ("subject_token_type", self.subject_type.as_deref().unwrap_or_else(|| token_type::of_kind(kind))),
            ],
            Grant::JwtBearer => vec![("grant_type", JWT_BEARER), ("assertion", shown.expose())],
            // The assertion is the client's, so it comes with the client's proof.
            Grant::ClientCredentials => vec![("grant_type", CLIENT_CREDENTIALS)],
        };
        if let (Some(actor), Some(token)) = (&self.actor, actor) {
            fields.push(("actor_token", token.expose()));
            fields.push(("actor_token_type", &actor.token_type));
        }
        fields.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        fields
    }

    fn credential(&self, context: &Context, answered: &Answered, want: &Want) -> Result<Credential, Error> {
        let bearer = self.kind == TokenKind::AccessToken;
        answered.answer.check_types(self.requested.as_deref(), bearer).map_err(|wrong| answered.malformed(wrong))?;
        let expires_at = answered.expires_at()?;
        if bearer {
            return Ok(ended(access_token(answered)?, expires_at));
        }
        let made = jwt(context, answered)?;
        made.refuse_other_audience("the token that was given", want.audience.as_deref()).map_err(|error| {
            error.hint("set `audiences` to what the next step needs, or say there which audience it accepts")
        })?;
        Ok(ended(made.into_credential(), expires_at))
    }

    fn with_facts(&self, mut made: Credential, answered: &Answered, audiences: &[String]) -> Credential {
        let given = answered.answer.scope.as_deref().map(safe_text);
        if made.kind() == Kind::AccessToken {
            let audience = (!audiences.is_empty()).then(|| safe_text(&audiences.join(" ")));
            made.facts.extend(audience.map(|audience| ("audience", audience)));
            made.facts.extend(self.endpoint.issuer().map(|issuer| ("issuer", safe_text(issuer))));
        }
        let asked = (!self.scopes.is_empty()).then(|| safe_text(&self.scopes.join(" ")));
        made.facts.extend(given.or(asked).map(|scope| ("scope", scope)));
        let left_out = answered.answer.scopes_left_out(&self.scopes);
        if !left_out.is_empty() {
            made.facts.insert("warning", format!("the other side left scopes out: {}", safe_text(&left_out.join(" "))));
        }
        made
    }
}

/// The token in a credential.
///
/// # Errors
/// When it is of another kind than what is taken: the route has checked that.
pub(crate) fn shown(credential: &Credential, takes: Kinds) -> Result<&Secret, Error> {
    let unfit = || Error::internal(format!("exchange a credential of kind {} for a token", credential.kind()));
    if !takes.contains(credential.kind()) {
        return Err(unfit());
    }
    match &credential.material {
        Material::Jwt(token) => Ok(token),
        Material::AccessToken(access) => Ok(&access.token),
        _ => Err(unfit()),
    }
}

/// What was given, as a token that only its audience reads.
pub(crate) fn access_token(answered: &Answered) -> Result<Credential, Error> {
    answered.answer.check_token().map_err(|wrong| answered.malformed(wrong))?;
    let token = answered.answer.access_token.clone();
    Ok(Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() })))
}

/// What was given, as a JWT that has not ended.
pub(crate) fn jwt(context: &Context, answered: &Answered) -> Result<SubjectToken, Error> {
    answered.answer.check_token().map_err(|wrong| answered.malformed(wrong))?;
    let token = SubjectToken::parse(answered.answer.access_token.clone())
        .map_err(|error| answered.malformed("it is not a JWT").because(error))?;
    token.refuse_expired("the token that was given", context.now())?;
    Ok(token)
}

/// Its end is the earlier of the two that are known.
pub(crate) fn ended(mut made: Credential, expires_at: Option<Timestamp>) -> Credential {
    made.expires_at = match (made.expires_at, expires_at) {
        (Some(own), Some(told)) => Some(own.min(told)),
        (own, told) => own.or(told),
    };
    if let Some(subject) = made.facts.get("subject").cloned() {
        made.facts.insert("principal", subject);
    }
    made
}

#[cfg(test)]
mod tests;
