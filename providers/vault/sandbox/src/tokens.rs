//! Tokens: opaque, kept hashed.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Secret;
use carnet_jose::sha256;
use carnet_sandbox_kit::World;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    reply::{seconds_until, time},
    state::ROOT_NAMESPACE,
};

/// Most tokens that are known; beyond it the one that was made first is forgotten.
const MAX_TOKENS: usize = 10_000;
/// Letters of accessors.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The name of a token inside: its hash.
pub(crate) type Id = [u8; 32];

/// What a token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// Empty for batch tokens.
    pub(crate) accessor: String,
    pub(crate) policies: BTreeSet<String>,
    /// Where it was made: `auth/jwt/login`.
    pub(crate) path: String,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) display_name: String,
    /// 0: any number.
    pub(crate) num_uses: i64,
    pub(crate) created: Timestamp,
    pub(crate) ttl: SignedDuration,
    /// `None`: never.
    pub(crate) expires: Option<Timestamp>,
    /// Longest life with renewals, from its role. Zero: that of the mount.
    pub(crate) max_ttl: SignedDuration,
    pub(crate) explicit_max_ttl: SignedDuration,
    pub(crate) period: SignedDuration,
    pub(crate) renewable: bool,
    pub(crate) batch: bool,
    pub(crate) entity_id: String,
    pub(crate) namespace: String,
    /// The id of that namespace: another one may come to have its path.
    pub(crate) namespace_id: String,
    /// Absent: an orphan.
    pub(crate) parent: Option<Id>,
    /// Networks from which it works. None: all.
    pub(crate) bound: Vec<IpNet>,
    /// For tokens of a login.
    pub(crate) origin: Option<Origin>,
    pub(crate) last_renewal: Option<Timestamp>,
    pub(crate) number: u64,
}

/// Where a token of a login comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The mount below `auth/`.
    pub(crate) mount: String,
    /// The role.
    pub(crate) role: String,
    /// Whether the role is a program, which renewals do not ask again.
    pub(crate) program: bool,
    /// Whose certificate must be shown to renew it.
    pub(crate) certificate: Option<Id>,
}

impl Token {
    /// A token of the root policy that never ends.
    pub(crate) fn root(now: Timestamp) -> Self {
        Self {
            accessor: String::new(),
            policies: ["root".to_owned()].into(),
            path: "auth/token/root".to_owned(),
            meta: BTreeMap::new(),
            display_name: "root".to_owned(),
            num_uses: 0,
            created: now,
            ttl: SignedDuration::ZERO,
            expires: None,
            max_ttl: SignedDuration::ZERO,
            explicit_max_ttl: SignedDuration::ZERO,
            period: SignedDuration::ZERO,
            renewable: false,
            batch: false,
            entity_id: String::new(),
            namespace: String::new(),
            namespace_id: ROOT_NAMESPACE.to_owned(),
            parent: None,
            bound: Vec::new(),
            origin: None,
            last_renewal: None,
            number: 0,
        }
    }

    /// Whether there is a lease on it: batch tokens are not stored, and what never ends has none.
    fn has_lease(&self) -> bool {
        !self.batch && self.expires.is_some()
    }

    /// The name of its lease. `id` is the token's hash, so the name does not tell the token.
    fn lease(&self, id: Id) -> String {
        format!("{}/h{}", self.path, carnet_core::hex(&id))
    }

