//! Attempts at attestation that no authority has to remember.
//!
//! An attempt names its kind and its end, and carries a mark that only the authorities on one store can make; the nonce
//! follows from it. Whoever begins a million attempts costs nothing, and one that was begun at one authority may be
//! ended at another. That an attempt is used once is the store's business.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use carnet_attest::Kind;
use carnet_core::{Context, Error, hex};
use carnet_jose::sha256;
use carnet_store::{AuditRecord, Commit, Committed, Expect, ObjectKind, Op, Outcome, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// How long an attempt is good for.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// Longest text that is looked at.
const MAX_LENGTH: usize = 200;
/// Most used attempts that are remembered here: a minute of 300 a second.
const MOST_USED: usize = 20_000;
const NAME: &str = "node-attempt-key";

/// An attempt that one of our authorities has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) kind: Kind,
    pub(super) expires_at: Timestamp,
    pub(super) nonce: [u8; 32],
}

/// The text of a new attempt, and its nonce.
pub(super) fn begin(key: &[u8; 32], kind: Kind, context: &Context) -> (String, [u8; 32]) {
    let end = later(context.now(), LIFETIME).as_second();
    let text = format!("{}.{end}.{kind}", context.random_hex::<16>());
    let nonce = mac(key, "nonce", &text);
    (format!("{text}.{}", hex(&mac(key, "attempt", &text))), nonce)
}

/// The attempt of a text, if it is ours and its time is not over.
pub(super) fn open(key: &[u8; 32], text: &str, now: Timestamp) -> Option<Attempt> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let (text, mark) = text.rsplit_once('.')?;
    // Digests of both, so that how long it takes says nothing of how much is right.
    if sha256(mark.as_bytes()) != sha256(hex(&mac(key, "attempt", text)).as_bytes()) {
        return None;
    }
    let mut parts = text.split('.');
    let (_random, end, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let expires_at = Timestamp::from_second(end.parse().ok()?).ok().filter(|end| now < *end)?;
    Some(Attempt { kind: kind.parse().ok()?, expires_at, nonce: mac(key, "nonce", text) })
}

/// What the store remembers of a used attempt.
pub(super) fn use_once(text: &str, attempt: &Attempt) -> Op {
    // Longer than it is good for, by as much as the clocks of two authorities may differ.
    Op::UseOnce { key: key_of(text), until: later(attempt.expires_at, LIFETIME) }
}

fn key_of(text: &str) -> [u8; 32] {
    sha256(format!("node-attempt:{text}").as_bytes())
}

/// The attempts that this authority has let somebody end, as long as they are good: who shows one again is refused before anything is looked at or written.
/// Of those that were ended at another authority, or that did not fit in here, the store knows.
#[derive(Debug, Default)]
pub(super) struct UsedAttempts(Mutex<HashMap<[u8; 32], Timestamp>>);

impl UsedAttempts {
    /// Whether nobody has ended it here before.
    pub(super) fn begin(&self, text: &str, attempt: &Attempt, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key_of(text);
        if used.contains_key(&key) {
            return false;
        }
        if used.len() >= MOST_USED {
            used.retain(|_, until| now < *until);
        }
        if used.len() < MOST_USED {
            used.insert(key, attempt.expires_at);
        }
        true
    }
}

/// The key of this store. The first authority makes it.
pub(super) async fn shared_key(store: &dyn Store, context: &Context) -> Result<[u8; 32], Error> {
    for _ in 0..3 {
        if let Some(object) = store.object(ObjectKind::Setting, NAME.to_owned()).await? {
            let text = object.body.get("key").and_then(serde_json::Value::as_str);
            return text.and_then(from_hex).ok_or_else(|| {
                Error::configuration(format!("read the setting {NAME} in the store: it is no key"))
                    .hint("delete the setting, and a new one will be made")
            });
        }
        let body = json!({ "key": context.random_hex::<32>() });
        let op = Op::PutObject { kind: ObjectKind::Setting, name: NAME.to_owned(), body, expect: Expect::Absent };
        let audit = AuditRecord {
            actor: "nodes".to_owned(),
            ..AuditRecord::new(context.now(), "node.attempt-key", Outcome::Allowed)
        };
        // When another authority was first, its key is read in the next round.
        let _made: Committed = store.commit(Commit { ops: vec![op], audit, refused: None }).await?;
    }
    Err(Error::internal("the key for attempts was neither found nor made"))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digits).collect();
    bytes?.try_into().ok()
}

/// What only who has the key can make, told apart by purpose.
fn mac(key: &[u8; 32], purpose: &str, text: &str) -> [u8; 32] {
    hmac(key, format!("{purpose}:{text}").as_bytes())
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let pad = |byte: u8| -> Vec<u8> {
        key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK).map(|own| own ^ byte).collect()
    };
    let inner = sha256(&[pad(0x36).as_slice(), message].concat());
    sha256(&[pad(0x5c).as_slice(), &inner].concat())
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use carnet_core::test_context;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn attempt() -> (Context, String, [u8; 32]) {
        let context = test_context();
        let (text, nonce) = begin(&KEY, Kind::X509pop, &context);
        (context, text, nonce)
    }

    #[test]
    fn accepts_its_own_attempt_with_the_same_nonce() {
        let (context, text, nonce) = attempt();
        let opened = open(&KEY, &text, context.now()).unwrap();
        assert_eq!((opened.kind, opened.nonce), (Kind::X509pop, nonce));
        let (_, other) = begin(&KEY, Kind::X509pop, &context);
        assert_ne!(nonce, other);
    }

    #[test]
    fn rejects_an_attempt_that_is_over() {
        let (context, text, _) = attempt();
        assert!(open(&KEY, &text, later(context.now(), LIFETIME - SignedDuration::from_secs(1))).is_some());
        assert!(open(&KEY, &text, later(context.now(), LIFETIME)).is_none());
    }

    #[test]
    fn rejects_an_attempt_that_was_used_and_forgets_those_that_are_over() {
        let (context, text, _) = attempt();
        let now = context.now();
        let used = UsedAttempts::default();
        let opened = open(&KEY, &text, now).unwrap();
        assert!(used.begin(&text, &opened, now));
        assert!(!used.begin(&text, &opened, now));
        for number in 0..MOST_USED {
            assert!(used.begin(&number.to_string(), &opened, now), "one that does not fit in is the store's business");
        }
        assert_eq!(used.0.lock().unwrap().len(), MOST_USED);
        assert!(used.begin("next", &opened, opened.expires_at));
        assert_eq!(used.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn rejects_an_attempt_that_was_changed() {
        let (context, text, _) = attempt();
        let now = context.now();
        assert!(open(&[8; 32], &text, now).is_none(), "of another store");
        assert!(open(&KEY, &text.replace("x509pop", "join-token"), now).is_none(), "of another kind");
        let end = later(now, LIFETIME).as_second();
        assert!(open(&KEY, &text.replace(&end.to_string(), &(end + 1).to_string()), now).is_none(), "prolonged");
        assert!(open(&KEY, "", now).is_none());
        assert!(open(&KEY, &"a.".repeat(200), now).is_none());
    }

    #[test]
    fn the_mark_is_hmac_sha256() {
        // RFC 4231, 4.2: its key of 20 bytes makes the same block as one that zeros follow.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex(&hmac(&key, b"Hi There")), expected);
    }
}
