//! Calls of one connection that come together are looked at together, and never by a look that began before them.

use std::{
    collections::BTreeSet,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use carnet_agent::{Attestation, AttestationLimits, Caller, Processes, WorkloadAttestor};
use carnet_core::{BoxFuture, Error};
use carnet_net::Peer;
use carnet_spiffe::Selector;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

/// Tells how many looks there have been. Each waits for leave to end.
#[derive(Debug)]
struct Counting {
    looks: AtomicU32,
    begun: Semaphore,
    leave: Semaphore,
}

impl WorkloadAttestor for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn attest<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async {
            let look = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
            self.begun.add_permits(1);
            self.leave.acquire().await.unwrap().forget();
            Ok(vec![Selector::new("look", &look.to_string()).unwrap()])
        })
    }
}

struct World {
    attestor: Arc<Counting>,
    attestation: Arc<Attestation>,
}

impl World {
    /// Where so many looks may end.
    fn new(leave: usize) -> Self {
        let (looks, begun, leave) = (AtomicU32::new(0), Semaphore::new(0), Semaphore::new(leave));
        let attestor = Arc::new(Counting { looks, begun, leave });
        let attestors: Vec<Arc<dyn WorkloadAttestor>> = vec![Arc::<Counting>::clone(&attestor)];
        let processes = Processes::of_this_machine();
        let attestation = Attestation::new(attestors, processes, AttestationLimits::default());
        Self { attestor, attestation: Arc::new(attestation) }
    }

    fn call(&self, peer: &Peer) -> tokio::task::JoinHandle<BTreeSet<Selector>> {
        let (attestation, peer) = (Arc::clone(&self.attestation), peer.clone());
        tokio::spawn(async move { attestation.attest(&peer).await.unwrap().as_ref().clone() })
    }

    async fn begun(&self) {
        self.attestor.begun.acquire().await.unwrap().forget();
    }
}

/// This process, connected once more.
fn connection() -> Peer {
    let pid = rustix::process::getpid();
    let pidfd: OwnedFd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Peer { pid: Some(pid.as_raw_nonzero().get()), uid, gid, pidfd: Some(Arc::new(pidfd)), pidfd_is_peer: true }
}

fn look(number: u32) -> BTreeSet<Selector> {
    BTreeSet::from([Selector::new("look", &number.to_string()).unwrap()])
}

#[tokio::test]
async fn calls_of_one_connection_that_come_together_share_a_look() {
    let (world, peer) = (World::new(9), connection());
    let found = join_all((0..9).map(|_| world.call(&peer))).await;
    assert!(found.into_iter().all(|found| found.unwrap() == look(1)));
}

#[tokio::test]
async fn calls_of_two_connections_share_nothing() {
    let world = World::new(2);
    let (one, other) = (connection(), connection());
    let found = join_all([world.call(&one), world.call(&other)]).await;
    let found: BTreeSet<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, BTreeSet::from([look(1), look(2)]));
}

#[tokio::test]
async fn a_call_that_comes_while_a_look_is_under_way_has_one_of_its_own() {
    let (world, peer) = (World::new(0), connection());
    let first = world.call(&peer);
    world.begun().await;
    let second = world.call(&peer);
    world.begun().await;
    world.attestor.leave.add_permits(2);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (look(1), look(2)));
}

#[tokio::test]
async fn who_shares_a_look_is_answered_also_when_the_one_who_began_it_loses_patience() {
    let (world, peer) = (World::new(0), connection());
    let (first, second) = (world.call(&peer), world.call(&peer));
    world.begun().await;
    first.abort();
    world.begun().await;
    world.attestor.leave.add_permits(1);
    assert_eq!(second.await.unwrap(), look(2));
}

#[tokio::test]
async fn a_call_that_was_given_up_before_its_look_began_holds_nobody_up() {
    let (world, peer) = (World::new(1), connection());
    let first = world.attestation.attest(&peer);
    {
        let mut first = std::pin::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
    }
    assert_eq!(world.call(&peer).await.unwrap(), look(1));
}
