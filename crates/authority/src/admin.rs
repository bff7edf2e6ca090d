//! The admin API: JSON below `/v1/`, for operators and their programs.
//!
//! | who | how it is known | may |
//! | --- | --- | --- |
//! | a user of this machine | the kernel says who connected to the Unix socket: root, the authority's own user, users that are listed | everything |
//! | a workload | its X509-SVID of this trust domain, listed or of an entry with `admin = true` | everything but what names files of this machine |
//! | a token | an access token of this authority, for this authority, whose rule grants the scope [`ADMIN_SCOPE`] | the same |
//!
//! Everyone else is told 401 or 403 and nothing more; the audit log says why. Every change is one commit with its audit row, which names who
//! asked. What is wrong comes as an [`ErrorBody`]. The routes are a table, of which the router and the OpenAPI document are both made, so that neither
//! knows what the other does not; the document that is checked in is `crates/authority/openapi.json`.

mod access;
mod answer;
mod audit;
mod change;
mod entries;
mod federation;
mod info;
mod input;
mod issuers;
mod join_tokens;
mod keys;
mod nodes;
mod openapi;
mod page;
mod route;
mod rules;
mod store;
mod tokens;

use std::{fmt, sync::Arc};

use axum::{Router, middleware};
use carnet_core::Context;
use carnet_discovery::Federation;
use carnet_entries::{Entries, Nodes};
use carnet_keys::KeyManager;
use carnet_ops::Health;
use carnet_spiffe::TrustDomain;
use carnet_store::Store;
use tokio::sync::Mutex;

pub use access::ADMIN_SCOPE;
pub use answer::{ErrorBody, ErrorCode, ErrorDetail, MistakeView};
pub use join_tokens::join_token_digest;
pub use openapi::document;

use crate::{AdminAccess, Rules};
use access::Refusals;
use answer::Failure;

/// What the admin API is made of.
#[derive(Clone, Debug)]
pub struct AdminParts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What sort of store it is, for people: `sqlite` or `postgres`. Never its address, which may hold a password.
    pub store_kind: String,
    /// The signing keys.
    pub keys: Arc<KeyManager>,
    /// The registration entries.
    pub entries: Arc<Entries>,
    /// The nodes and their join tokens.
    pub nodes: Arc<Nodes>,
    /// The trust rules: those of files and of the store, which are checked together.
    pub rules: Arc<Rules>,
    /// The bundles of other trust domains.
    pub federation: Arc<Federation>,
    /// The own trust domain.
    pub trust_domain: TrustDomain,
    /// `iss` of what is issued. Tokens for the admin API name it as their audience.
    pub issuer_url: String,
    /// Who may use the API, beside root and the own user.
    pub access: AdminAccess,
    /// The user that this process runs as. Its number comes from the caller, so that this crate asks the system for nothing.
    pub own_uid: u32,
    /// Time, randomness, and files for sealing keys.
    pub context: Context,
    /// What the parts of the service say of themselves.
    pub health: Health,
}

/// The API while it runs.
pub(crate) struct Admin {
    parts: AdminParts,
    refusals: Refusals,
    /// Rules and issuers are checked together with all others: one change at a time.
    changing_rules: Mutex<()>,
}

/// All routes. To be served on the Unix socket, where [`carnet_net::Peer`] says who asks, and on a TLS listener, where
/// [`carnet_net::PeerCertificates`] does; a bearer token is taken on both. A request that shows nothing is refused.
pub fn router(parts: AdminParts) -> Router {
    let admin = Arc::new(Admin { parts, refusals: Refusals::default(), changing_rules: Mutex::default() });
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.guarded());
    }
    router
        .fallback(|| async { Failure::not_found("there is no such path: see /v1/openapi.json") })
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), access::guard))
        .with_state(admin)
}

/// The table.
fn routes() -> Vec<route::Route> {
    let all = [
        info::routes(),
        entries::routes(),
        rules::routes(),
        issuers::routes(),
        federation::routes(),
        keys::routes(),
        nodes::routes(),
        join_tokens::routes(),
        tokens::routes(),
        store::routes(),
        audit::routes(),
    ];
    all.into_iter().flatten().collect()
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("trust_domain", &self.parts.trust_domain).finish_non_exhaustive()
    }
}
