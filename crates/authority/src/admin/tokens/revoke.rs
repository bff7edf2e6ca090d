//! Revoking access tokens, one or many.

use std::sync::Arc;

use axum::{Json, extract::State};
use carnet_issuer::revocation_mark;
use carnet_store::{AuditRecord, Commit, Committed, ConflictReason, Op, TokenFilter, TokenRow, TokenState};
use futures_util::future::join_all;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TokenView;
use crate::admin::{
    Admin,
    access::Operator,
    answer::Failure,
    change::ChangeQuery,
    federation::Nothing,
    input::{Body, Name, Query},
    page::{MAX_PAGE, Page},
};

/// Tokens that are revoked at a time. Each has a commit of its own, and the store puts those that wait into one transaction; more
/// would keep exchanges waiting.
const TOGETHER: usize = 100;

/// Whose tokens are revoked. At least one of subject and rule must be given, and both must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// `sub`, byte for byte.
    #[serde(default)]
    subject: Option<String>,
    /// The rule that allowed them, by its name.
    #[serde(default)]
    rule: Option<String>,
    /// Only tokens that come after this `jti`.
    #[serde(default)]
    after: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct RevokedTokens {
    /// How many were revoked, or would be. Those that were revoked before or have expired do not count.
    revoked: usize,
    /// Whether it was only looked at.
    dry_run: bool,
    /// What to give as `after` to go on. Absent when there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Name(id): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<TokenView>, Failure> {
    let token = admin.token(&id).await?;
    let now = admin.parts.context.now();
    let record = record(&operator, now, &id, &token.subject, &token.rule);
    admin.commit(vec![Op::RevokeToken { id: id.clone(), now }], record, "token").await?;
    Ok(Json(admin.token(&id).await?))
}

pub(super) async fn several(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    Query(query): Query<ChangeQuery>,
    Body(wanted): Body<Revocation>,
) -> Result<Json<RevokedTokens>, Failure> {
    let Revocation { subject, rule, after } = wanted;
    if subject.is_none() && rule.is_none() {
        let failure = Failure::invalid("say whose tokens are revoked").field("subject");
        return Err(failure.hint("give `subject`, `rule`, or both"));
    }
    let now = admin.parts.context.now();
    // Of tokens that stand by themselves there are no rows to be found; what takes them back is written first, once.
    let mark = revocation_mark(subject.as_deref(), rule.as_deref(), now).filter(|_| after.is_none() && !query.dry_run);
    if let Some(mark) = mark {
        let mut audit = operator.record(now, "token.revoke-before", subject.as_deref().unwrap_or_default());
        audit.details.insert("rule".to_owned(), rule.clone().into());
        admin.commit(vec![mark], audit, "token").await?;
    }
    // One that is used up is good for nothing, and still shows as withdrawn after this.
    let filter = TokenFilter { subject, rule, states: vec![TokenState::Active, TokenState::UsedUp], now };
    let found = admin.parts.store.tokens(filter, after, MAX_PAGE + 1).await?;
    let Page { items, next } = Page::cut(found, MAX_PAGE, |row: &TokenRow| row.id.clone());
    if query.dry_run {
        return Ok(Json(RevokedTokens { revoked: items.len(), dry_run: true, next }));
    }
    let mut revoked = 0;
    for some in items.chunks(TOGETHER) {
        for done in join_all(some.iter().map(|row| admin.revoke(row, now, &operator))).await {
            revoked += usize::from(done?);
        }
    }
    Ok(Json(RevokedTokens { revoked, dry_run: false, next }))
}

impl Admin {
    /// Whether it was there to be revoked.
    async fn revoke(&self, row: &TokenRow, now: Timestamp, operator: &Operator) -> Result<bool, Failure> {
        let audit = record(operator, now, &row.id, &row.subject, &row.rule);
        let ops = vec![Op::RevokeToken { id: row.id.clone(), now }];
        match self.parts.store.commit(Commit { ops, audit, refused: None }).await? {
            Committed::Done { .. } => Ok(true),
            // It has expired meanwhile, and was forgotten.
            Committed::Conflict(conflict) if conflict.reason == ConflictReason::NotFound => Ok(false),
            Committed::Conflict(conflict) => Err(Failure::of_conflict(conflict.reason, "token")),
        }
    }
}

fn record(operator: &Operator, now: Timestamp, id: &str, subject: &str, rule: &str) -> AuditRecord {
    let mut record = operator.record(now, "token.revoke", subject);
    record.token_id = Some(id.to_owned());
    // The record's own rule is that by which the operator came in.
    record.details.insert("rule".to_owned(), rule.into());
    record
}