    /// `service` or `batch`.
    pub(crate) const fn kind(&self) -> &'static str {
        if self.batch { "batch" } else { "service" }
    }

    /// What `lookup` says. `id` is the token itself, empty where the caller knows the accessor only; `identity` are the policies
    /// of its entity.
    pub(crate) fn describe(&self, id: &str, identity: &BTreeSet<String>, now: Timestamp) -> Value {
        let mut about = json!({
            "id": id,
            "accessor": self.accessor,
            "policies": self.policies,
            "path": self.path,
            "meta": if self.meta.is_empty() { Value::Null } else { json!(self.meta) },
            "display_name": self.display_name,
            "num_uses": self.num_uses,
            "orphan": self.parent.is_none(),
            "creation_time": self.created.as_second(),
            "creation_ttl": self.ttl.as_secs(),
            "issue_time": time(self.created),
            "expire_time": self.expires.map(time),
            "ttl": self.expires.map_or(0, |expires| seconds_until(expires, now)),
            "explicit_max_ttl": self.explicit_max_ttl.as_secs(),
            "entity_id": self.entity_id,
            "type": self.kind(),
            "renewable": self.renewable,
        });
        if let Some(members) = about.as_object_mut() {
            if let Some(origin) = &self.origin {
                members.insert("role".to_owned(), origin.role.as_str().into());
            }
            if !self.bound.is_empty() {
                members.insert("bound_cidrs".to_owned(), self.bound.iter().map(ToString::to_string).collect());
            }
            if !identity.is_empty() {
                members.insert("identity_policies".to_owned(), json!(identity));
            }
            if self.period.is_positive() {
                members.insert("period".to_owned(), self.period.as_secs().into());
            }
            if let Some(renewed) = self.last_renewal {
                members.insert("last_renewal".to_owned(), time(renewed).into());
                members.insert("last_renewal_time".to_owned(), renewed.as_second().into());
            }
            if !self.namespace.is_empty() {
                members.insert("namespace_path".to_owned(), self.namespace.as_str().into());
            }
        }
        about
    }

    /// The `auth` of an answer, with the policies of the token's entity.
    pub(crate) fn auth(&self, id: &str, identity: &BTreeSet<String>, now: Timestamp) -> Value {
        let policies: BTreeSet<&String> = self.policies.union(identity).collect();
        let mut auth = json!({
            "client_token": id,
            "accessor": self.accessor,
            "policies": policies,
            "token_policies": self.policies,
            "metadata": if self.meta.is_empty() { Value::Null } else { json!(self.meta) },
            "lease_duration": self.expires.map_or(0, |expires| seconds_until(expires, now)),
            "renewable": self.renewable,
            "entity_id": self.entity_id,
            "token_type": self.kind(),
            "orphan": self.parent.is_none(),
            "mfa_requirement": null,
            "num_uses": self.num_uses,
        });
        if let Some(members) = auth.as_object_mut().filter(|_| !identity.is_empty()) {
            members.insert("identity_policies".to_owned(), json!(identity));
        }
        auth
    }
}

/// All tokens, by hash. Looking up by hash takes the same time whatever part of a token is right.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    tokens: BTreeMap<Id, Token>,
    made: u64,
}

impl Tokens {
    /// Makes a token. Its accessor is made here too.
    pub(crate) fn issue(&mut self, world: &World, token: Token) -> (Secret, Token) {
        let mut bytes = [0_u8; 70];
        world.random.fill(&mut bytes);
        let kind = if token.batch { "hvb" } else { "hvs" };
        let text = Secret::new(format!("{kind}.{}", URL_SAFE_NO_PAD.encode(bytes)));
        let token = self.insert(world, &text, token);
        (text, token)
    }

    /// Makes a token whose text is given.
    pub(crate) fn insert(&mut self, world: &World, text: &Secret, mut token: Token) -> Token {
        if self.tokens.len() >= MAX_TOKENS {
            let first = self.tokens.iter().min_by_key(|(_, token)| token.number).map(|(id, _)| *id);
            if let Some(first) = first {
                self.revoke(first);
            }
        }
        if !token.batch {
            token.accessor = accessor(world);
        }
        self.made = self.made.saturating_add(1);
        token.number = self.made;
        self.tokens.insert(id(text.expose()), token.clone());
        token
    }

    /// A token that has not ended, nor has any of those that it was made with: a child never outlives its parent.
    pub(crate) fn find(&self, id: Id, now: Timestamp) -> Option<&Token> {
        let live = |id: &Id| self.tokens.get(id).filter(|token| token.expires.is_none_or(|expires| expires > now));
        let token = live(&id)?;
        let mut above = token.parent;
        while let Some(parent) = above {
            above = live(&parent)?.parent;
        }
        Some(token)
    }

    /// Whether there is or was a token with this hash that is not yet forgotten.
    pub(crate) fn is_taken(&self, id: Id) -> bool {
        self.tokens.contains_key(&id)
    }

    /// A token to change.
    pub(crate) fn find_mut(&mut self, id: Id) -> Option<&mut Token> {
        self.tokens.get_mut(&id)
    }

    /// [`Tokens::find`] of a token of this namespace or of one below it: who administers a namespace has no say above it.
    pub(crate) fn find_within(&self, id: Id, namespace: &str, now: Timestamp) -> Option<&Token> {
        self.find(id, now).filter(|token| token.namespace.starts_with(namespace))
    }

