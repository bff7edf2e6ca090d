//! Whether the chain is what it was.

use super::{AuditFilter, AuditHead, AuditRow, chain};
use crate::{Store, StoreError};

/// Rows that are held at a time.
const PAGE: usize = 500;

/// What came of looking at the whole chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every row follows from the one before, up to here.
    Intact(AuditHead),
    /// It does not.
    Broken {
        /// The first row that is wrong, or missing.
        seq: u64,
        /// What is wrong with it.
        what: AuditBreak,
    },
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// There is none of this number, and there are later ones.
    #[error("the row is missing: the next one has number {found}")]
    Missing {
        /// Number of the next row there is.
        found: u64,
    },
    /// It, or the row before it, was exchanged.
    #[error("it does not follow the row before it")]
    Unlinked,
    /// Its record is not the one that was written.
    #[error("its record does not have its digest: it was edited")]
    Edited,
    /// It cannot be read as one of ours.
    #[error("{0}")]
    Unreadable(String),
    /// The chain ends before it, and the head says it was there.
    #[error("the chain ends before it, and the head says that it goes on to {head}")]
    Truncated {
        /// Number of the last row, as the head has it.
        head: u64,
    },
    /// The chain ends before it, and a later row was noted elsewhere.
    #[error(
        "the chain ends before it, and row {noted} was noted elsewhere: it was cut, or that is the note of another log"
    )]
    ShorterThanNoted {
        /// Number of the row that was noted.
        noted: u64,
    },
    /// The chain ends with it, and the head says another digest, or an earlier end.
    #[error("the head of the chain is not that of this row")]
    OtherHead,
    /// The digest that was noted elsewhere is another one.
    #[error("it is not the row that was noted elsewhere")]
    NotAsNoted,
}

/// Goes through the whole chain, with a page of it in memory at a time. Who can write the database can also write a chain that
/// fits: against that, note the head elsewhere from time to time and give it as `noted`.
///
/// # Errors
/// When the store cannot be read. That the chain is broken is no error but the answer.
pub async fn verify_audit(store: &dyn Store, noted: Option<AuditHead>) -> Result<AuditVerdict, StoreError> {
    let mut last = AuditHead { seq: 0, hash: [0; 32] };
    loop {
        let (rows, unreadable) = page(store, last.seq).await?;
        let full = !rows.is_empty();
        for row in rows {
            let seq = last.seq.saturating_add(1);
            if row.seq != seq {
                return Ok(AuditVerdict::Broken { seq, what: AuditBreak::Missing { found: row.seq } });
            }
            if let Some(what) = wrong(&row, &last, noted.as_ref()) {
                return Ok(AuditVerdict::Broken { seq, what });
            }
            last = AuditHead { seq, hash: row.hash };
        }
        if let Some(what) = unreadable {
            return Ok(AuditVerdict::Broken { seq: last.seq.saturating_add(1), what: AuditBreak::Unreadable(what) });
        }
        if full {
            continue;
        }
        let head = store.audit_head().await?;
        if head == last {
            return Ok(end(last, noted));
        }
        // More may have been written meanwhile; then the next page has it.
        if head.seq > last.seq && page(store, last.seq).await?.0.is_empty() {
            let what = AuditBreak::Truncated { head: head.seq };
            return Ok(AuditVerdict::Broken { seq: last.seq.saturating_add(1), what });
        }
        if head.seq <= last.seq {
            return Ok(AuditVerdict::Broken { seq: last.seq, what: AuditBreak::OtherHead });
        }
    }
}

fn end(last: AuditHead, noted: Option<AuditHead>) -> AuditVerdict {
    match noted {
        Some(noted) if noted.seq > last.seq => {
            let what = AuditBreak::ShorterThanNoted { noted: noted.seq };
            AuditVerdict::Broken { seq: last.seq.saturating_add(1), what }
        }
        _ => AuditVerdict::Intact(last),
    }
}

fn wrong(row: &AuditRow, last: &AuditHead, noted: Option<&AuditHead>) -> Option<AuditBreak> {
    if row.previous != last.hash {
        return Some(AuditBreak::Unlinked);
    }
    match chain::text(row) {
        Err(error) => return Some(AuditBreak::Unreadable(error.to_string())),
        Ok(text) if chain::digest(&row.previous, &text) != row.hash => return Some(AuditBreak::Edited),
        Ok(_) => {}
    }
    noted.filter(|noted| noted.seq == row.seq && noted.hash != row.hash).map(|_| AuditBreak::NotAsNoted)
}

/// A page, or what of it comes before a row that cannot be read.
async fn page(store: &dyn Store, after: u64) -> Result<(Vec<AuditRow>, Option<String>), StoreError> {
    match store.audit(after, PAGE, AuditFilter::default()).await {
        Ok(rows) => Ok((rows, None)),
        Err(StoreError::Corrupt { what, audit_row: Some(bad), .. }) => {
            let mut rows = Vec::new();
            let mut last = after;
            // One at a time: a row is missing perhaps, so how many come before the bad one is not known.
            loop {
                match store.audit(last, 1, AuditFilter::default()).await {
                    Ok(mut one) if one.first().is_some_and(|row| row.seq < bad) => {
                        last = one.first().map_or(last, |row| row.seq);
                        rows.append(&mut one);
                    }
                    _ => return Ok((rows, Some(what))),
                }
            }
        }
        Err(error) => Err(error),
    }
}
