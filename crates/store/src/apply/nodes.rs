//! Attested nodes.

use super::{Effect, Transaction, entries::conflict};
use crate::{
    ConflictReason, NodeRow, StoreError,
    reads::{self, NODE},
    sql::{Connection, Value},
};

impl<C: Connection> Transaction<'_, C> {
    pub(super) async fn put_node(&mut self, row: &NodeRow) -> Result<Effect, StoreError> {
        let sql = "INSERT INTO nodes (id, kind, selectors, serial, expires_at, banned, reattestable, attested_at, revision) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, \
                   selectors = excluded.selectors, serial = excluded.serial, expires_at = excluded.expires_at, \
                   banned = excluded.banned, reattestable = excluded.reattestable, \
                   attested_at = excluded.attested_at, revision = excluded.revision RETURNING 1";
        let params = params(row, self.next_revision()?)?;
        self.connection.query(sql.into(), params).await?;
        Ok(Effect::Done)
    }

    pub(super) async fn insert_node(&mut self, row: &NodeRow) -> Result<Effect, StoreError> {
        let sql = "INSERT INTO nodes (id, kind, selectors, serial, expires_at, banned, reattestable, attested_at, revision) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING RETURNING 1";
        let params = params(row, self.next_revision()?)?;
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        match self.existing_node(&row.id).await? {
            Some(existing) => conflict(ConflictReason::Exists, &existing),
            None => Ok(Effect::Conflict(ConflictReason::Exists, None)),
        }
    }

    pub(super) async fn update_node(&mut self, row: &NodeRow, expect: u64) -> Result<Effect, StoreError> {
        // SQLite counts the parameters in the order in which they stand.
        let sql = "UPDATE nodes SET id = $1, kind = $2, selectors = $3, serial = $4, expires_at = $5, banned = $6, \
                   reattestable = $7, attested_at = $8, revision = $9 WHERE id = $1 AND revision = $10 RETURNING 1";
        let mut params = params(row, self.next_revision()?)?;
        params.push(Value::count(expect)?);
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        match self.existing_node(&row.id).await? {
            Some(existing) => conflict(ConflictReason::Stale, &existing),
            None => Ok(Effect::Conflict(ConflictReason::NotFound, None)),
        }
    }

    async fn existing_node(&mut self, id: &str) -> Result<Option<NodeRow>, StoreError> {
        let sql = format!("SELECT {NODE} FROM nodes WHERE id = $1");
        let rows = self.connection.query(sql.into(), vec![id.into()]).await?;
        rows.into_iter().next().map(reads::node).transpose()
    }

    pub(super) async fn delete_node(&mut self, id: &str) -> Result<Effect, StoreError> {
        self.next_revision()?;
        self.delete("DELETE FROM nodes WHERE id = $1 RETURNING 1", vec![id.into()]).await
    }
}

fn params(row: &NodeRow, revision: Value) -> Result<Vec<Value>, StoreError> {
    Ok(vec![
        (&row.id).into(),
        (&row.kind).into(),
        Value::json(&row.selectors)?,
        (&row.serial).into(),
        Value::time(row.expires_at),
        Value::Bool(row.banned),
        Value::Bool(row.reattestable),
        Value::time(row.attested_at),
        revision,
    ])
}
