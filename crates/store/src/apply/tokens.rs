//! Issued tokens, for those that can be used up or withdrawn.

use jiff::Timestamp;

use super::{Effect, Transaction};
use crate::{
    ConflictReason, StoreError, TokenRow,
    reads::{self, TOKEN},
    sql::{Connection, Value},
};

impl<C: Connection> Transaction<'_, C> {
    pub(super) async fn insert_token(&mut self, row: &TokenRow, claims: &str) -> Result<Effect, StoreError> {
        let sql = "INSERT INTO tokens (id, subject, actor, rule, audiences, issued_at, expires_at, max_expires_at, \
                   uses_left, networks, revoked_at, claims) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING RETURNING 1";
        let params = vec![
            (&row.id).into(),
            (&row.subject).into(),
            (&row.actor).into(),
            (&row.rule).into(),
            Value::json(&row.audiences)?,
            Value::time(row.issued_at),
            Value::time(row.expires_at),
            Value::time(row.max_expires_at),
            row.uses_left.map_or(Ok(Value::Null), Value::count)?,
            Value::json(&row.networks)?,
            (&row.revoked_at).into(),
            claims.into(),
        ];
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        Ok(Effect::Conflict(ConflictReason::Exists, None))
    }

    pub(super) async fn use_token(&mut self, id: &str, now: Timestamp) -> Result<Effect, StoreError> {
        let sql = "UPDATE tokens SET uses_left = uses_left - 1 WHERE id = $1 AND revoked_at IS NULL \
                   AND expires_at > $2 AND (uses_left IS NULL OR uses_left > 0) RETURNING 1";
        if self.did(sql, vec![id.into(), Value::time(now)]).await? {
            return Ok(Effect::Done);
        }
        let reason = match self.existing_token(id).await? {
            None => ConflictReason::NotFound,
            Some(row) if row.revoked_at.is_some() => ConflictReason::Revoked,
            Some(row) if row.uses_left == Some(0) => ConflictReason::Used,
            Some(_) => ConflictReason::Expired,
        };
        Ok(Effect::Conflict(reason, None))
    }

    /// What is revoked may be revoked once more.
    pub(super) async fn revoke_token(&mut self, id: &str, now: Timestamp) -> Result<Effect, StoreError> {
        Ok(match self.supersede_token(id, now).await? {
            Effect::Conflict(ConflictReason::Revoked, _) => Effect::Done,
            effect => effect,
        })
    }

    pub(super) async fn supersede_token(&mut self, id: &str, now: Timestamp) -> Result<Effect, StoreError> {
        let sql = "UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING 1";
        if self.did(sql, vec![Value::time(now), id.into()]).await? {
            self.next_revision()?;
            return Ok(Effect::Done);
        }
        let there = self.existing_token(id).await?.is_some();
        let reason = if there { ConflictReason::Revoked } else { ConflictReason::NotFound };
        Ok(Effect::Conflict(reason, None))
    }

    async fn existing_token(&mut self, id: &str) -> Result<Option<TokenRow>, StoreError> {
        let sql = format!("SELECT {TOKEN} FROM tokens WHERE id = $1");
        let rows = self.connection.query(sql.into(), vec![id.into()]).await?;
        rows.into_iter().next().map(reads::token).transpose()
    }
}
