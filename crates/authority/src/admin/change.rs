//! Changing what lies in the store as an object: rules, issuers, federated domains.

use std::path::Path;

use carnet_store::{AuditRecord, Commit, Committed, Expect, Object, ObjectKind, Op, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Admin, access::Operator, answer::Failure, input, input::Precondition};

/// What became of a change.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// What was done, or would be.
    pub(crate) action: Done,
    /// Whether it was only looked at.
    pub(crate) dry_run: bool,
    /// The revision after it. Absent when nothing was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    /// What is taken and should not be: of a rule for jobs of a CI system, what could happen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    /// It was not there before.
    Created,
    /// It was another one before.
    Updated,
    /// It was so before; nothing was written.
    Unchanged,
    /// It is there no more.
    Deleted,
}

/// How to change.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeQuery {
    /// Only look whether it would be done, by the same checks: `true` or `false`. Nothing is stored, and there is no audit row.
    #[serde(default, deserialize_with = "input::boolean")]
    pub(crate) dry_run: bool,
}

/// What is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) kind: ObjectKind,
    /// For people, and the beginning of the action in the audit log.
    pub(crate) what: &'static str,
    pub(crate) name: &'a str,
}

impl Admin {
    /// Puts an object in its place. That it may be there has been looked at.
    pub(crate) async fn put(
        &self,
        target: Target<'_>,
        body: Value,
        precondition: Precondition,
        dry_run: bool,
        operator: &Operator,
    ) -> Result<Change, Failure> {
        let Target { kind, what, name } = target;
        let there = self.parts.store.object(kind, name.to_owned()).await?;
        precondition.check(there.as_ref().map(|object| object.revision))?;
        let action = match &there {
            None => Done::Created,
            Some(object) if object.body == body => Done::Unchanged,
            Some(_) => Done::Updated,
        };
        if dry_run || action == Done::Unchanged {
            return Ok(Change { action, dry_run, revision: None, warnings: Vec::new() });
        }
        // What was looked at is what is replaced.
        let expect = there.as_ref().map_or(Expect::Absent, |object| Expect::Revision(object.revision));
        let mut record = operator.record(self.parts.context.now(), &format!("{what}.put"), name);
        record.details.insert("body".to_owned(), body.clone());
        let op = Op::PutObject { kind, name: name.to_owned(), body: body.clone(), expect };
        let revision = self.commit(vec![op], record, what).await?;
        if matches!(kind, ObjectKind::Rule | ObjectKind::Issuer) {
            self.hold_together(target, Object { kind, name: name.to_owned(), body, revision }, there, operator).await?;
            self.count(what).await?;
        }
        Ok(Change { action, dry_run, revision: Some(revision), warnings: Vec::new() })
    }

    /// Takes a change back when files and store do not go together with it, for instance because a file names the same
    /// issuer: with such a store no authority would start. A file or a store that cannot be read is no reason, and what somebody
    /// else has put there since is not touched.
    async fn hold_together(
        &self,
        target: Target<'_>,
        put: Object,
        before: Option<Object>,
        operator: &Operator,
    ) -> Result<(), Failure> {
        let Target { kind, what, .. } = target;
        let Ok(Some(error)) = self.parts.rules.clash().await else { return Ok(()) };
        let (name, expect) = (put.name, Expect::Revision(put.revision));
        let ops = match before {
            Some(object) => vec![Op::PutObject { kind, name, body: object.body, expect }],
            // An object cannot be deleted at a revision: it is put as it is at that revision first.
            None => {
                vec![
                    Op::PutObject { kind, name: name.clone(), body: put.body, expect },
                    Op::DeleteObject { kind, name },
                ]
            }
        };
        let record = operator.record(self.parts.context.now(), &format!("{what}.undo"), target.name);
        self.commit(ops, record, what).await?;
        let message = format!("it was taken back: {}", carnet_core::chain(&error).join(": "));
        Err(Failure::conflict(message).hint("look whether it stands in a file of the authority, too"))
    }

    /// Makes what was stored count before it is answered. What cannot be taken now is stored all the same.
    async fn count(&self, what: &str) -> Result<(), Failure> {
        self.parts.rules.reload_now().await.map_err(|error| {
            let text = carnet_core::chain(&error).join(": ");
            let message = format!("the change of the {what} is stored, and does not count here yet: {text}");
            Failure::conflict(message)
                .hint("see to the files of rules and to the store; the last good rules count until then")
        })
    }

    /// Takes an object away.
    pub(crate) async fn remove(
        &self,
        target: Target<'_>,
        precondition: Precondition,
        dry_run: bool,
        operator: &Operator,
    ) -> Result<Change, Failure> {
        let Target { kind, what, name } = target;
        let there = self.object(target).await?;
        precondition.check(Some(there.revision))?;
        if dry_run {
            return Ok(Change { action: Done::Deleted, dry_run, revision: None, warnings: Vec::new() });
        }
        let record = operator.record(self.parts.context.now(), &format!("{what}.delete"), name);
        // An object cannot be deleted at a revision: it is put as it was at that revision first.
        let name = name.to_owned();
        let ops = vec![
            Op::PutObject { kind, name: name.clone(), body: there.body, expect: Expect::Revision(there.revision) },
            Op::DeleteObject { kind, name },
        ];
        let revision = self.commit(ops, record, what).await?;
        if matches!(kind, ObjectKind::Rule | ObjectKind::Issuer) {
            self.count(what).await?;
        }
        Ok(Change { action: Done::Deleted, dry_run, revision: Some(revision), warnings: Vec::new() })
    }

    pub(crate) async fn object(&self, target: Target<'_>) -> Result<Object, Failure> {
        let found = self.parts.store.object(target.kind, target.name.to_owned()).await?;
        found.ok_or_else(|| none_here(target.what))
    }

    /// One change with its audit row. What conflicts is on record as refused, and changes nothing.
    pub(crate) async fn commit(&self, ops: Vec<Op>, audit: AuditRecord, what: &str) -> Result<u64, Failure> {
        let mut refused =
            AuditRecord { outcome: Outcome::Refused, clause: Some("conflict".to_owned()), ..audit.clone() };
        refused
            .details
            .insert("message".to_owned(), json!("it was changed by somebody else meanwhile, or is not there"));
        match self.parts.store.commit(Commit { ops, audit, refused: Some(refused) }).await? {
            Committed::Done { revision, .. } => Ok(revision),
            Committed::Conflict(conflict) => Err(Failure::of_conflict(conflict.reason, what)),
        }
    }
}

/// The origin of what was put here.
pub(crate) const API: &str = carnet_entries::API;

pub(crate) fn none_here(what: &str) -> Failure {
    Failure::not_found(format!("there is no such {what} here"))
}

/// What a file says is changed in the file.
pub(crate) fn stands_in_a_file(what: &str, path: &Path) -> Failure {
    let place = carnet_core::safe_text(&path.display().to_string());
    Failure::conflict(format!("the {what} stands in a file of the authority: {place}"))
        .hint("change the file, which is read again by itself, or take another name")
}

/// An object of the store as what it should be. What is not was written by a newer carnet.
pub(crate) fn read<T: serde::de::DeserializeOwned>(object: &Object) -> Result<T, Failure> {
    T::deserialize(&object.body).map_err(|error| {
        let place = format!("{} {}", object.kind.as_str(), carnet_core::safe_text(&object.name));
        Failure::internal(format!("the {place} of the store cannot be read: {error}"))
            .hint("a newer carnet may have written it: use that one")
    })
}
