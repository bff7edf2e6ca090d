//! Registration entries.

use jiff::Timestamp;

use super::{Effect, Transaction};
use crate::{
    ConflictReason, Row, StoreError,
    reads::{self, ENTRY},
    sql::{Connection, Value},
};

/// What no two entries share.
pub(super) struct Place<'a> {
    pub(super) spiffe_id: &'a str,
    pub(super) parent_id: &'a str,
    pub(super) selectors_key: &'a [u8; 32],
}

impl<C: Connection> Transaction<'_, C> {
    pub(super) async fn create_entry(
        &mut self,
        id: &str,
        place: &Place<'_>,
        body: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<Effect, StoreError> {
        if let Some(existing) = self.live_entry(id).await? {
            return conflict(ConflictReason::Exists, &existing);
        }
        if let Some(similar) = self.similar_entry(id, place).await? {
            return conflict(ConflictReason::Similar, &similar);
        }
        let revision = self.next_revision()?;
        // A tombstone of that name makes room.
        let sql = "INSERT INTO entries (id, spiffe_id, parent_id, selectors_key, body, expires_at, revision) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
                   spiffe_id = excluded.spiffe_id, parent_id = excluded.parent_id, \
                   selectors_key = excluded.selectors_key, body = excluded.body, expires_at = excluded.expires_at, \
                   revision = excluded.revision, deleted_at = NULL RETURNING 1";
        let params = vec![
            id.into(),
            place.spiffe_id.into(),
            place.parent_id.into(),
            place.selectors_key.into(),
            body.into(),
            (&expires_at).into(),
            revision,
        ];
        self.connection.query(sql.into(), params).await?;
        Ok(Effect::Done)
    }

    pub(super) async fn update_entry(
        &mut self,
        id: &str,
        place: &Place<'_>,
        body: &str,
        expires_at: Option<Timestamp>,
        expect: Option<u64>,
    ) -> Result<Effect, StoreError> {
        let Some(existing) = self.live_entry(id).await? else {
            return Ok(Effect::Conflict(ConflictReason::NotFound, None));
        };
        if expect.is_some_and(|expect| expect != existing.revision) {
            return conflict(ConflictReason::Stale, &existing);
        }
        if let Some(similar) = self.similar_entry(id, place).await? {
            return conflict(ConflictReason::Similar, &similar);
        }
        let sql = "UPDATE entries SET spiffe_id = $1, parent_id = $2, selectors_key = $3, body = $4, expires_at = $5, \
                   revision = $6 WHERE id = $7 RETURNING 1";
        let params = vec![
            place.spiffe_id.into(),
            place.parent_id.into(),
            place.selectors_key.into(),
            body.into(),
            (&expires_at).into(),
            self.next_revision()?,
            id.into(),
        ];
        self.connection.query(sql.into(), params).await?;
        Ok(Effect::Done)
    }

    pub(super) async fn delete_entry(&mut self, id: &str) -> Result<Effect, StoreError> {
        let sql = "UPDATE entries SET body = NULL, deleted_at = $1, revision = $2 WHERE id = $3 AND deleted_at IS NULL \
                   RETURNING 1";
        let params = vec![Value::Int(self.at), self.next_revision()?, id.into()];
        self.delete(sql, params).await
    }

    async fn live_entry(&mut self, id: &str) -> Result<Option<Row>, StoreError> {
        let sql = format!("SELECT {ENTRY} FROM entries WHERE id = $1 AND deleted_at IS NULL");
        let rows = self.connection.query(sql.into(), vec![id.into()]).await?;
        rows.into_iter().next().map(reads::entry).transpose()
    }

    async fn similar_entry(&mut self, id: &str, place: &Place<'_>) -> Result<Option<Row>, StoreError> {
        let sql = format!(
            "SELECT {ENTRY} FROM entries WHERE spiffe_id = $1 AND parent_id = $2 AND selectors_key = $3 \
             AND deleted_at IS NULL AND id <> $4"
        );
        let params = vec![place.spiffe_id.into(), place.parent_id.into(), place.selectors_key.into(), id.into()];
        let rows = self.connection.query(sql.into(), params).await?;
        rows.into_iter().next().map(reads::entry).transpose()
    }
}

/// A conflict that shows what is there.
pub(super) fn conflict(reason: ConflictReason, existing: &impl serde::Serialize) -> Result<Effect, StoreError> {
    let existing = serde_json::to_value(existing).map_err(|error| StoreError::Invalid(error.to_string()))?;
    Ok(Effect::Conflict(reason, Some(existing)))
}
