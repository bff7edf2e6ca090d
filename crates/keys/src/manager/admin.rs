//! What an administrator may ask for.

use std::sync::{Arc, PoisonError};

use carnet_core::Error;
use carnet_jose::Algorithm;
use carnet_store::{KeyRow, Op};
use jiff::Timestamp;
use serde_json::json;

use super::{
    KeyManager,
    apply::{Change, Taken, not_configured},
    keep::associated,
    state::{RowExt, State},
};
use crate::{Action, Purpose, Sealer, Stage, purpose::algorithm_of, schedule::has_room};

/// How often something is tried again because another node changed the keys in between.
const ATTEMPTS: usize = 8;

/// When a forced rotation takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// When the next key has been published for as long as consumers need.
    #[default]
    AfterPropagation,
    /// Now, even if consumers that look rarely do not know the key yet.
    Now,
}

/// What became of a forced rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key that signs next.
    pub kid: String,
    /// When it begins to.
    pub activates_at: Timestamp,
}

/// A key as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Its name.
    pub kid: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub stage: Stage,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it begins to sign, or began.
    pub activate_at: Timestamp,
    /// When it stops signing, or did.
    pub retire_at: Timestamp,
    /// Nothing it signs lives longer.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// The public half, SubjectPublicKeyInfo in DER.
    pub public: Vec<u8>,
    /// For authorities: the certificates, DER, its own first, the root last.
    pub certificates: Vec<Vec<u8>>,
}

