//! `auth/METHOD/login`.

use std::sync::{Mutex, PoisonError};

use carnet_core::{BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig as _, Kinds, Material, Want, hex};
use carnet_jose::sha256;
use http::Method as Verb;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Proof, credential, fact, parse, renew};
use crate::{
    config::{Infisical, Method},
    endpoint::{Connection, Server, send},
    error::{self, Attempt},
};

/// The exchange `infisical`, checked.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) server: Server,
    pub(crate) method: Method,
    pub(crate) proof: Proof,
    pub(crate) identity_id: Option<String>,
    pub(crate) organization_slug: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) renew: bool,
    /// The last token, if it is to be renewed.
    pub(crate) held: Mutex<Option<Held>>,
}

/// A token that can be renewed, and whose it is.
#[derive(Debug)]
pub(crate) struct Held {
    token: Credential,
    whose: String,
    /// Seconds that a renewal asks for.
    life: i64,
    /// When renewals end, if they do.
    most: Option<Timestamp>,
}

impl Exchange for Login {
    fn name(&self) -> &'static str {
        Infisical::NAME
    }

    fn takes(&self) -> Kinds {
        self.method.takes()
    }

    fn gives(&self) -> Kinds {
        Infisical::GIVES
    }

    fn audience(&self) -> Option<String> {
        self.audience.clone()
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        subject: &'a Credential,
        _want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            let connection = self.server.connect(context)?;
            if let Some(renewed) = self.renewed(context, &connection, subject).await {
                return Ok(renewed);
            }
            let identity = self.identity(context)?;
            let body = self.body(context, identity.as_deref(), subject).await?;
            let path = format!("v1/auth/{}/login", self.method.path());
            let request = connection.request(Verb::POST, &path, None, Some(&body))?;
            let what = format!("log in at Infisical by {}", self.method.path());
            let now = context.now();
            let response = send(context, request, &what).await?;
            if !response.status.is_success() {
                let attempt = Attempt::login(self.method, identity.as_deref(), subject);
                return Err(error::refusal(&response, &what, &attempt));
            }
            let issued = parse(&response, &what)?;
            let (life, most) = (issued.expires_in, issued.access_token_max_ttl);
            let mut made = credential(&connection, issued, now);
            if let Some(identity) = identity {
                made = made.fact(fact::IDENTITY, identity);
            }
            if self.renew {
                let most = (most > 0).then(|| now.checked_add(SignedDuration::from_secs(most)).ok()).flatten();
                self.keep(Held { token: made.clone(), whose: whose(subject), life, most });
            }
            Ok(made)
        })
    }
}

impl Login {
    /// The identity that logs in; none where the client id names it.
    fn identity(&self, context: &Context) -> Result<Option<String>, Error> {
        if self.method == Method::Universal {
            return Ok(None);
        }
        let given = self.identity_id.clone().or_else(|| context.env("INFISICAL_MACHINE_IDENTITY_ID"));
        given.map(Some).ok_or_else(|| {
            Error::configuration("log in at Infisical: no identity is known")
                .hint("set `identity_id` in the exchange, or the variable INFISICAL_MACHINE_IDENTITY_ID")
        })
    }

    async fn body(&self, context: &Context, identity: Option<&str>, subject: &Credential) -> Result<Value, Error> {
        let mut body = self.proof.body(context, identity.unwrap_or_default(), subject).await?;
        let slug = self.organization_slug.clone().or_else(|| context.env("INFISICAL_AUTH_ORGANIZATION_SLUG"));
        let more = [("identityId", identity.map(ToOwned::to_owned)), ("organizationSlug", slug)];
        for (name, value) in more {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        Ok(Value::Object(body))
    }

    /// The held token with a new end, if it is this subject's and gained by it. Whatever stands in the way, a login follows.
    async fn renewed(&self, context: &Context, connection: &Connection, subject: &Credential) -> Option<Credential> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let now = context.now();
        let same = held.whose == whose(subject)
            && held.token.facts.get(fact::ADDRESS).map(String::as_str) == Some(connection.address());
        let alive = held.token.remaining(now).is_some_and(|left| left.is_positive());
        // Older servers delete a token whose renewal would pass its longest life; then a new one is better.
        let next = now.checked_add(SignedDuration::from_secs(held.life)).ok()?;
        let within = held.life > 0 && held.most.is_none_or(|most| next <= most);
        if !(same && alive && within) {
            return None;
        }
        let renewed = renew(context, connection, &held.token).await.ok()?;
        if renewed.expires_at <= held.token.expires_at {
            return None;
        }
        self.keep(Held { token: renewed.clone(), ..held });
        Some(renewed)
    }

    fn keep(&self, held: Held) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}

/// Whose token it is: never somebody else's when the subject changes. Proofs that say nothing of themselves are told apart by
/// their digest.
fn whose(subject: &Credential) -> String {
    let fact = |name: &str| subject.facts.get(name).map(String::as_str);
    match (&subject.material, fact("issuer"), fact("subject")) {
        (Material::OciApiKey(key), ..) => format!("{}/{}", key.user, key.fingerprint),
        (Material::AwsKeys(keys), ..) => keys.access_key_id.clone(),
        (_, Some(issuer), Some(subject)) => format!("{issuer}\n{subject}"),
        (Material::Jwt(token), ..) => hex(&sha256(token.expose().as_bytes())),
        (Material::AccessToken(access), ..) => hex(&sha256(access.token.expose().as_bytes())),
        (Material::OciSession(_) | Material::X509(_), ..) => String::new(),
    }
}
