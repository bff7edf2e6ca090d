//! What the parties gave: opaque tokens, kept hashed; and which tokens were shown to them.

use std::collections::{HashMap, HashSet, VecDeque};

use carnet_core::Secret;
use carnet_jose::sha256;
use carnet_sandbox_kit::World;
use jiff::Timestamp;

use crate::request::Members;

/// Most tokens that are known, and most that are remembered as used; the oldest are forgotten first.
const MAX_TOKENS: usize = 10_000;

/// What a token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Which party gave it.
    pub(crate) party: &'static str,
    /// Who.
    pub(crate) principal: String,
    /// What was said at the entrance beside the token.
    pub(crate) said: Members,
    /// Until when.
    pub(crate) expires: Timestamp,
}

/// All tokens that are known, by hash.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    sessions: HashMap<[u8; 32], Session>,
    order: VecDeque<[u8; 32]>,
}

impl Tokens {
    /// A new token for this session.
    pub(crate) fn issue(&mut self, world: &World, prefix: &str, session: Session) -> Secret {
        let token = Secret::new(format!("{prefix}{}", world.random_hex::<32>()));
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

    /// What a token stands for. Looking up by hash takes the same time whatever part of a token is right.
    pub(crate) fn find(&self, token: &str) -> Option<&Session> {
        self.sessions.get(&sha256(token.as_bytes()))
    }
}

/// The tokens that were shown, by hash of party, issuer and `jti`.
#[derive(Debug, Default)]
pub(crate) struct Used {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Used {
    /// Remembers a token; `false` if it was shown before.
    pub(crate) fn first_time(&mut self, party: &str, issuer: &str, id: &str) -> bool {
        let hash = sha256(format!("{party}\n{issuer}\n{id}").as_bytes());
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        while self.order.len() > MAX_TOKENS {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        true
    }
}
