//! What to do next with the keys there are: a pure function.
//!
//! A key lives for [`Schedule::lifetime`] from the time it is published. When half of that is left the next one is
//! prepared; when a sixth is left the next one signs and this one retires (as SPIRE does with its authorities). Nothing
//! that is signed outlives its key, so a key that has expired has nothing left to vouch for and leaves the bundle.
//!
//! What signs goes by the own clock, which may be wrong: another key can be made at any time. What leaves the bundle cannot be
//! brought back, and goes by the time that the store believes ([`carnet_store::Store::prune`]), which one clock that jumps does
//! not move far.

use std::cmp::Reverse;

use carnet_store::StoreClock;
use jiff::{SignedDuration, Timestamp};

use crate::{Purpose, Stage};

/// Clocks of nodes and of machines that were set right differ by less. A key that was made later than this from now
/// was made by a clock that was wrong.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// An expired key stays published so much longer, and [`StoreClock::MARGIN`] beside it, for consumers whose clocks are late or whose
/// leeway is generous.
const LINGER: SignedDuration = SignedDuration::from_mins(5);

/// How keys follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What there must be keys for.
    pub purposes: Vec<Purpose>,
    /// How long a key lives from the time it is published.
    pub lifetime: SignedDuration,
    /// How long it is published before it signs, at least.
    pub propagation: SignedDuration,
    /// Most keys of tokens that are published at once, and most authorities.
    pub max_published: usize,
}

/// The times that a plan goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The own clock: by it keys are made, and begin and stop to sign.
    pub now: Timestamp,
    /// What the store believes, and never later than `now`: by it keys are forgotten.
    pub believed: Timestamp,
}

impl Times {
    /// By the own clock and that of the store. A store that believes no time yet has nothing to forget.
    pub fn new(now: Timestamp, store: &StoreClock) -> Self {
        Self { now, believed: store.believed.map_or(Timestamp::MIN, |believed| believed.min(now)) }
    }
}

/// What the plan looks at of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its name.
    pub kid: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is in its life.
    pub stage: Stage,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub activate_at: Timestamp,
    /// When it stops signing.
    pub retire_at: Timestamp,
    /// Nothing it signs lives longer.
    pub expires_at: Timestamp,
    /// When it was withdrawn, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Whether its private half can be had. One that was made by another backend can not.
    pub usable: bool,
    /// The store's revision of its last change: of two that have retired the greater one did so later, whatever clocks said.
    pub revision: u64,
}

/// A step. Each leaves exactly one active key of a purpose that has had one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a key and publish it; it signs later.
    Prepare {
        /// What it is for.
        purpose: Purpose,
        /// When it is to sign.
        activate_at: Timestamp,
        /// Those that waited to sign, and now will not.
        retire: Vec<String>,
    },
    /// Make a key that is published and signs at once, because none is left that could.
    Create {
        /// What it is for.
        purpose: Purpose,
        /// Those that it takes over from.
        retire: Vec<String>,
    },
    /// Let a prepared key sign.
    Activate {
        /// The key.
        kid: String,
        /// Those that it takes over from.
        retire: Vec<String>,
    },
    /// Let a key sign no more, without another in its place.
    Retire {
        /// The key.
        kid: String,
    },
    /// Take it out of the bundle and out of the store.
    Forget {
        /// The key.
        kid: String,
    },
}

impl KeyFacts {
    /// Whether the bundle has it.
    pub fn is_published(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// Whether it could sign at this time, as far as its life goes. The certificate of an authority from the future is
    /// not valid yet, so that nobody would believe what it signs; tokens do not say when their key was made.
    fn can_sign(&self, now: Timestamp) -> bool {
        let valid = self.purpose != Purpose::X509 || !self.is_from_the_future(now);
        self.usable && self.revoked_at.is_none() && now < self.expires_at && valid
    }

    fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.created_at.duration_since(now) > SKEW
    }

    /// Its life, from its being published to the end of what it signs.
    fn life(&self) -> SignedDuration {
        self.expires_at.duration_since(self.created_at)
    }
}

/// What to do now. Nothing, when `keys` is as it should be: doing all of it and asking again at the same time yields nothing.
pub fn plan(keys: &[KeyFacts], times: Times, schedule: &Schedule) -> Vec<Action> {
    let Times { now, believed } = times;
    let mut actions = forgotten(keys, believed);
    for purpose in &schedule.purposes {
        actions.extend(next_of(keys, *purpose, now, schedule));
    }
    for key in keys.iter().filter(|key| !schedule.purposes.contains(&key.purpose)) {
        if matches!(key.stage, Stage::Active | Stage::Prepared) && key.is_published() {
            actions.push(Action::Retire { kid: key.kid.clone() });
        }
    }
    // First those that make room.
    let mut all = evicted(keys, &actions, believed, schedule);
    all.append(&mut actions);
    all
}

/// When a key that lives from `created_at` to `expires_at` hands over: a sixth before its end.
pub(crate) fn retires_at(created_at: Timestamp, expires_at: Timestamp) -> Timestamp {
    expires_at.saturating_sub(expires_at.duration_since(created_at) / 6).unwrap_or(expires_at)
}

