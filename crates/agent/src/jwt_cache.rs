//! JWT-SVIDs that were given before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_attest::protocol::{IssuedJwt, JwtRequest};
use carnet_core::Error;
use carnet_jose::UnverifiedJwt;
use carnet_spiffe::Bundle;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use crate::{
    core::Core,
    hub::{Phase, Snapshot},
    jwt_calls::copy,
    minter::{is_of_the_future, late},
    upstream::UpstreamError,
    view::Identity,
};

/// After a failure the authority is left in peace for this long, as far as there is another token.
const REST: std::time::Duration = std::time::Duration::from_secs(1);

/// Which share of a full cache gives way at once: a 64th of it.
const AT_ONCE: usize = 64;

/// Which token. Entry and revision stand in it because two entries may give one identity with other claims or lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    spiffe_id: carnet_spiffe::SpiffeId,
    entry_id: String,
    revision: u64,
    /// As they were asked for, in this order.
    audiences: Vec<String>,
}

/// A bounded number of tokens; those asked for longest ago give way.
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
    token: Option<Held>,
    failure: Option<(Instant, UpstreamError)>,
}

/// A token, and which key has signed it.
#[derive(Clone, Debug)]
struct Held {
    token: Arc<IssuedJwt>,
    kid: Arc<str>,
    /// The authority that made it did not know the entry as it is now.
    behind: bool,
}

impl JwtCache {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), slots: Mutex::default() }
    }

    /// The token for these audiences in this order: one of which more than half of the life is left, else a new one, else,
    /// while the authority does not give one, the old one as long as it counts. Callers that ask for one at the same
    /// time share the call. None is given that the bundle of the moment does not verify.
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
        if let Some(held) = slot.fresh(core) {
            return Ok(held.token);
        }
        let _flight = slot.flight.lock().await;
        if let Some(held) = slot.fresh(core) {
            return Ok(held.token);
        }
        let other = slot.valid(core);
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
        match ask(core, request, Instant::now() + patience).await {
            Ok(held) => {
                let early = is_of_the_future(held.token.issued_at, core.context.now());
                if let Some(other) = other.filter(|other| early && other.counts(core)) {
                    let error = Error::unreachable("use a JWT-SVID that was issued in the future");
                    let error = error.hint("compare this machine's clock with the authority's").into();
                    core.heed("get a JWT-SVID for a workload", &error);
                    slot.keep(State { token: Some(other.clone()), failure: Some((Instant::now(), error)) });
                    return Ok(other.token);
                }
                let held = Held { behind: early || held.token.revision < identity.entry.revision, ..held };
                slot.keep(State { token: Some(held.clone()), failure: None });
                Ok(held.token)
            }
            Err(error) => {
                core.heed("get a JWT-SVID for a workload", &error);
                // What the authority refuses for this entry is not given any longer.
                let refused = error.code().is_some_and(|code| !code.is_retryable());
                let other = other.filter(|other| !refused && other.counts(core));
                slot.keep(State { token: other.clone(), failure: Some((Instant::now(), copy(&error))) });
                other.map(|other| other.token).ok_or(error)
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
            slots.make_room(self.most);
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
            state.token.as_ref().is_none_or(|held| held.is_signed_by(bundle))
        });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).map.len()
    }
}

impl Slots {
    /// Drops those that were asked for longest ago. Several at once: finding one takes a look at all of them.
    fn make_room(&mut self, most: usize) {
        let mut asked: Vec<u64> = self.map.values().map(|(asked, _)| *asked).collect();
        let enough = (most / AT_ONCE).min(asked.len().saturating_sub(1));
        let last = *asked.select_nth_unstable(enough).1;
        self.map.retain(|_, (asked, _)| *asked > last);
    }
}

impl Slot {
    fn fresh(&self, core: &Core) -> Option<Held> {
        self.valid(core).filter(|held| {
            let IssuedJwt { issued_at, expires_at, .. } = *held.token;
            !held.behind && expires_at.duration_since(core.context.now()) > expires_at.duration_since(issued_at) / 2
        })
    }

    fn valid(&self, core: &Core) -> Option<Held> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.token.clone().filter(|held| held.counts(core))
    }

    /// What whoever has waited for a call that failed gets, and whoever asks just after it.
    fn after_failure(&self, asked: Instant, other: Option<&Held>) -> Option<Result<Arc<IssuedJwt>, UpstreamError>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (failed, why) = state.failure.as_ref()?;
        if let Some(other) = other.filter(|_| failed.elapsed() < REST) {
            return Some(Ok(Arc::clone(&other.token)));
        }
        (*failed >= asked).then(|| Err(copy(why)))
    }

    fn keep(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Held {
    /// An answer of the authority, if it is a token for now.
    fn of(answer: IssuedJwt, now: Timestamp) -> Result<Self, UpstreamError> {
        if answer.expires_at <= now {
            let error = Error::expired("use a JWT-SVID that has expired already");
            return Err(error.hint("compare this machine's clock with the authority's").into());
        }
        let token = UnverifiedJwt::parse(answer.token.expose());
        let kid = token.ok().and_then(|token| token.unverified_kid().map(Arc::from));
        let kid = kid.ok_or_else(|| Error::unreachable("use a JWT-SVID: the answer is none, or names no key"))?;
        Ok(Self { token: Arc::new(answer), kid, behind: false })
    }

    /// Whether a workload may have it now.
    fn counts(&self, core: &Core) -> bool {
        let left = self.token.expires_at.duration_since(core.context.now());
        left > SignedDuration::ZERO && self.is_verified_in(core, &core.hub.now())
    }

    /// Whether the bundle of this moment verifies it.
    fn is_verified_in(&self, core: &Core, snapshot: &Snapshot) -> bool {
        snapshot.bundles.get(&core.settings.trust_domain).is_some_and(|bundle| self.is_signed_by(bundle))
    }

    fn is_signed_by(&self, bundle: &Bundle) -> bool {
        bundle.jwt_authorities.contains_key(&*self.kid)
    }
}

/// A token that the bundle of the moment verifies. One whose key is revoked while the answer is on its way is asked for again, and
/// for a key of which the agent has not been told yet it waits.
async fn ask(core: &Core, request: JwtRequest, until: Instant) -> Result<Held, UpstreamError> {
    let mut snapshots = core.hub.watch();
    loop {
        let before = core.hub.now();
        let answer = timeout_at(until, core.jwt_calls.ask(request.clone())).await;
        let answer = answer.unwrap_or_else(|_elapsed| Err(late("sign a JWT-SVID")))?;
        let held = Held::of(answer, core.context.now())?;
        if !held.is_verified_in(core, &core.hub.now()) && held.is_verified_in(core, &before) {
            continue;
        }
        let settled = |now: &Arc<Snapshot>| now.phase == Phase::Banned || held.is_verified_in(core, now);
        let told = timeout_at(until, snapshots.wait_for(settled)).await;
        if told.is_ok_and(|now| now.is_ok_and(|now| now.phase != Phase::Banned)) {
            return Ok(held);
        }
        return Err(Error::unreachable("use a JWT-SVID: its key is not in the trust domain's bundle").into());
    }
}
