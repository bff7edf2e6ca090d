//! All attestors for one caller, and that the caller is still who was looked at.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use carnet_core::{Error, chain};
use carnet_net::Peer;
use carnet_spiffe::Selector;
use futures_util::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Caller, WorkloadAttestor, shared::Shared};
use crate::process::Processes;

/// What attestation may take.
#[derive(Clone, Copy, Debug)]
pub struct AttestationLimits {
    /// Longest time for one caller, waiting for its turn included. Below the time that clients wait for an answer.
    pub deadline: Duration,
    /// Most callers that are attested at once; more wait.
    pub at_once: usize,
}

impl Default for AttestationLimits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(20), at_once: 64 }
    }
}

/// Attests callers.
#[derive(Debug)]
pub struct Attestation {
    attestors: Vec<Arc<dyn WorkloadAttestor>>,
    processes: Processes,
    limits: AttestationLimits,
    turns: Semaphore,
    shared: Shared,
}

impl Attestation {
    /// With these attestors, of which there is at least one.
    pub fn new(attestors: Vec<Arc<dyn WorkloadAttestor>>, processes: Processes, limits: AttestationLimits) -> Self {
        Self { attestors, processes, limits, turns: Semaphore::new(limits.at_once.max(1)), shared: Shared::default() }
    }

    /// The selectors of whoever is at the other end of the connection. Calls of one connection that come together share one
    /// look, which begins after the last of them has come.
    ///
    /// They are those of one process from the first look to the last: its folder in `/proc` is held open, the kernel says
    /// through the pidfd that it lives, its start time is the same, and its effective ids are those of the connection.
    ///
    /// # Errors
    /// When the caller has ended or is not the one that connected, when no attestor could look, or when there was no time.
    pub async fn attest(&self, peer: &Peer) -> Result<Arc<BTreeSet<Selector>>, Arc<Error>> {
        self.shared.find(peer, self.look(peer)).await
    }

    #[tracing::instrument(name = "attest a workload", skip_all, fields(workload.pid = peer.pid))]
    async fn look(&self, peer: &Peer) -> Result<BTreeSet<Selector>, Error> {
        let until = Instant::now() + self.limits.deadline;
        let late = |_elapsed| {
            let seconds = self.limits.deadline.as_secs();
            Error::unreachable(format!("attest {peer}: there was no turn within {seconds} s"))
                .hint("too many workloads ask at once, or an attestor is slow: see the agent's log")
        };
        let turn = timeout_at(until, self.turns.acquire()).await.map_err(late)?;
        let _turn = turn.map_err(|closed| Error::internal("wait for a turn to attest").because(closed))?;
        let caller = self.caller(peer)?;
        let found = join_all(self.attestors.iter().map(|attestor| ask(attestor.as_ref(), &caller, until))).await;
        check_lives(peer, &caller)?;
        let found: Vec<Vec<Selector>> = found.into_iter().flatten().collect();
        if found.is_empty() {
            return Err(Error::unreachable(format!("attest {peer}: no attestor could look")));
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn caller(&self, peer: &Peer) -> Result<Caller, Error> {
        let failed = || Error::not_here(format!("attest {peer}"));
        let pid = peer.pid.ok_or_else(|| {
            failed().hint("the caller has no number in this pid namespace: let the agent share the host's (hostPID)")
        })?;
        let process = self.processes.open(pid).map_err(|error| failed().because(error))?;
        // As long as the process of the pidfd lives, nobody else has its number: so what was opened is its folder.
        if peer.has_exited() == Some(true) {
            return Err(failed().hint("the caller has ended"));
        }
        let credentials = process.credentials().map_err(|error| failed().because(error))?;
        if (credentials.uid, credentials.gid) != (peer.uid, peer.gid) {
            return Err(failed().hint(format!(
                "the process acts as uid {} gid {} now: connect again after changing ids",
                credentials.uid, credentials.gid
            )));
        }
        Ok(Caller { pid, credentials, process: Arc::new(process) })
    }
}

fn check_lives(peer: &Peer, caller: &Caller) -> Result<(), Error> {
    let gone = peer.has_exited() == Some(true) || !caller.process.is_same();
    let changed = caller.process.credentials().ok().as_ref() != Some(&caller.credentials);
    match (gone, changed) {
        (true, _) => Err(Error::not_here(format!("attest {peer}: it has ended meanwhile"))),
        (false, true) => Err(Error::not_here(format!("attest {peer}: its ids have changed meanwhile"))),
        (false, false) => Ok(()),
    }
}

/// What one attestor finds, or nothing when it failed, which is logged.
async fn ask(attestor: &dyn WorkloadAttestor, caller: &Caller, until: Instant) -> Option<Vec<Selector>> {
    match timeout_at(until, attestor.attest(caller)).await {
        Ok(Ok(selectors)) => Some(selectors),
        Ok(Err(error)) => {
            let error = chain(&error).join(": ");
            tracing::warn!(attestor = attestor.name(), workload.pid = caller.pid, error, "an attestor failed");
            None
        }
        Err(_elapsed) => {
            tracing::warn!(attestor = attestor.name(), workload.pid = caller.pid, "an attestor was not done in time");
            None
        }
    }
}