/// Whether one more key may be forced without taking the place of one that the schedule will need.
pub(crate) fn has_room(keys: &[KeyFacts], purpose: Purpose, schedule: &Schedule) -> bool {
    let alike = |other: &Purpose| is_token(*other) == is_token(purpose);
    let published = keys.iter().filter(|key| key.is_published() && alike(&key.purpose)).count();
    let reserved = schedule.purposes.iter().filter(|other| alike(other)).count();
    published + 1 + reserved <= schedule.max_published
}

fn next_of(keys: &[KeyFacts], purpose: Purpose, now: Timestamp, schedule: &Schedule) -> Vec<Action> {
    let of_purpose = || keys.iter().filter(|key| key.purpose == purpose && key.is_published());
    let current = of_purpose()
        .filter(|key| key.stage == Stage::Active && key.can_sign(now))
        .max_by_key(|key| (key.activate_at, &key.kid));
    let next = of_purpose()
        .filter(|key| key.stage == Stage::Prepared && key.can_sign(now) && !key.is_from_the_future(now))
        .max_by_key(|key| (key.created_at, &key.kid));
    // Whoever else says that it signs, or waits to: what could not be used any more, and what was one too many.
    let others: Vec<String> = of_purpose()
        .filter(|key| matches!(key.stage, Stage::Active | Stage::Prepared))
        .filter(|key| [current, next].iter().flatten().all(|kept| kept.kid != key.kid))
        .map(|key| key.kid.clone())
        .collect();
    match (current, next) {
        (None, None) => vec![Action::Create { purpose, retire: others }],
        (None, Some(next)) => vec![Action::Activate { kid: next.kid.clone(), retire: others }],
        (Some(current), Some(next)) if is_due(next, now, schedule) => {
            let retire = others.into_iter().chain([current.kid.clone()]).collect();
            vec![Action::Activate { kid: next.kid.clone(), retire }]
        }
        (Some(current), None) if needs_a_successor(current, now) => {
            let activate_at = succession(current, now, schedule);
            vec![Action::Prepare { purpose, activate_at, retire: others }]
        }
        (Some(_), _) => others.into_iter().map(|kid| Action::Retire { kid }).collect(),
    }
}

/// Half of its life is left, or its times are not to be relied on.
fn needs_a_successor(current: &KeyFacts, now: Timestamp) -> bool {
    current.is_from_the_future(now) || current.expires_at.duration_since(now) <= current.life() / 2
}

/// When the next one is to sign: when a sixth of the current one's life is left, and not before it has been published for
/// long enough.
fn succession(current: &KeyFacts, now: Timestamp, schedule: &Schedule) -> Timestamp {
    let propagated = now.saturating_add(schedule.propagation).unwrap_or(Timestamp::MAX);
    if current.is_from_the_future(now) { propagated } else { propagated.max(current.retire_at) }
}

fn is_due(next: &KeyFacts, now: Timestamp, schedule: &Schedule) -> bool {
    now >= next.activate_at && now.duration_since(next.created_at) >= schedule.propagation
}

fn forgotten(keys: &[KeyFacts], believed: Timestamp) -> Vec<Action> {
    let dead = |key: &&KeyFacts| {
        let over = believed.duration_since(key.expires_at) >= LINGER + StoreClock::MARGIN;
        over && (!key.is_published() || matches!(key.stage, Stage::Retired | Stage::Tainted))
    };
    keys.iter().filter(dead).map(|key| Action::Forget { kid: key.kid.clone() }).collect()
}

/// Too many would be published: those go whose time is over, the oldest first, and then those that retired last. That happens
/// only when a clock was wrong, the settings became narrower, or keys live for minutes, because forcing keeps room ([`has_room`])
/// and the schedule needs little. Where clocks contradict each other keys follow one another within moments: what was signed
/// before that needs the first of them, and hardly anything those that came after it.
fn evicted(keys: &[KeyFacts], others: &[Action], believed: Timestamp, schedule: &Schedule) -> Vec<Action> {
    let gone = |kid: &str| others.iter().any(|action| matches!(action, Action::Forget { kid: gone } if gone == kid));
    let mut evicted = Vec::new();
    for tokens in [true, false] {
        let new = |action: &&Action| match action {
            Action::Prepare { purpose, .. } | Action::Create { purpose, .. } => is_token(*purpose) == tokens,
            Action::Activate { .. } | Action::Retire { .. } | Action::Forget { .. } => false,
        };
        let published: Vec<&KeyFacts> = keys
            .iter()
            .filter(|key| key.is_published() && is_token(key.purpose) == tokens && !gone(&key.kid))
            .collect();
        let excess = (published.len() + others.iter().filter(new).count()).saturating_sub(schedule.max_published);
        let retired = published.into_iter().filter(|key| matches!(key.stage, Stage::Retired | Stage::Tainted));
        let (mut over, mut alive): (Vec<_>, Vec<_>) = retired.partition(|key| key.expires_at <= believed);
        over.sort_by_key(|key| (key.expires_at, &key.kid));
        alive.sort_by_key(|key| (Reverse(key.revision), &key.kid));
        let first = over.into_iter().chain(alive).take(excess);
        evicted.extend(first.map(|key| Action::Forget { kid: key.kid.clone() }));
    }
    evicted
}

fn is_token(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Jwt(_))
}

#[cfg(test)]
mod tests;
