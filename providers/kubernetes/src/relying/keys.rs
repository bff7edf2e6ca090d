//! Where a cluster's keys come from.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Destination, Error, HttpError, HttpErrorKind, HttpSend, Request, Response, may_carry_tokens,
};
use carnet_jose::{CacheLimits, CachedKeySets, KeySet, KeySource};
use url::Url;

use super::KeysConfig;
use crate::{ApiServer, file::Place};

/// Where an API server has its keys ("Configure Service Accounts for Pods", service account issuer discovery). The discovery
/// document is not asked for it: it names an address that pods may not reach.
const KEYS: &str = "/openid/v1/jwks";

#[derive(Debug)]
pub(super) enum Keys {
    /// Read once.
    Pinned(Arc<KeySet>),
    /// Fetched when they are needed and kept for a while.
    Fetched(Box<Fetched>),
}

#[derive(Debug)]
pub(super) struct Fetched {
    cache: CachedKeySets,
    issuer: String,
    source: KeySource,
}

/// What is wrong with a place of keys, as far as it can be told without looking there.
pub(super) fn mistake(config: &KeysConfig) -> Option<String> {
    match config {
        KeysConfig::Url(text) => key_url(text).err(),
        KeysConfig::Jwks(document) => pinned(document.to_string().as_bytes()).err(),
        KeysConfig::ApiServer | KeysConfig::Discovery | KeysConfig::File(_) => None,
    }
}

impl Keys {
    /// Nothing is fetched yet. Nothing is given back where keys are at the API server and there is none.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn open(
        config: &KeysConfig,
        issuer: &str,
        server: Option<&ApiServer>,
        context: &Context,
    ) -> Result<Option<Self>, String> {
        Ok(match config {
            KeysConfig::Discovery => {
                Some(Self::fetched(context.clone(), issuer, KeySource::Discovery(Destination::Untrusted)))
            }
            KeysConfig::Url(text) => {
                let source = KeySource::Url(key_url(text)?, Destination::Configured);
                Some(Self::fetched(context.clone(), issuer, source))
            }
            KeysConfig::Jwks(document) => Some(pinned(document.to_string().as_bytes())?),
            KeysConfig::File(path) => {
                let bytes = Place::Named(path.clone()).need(context).map_err(|error| text(&error))?;
                Some(pinned(bytes.expose())?)
            }
            KeysConfig::ApiServer => server.map(|server| Self::of_server(context, server.clone(), issuer)),
        })
    }

    /// The keys, for a token that names `kid`.
    pub(super) async fn get(&self, kid: Option<&str>) -> Result<Arc<KeySet>, Error> {
        match self {
            Self::Pinned(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(from) => from.cache.keys(&from.issuer, &from.source, kid).await,
        }
    }

    fn fetched(context: Context, issuer: &str, source: KeySource) -> Self {
        let cache = CachedKeySets::new(context, CacheLimits::default());
        Self::Fetched(Box::new(Fetched { cache, issuer: issuer.to_owned(), source }))
    }

    fn of_server(context: &Context, server: ApiServer, issuer: &str) -> Self {
        let source = KeySource::Url(server.url(KEYS), Destination::Configured);
        let http = Arc::new(AsAccount { server, context: context.clone() });
        Self::fetched(Context { http, ..context.clone() }, issuer, source)
    }
}

fn pinned(json: &[u8]) -> Result<Keys, String> {
    match KeySet::from_json(json) {
        Ok(keys) if keys.is_empty() => Err("there is no key for signatures in it".to_owned()),
        Ok(keys) => Ok(Keys::Pinned(Arc::new(keys))),
        Err(error) => Err(error.to_string()),
    }
}

fn key_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if may_carry_tokens(&url) => Ok(url),
        Ok(_) => Err("is not https, so the keys could be replaced on the way".to_owned()),
        Err(error) => Err(format!("is not a URL: {error}")),
    }
}

fn text(error: &Error) -> String {
    carnet_core::chain(error).join(": ")
}

/// The network, on which the API server is asked as the account that may ask it.
#[derive(Debug)]
struct AsAccount {
    server: ApiServer,
    context: Context,
}

impl HttpSend for AsAccount {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        Box::pin(async move {
            // The account's token is for the API server alone.
            if request.url.origin() != self.server.base().origin() {
                return self.context.http.send(request).await;
            }
            let message = format!("{request:?}: its files cannot be read");
            match self.server.prepare(&self.context, request) {
                Ok(request) => self.context.http.send(request).await,
                Err(error) => Err(HttpError { kind: HttpErrorKind::Connect, message, cause: Some(Box::new(error)) }),
            }
        })
    }
}
