//! What agents talk to: [`carnet_attest::protocol`] over HTTPS.
//!
//! The listener asks for a client certificate without insisting on one, and hands it over as
//! [`carnet_net::PeerCertificates`]; which calls need one, and whether it is believed, is decided here.

mod answer;
mod caller;
mod limit;
mod mint;
mod updates;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn},
    response::Response,
    routing::{get, post},
};
use carnet_attest::protocol::{
    AgentSvid, AttestRequest, BundleAnswer, MAX_REQUEST, Refusal, RefusalCode, RenewRequest, StartRequest, paths,
};
use carnet_core::Context;
use carnet_keys::KeyRing;
use carnet_spiffe::{Bundle, BundleMap, SpiffeId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Entries, Mint, Minted, Nodes,
    by::refusal,
    nodes::{Denied, unavailable},
};
use answer::{Answer, json, parse};
use caller::Caller;
use limit::Limits;

/// Longest time for a body to come whole: the largest at 70 KB a second.
const BODY_TIME: Duration = Duration::from_secs(30);

/// What the calls of agents are answered from.
#[derive(Clone)]
pub struct NodeApi {
    /// Registration entries.
    pub entries: Arc<Entries>,
    /// Nodes.
    pub nodes: Arc<Nodes>,
    /// What issues the workloads' SVIDs.
    pub mint: Arc<dyn Mint>,
    /// Our own keys.
    pub keys: watch::Receiver<Arc<KeyRing>>,
    /// Bundles of federated domains.
    pub bundles: watch::Receiver<Arc<BundleMap>>,
    /// Time and randomness.
    pub context: Context,
    /// Ends the waiting of agents, so that the server can stop.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for NodeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeApi").field("entries", &self.entries).field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

pub(crate) struct Api {
    parts: NodeApi,
    limits: Limits,
    /// Our bundle, and the keys that it was made of.
    own: Mutex<Option<(Arc<KeyRing>, Arc<Bundle>)>>,
}

/// The calls of agents.
pub fn node_router(api: NodeApi) -> Router {
    let api = Arc::new(Api { parts: api, limits: Limits::default(), own: Mutex::default() });
    Router::new()
        .route(paths::BUNDLE, get(bundle))
        .route(paths::ATTEST_START, post(start))
        .route(paths::ATTEST, post(attest))
        .route(paths::RENEW, post(renew))
        .route(paths::UPDATES, get(updates::updates))
        .route(paths::X509, post(mint::x509))
        .route(paths::JWT, post(mint::jwt))
        .fallback(no_such_call)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(whole))
        .with_state(api)
}

/// Takes the body whole, or refuses it: a caller that never ends it would hold its connection for good.
async fn whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let why = match tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_REQUEST)).await {
        Ok(Ok(body)) => return next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(_broken)) => format!("the request has more than {MAX_REQUEST} bytes, or ended early"),
        Err(_elapsed) => "the request did not come to its end in time".to_owned(),
    };
    answer::refuse(&Refusal::new(RefusalCode::Invalid, why))
}

async fn no_such_call() -> Response {
    answer::refuse(&Refusal::new(RefusalCode::NotFound, "there is no such call"))
}

async fn bundle(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    api.limits.stranger(&caller, api.parts.context.now())?;
    Ok(json(&BundleAnswer { trust_domain: api.parts.nodes.trust_domain().clone(), bundle: api.own_bundle()? }))
}

async fn start(State(api): State<Arc<Api>>, caller: Caller, body: Bytes) -> Answer {
    api.limits.stranger(&caller, api.parts.context.now())?;
    let StartRequest { kind } = parse(&body)?;
    Ok(json(&api.parts.nodes.start(kind)?))
}

async fn attest(State(api): State<Arc<Api>>, caller: Caller, body: Bytes) -> Answer {
    api.limits.stranger(&caller, api.parts.context.now())?;
    let request: AttestRequest = parse(&body)?;
    let by = caller.by(&api.parts.context, "");
    let (minted, node) = api.parts.nodes.finish(request, &by).await?;
    Ok(json(&api.agent_svid(minted, node.reattestable)?))
}

async fn renew(State(api): State<Arc<Api>>, caller: Caller, body: Bytes) -> Answer {
    let agent = api.agent(&caller).await?;
    api.limits.agent(&agent, 1, api.parts.context.now())?;
    let RenewRequest { csr } = parse(&body)?;
    let by = caller.by(&api.parts.context, agent.id.as_str());
    let (minted, node) = api.parts.nodes.renew(&agent, csr.0, &by).await?;
    Ok(json(&api.agent_svid(minted, node.reattestable)?))
}

impl Api {
    /// Who asks, when only agents may. Whoever is refused has a row in the audit, as far as refusals of this peer are written.
    async fn agent(&self, caller: &Caller) -> Result<crate::Agent, Refusal> {
        let denied = match &caller.certificates {
            Some(chain) => match self.parts.nodes.look_at(chain, &self.own()).await {
                Ok(agent) => return Ok(agent),
                Err(denied) => denied,
            },
            None => Denied::without_certificate(),
        };
        let Denied { clause, who, refusal: told } = denied;
        if let Some(clause) = clause {
            let who = who.as_ref().map_or("", SpiffeId::as_str);
            let record = caller.by(&self.parts.context, who).record(self.parts.context.now(), "node.access", who);
            let mut record = refusal(&record, clause, &told.message);
            record.details.insert("call".to_owned(), caller.call.clone().into());
            self.parts.mint.refused(record, Vec::new()).await;
        }
        Err(told)
    }

    /// Our bundle; the same one as long as the keys are the same.
    fn own(&self) -> Arc<Bundle> {
        let ring = Arc::clone(&self.parts.keys.borrow());
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_of, bundle)) = &*own
            && Arc::ptr_eq(made_of, &ring)
        {
            return Arc::clone(bundle);
        }
        let bundle = ring.bundle(self.parts.nodes.trust_domain()).shared();
        *own = Some((ring, Arc::clone(&bundle)));
        bundle
    }

    fn own_bundle(&self) -> Result<serde_json::Value, Refusal> {
        self.own().to_json().map_err(|error| {
            tracing::error!(%error, "the bundle cannot be written");
            unavailable()
        })
    }

    fn agent_svid(&self, minted: Minted, reattestable: bool) -> Result<AgentSvid, Refusal> {
        Ok(AgentSvid {
            svid: minted.chain.into_iter().map(Into::into).collect(),
            expires_at: minted.expires_at,
            reattestable,
            bundle: self.own_bundle()?,
        })
    }
}
