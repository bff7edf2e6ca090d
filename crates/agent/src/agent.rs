//! The agent as a whole.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::{Context, Error, Result};
use carnet_net::{Limits, UnixSocket, address_of, listen, serve_unix};
use carnet_spiffe::SpiffeId;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Attestation, Processes, Settings, Upstream, WorkloadAttestor,
    core::{Contact, Core},
    diagnostics,
    hub::{Hub, Phase},
    jwt_cache::JwtCache,
    jwt_calls, keeper, minter,
    server::{self, Places},
    sync,
};

/// Most connections on the socket: every container of a large node with a sidecar.
const CONNECTIONS: usize = 16_384;
/// Most connections of one process.
const CONNECTIONS_PER_PROCESS: usize = 4096;
/// Most calls at once on one connection: a process may hold many streams open.
const STREAMS: u32 = 1000;
/// Most streams of all connections together.
const ALL_STREAMS: usize = 65_536;
/// Most streams of one process, whatever its number of connections: an Envoy has one for each name that its configuration mentions.
const STREAMS_PER_PROCESS: usize = 4096;
/// Most streams of all processes of one user: half of all, because most containers of a node run as the same few.
const STREAMS_PER_USER: usize = ALL_STREAMS / 2;
/// A connection without a call is closed after this. Clients that call for each token keep theirs.
const IDLE: std::time::Duration = std::time::Duration::from_hours(1);
/// Largest head of a call. Nothing in it is large; a small bound keeps idle connections small.
const HEAD: usize = 16 << 10;

/// What an agent is made of.
#[derive(Debug)]
pub struct AgentParts {
    /// The authority.
    pub upstream: Arc<dyn Upstream>,
    /// Who finds out who is calling; at least one.
    pub attestors: Vec<Arc<dyn WorkloadAttestor>>,
    /// Where callers are looked up.
    pub processes: Processes,
    /// The world.
    pub context: Context,
    /// What the agent goes by.
    pub settings: Settings,
}

/// A running agent. It serves the SPIFFE Workload API, Envoy's secret discovery, gRPC health and reflection on one Unix
/// socket. Dropping it stops it at once; [`Self::shutdown`] does so in order.
#[derive(Debug)]
pub struct Agent {
    core: Arc<Core>,
    tasks: TaskTracker,
    diagnostics: Option<SocketAddr>,
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How far the agent is.
    pub phase: Phase,
    /// Who it is.
    pub spiffe_id: Option<SpiffeId>,
    /// When its own SVID expires.
    pub expires_at: Option<Timestamp>,
    /// When the authority answered last.
    pub last_answer: Option<Timestamp>,
    /// Why the last call of the authority failed; nothing when it did not. Safe to show.
    pub problem: Option<String>,
    /// Entries of this node's workloads.
    pub entries: usize,
    /// X509-SVIDs that are ready.
    pub x509_svids: usize,
    /// JWT-SVIDs that are kept.
    pub jwt_svids: usize,
}

impl Facts {
    pub(crate) fn of(core: &Core) -> Self {
        let snapshot = core.hub.now();
        let own = core.own.borrow().clone();
        let contact: Contact = core.contact.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            phase: snapshot.phase,
            spiffe_id: own.as_ref().map(|own| own.identity.spiffe_id.clone()),
            expires_at: own.as_ref().map(|own| own.identity.expires_at),
            last_answer: contact.last_answer,
            problem: contact.problem,
            entries: snapshot.entries.len(),
            x509_svids: snapshot.minted.values().filter(|minted| minted.svid().is_some()).count(),
            jwt_svids: core.jwt.len(),
        }
    }
}

impl Agent {
    /// Binds the socket and starts. Workloads may connect at once; while there is nothing to serve they are told to come
    /// again. The authority may be away: the agent tries until it answers.
    ///
    /// # Errors
    /// When there is no attestor, or the socket or the listener for probes cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(parts: AgentParts) -> Result<Self> {
        let AgentParts { upstream, attestors, processes, context, settings } = parts;
        if attestors.is_empty() {
            return Err(Error::configuration("start the agent without any workload attestor")
                .hint("enable one, for instance [agent.unix]"));
        }
        let socket = UnixSocket::bind(&settings.socket.path, settings.socket.mode)?;
        let probes = settings.diagnostics.map(|address| listen("probes", address)).transpose()?;
        let diagnostics = probes.as_ref().map(address_of).transpose()?;
        let (jwt_calls, wanted) = jwt_calls::channel();
        let core = Arc::new(Core {
            upstream,
            attestation: Attestation::new(attestors, processes, settings.attestation),
            context,
            hub: Arc::new(Hub::new()),
            jwt: JwtCache::new(settings.jwt_cache),
            jwt_calls,
            own: watch::Sender::new(None),
            must_attest: watch::Sender::new(()),
            contact: Mutex::default(),
            streams: Places::new(ALL_STREAMS, STREAMS_PER_USER, STREAMS_PER_PROCESS),
            stop: CancellationToken::new(),
            settings,
        });
        let limits = Limits {
            connections: CONNECTIONS,
            connections_per_peer: CONNECTIONS_PER_PROCESS,
            streams: STREAMS,
            idle: IDLE,
            head_bytes: HEAD,
            ..Limits::default()
        };
        let router = server::router(&core)?;
        let tasks = TaskTracker::new();
        if let Some(listener) = probes {
            tasks.spawn(carnet_net::serve(listener, diagnostics::router(&core), None, core.stop.clone()));
        }
        tasks.spawn(serve_unix(socket, router, limits, core.stop.clone()));
        tasks.spawn(keeper::run(Arc::clone(&core)));
        tasks.spawn(sync::run(Arc::clone(&core)));
        tasks.spawn(minter::run(Arc::clone(&core)));
        tasks.spawn(jwt_calls::run(Arc::clone(&core), wanted));
        tasks.close();
        Ok(Self { core, tasks, diagnostics })
    }

    /// How it goes now.
    pub fn facts(&self) -> Facts {
        Facts::of(&self.core)
    }

    /// Where probes and Prometheus ask, if anywhere.
    pub fn diagnostics(&self) -> Option<SocketAddr> {
        self.diagnostics
    }

    /// Waits until the agent has reached this phase.
    ///
    /// # Errors
    /// When it was turned away by the authority and never will.
    pub async fn reach(&self, phase: Phase) -> Result<()> {
        let mut snapshots = self.core.hub.watch();
        let reached = snapshots.wait_for(|snapshot| snapshot.phase == phase || snapshot.phase == Phase::Banned).await;
        match reached.map(|snapshot| snapshot.phase) {
            Ok(reached) if reached == phase => Ok(()),
            Ok(_) => Err(Error::policy("serve workloads: the authority has turned this agent away")
                .hint("an operator of the authority must let it in again; then restart the agent")),
            Err(closed) => Err(Error::internal("follow the agent's state").because(closed)),
        }
    }

    /// Has everything looked at now: the clock, what is due, the authority. For a machine that has slept, or a reload.
    pub fn refresh(&self) {
        self.core.hub.nudge();
    }

    /// Ends open streams with `Unavailable`, on which clients come back, removes the socket and waits for what is running.
    pub async fn shutdown(self) {
        self.core.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.core.stop.cancel();
    }
}
