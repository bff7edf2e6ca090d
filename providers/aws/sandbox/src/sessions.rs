//! Keys that were given out, and what they stand for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::Secret;
use carnet_jose::sha256;
use carnet_sandbox_kit::FaultKind;
use jiff::{SignedDuration, Timestamp};

use crate::{
    principal::{Principal, RoleSession},
    state::State,
    xml,
};

/// Most temporary keys that are known; the oldest are forgotten first.
const MAX_KEYS: usize = 10_000;
/// How session tokens begin, so that people recognise one.
const TOKEN_START: &str = "IQoJb3JpZ2luX2Vj";

/// One pair of keys. The secret is kept, because signatures with it are verified here.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) key_id: String,
    pub(crate) secret: Secret,
    /// Of temporary keys: the hash of their session token, and their end.
    pub(crate) temporary: Option<([u8; 32], Timestamp)>,
    pub(crate) principal: Principal,
}

/// All keys that are known, by id.
#[derive(Debug, Default)]
pub(crate) struct Accesses {
    known: HashMap<String, Arc<Access>>,
    order: VecDeque<String>,
}

impl Accesses {
    /// Adds long-lived keys, which are never forgotten.
    pub(crate) fn keep(&mut self, access: Access) {
        self.known.insert(access.key_id.clone(), Arc::new(access));
    }

    /// Adds temporary keys.
    fn add(&mut self, access: Access) {
        while self.order.len() >= MAX_KEYS {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.order.push_back(access.key_id.clone());
        self.known.insert(access.key_id.clone(), Arc::new(access));
    }

    /// The keys of this id.
    pub(crate) fn find(&self, key_id: &str) -> Option<Arc<Access>> {
        self.known.get(key_id).cloned()
    }
}

/// Temporary keys on their way out.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) key_id: String,
    pub(crate) secret: Secret,
    pub(crate) token: Secret,
    pub(crate) expires: Timestamp,
    pub(crate) session: RoleSession,
}

impl Issued {
    /// `Credentials` of STS's answers.
    pub(crate) fn credentials_xml(&self) -> String {
        let inner = [
            xml::leaf("AccessKeyId", &self.key_id),
            xml::leaf("SecretAccessKey", self.secret.expose()),
            xml::leaf("SessionToken", self.token.expose()),
            xml::leaf("Expiration", &crate::reply::seconds(self.expires)),
        ];
        xml::node("Credentials", &inner.concat())
    }

    /// `AssumedRoleUser` of STS's answers.
    pub(crate) fn user_xml(&self) -> String {
        let inner = [xml::leaf("AssumedRoleId", &self.session.user_id()), xml::leaf("Arn", &self.session.arn)].concat();
        xml::node("AssumedRoleUser", &inner)
    }
}

/// Gives out keys for a session. While the fault `expired` is on they are over at once.
pub(crate) fn issue(
    state: &State,
    service: &'static str,
    path: &str,
    session: RoleSession,
    lifetime: SignedDuration,
) -> Issued {
    let now = state.world.now(service);
    let expired = state.world.faults.hits(FaultKind::Expired, service, path);
    let lifetime = if expired { SignedDuration::ZERO } else { lifetime };
    let mut secret = [0_u8; 30];
    let mut token = [0_u8; 240];
    state.world.random.fill(&mut secret);
    state.world.random.fill(&mut token);
    let issued = Issued {
        key_id: state.unique_id::<16>("ASIA"),
        // 40 characters, as all secret access keys have.
        secret: Secret::new(STANDARD.encode(secret)),
        token: Secret::new(format!("{TOKEN_START}{}", STANDARD.encode(token))),
        expires: now.saturating_add(lifetime).unwrap_or(now),
        session,
    };
    state.lock().accesses.add(Access {
        key_id: issued.key_id.clone(),
        secret: issued.secret.clone(),
        temporary: Some((sha256(issued.token.expose().as_bytes()), issued.expires)),
        principal: Principal::Session(Box::new(issued.session.clone())),
    });
    issued
}
