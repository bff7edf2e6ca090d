//! The chain as lines of JSON.

use carnet_core::{Error, hex};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{AuditFilter, AuditHead, chain};
use crate::Store;

/// Rows that are held at a time.
const PAGE: usize = 500;

/// Writes the rows after `after` that pass the filter, one JSON object a line: `previous`, `hash` (hexadecimal) and `record`,
/// which is exactly the text whose digest is `hash`: SHA-256 of the 32 bytes of `previous` and the text. Answers the last row
/// written, from which to go on; `None` when there was none.
///
/// # Errors
/// When the store cannot be read, or the output cannot be written; complete lines before that are good.
pub async fn export_audit(
    store: &dyn Store,
    after: u64,
    filter: &AuditFilter,
    out: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<Option<AuditHead>, Error> {
    let cannot = |error: std::io::Error| Error::configuration("write the audit log").because(error);
    let mut last = None;
    loop {
        let from = last.map_or(after, |head: AuditHead| head.seq);
        let rows = store.audit(from, PAGE, filter.clone()).await?;
        if rows.is_empty() {
            out.flush().await.map_err(cannot)?;
            return Ok(last);
        }
        for row in rows {
            let (previous, hash, record) = (hex(&row.previous), hex(&row.hash), chain::text(&row)?);
            let line = format!("{{\"previous\":\"{previous}\",\"hash\":\"{hash}\",\"record\":{record}}}\n");
            out.write_all(line.as_bytes()).await.map_err(cannot)?;
            last = Some(AuditHead { seq: row.seq, hash: row.hash });
        }
    }
}
