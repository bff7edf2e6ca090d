//! Access tokens: opaque, kept hashed.

use std::collections::{BTreeMap, VecDeque};

use carnet_core::Secret;
use carnet_gcp::trust::Caller;
use carnet_jose::sha256;
use carnet_sandbox_kit::{FaultKind, World};
use jiff::{SignedDuration, Timestamp};

/// Most tokens that are known; the oldest are forgotten first.
const MAX_TOKENS: usize = 10_000;

/// What a token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Who.
    pub(crate) caller: Caller,
    /// What for.
    pub(crate) scopes: Vec<String>,
    /// From when on.
    pub(crate) issued: Timestamp,
    /// Until when.
    pub(crate) expires: Timestamp,
}

/// All tokens that are known, by hash.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    sessions: BTreeMap<[u8; 32], Session>,
    order: VecDeque<[u8; 32]>,
}

impl Tokens {
    /// A new token for this session.
    pub(crate) fn issue(&mut self, world: &World, session: Session) -> Secret {
        let kind = match session.caller {
            Caller::Federated(_) => 'd',
            Caller::ServiceAccount(_) => 'c',
        };
        let token = Secret::new(format!("ya29.{kind}.{}", world.random_hex::<48>()));
        while self.order.len() >= MAX_TOKENS {
            if let Some(oldest) = self.order.pop_front() {
                self.sessions.remove(&oldest);
            }
        }
        let hash = sha256(token.expose().as_bytes());
        self.order.push_back(hash);
        self.sessions.insert(hash, session);
        token
    }

    /// Forgets the tokens of a service account.
    pub(crate) fn forget(&mut self, email: &str) {
        self.sessions.retain(|_, session| !matches!(&session.caller, Caller::ServiceAccount(own) if own == email));
        self.order.retain(|hash| self.sessions.contains_key(hash));
    }

    /// What a token stands for. Looking up by hash takes the same time whatever part of a token is right.
    pub(crate) fn find(&self, token: &str) -> Option<&Session> {
        self.sessions.get(&sha256(token.as_bytes()))
    }
}

/// How long a token lives: nothing at all while the fault `expired` is on.
pub(crate) fn lifetime(world: &World, service: &str, path: &str, usual: SignedDuration) -> SignedDuration {
    if world.faults.hits(FaultKind::Expired, service, path) { SignedDuration::ZERO } else { usual }
}