    /// [`Tokens::find_within`] by accessor.
    pub(crate) fn by_accessor(&self, accessor: &str, namespace: &str, now: Timestamp) -> Option<Id> {
        let found = self.tokens.iter().find(|(_, token)| !accessor.is_empty() && token.accessor == accessor);
        found.map(|(id, _)| *id).filter(|id| self.find_within(*id, namespace, now).is_some())
    }

    /// Takes one use off a token whose uses are counted; the last one ends it.
    pub(crate) fn use_once(&mut self, id: Id) {
        let Some(token) = self.tokens.get_mut(&id).filter(|token| token.num_uses > 0) else { return };
        token.num_uses = token.num_uses.saturating_sub(1);
        if token.num_uses == 0 {
            self.revoke(id);
        }
    }

    /// Forgets a token and all that were made with it.
    pub(crate) fn revoke(&mut self, id: Id) {
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            self.tokens.remove(&id);
            left.extend(self.tokens.iter().filter(|(_, token)| token.parent == Some(id)).map(|(id, _)| *id));
        }
    }

    /// Forgets a wrapping token, and no other.
    pub(crate) fn revoke_wrapping(&mut self, id: Id) {
        if self.tokens.get(&id).is_some_and(|token| token.policies.contains("response-wrapping")) {
            self.tokens.remove(&id);
        }
    }

    /// Forgets a token; those that were made with it become orphans.
    pub(crate) fn revoke_orphan(&mut self, id: Id) {
        self.tokens.remove(&id);
        for token in self.tokens.values_mut().filter(|token| token.parent == Some(id)) {
            token.parent = None;
        }
    }

    /// Forgets all tokens of logins at a mount, which is what taking it away does.
    pub(crate) fn forget_mount(&mut self, namespace: &str, mount: &str) {
        let of_mount = |token: &Token| {
            token.namespace == namespace && token.origin.as_ref().is_some_and(|origin| origin.mount == mount)
        };
        let gone: Vec<Id> = self.tokens.iter().filter(|(_, token)| of_mount(token)).map(|(id, _)| *id).collect();
        for id in gone {
            self.revoke(id);
        }
    }

    /// Forgets all tokens of a namespace, which is what taking it away does.
    pub(crate) fn forget_namespace(&mut self, namespace: &str) {
        let gone: Vec<Id> =
            self.tokens.iter().filter(|(_, token)| token.namespace == namespace).map(|(id, _)| *id).collect();
        for id in gone {
            self.revoke(id);
        }
    }

    /// Forgets all tokens that were made at a path that begins like this.
    pub(crate) fn forget_path(&mut self, namespace: &str, prefix: &str) {
        let of_path = |token: &Token| token.namespace == namespace && token.path.starts_with(prefix);
        let gone: Vec<Id> = self.tokens.iter().filter(|(_, token)| of_path(token)).map(|(id, _)| *id).collect();
        for id in gone {
            self.revoke(id);
        }
    }

    /// The leases of a namespace: those of all its tokens that are stored and end.
    pub(crate) fn leases(&self, namespace: &str, now: Timestamp) -> Vec<String> {
        let own = self
            .tokens
            .iter()
            .filter(|(id, token)| token.namespace == namespace && token.has_lease() && self.find(**id, now).is_some());
        own.map(|(id, token)| token.lease(*id)).collect()
    }

    /// The token of a lease.
    pub(crate) fn of_lease(&self, lease: &str, namespace: &str, now: Timestamp) -> Option<Id> {
        let of = |(id, token): &(&Id, &Token)| {
            token.namespace == namespace
                && token.has_lease()
                && lease.starts_with(&token.path)
                && token.lease(**id) == lease
        };
        self.tokens.iter().find(of).map(|(id, _)| *id).filter(|id| self.find(*id, now).is_some())
    }

    /// The accessors of all tokens of a namespace.
    pub(crate) fn accessors(&self, namespace: &str) -> Vec<String> {
        let own = self.tokens.values().filter(|token| token.namespace == namespace && !token.batch);
        own.map(|token| token.accessor.clone()).collect()
    }
}

/// The hash of a token.
pub(crate) fn id(token: &str) -> Id {
    sha256(token.as_bytes())
}

/// 24 letters and digits.
fn accessor(world: &World) -> String {
    let mut bytes = [0_u8; 24];
    world.random.fill(&mut bytes);
    bytes
        .iter()
        .filter_map(|byte| BASE62.get(usize::from(*byte) % BASE62.len()))
        .map(|byte| char::from(*byte))
        .collect()
}
