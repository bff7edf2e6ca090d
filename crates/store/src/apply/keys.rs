//! Signing keys.

use super::{Effect, Transaction};
use crate::{
    ConflictReason, KeyRow, StoreError,
    sql::{Connection, Value},
};

impl<C: Connection> Transaction<'_, C> {
    pub(super) async fn insert_key(&mut self, row: &KeyRow) -> Result<Effect, StoreError> {
        let sql = "INSERT INTO keys (purpose, algorithm, stage, created_at, activate_at, retire_at, expires_at, \
                   revoked_at, sealed, public, certificate, node, revision, kid) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                   ON CONFLICT (kid) DO NOTHING RETURNING 1";
        let params = params(row, self.next_revision()?)?;
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        Ok(Effect::Conflict(ConflictReason::Exists, None))
    }

    pub(super) async fn update_key(&mut self, row: &KeyRow, expect: u64) -> Result<Effect, StoreError> {
        let sql = "UPDATE keys SET purpose = $1, algorithm = $2, stage = $3, created_at = $4, activate_at = $5, \
                   retire_at = $6, expires_at = $7, revoked_at = $8, sealed = $9, public = $10, certificate = $11, \
                   node = $12, revision = $13 WHERE kid = $14 AND revision = $15 RETURNING 1";
        let mut params = params(row, self.next_revision()?)?;
        params.push(Value::count(expect)?);
        if self.did(sql, params).await? {
            return Ok(Effect::Done);
        }
        let there = self.did("SELECT 1 FROM keys WHERE kid = $1", vec![(&row.kid).into()]).await?;
        Ok(Effect::Conflict(if there { ConflictReason::Stale } else { ConflictReason::NotFound }, None))
    }

    pub(super) async fn delete_key(&mut self, kid: &str) -> Result<Effect, StoreError> {
        self.next_revision()?;
        self.delete("DELETE FROM keys WHERE kid = $1 RETURNING 1", vec![kid.into()]).await
    }
}

fn params(row: &KeyRow, revision: Value) -> Result<Vec<Value>, StoreError> {
    let certificate: Vec<String> = row.certificate.iter().map(|der| carnet_core::hex(der)).collect();
    Ok(vec![
        (&row.purpose).into(),
        (&row.algorithm).into(),
        (&row.stage).into(),
        Value::time(row.created_at),
        Value::time(row.activate_at),
        Value::time(row.retire_at),
        Value::time(row.expires_at),
        (&row.revoked_at).into(),
        row.sealed.as_slice().into(),
        row.public.as_slice().into(),
        Value::json(&certificate)?,
        (&row.node).into(),
        revision,
        (&row.kid).into(),
    ])
}
