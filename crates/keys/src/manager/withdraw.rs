//! Keys that are not to be relied on any more.

use carnet_core::{Context, Error};
use carnet_store::{AuditRecord, Commit, Committed, KeyRow, Op, Outcome, Store};
use jiff::Timestamp;
use serde_json::json;

use super::{
    KeyManager,
    admin::{KeyView, busy, view},
    apply::{Change, Taken},
    log,
    state::{RowExt, State, read},
};
use crate::{Action, Purpose, Stage, plan};

/// How often something is tried again because another node changed the keys in between.
const ATTEMPTS: usize = 8;

/// What was withdrawn, and what of what it signed may be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The key, as it is now.
    pub key: KeyView,
    /// From when to when it signed; `None` when it never did. Audit records of what was issued in that time name what is
    /// concerned.
    pub signed: Option<(Timestamp, Timestamp)>,
    /// Until when something that it signed would have been valid; `None` when nothing is.
    pub alive_until: Option<Timestamp>,
}

impl KeyManager {
    /// Takes a key out of the bundle at once: what it has signed verifies nowhere any more, as soon as consumers look. One that
    /// signs is replaced in the same commit. `by` goes into the audit record.
    ///
    /// A certificate authority below an upstream one is another matter: the bundle has the upstream's root, so that what it has
    /// signed verifies until it expires, unless the upstream revokes it. [`crate::KeyRing::tainted`] tells holders to replace it.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when there is no such key. When it is revoked and could not be replaced, the error
    /// says so.
    pub async fn revoke(&self, kid: &str, by: &str) -> Result<Withdrawn, Error> {
        self.withdraw(kid, by, false).await
    }

    /// Marks a certificate authority as not to be relied on: it signs no more, and [`crate::KeyRing::tainted`] tells holders of
    /// what it signed to ask for another. What it has signed verifies until it is revoked.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when there is no such key, it is not that of a certificate authority, or it is
    /// revoked.
    pub async fn taint(&self, kid: &str, by: &str) -> Result<Withdrawn, Error> {
        self.withdraw(kid, by, true).await
    }

    async fn withdraw(&self, kid: &str, by: &str, taint: bool) -> Result<Withdrawn, Error> {
        let mut kept = self.kept.lock().await;
        for _ in 0..ATTEMPTS {
            let now = self.context.now();
            let mut state = self.read().await?;
            let before = state.row(kid)?.clone();
            let report = Withdrawn {
                signed: (before.stage()? != Stage::Prepared && before.activate_at < before.retire_at.min(now))
                    .then(|| (before.activate_at, before.retire_at.min(now))),
                alive_until: Some(before.expires_at).filter(|end| before.stage != Stage::Prepared.name() && now < *end),
                key: view(&before)?,
            };
            if before.revoked_at.is_some() {
                return Ok(report);
            }
            if taint && before.purpose()? != Purpose::X509 {
                return Err(Error::configuration(format!(
                    "{kid} signs tokens, and only certificate authorities are tainted"
                ))
                .hint("revoke it"));
            }
            let after = before.moved_to(if taint { Stage::Tainted } else { Stage::Retired }, now);
            let after = KeyRow { revoked_at: (!taint).then_some(now), ..after };
            // The plan is asked as if it were done.
            for row in state.rows.iter_mut().filter(|row| row.kid == kid) {
                row.clone_from(&after);
            }
            let (mut change, failure) = self.replacement(&mut kept, &state, before.purpose()?).await;
            change.ops.insert(0, Op::UpdateKey { row: after.clone(), expect: before.revision });
            change.changes_bundle = true;
            change.gone.push(kid.to_owned());
            change.details.insert("withdrawn".to_owned(), json!(kid));
            change.details.insert("alive_until".to_owned(), json!(report.alive_until));
            let action = if taint { "key.taint" } else { "key.revoke" };
            if self.commit(&state, change, action, by).await? == Taken::Done {
                let settled = self.settle(&mut kept).await;
                return match failure {
                    None => {
                        settled.inspect_err(log).ok();
                        Ok(Withdrawn { key: view(&after)?, ..report })
                    }
                    // Tried twice.
                    Some(_) => settled
                        .map_err(|error| unreplaced(kid, error))
                        .and_then(|_| Ok(Withdrawn { key: view(&after)?, ..report })),
                };
            }
        }
        Err(busy())
    }

    /// Revokes all keys of a store without opening one, for when what they are sealed with is lost. Whoever opens the store next
    /// makes new ones. Nothing that was signed verifies any more. Answers how many were revoked.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn revoke_all(store: &dyn Store, context: &Context, by: &str) -> Result<usize, Error> {
        for _ in 0..ATTEMPTS {
            let (now, state) = (context.now(), read(store).await?);
            let mut ops = Vec::new();
            for row in state.rows.iter().filter(|row| row.revoked_at.is_none()) {
                let row = KeyRow { revoked_at: Some(now), ..row.moved_to(Stage::Retired, now) };
                ops.push(Op::UpdateKey { expect: row.revision, row });
            }
            let revoked = ops.len();
            ops.push(state.claim(now, true)?);
            let mut audit = AuditRecord::new(now, "key.revoke-all", Outcome::Allowed);
            by.clone_into(&mut audit.actor);
            audit.details.insert("keys".to_owned(), json!(revoked));
            if let Committed::Done { .. } = store.commit(Commit { ops, audit, refused: None }).await? {
                return Ok(revoked);
            }
        }
        Err(busy())
    }

    /// What must happen together with the withdrawal so that there is a key that signs. When that fails the withdrawal
    /// happens all the same.
    async fn replacement(&self, kept: &mut super::Kept, state: &State, purpose: Purpose) -> (Change, Option<Error>) {
        let mut failure = None;
        let issuing = self.look_upstream(kept, &mut failure);
        let step = state.facts(kept).map(|facts| {
            plan(&facts, state.times(self.context.now()), &self.settings.schedule()).into_iter().find(|step| match step
            {
                Action::Create { purpose: of, .. } => *of == purpose,
                Action::Activate { kid, .. } => facts.iter().any(|key| key.kid == *kid && key.purpose == purpose),
                Action::Prepare { .. } | Action::Retire { .. } | Action::Forget { .. } => false,
            })
        });
        let change = match step {
            Ok(None) => return (Change::default(), None),
            Ok(Some(step)) => self.change_of(state, &step, issuing.as_ref()).await,
            Err(error) => Err(error),
        };
        match change {
            Ok((_, change)) => (change, None),
            Err(error) => (Change::default(), Some(failure.unwrap_or(error))),
        }
    }
}

fn unreplaced(kid: &str, error: Error) -> Error {
    Error::new(error.kind(), format!("the key {kid} is withdrawn, and no other could take its place")).because(error)
}
