//! From records to rows of the chain, and back.

use carnet_jose::sha256;
use serde::Deserialize;

use super::{AuditRecord, AuditRow, canonical::Rendered};
use crate::{
    StoreError,
    sql::{ChainRow, Columns, Head},
};

/// Puts a record at the end of the chain.
pub(crate) fn link(head: &mut Head, record: &Rendered) -> Result<ChainRow, StoreError> {
    let seq = head.seq.saturating_add(1);
    let text = record.at_place(seq);
    let previous = head.hash;
    let hash = digest(&previous, &text);
    let row = ChainRow {
        seq: i64::try_from(seq).map_err(|_error| StoreError::Invalid("the audit chain is full".to_owned()))?,
        at: record.at,
        previous,
        hash,
        record: text,
    };
    head.seq = seq;
    head.hash = hash;
    Ok(row)
}

/// SHA-256 of the digest before and the text.
pub(crate) fn digest(previous: &[u8; 32], text: &str) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(32 + text.len());
    bytes.extend_from_slice(previous);
    bytes.extend_from_slice(text.as_bytes());
    sha256(&bytes)
}

/// The text of a row as it was hashed.
pub(crate) fn text(row: &AuditRow) -> Result<String, StoreError> {
    Rendered::new(&row.record).map(|rendered| rendered.at_place(row.seq)).map_err(StoreError::Invalid)
}

/// A record as it is stored, with its place.
#[derive(Deserialize)]
struct Stored {
    seq: u64,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

pub(crate) const COLUMNS: &str = "seq, at, previous, hash, record";

/// Reads a row whose columns and record agree; whether its digest is right is for the verifier.
pub(crate) fn read(mut columns: Columns) -> Result<AuditRow, StoreError> {
    let seq = columns.count()?;
    let (at, previous, hash, record) = (columns.int()?, columns.digest()?, columns.digest()?, columns.text()?);
    let Stored { seq: stated, rest } =
        serde_json::from_str(&record).map_err(|error| broken(seq, &format!("its record is not good: {error}")))?;
    if stated != seq {
        return Err(broken(seq, &format!("its record says that it is row {stated}")));
    }
    let parsed: AuditRecord = serde_json::from_value(serde_json::Value::Object(rest))
        .map_err(|error| broken(seq, &format!("its record is not good: {error}")))?;
    if parsed.at.as_microsecond() != at {
        return Err(broken(seq, "the time of the row is not that of its record"));
    }
    let row = AuditRow { seq, previous, hash, record: parsed };
    if text(&row)? != record {
        return Err(broken(seq, "its record is not written as carnet writes it"));
    }
    Ok(row)
}

fn broken(seq: u64, what: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("audit row {seq}: {what}"),
        hint: "somebody has changed the audit log: compare it with a backup or an export".to_owned(),
        audit_row: Some(seq),
    }
}
