//! What is said of a store once.

use serde_json::Value;

use crate::{AuditRecord, Commit, Committed, Expect, ObjectKind, Op, Store, StoreError};

/// The setting of this name: what stands there, or `body` from now on, with `record` for having set it. Of several that come at
/// once all get what the first of them has set.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn settle(store: &dyn Store, name: &str, body: Value, record: AuditRecord) -> Result<Value, StoreError> {
    let kind = ObjectKind::Setting;
    if let Some(object) = store.object(kind, name.to_owned()).await? {
        return Ok(object.body);
    }
    let op = Op::PutObject { kind, name: name.to_owned(), body: body.clone(), expect: Expect::Absent };
    match store.commit(Commit { ops: vec![op], audit: record, refused: None }).await? {
        Committed::Done { .. } => Ok(body),
        Committed::Conflict(conflict) => {
            let there = conflict.existing.and_then(|mut object| object.get_mut("body").map(Value::take));
            there.ok_or_else(|| StoreError::Corrupt {
                what: format!("the setting {name} of the store is there and has no content"),
                hint: "restore the store from a copy".to_owned(),
                audit_row: None,
            })
        }
    }
}
