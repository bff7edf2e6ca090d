//! The chain of records.

use std::sync::Arc;

use serde_json::{Value, json};

use super::support::{after, commit, noon, record, use_once};
use crate::{AuditFilter, AuditHead, AuditRecord, AuditVerdict, Commit, Outcome, Store, export_audit, verify_audit};

fn only(audit: AuditRecord) -> Commit {
    Commit { ops: Vec::new(), audit, refused: None }
}

async fn write(store: &dyn Store, audit: AuditRecord) {
    assert!(super::support::is_done(&store.commit(only(audit)).await.unwrap()));
}

/// From the first row to the last, refusals too.
pub async fn the_audit_chain_holds_and_ends_in_the_head(store: Arc<dyn Store>) {
    let nothing = AuditHead { seq: 0, hash: [0; 32] };
    assert_eq!(store.audit_head().await.unwrap(), nothing);
    assert_eq!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(nothing));
    for _ in 0..2 {
        let _ = store.commit(commit(vec![use_once(1)])).await.unwrap();
    }
    let rows = store.audit(0, 10, AuditFilter::default()).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.seq, row.record.outcome, row.previous)).collect();
    assert_eq!(seen, [(1, Outcome::Allowed, [0; 32]), (2, Outcome::Refused, rows[0].hash)]);
    let head = AuditHead { seq: 2, hash: rows[1].hash };
    assert_eq!(store.audit_head().await.unwrap(), head);
    assert_eq!(verify_audit(&*store, Some(head)).await.unwrap(), AuditVerdict::Intact(head));
    let elsewhere = AuditHead { seq: 1, hash: [9; 32] };
    assert!(matches!(verify_audit(&*store, Some(elsewhere)).await.unwrap(), AuditVerdict::Broken { seq: 1, .. }));
    let later = AuditHead { seq: 3, hash: [9; 32] };
    assert!(matches!(verify_audit(&*store, Some(later)).await.unwrap(), AuditVerdict::Broken { seq: 3, .. }));
}

/// Each member of the filter, and all at once.
pub async fn audit_rows_are_filtered(store: Arc<dyn Store>) {
    let full = AuditRecord {
        actor: "act".to_owned(),
        subject: "sub".to_owned(),
        principal: "prin".to_owned(),
        rule: Some("rule".to_owned()),
        token_id: Some("jti".to_owned()),
        request_id: "req".to_owned(),
        ..AuditRecord::new(after(10), "issue", Outcome::Refused)
    };
    write(&*store, record(Outcome::Allowed)).await;
    write(&*store, full.clone()).await;
    write(&*store, AuditRecord::new(after(20), "later", Outcome::Failed)).await;
    let text = |text: &str| Some(text.to_owned());
    let every = AuditFilter {
        up_to: Some(2),
        since: Some(after(10)),
        until: Some(after(11)),
        action: text("issue"),
        outcome: Some(Outcome::Refused),
        actor: text("act"),
        subject: text("sub"),
        principal: text("prin"),
        rule: text("rule"),
        token_id: text("jti"),
        request_id: text("req"),
    };
    let none = AuditFilter::default;
    let single = [
        AuditFilter { since: every.since, until: every.until, ..none() },
        AuditFilter { action: every.action.clone(), ..none() },
        AuditFilter { outcome: every.outcome, ..none() },
        AuditFilter { actor: every.actor.clone(), ..none() },
        AuditFilter { subject: every.subject.clone(), ..none() },
        AuditFilter { principal: every.principal.clone(), ..none() },
        AuditFilter { rule: every.rule.clone(), ..none() },
        AuditFilter { token_id: every.token_id.clone(), ..none() },
        AuditFilter { request_id: every.request_id.clone(), ..none() },
    ];
    for filter in single.into_iter().chain([every]) {
        let rows = store.audit(0, 10, filter.clone()).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [2], "{filter:?}");
        assert_eq!(rows[0].record, full);
    }
    let seqs = |rows: Vec<crate::AuditRow>| rows.into_iter().map(|row| row.seq).collect::<Vec<_>>();
    assert_eq!(seqs(store.audit(0, 2, none()).await.unwrap()), [1, 2]);
    assert_eq!(seqs(store.audit(2, 2, none()).await.unwrap()), [3]);
    let early = AuditFilter { until: Some(after(10)), ..none() };
    assert_eq!(seqs(store.audit(0, 10, early).await.unwrap()), [1]);
    let first = AuditFilter { up_to: Some(2), ..none() };
    assert_eq!(seqs(store.audit(0, 10, first.clone()).await.unwrap()), [1, 2]);
    assert_eq!(seqs(store.audit_newest(None, 10, first).await.unwrap()), [2, 1]);
}

