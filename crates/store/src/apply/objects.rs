//! Named documents.

use super::{Effect, Transaction, entries::conflict};
use crate::{
    ConflictReason, Expect, Object, ObjectKind, StoreError,
    reads::{self, OBJECT},
    sql::Connection,
};

impl<C: Connection> Transaction<'_, C> {
    pub(super) async fn put_object(
        &mut self,
        kind: ObjectKind,
        name: &str,
        body: &str,
        expect: Expect,
    ) -> Result<Effect, StoreError> {
        let reason = match (self.existing_object(kind, name).await?, expect) {
            (_, Expect::Any) | (None, Expect::Absent) => None,
            (None, Expect::Revision(_)) => return Ok(Effect::Conflict(ConflictReason::NotFound, None)),
            (Some(existing), Expect::Absent) => Some((ConflictReason::Exists, existing)),
            (Some(existing), Expect::Revision(revision)) => {
                (existing.revision != revision).then_some((ConflictReason::Stale, existing))
            }
        };
        if let Some((reason, existing)) = reason {
            return conflict(reason, &existing);
        }
        let sql = "INSERT INTO objects (kind, name, body, revision) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body, revision = excluded.revision RETURNING 1";
        let params = vec![kind.as_str().into(), name.into(), body.into(), self.next_revision()?];
        self.connection.query(sql.into(), params).await?;
        Ok(Effect::Done)
    }

    pub(super) async fn delete_object(&mut self, kind: ObjectKind, name: &str) -> Result<Effect, StoreError> {
        self.next_revision()?;
        let sql = "DELETE FROM objects WHERE kind = $1 AND name = $2 RETURNING 1";
        self.delete(sql, vec![kind.as_str().into(), name.into()]).await
    }

    async fn existing_object(&mut self, kind: ObjectKind, name: &str) -> Result<Option<Object>, StoreError> {
        let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = $1 AND name = $2");
        let rows = self.connection.query(sql.into(), vec![kind.as_str().into(), name.into()]).await?;
        rows.into_iter().next().map(|row| reads::object(kind, row)).transpose()
    }
}
