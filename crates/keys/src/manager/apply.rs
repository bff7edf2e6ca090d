//! One step of the plan as one commit.

use std::sync::Arc;

use carnet_core::Error;
use carnet_jose::Algorithm;
use carnet_store::{AuditRecord, Commit, Committed, KeyRow, Op, Outcome};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    KeyManager,
    keep::{associated, with_backend},
    state::{RowExt, State},
};
use crate::{
    Action, Purpose, Stage,
    ca::{AuthorityPlan, certify, not_after},
    schedule::retires_at,
    upstream::Issuing,
};

/// Who acts when nobody asked.
pub(super) const SCHEDULE: &str = "schedule";

/// What one commit does to keys.
#[derive(Default)]
pub(super) struct Change {
    pub(super) ops: Vec<Op>,
    /// Whether consumers see it.
    pub(super) changes_bundle: bool,
    /// The name of a key that was made for it, to be removed again when another node was faster.
    pub(super) made: Option<String>,
    /// Names of keys whose private half is of no use after it.
    pub(super) gone: Vec<String>,
    pub(super) details: Map<String, Value>,
}

/// Whether a commit took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Done,
    /// The keys have changed since they were read.
    Stale,
}

impl Change {
    /// Moves a key to another stage.
    pub(super) fn move_to(&mut self, row: &KeyRow, stage: Stage, now: Timestamp) {
        if matches!(stage, Stage::Retired | Stage::Tainted) {
            self.gone.push(row.kid.clone());
        }
        self.ops.push(Op::UpdateKey { row: row.moved_to(stage, now), expect: row.revision });
    }

    pub(super) fn retire(&mut self, state: &State, kids: &[String], now: Timestamp) -> Result<(), Error> {
        for kid in kids {
            self.move_to(state.row(kid)?, Stage::Retired, now);
        }
        Ok(())
    }
}

impl KeyManager {
    /// Takes one step of the plan. Another node may have been faster; then nothing has happened.
    pub(super) async fn take(&self, state: &State, step: &Action, issuing: Option<&Issuing>) -> Result<(), Error> {
        let (action, change) = self.change_of(state, step, issuing).await?;
        self.commit(state, change, action, SCHEDULE).await.map(drop)
    }

    /// What a step does.
    pub(super) async fn change_of(
        &self,
        state: &State,
        step: &Action,
        issuing: Option<&Issuing>,
    ) -> Result<(&'static str, Change), Error> {
        let now = self.context.now();
        let mut change = Change::default();
        let action = match step {
            Action::Prepare { purpose, activate_at, retire } => {
                change.retire(state, retire, now)?;
                self.make(&mut change, *purpose, Stage::Prepared, *activate_at, issuing).await?;
                "key.prepare"
            }
            Action::Create { purpose, retire } => {
                change.retire(state, retire, now)?;
                self.make(&mut change, *purpose, Stage::Active, now, issuing).await?;
                "key.create"
            }
            Action::Activate { kid, retire } => {
                change.retire(state, retire, now)?;
                change.move_to(state.row(kid)?, Stage::Active, now);
                change.details.insert("kid".to_owned(), json!(kid));
                "key.activate"
            }
            Action::Retire { kid } => {
                change.move_to(state.row(kid)?, Stage::Retired, now);
                change.details.insert("kid".to_owned(), json!(kid));
                "key.retire"
            }
            Action::Forget { kid } => {
                change.ops.push(Op::DeleteKey { kid: kid.clone() });
                change.gone.push(kid.clone());
                change.changes_bundle = true;
                change.details.insert("kid".to_owned(), json!(kid));
                "key.forget"
            }
        };
        Ok((action, change))
    }