/// Characters, numbers and orders that a database or a parser would change.
pub async fn audit_rows_keep_what_is_hard_to_keep(store: Arc<dyn Store>) {
    let mut hard = record(Outcome::Allowed);
    hard.at = "2026-11-21T12:00:00.123456789Z".parse().unwrap();
    "a\0b\u{1}\"\\\n\u{1f511}\u{2028}é".clone_into(&mut hard.subject);
    hard.audiences = vec![String::new(), "b".to_owned()];
    let details = json!({ "z": 1, "a": { "y": [1.1, -0.0, 1e300, u64::MAX, i64::MIN], "b": null }, "\u{e000}": 1, "\u{1f511}": true });
    hard.details = details.as_object().unwrap().clone();
    write(&*store, hard.clone()).await;
    write(&*store, record(Outcome::Allowed)).await;
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(_)));
    let kept = store.audit(0, 1, AuditFilter::default()).await.unwrap().remove(0).record;
    assert_eq!(kept.at, "2026-11-21T12:00:00.123456Z".parse().unwrap());
    assert_eq!(kept.subject, "a\u{fffd}b\u{1}\"\\\n\u{1f511}\u{2028}é");
    assert_eq!(kept.details["a"]["y"], json!(["1.1", "-0.0", "1e+300", u64::MAX, i64::MIN]));
    let found = AuditFilter { subject: Some(hard.subject), ..AuditFilter::default() };
    assert_eq!(store.audit(0, 9, found).await.unwrap().len(), 1);
}

/// [`export_audit`], whose lines can be verified by anybody.
pub async fn the_audit_log_is_exported_line_by_line(store: Arc<dyn Store>) {
    for second in 0..3 {
        write(&*store, AuditRecord::new(after(second), "check", Outcome::Allowed)).await;
    }
    let mut out = Vec::new();
    let last = export_audit(&*store, 1, &AuditFilter::default(), &mut out).await.unwrap();
    assert_eq!(last, Some(store.audit_head().await.unwrap()));
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["previous"], lines[0]["hash"]);
    assert_eq!(lines[1]["record"]["seq"], 3);
    let record = text.lines().last().unwrap().split_once("\"record\":").unwrap().1.strip_suffix('}').unwrap();
    let mut hashed = store.audit(2, 1, AuditFilter::default()).await.unwrap()[0].previous.to_vec();
    hashed.extend_from_slice(record.as_bytes());
    assert_eq!(lines[1]["hash"], carnet_core::hex(&carnet_jose::sha256(&hashed)));
    let nothing = AuditFilter { since: Some(noon() + jiff::SignedDuration::from_hours(1)), ..AuditFilter::default() };
    assert_eq!(export_audit(&*store, 0, &nothing, &mut Vec::new()).await.unwrap(), None);
}

/// [`Store::audit_newest`], page by page, with a filter and without.
pub async fn audit_rows_come_newest_first_if_wanted(store: Arc<dyn Store>) {
    for number in 0..5 {
        let outcome = if number % 2 == 0 { Outcome::Allowed } else { Outcome::Refused };
        write(&*store, record(outcome)).await;
    }
    let read = |before, limit, filter| {
        let store = Arc::clone(&store);
        async move {
            let rows = store.audit_newest(before, limit, filter).await.unwrap();
            rows.iter().map(|row| row.seq).collect::<Vec<_>>()
        }
    };
    let all = AuditFilter::default;
    assert_eq!(read(None, 2, all()).await, [5, 4]);
    assert_eq!(read(Some(4), 10, all()).await, [3, 2, 1]);
    assert_eq!(read(Some(1), 10, all()).await, [0; 0]);
    let allowed = AuditFilter { outcome: Some(Outcome::Allowed), ..all() };
    assert_eq!(read(None, 10, allowed.clone()).await, [5, 3, 1]);
    assert_eq!(read(Some(5), 1, allowed).await, [3]);
}