impl KeyManager {
    /// All keys of the store, oldest first.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn list(&self) -> Result<Vec<KeyView>, Error> {
        self.read().await?.rows.iter().map(view).collect()
    }

    /// Puts another key in the place of the active one before its time. `by` goes into the audit record.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when there are no keys for this purpose, [`carnet_core::ErrorKind::Policy`] when
    /// too many keys are published.
    pub async fn rotate(&self, purpose: Purpose, by: &str, timing: Timing) -> Result<Rotated, Error> {
        if !self.settings.purposes().contains(&purpose) {
            return Err(not_configured(purpose));
        }
        let mut kept = self.kept.lock().await;
        for _ in 0..ATTEMPTS {
            let state = self.read().await?;
            self.load(&mut kept, &state).await?;
            let step = self.rotation(&state, &kept, purpose, timing)?;
            let (change, rotated) = match step {
                Step::Plan(step) => {
                    let mut failure = None;
                    let issuing = self.look_upstream(&mut kept, &mut failure);
                    let (_, change) = self
                        .change_of(&state, &step, issuing.as_ref())
                        .await
                        .map_err(|error| failure.unwrap_or(error))?;
                    let activates_at = match step {
                        Action::Prepare { activate_at, .. } => activate_at,
                        _ => self.context.now(),
                    };
                    let kid = match &step {
                        Action::Activate { kid, .. } => kid.clone(),
                        _ => change.made.clone().unwrap_or_default(),
                    };
                    (change, Rotated { kid, activates_at })
                }
                Step::Advance(row) => {
                    let rotated = Rotated { kid: row.kid.clone(), activates_at: row.activate_at };
                    let mut change = Change::default();
                    change.details.insert("kid".to_owned(), json!(row.kid));
                    change.ops.push(Op::UpdateKey { expect: row.revision, row: *row });
                    (change, rotated)
                }
            };
            if self.commit(&state, change, "key.rotate", by).await? == Taken::Done {
                self.settle_after(&mut kept).await;
                return Ok(rotated);
            }
        }
        Err(busy())
    }

    fn rotation(&self, state: &State, kept: &super::Kept, purpose: Purpose, timing: Timing) -> Result<Step, Error> {
        let now = self.context.now();
        let schedule = self.settings.schedule();
        let facts = state.facts(kept)?;
        let of_purpose = |stage: Stage| {
            let facts = &facts;
            facts.iter().filter(move |key| {
                key.purpose == purpose && key.stage == stage && key.is_published() && key.usable && now < key.expires_at
            })
        };
        let signing: Vec<String> = of_purpose(Stage::Active).map(|key| key.kid.clone()).collect();
        let next = of_purpose(Stage::Prepared).next_back();
        let step = match (next, timing) {
            (Some(next), Timing::Now) => Step::Plan(Action::Activate { kid: next.kid.clone(), retire: signing }),
            (Some(next), Timing::AfterPropagation) => {
                let row = state.row(&next.kid)?;
                let propagated = row.created_at.saturating_add(schedule.propagation).unwrap_or(Timestamp::MAX);
                Step::Advance(Box::new(KeyRow { activate_at: propagated.max(now).min(row.activate_at), ..row.clone() }))
            }
            (None, _) if !has_room(&facts, purpose, &schedule) => {
                let message =
                    format!("{} keys are published already, which is as many as may be", schedule.max_published);
                return Err(Error::policy(message)
                    .hint("wait until one has expired, revoke one, or raise `max_published` in [authority.keys]"));
            }
            (None, Timing::Now) => Step::Plan(Action::Create { purpose, retire: signing }),
            (None, Timing::AfterPropagation) => Step::Plan(self.successor(state, purpose)),
        };
        Ok(step)
    }

    /// A next key that signs as soon as consumers know it, in place of one that waits.
    pub(super) fn successor(&self, state: &State, purpose: Purpose) -> Action {
        let waits = |row: &&KeyRow| {
            row.is_waiting_or_signing()
                && row.stage == Stage::Prepared.name()
                && row.purpose().is_ok_and(|of| of == purpose)
        };
        let retire = state.rows.iter().filter(waits).map(|row| row.kid.clone()).collect();
        let activate_at = self.context.now().saturating_add(self.settings.propagation).unwrap_or(Timestamp::MAX);
        Action::Prepare { purpose, activate_at, retire }
    }

    /// Seals all private keys with another sealer, in one commit. This manager uses it from then on; other nodes of the store
    /// must be started with it, and keep what they have opened until then.
    ///
    /// # Errors
    /// When one cannot be opened or sealed. Then all are as they were.
    pub async fn rewrap(&self, sealer: Arc<dyn Sealer>, by: &str) -> Result<usize, Error> {
        let _one_at_a_time = self.kept.lock().await;
        for _ in 0..ATTEMPTS {
            let state = self.read().await?;
            let mut change = Change::default();
            for row in state.rows.iter().filter(|row| !row.sealed.is_empty()) {
                let associated = associated(&row.kid, row.purpose()?);
                let plain = self.sealer().open(&row.sealed, &associated).await?;
                let again = sealer.seal(&plain, &associated).await?;
                change.ops.push(Op::UpdateKey { row: KeyRow { sealed: again, ..row.clone() }, expect: row.revision });
            }
            let rewrapped = change.ops.len();
            change.details.insert("sealer".to_owned(), json!(sealer.describe()));
            change.details.insert("keys".to_owned(), json!(rewrapped));
            if self.commit(&state, change, "key.rewrap", by).await? == Taken::Done {
                *self.sealer.lock().unwrap_or_else(PoisonError::into_inner) = sealer;
                return Ok(rewrapped);
            }
        }
        Err(busy())
    }
}

enum Step {
    /// As the schedule does it.
    Plan(Action),
    /// A key that waits signs earlier.
    Advance(Box<KeyRow>),
}

pub(super) fn view(row: &KeyRow) -> Result<KeyView, Error> {
    Ok(KeyView {
        kid: row.kid.clone(),
        purpose: row.purpose()?,
        algorithm: algorithm_of(&row.algorithm)?,
        stage: row.stage()?,
        created_at: row.created_at,
        activate_at: row.activate_at,
        retire_at: row.retire_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        public: row.public.clone(),
        certificates: row.certificate.clone(),
    })
}

pub(super) fn busy() -> Error {
    Error::unreachable("other nodes change the keys all the time").hint("try again")
}
