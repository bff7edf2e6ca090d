//! JWT-SVIDs that were given before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_attest::protocol::{IssuedJwt, JwtRequest};
use carnet_core::{Error, chain, safe_text};
use carnet_jose::UnverifiedJwt;
use carnet_spiffe::Bundle;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout};

use crate::{core::Core, minter::late, upstream::UpstreamError, view::Identity};

/// After a failure the authority is left in peace for this long, as far as there is another token.
const REST: std::time::Duration = std::time::Duration::from_secs(1);

/// Which token. Entry and revision stand in it because two entries may give one identity with other claims or lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    spiffe_id: carnet_spiffe::SpiffeId,
    entry_id: String,
    revision: u64,
    /// As they were asked for, in this order.
    audiences: Vec<String>,
}

/// A bounded number of tokens; the one asked for longest ago gives way.
#[derive(Debug)]
pub(crate) struct JwtCache {
    most: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    map: HashMap<Key, (u64, Arc<Slot>)>,
    counter: u64,
}

/// One token, and the one call for it.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<IssuedJwt>>,
    failure: Option<(Instant, String)>,
}

impl JwtCache {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), slots: Mutex::default() }
    }

    /// The token for these audiences in this order: one of which more than half of the life is left, else a new one, else,
    /// while the authority does not give one, the old one as long as it counts. Callers that ask for one at the same
    /// time share the call.
    ///
    /// # Errors
    /// When the authority gives none and there is no other.
    pub(crate) async fn get(
        &self,
        core: &Core,
        identity: &Identity,
        audiences: &[String],
    ) -> Result<Arc<IssuedJwt>, UpstreamError> {
        let asked = Instant::now();
        let slot = self.slot(Key {
            spiffe_id: identity.spiffe_id.clone(),
            entry_id: identity.entry.id.clone(),
            revision: identity.entry.revision,
            audiences: audiences.to_vec(),
        });
        if let Some(token) = slot.fresh(core.context.now()) {
            return Ok(token);
        }
        let _flight = slot.flight.lock().await;
        let now = core.context.now();
        if let Some(token) = slot.fresh(now) {
            return Ok(token);
        }
        let other = slot.valid(now);
        if let Some(outcome) = slot.after_failure(asked, other.as_ref()) {
            return outcome;
        }
        let settings = &core.settings;
        let patience = if other.is_some() { settings.jwt_patience_with_another } else { settings.jwt_patience };
        let request = JwtRequest {
            entry_id: identity.entry.id.clone(),
            selectors: identity.key.selectors().clone(),
            audiences: audiences.to_vec(),
        };
        let call = timeout(patience, core.jwt_calls.ask(request)).await;
        let outcome = call.unwrap_or_else(|_elapsed| Err(late("sign a JWT-SVID")));
        match outcome.and_then(|answer| check(answer, core.context.now())) {
            Ok(token) => {
                let token = Arc::new(token);
                slot.keep(State { token: Some(Arc::clone(&token)), failure: None });
                Ok(token)
            }
            Err(error) => {
                core.heed("get a JWT-SVID for a workload", &error);
                let text = safe_text(&chain(&error).join(": "));
                // What the authority refuses for this entry is not given any longer.
                let refused = error.code().is_some_and(|code| !code.is_retryable());
                let other = other.filter(|_| !refused);
                slot.keep(State { token: other.clone(), failure: Some((Instant::now(), text)) });
                other.ok_or(error)
            }
        }
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.counter = slots.counter.wrapping_add(1);
        let counter = slots.counter;
        if let Some((asked, slot)) = slots.map.get_mut(&key) {
            *asked = counter;
            return Arc::clone(slot);
        }
        if slots.map.len() >= self.most {
            let oldest = slots.map.iter().min_by_key(|(_, (asked, _))| *asked).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                slots.map.remove(&oldest);
            }
        }
        let slot = Arc::<Slot>::default();
        slots.map.insert(key, (counter, Arc::clone(&slot)));
        slot
    }

    /// Forgets what was signed with keys that are not of this bundle: they were revoked.
    pub(crate) fn keep_signed_by(&self, bundle: &Bundle) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.map.retain(|_, (_, slot)| {
            let state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            // One that is under way has no token yet and stays.
            state.token.as_ref().is_none_or(|token| is_signed_by(token, bundle))
        });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).map.len()
    }
}

impl Slot {
    fn fresh(&self, now: Timestamp) -> Option<Arc<IssuedJwt>> {
        self.valid(now).filter(|token| {
            let life = token.expires_at.duration_since(token.issued_at);
            token.expires_at.duration_since(now) > life / 2
        })
    }

    fn valid(&self, now: Timestamp) -> Option<Arc<IssuedJwt>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.token.clone().filter(|token| token.expires_at.duration_since(now) > SignedDuration::ZERO)
    }

    /// What whoever has waited for a call that failed gets, and whoever asks just after it.
    fn after_failure(
        &self,
        asked: Instant,
        other: Option<&Arc<IssuedJwt>>,
    ) -> Option<Result<Arc<IssuedJwt>, UpstreamError>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (failed, why) = state.failure.as_ref()?;
        if let Some(other) = other.filter(|_| failed.elapsed() < REST) {
            return Some(Ok(Arc::clone(other)));
        }
        (*failed >= asked).then(|| Err(Error::unreachable(why.clone()).into()))
    }

    fn keep(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

fn is_signed_by(token: &IssuedJwt, bundle: &Bundle) -> bool {
    let token = UnverifiedJwt::parse(token.token.expose());
    token.is_ok_and(|token| token.unverified_kid().is_some_and(|kid| bundle.jwt_authorities.contains_key(kid)))
}

fn check(answer: IssuedJwt, now: Timestamp) -> Result<IssuedJwt, UpstreamError> {
    if answer.expires_at <= now {
        let error = Error::expired("use a JWT-SVID that has expired already");
        return Err(error.hint("compare this machine's clock with the authority's").into());
    }
    Ok(answer)
}
