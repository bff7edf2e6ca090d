//! The identity domain: token endpoint and administration.
//!
//! One domain under the name in [`crate::seed::DOMAIN_URL`], wherever it listens: its tokens are issued under that name.

mod access;
mod admin;
mod discovery;
mod references;
mod resources;
pub mod seed;
mod seeding;
mod signing;
mod token;
mod types;
mod wire;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use carnet_core::{Error, Secret};
use carnet_jose::CachedKeySets;
use carnet_sandbox_kit::{Host, Service, Urls};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    OciState,
    scim::{Resource, Store},
    seed::DOMAIN_URL,
};
use signing::SigningCert;
use token::TokenState;

pub use token::{Form, FormError};

/// The name of the service.
const SERVICE: &str = "oci-domain";

/// The identity domain of the seeded world. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Domain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: OciState,
    store: RwLock<Store>,
    /// Client secrets by the app's id: never part of a resource, so that no filter can ask for them.
    secrets: RwLock<BTreeMap<String, Secret>>,
    signing: SigningCert,
    tokens: TokenState,
    /// Keys of the issuers that the trusts name.
    issuer_keys: CachedKeySets,
}

impl Domain {
    /// The seeded domain.
    pub(crate) fn new(state: OciState) -> Self {
        let domain = Self(Arc::new(Inner {
            issuer_keys: token::issuer_keys(state.world()),
            state,
            store: RwLock::default(),
            secrets: RwLock::default(),
            signing: SigningCert::new(),
            tokens: TokenState::default(),
        }));
        domain.seed();
        domain
    }

    /// The service with its routes.
    pub(crate) fn service(&self) -> Service {
        let router = axum::Router::new()
            .route(token::PATH, axum::routing::any(token::endpoint))
            .route(discovery::PATH, axum::routing::get(discovery::openid_configuration))
            .fallback(admin::endpoint)
            .with_state(self.clone());
        Service::new(SERVICE, [Host::Between("idcs-", ".identity.oraclecloud.com")], router).error_body(fault_body)
    }

    /// Files that clients of the domain need, relative to the sandbox's private folder.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the domain needs no files; callers ask every service"
    )]
    pub(crate) fn files(&self, _urls: &Urls) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        Ok(Vec::new())
    }

    /// Variables that point clients at the domain: what the Terraform provider and the SDKs read for a token exchange.
    #[expect(clippy::unused_self, reason = "the answer is the same for every domain; callers ask every service")]
    pub(crate) fn environment(&self, urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        let url = urls.get(SERVICE).map(|urls| urls.plain.as_str().trim_end_matches('/').to_owned());
        let Some(url) = url else { return Vec::new() };
        vec![
            ("OCI_TOKEN_EXCHANGE_DOMAIN_URL".to_owned(), url),
            ("OCI_TOKEN_EXCHANGE_CLIENT_ID".to_owned(), seed::EXCHANGE_CLIENT_ID.to_owned()),
            ("OCI_TOKEN_EXCHANGE_CLIENT_SECRET".to_owned(), seed::EXCHANGE_CLIENT_SECRET.to_owned()),
        ]
    }

    /// Makes the signing key.
    pub(crate) fn warm(&self) {
        // A failure shows at the first use, with its reason.
        let _ = self.0.signing.get(self.now());
    }

    /// Replaces the signing key.
    pub(crate) fn rotate_keys(&self) {
        self.0.signing.rotate();
    }

    fn state(&self) -> &OciState {
        &self.0.state
    }

    fn now(&self) -> Timestamp {
        self.0.state.world().now(SERVICE)
    }

    fn store(&self) -> RwLockReadGuard<'_, Store> {
        self.0.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_mut(&self) -> RwLockWriteGuard<'_, Store> {
        self.0.store.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self, app_id: &str) -> Option<Secret> {
        self.0.secrets.read().unwrap_or_else(PoisonError::into_inner).get(app_id).cloned()
    }

    fn set_secret(&self, app_id: &str, secret: Option<Secret>) {
        let mut secrets = self.0.secrets.write().unwrap_or_else(PoisonError::into_inner);
        match secret {
            Some(secret) => secrets.insert(app_id.to_owned(), secret),
            None => secrets.remove(app_id),
        };
    }

    fn tokens(&self) -> &TokenState {
        &self.0.tokens
    }

    fn issuer_keys(&self) -> &CachedKeySets {
        &self.0.issuer_keys
    }

    fn signing(&self) -> &SigningCert {
        &self.0.signing
    }
}

/// The base of every administrative URL.
fn admin_base() -> String {
    format!("{DOMAIN_URL}/admin/v1")
}

/// A fault in the form of the token endpoint, which is where it is met.
fn fault_body(status: StatusCode) -> (&'static str, String) {
    let error = if status == StatusCode::TOO_MANY_REQUESTS { "too_many_requests" } else { "temporarily_unavailable" };
    let description = status.canonical_reason().unwrap_or("error");
    ("application/json", json!({"error": error, "error_description": description}).to_string())
}
