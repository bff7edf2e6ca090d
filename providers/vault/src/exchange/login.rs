//! `auth/MOUNT/login`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carnet_core::{
    BoxFuture, Context, Credential, Error, Exchange, ExchangeConfig as _, Kind, Kinds, Material, Release, Request,
    Secret, Want, X509Identity,
};
use http::Method as Verb;
use serde_json::{Map, Value, json};

use super::{Lent, aws, credential, fact, oci, parse, renew, token, wrapping};
use crate::{
    config::{Method, Vault},
    endpoint::{Connection, Server, send, wrapped},
    error::{self, Attempt},
    wire::Issued,
};

/// The exchange `vault`, checked.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) server: Server,
    pub(crate) method: Method,
    pub(crate) mount: String,
    pub(crate) role: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) aws_region: Option<String>,
    pub(crate) server_id: Option<String>,
    pub(crate) wrap_ttl: Option<i64>,
    pub(crate) renew: bool,
    /// The last token, if it is to be renewed.
    pub(crate) held: Mutex<Option<Held>>,
    /// What is to be given back.
    pub(crate) lent: Lent,
}

/// A token that can be renewed, and whose it is.
#[derive(Debug)]
pub(crate) struct Held {
    token: Credential,
    of: Owner,
}

/// Whose a token is, told without anything secret.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// Issuer and subject.
    Token(String, String),
    /// The digest of the certificate.
    Certificate([u8; 32]),
    /// The id of the access key.
    Keys(String),
}

impl Owner {
    /// Nothing where it cannot be told; then no token is held.
    fn of(subject: &Credential) -> Option<Self> {
        let fact = |name: &str| subject.facts.get(name).cloned();
        match &subject.material {
            Material::Jwt(_) => Some(Self::Token(fact("issuer")?, fact("subject")?)),
            Material::X509(identity) => Some(Self::Certificate(carnet_jose::sha256(identity.chain.first()?))),
            Material::AwsKeys(keys) => Some(Self::Keys(keys.access_key_id.clone())),
            _ => None,
        }
    }
}

/// What a login shows in TLS, and what is done with its token as well.
fn certificate(subject: &Credential) -> Option<Arc<X509Identity>> {
    match &subject.material {
        Material::X509(identity) => Some(Arc::new(identity.clone())),
        _ => None,
    }
}

/// What a login may send, as it is or within a proof.
fn secrets(subject: &Credential) -> Vec<&Secret> {
    match &subject.material {
        Material::Jwt(token) => vec![token],
        Material::AwsKeys(keys) => keys.session_token.iter().chain([&keys.secret_access_key]).collect(),
        Material::OciSession(session) => vec![&session.token],
        _ => Vec::new(),
    }
}

impl Exchange for Login {
    fn name(&self) -> &'static str {
        Vault::NAME
    }

    fn takes(&self) -> Kinds {
        self.method.takes()
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::AccessToken])
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
                return Ok(self.keep(context, subject, renewed));
            }
            let request = self.request(context, &connection, subject)?;
            let what = format!("log in at Vault by auth/{}", self.mount);
            let now = context.now();
            let response = send(context, request, &what).await?;
            if !response.status.is_success() {
                return Err(error::refusal(&response, &what, &self.attempt(&connection, subject)));
            }
            match (parse(&response, &what)?, self.wrap_ttl) {
                (Issued::Auth(auth), None) => Ok(self.keep(context, subject, credential(&connection, auth, now))),
                (Issued::Wrapped(inside), Some(_)) => Ok(wrapping(&connection, inside, now)),
                _ => {
                    Err(Error::unreachable(format!("{what}: whether the answer is wrapped is not as it was asked for")))
                }
            }
        })
    }

    fn release<'a>(&'a self, context: &'a Context, which: Release<'a>) -> BoxFuture<'a, Result<(), Error>> {
        if matches!(which, Release::All) {
            drop(self.held().take());
        }
        Box::pin(self.lent.release(context, &self.server, which))
    }

    fn forget(&self, credential: &Credential) {
        self.lent.forget(credential);
        drop(self.held().take_if(|held| token(&held.token).ok() == token(credential).ok()));
    }
}