    /// Makes a key, and for an authority its certificate.
    async fn make(
        &self,
        change: &mut Change,
        purpose: Purpose,
        stage: Stage,
        activate_at: Timestamp,
        issuing: Option<&Issuing>,
    ) -> Result<(), Error> {
        let algorithm = self.settings.algorithm(purpose).ok_or_else(|| not_configured(purpose))?;
        if purpose == Purpose::X509 && self.upstream.is_some() && issuing.is_none() {
            return Err(Error::configuration(
                "no certificate authority can be made while the upstream authority cannot be used",
            ));
        }
        let kid = self.context.random_hex::<16>();
        let generated = self.backend.generate(&kid, algorithm).await?;
        let row = self.row_of(&kid, purpose, algorithm, stage, activate_at, generated, issuing).await;
        match row {
            Ok(row) => {
                change.details.insert("kid".to_owned(), json!(kid));
                change.details.insert("purpose".to_owned(), json!(purpose.to_string()));
                change.details.insert("expires_at".to_owned(), json!(row.expires_at));
                change.ops.push(Op::InsertKey(row));
                change.changes_bundle = true;
                change.made = Some(kid);
                Ok(())
            }
            Err(error) => {
                self.destroy(&kid).await;
                Err(error)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is what a row says")]
    async fn row_of(
        &self,
        kid: &str,
        purpose: Purpose,
        algorithm: Algorithm,
        stage: Stage,
        activate_at: Timestamp,
        generated: crate::Generated,
        issuing: Option<&Issuing>,
    ) -> Result<KeyRow, Error> {
        let now = self.context.now();
        // Certificates know whole seconds.
        let created_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let lives_until = created_at.saturating_add(self.settings.lifetime).unwrap_or(Timestamp::MAX);
        let sealed = self
            .sealer()
            .seal(&with_backend(self.backend.name(), &generated.material), &associated(kid, purpose))
            .await?;
        let public = generated.key.public_spki();
        let (certificate, expires_at) = match purpose {
            Purpose::Jwt(_) => (Vec::new(), lives_until),
            Purpose::X509 => {
                // What is above expires, too.
                let expires_at = issuing.map_or(lives_until, |issuing| lives_until.min(issuing.not_after));
                let plan = AuthorityPlan {
                    trust_domain: &self.settings.trust_domain,
                    subject: &self.settings.ca_subject,
                    now: created_at,
                    expires_at,
                };
                let chain = certify(&plan, Arc::new(generated.key), issuing)?;
                let written = chain.first().map(|own| not_after(own)).transpose()?;
                (chain, written.unwrap_or(expires_at))
            }
        };
        Ok(KeyRow {
            kid: kid.to_owned(),
            purpose: purpose.name().to_owned(),
            algorithm: algorithm.name().to_owned(),
            stage: stage.name().to_owned(),
            created_at,
            activate_at,
            retire_at: retires_at(created_at, expires_at),
            expires_at,
            revoked_at: None,
            sealed,
            public,
            certificate,
            node: None,
            revision: 0,
        })
    }

    /// Writes a change, if the keys are still as they were read. What was made in vain, and what is of no use any more, is
    /// removed from the backend.
    pub(super) async fn commit(
        &self,
        state: &State,
        mut change: Change,
        action: &str,
        by: &str,
    ) -> Result<Taken, Error> {
        let now = self.context.now();
        let mut audit = AuditRecord::new(now, action, Outcome::Allowed);
        by.clone_into(&mut audit.actor);
        audit.principal = self.settings.trust_domain.id().to_string();
        audit.details = change.details;
        change.ops.push(state.claim(now, change.changes_bundle)?);
        match self.store.commit(Commit { ops: change.ops, audit, refused: None }).await? {
            Committed::Done { .. } => {
                tracing::info!(action, by, gone = ?change.gone, made = ?change.made, "changed the signing keys");
                for kid in &change.gone {
                    self.destroy(kid).await;
                }
                Ok(Taken::Done)
            }
            Committed::Conflict(_) => {
                if let Some(kid) = &change.made {
                    self.destroy(kid).await;
                }
                Ok(Taken::Stale)
            }
        }
    }

    async fn destroy(&self, kid: &str) {
        if let Err(error) = self.backend.destroy(kid).await {
            let error = carnet_core::chain(&error).join(": ");
            tracing::warn!(kid, error, "a key that is of no use any more could not be removed from its backend");
        }
    }
}

pub(super) fn not_configured(purpose: Purpose) -> Error {
    Error::configuration(format!("there are no keys for {purpose}")).hint("name the algorithm in the configuration")
}
