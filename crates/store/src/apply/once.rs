//! What can be used once: keys and join tokens.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Effect, Transaction};
use crate::{
    ConflictReason, JoinTokenRow, StoreError,
    reads::{self, JOIN_TOKEN},
    sql::{Connection, Value},
};

impl<C: Connection> Transaction<'_, C> {
    pub(super) async fn use_once(&mut self, key: &[u8; 32], until: Timestamp) -> Result<Effect, StoreError> {
        // What would be forgotten by now may have been used: that it is not there says nothing.
        let sql = "INSERT INTO used (key, until) SELECT $1, $2 FROM head WHERE forgotten < $2 \
                   ON CONFLICT (key) DO NOTHING RETURNING 1";
        if self.did(sql, vec![key.into(), Value::time(until)]).await? {
            return Ok(Effect::Done);
        }
        Ok(Effect::Conflict(ConflictReason::Used, None))
    }

    pub(super) async fn create_join_token(&mut self, row: &JoinTokenRow) -> Result<Effect, StoreError> {
        self.next_revision()?;
        let sql = "INSERT INTO join_tokens (hash, agent_path, expires_at, selectors) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (hash) DO NOTHING RETURNING 1";
        let params = vec![
            (&row.hash).into(),
            (&row.agent_path).into(),
            Value::time(row.expires_at),
            Value::json(&row.selectors)?,
        ];
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        Ok(Effect::Conflict(ConflictReason::Exists, None))
    }

    pub(super) async fn consume_join_token(&mut self, hash: &[u8; 32], now: Timestamp) -> Result<Effect, StoreError> {
        let sql = format!("DELETE FROM join_tokens WHERE hash = $1 AND expires_at > $2 RETURNING {JOIN_TOKEN}");
        let rows = self.connection.query(sql.into(), vec![hash.into(), Value::time(now)]).await?;
        if let Some(row) = rows.into_iter().next() {
            self.next_revision()?;
            let row = reads::join_token(row)?;
            let row = serde_json::to_value(row).map_err(|error| StoreError::Invalid(error.to_string()))?;
            return Ok(Effect::Returned(row));
        }
        let there = self.did("SELECT 1 FROM join_tokens WHERE hash = $1", vec![hash.into()]).await?;
        let reason = if there { ConflictReason::Expired } else { ConflictReason::NotFound };
        Ok(Effect::Conflict(reason, None::<Json>))
    }

    pub(super) async fn delete_join_token(&mut self, hash: &[u8; 32]) -> Result<Effect, StoreError> {
        self.next_revision()?;
        self.delete("DELETE FROM join_tokens WHERE hash = $1 RETURNING 1", vec![hash.into()]).await
    }

    /// Deletes one row, which must be there.
    pub(super) async fn delete(&mut self, sql: &'static str, params: Vec<Value>) -> Result<Effect, StoreError> {
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        Ok(Effect::Conflict(ConflictReason::NotFound, None))
    }
}