impl Login {
    fn request(&self, context: &Context, connection: &Connection, subject: &Credential) -> Result<Request, Error> {
        let path = match self.method {
            Method::Cel => format!("auth/{}/cel/login", self.mount),
            _ => format!("auth/{}/login", self.mount),
        };
        let request = match (&subject.material, self.method) {
            (Material::Jwt(token), Method::Cel | Method::Jwt | Method::Kubernetes) => {
                let body = self.body("role", [("jwt", json!(token.expose()))]);
                connection.request(Verb::POST, &path, None, Some(&body))?
            }
            (Material::X509(identity), Method::Cert) => {
                let body = self.body("name", []);
                let request = connection.request(Verb::POST, &path, None, Some(&body))?;
                request.identity(Arc::new(identity.clone()))
            }
            (Material::AwsKeys(keys), Method::Aws) => {
                let fields = aws::proof(keys, self.aws_region.as_deref(), self.server_id.as_deref(), context.now())?;
                connection.request(Verb::POST, &path, None, Some(&self.body("role", fields)))?
            }
            (Material::OciApiKey(_) | Material::OciSession(_), Method::Oci) => {
                let path = format!("{path}/{}", self.role.as_deref().unwrap_or_default());
                let headers = oci::signed_headers(&connection.url(&path)?, subject, context.now())?;
                let body = json!({ "request_headers": headers });
                connection.request(Verb::POST, &path, None, Some(&body))?
            }
            _ => {
                let what = format!("log in by {} with a credential of kind {}", self.method.name(), subject.kind());
                return Err(Error::internal(what));
            }
        };
        Ok(match self.wrap_ttl {
            Some(seconds) => wrapped(request, seconds),
            None => request,
        })
    }

    fn body<const N: usize>(&self, role_field: &str, fields: [(&str, Value); N]) -> Value {
        let role = self.role.iter().map(|role| (role_field, json!(role)));
        Value::Object(role.chain(fields).map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }

    fn attempt<'a>(&'a self, connection: &'a Connection, subject: &'a Credential) -> Attempt<'a> {
        let fact = |name: &str| subject.facts.get(name).map(String::as_str);
        Attempt {
            mount: &self.mount,
            login: true,
            revocation: false,
            role: self.role.as_deref(),
            namespace: connection.namespace.as_deref(),
            audience: fact("audience"),
            issuer: fact("issuer"),
            subject: fact("subject"),
            secrets: secrets(subject),
        }
    }

    /// The held token with a new end, if it is this subject's and gained by it. Whatever stands in the way, a login follows.
    async fn renewed(&self, context: &Context, connection: &Connection, subject: &Credential) -> Option<Credential> {
        let held = self.held().take()?;
        let same = Owner::of(subject).as_ref() == Some(&held.of)
            && held.token.facts.get(fact::ADDRESS).map(String::as_str) == Some(connection.address());
        let alive = held.token.remaining(context.now()).is_some_and(|left| left.is_positive());
        if !same || !alive {
            return None;
        }
        let renewed = renew(context, connection, &held.token, certificate(subject)).await.ok()?;
        // Near its longest life a token gains nothing; then a new one is better.
        (renewed.expires_at > held.token.expires_at).then_some(renewed)
    }

    /// Remembers what was obtained: to be renewed, to be given back.
    fn keep(&self, context: &Context, subject: &Credential, token: Credential) -> Credential {
        let token = self.lent.note(token, certificate(subject), context.now());
        let renewable = token.facts.get(fact::RENEWABLE).is_some_and(|renewable| renewable == "yes");
        if let Some(of) = Owner::of(subject).filter(|_| self.renew && renewable) {
            *self.held() = Some(Held { token: token.clone(), of });
        }
        token
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
