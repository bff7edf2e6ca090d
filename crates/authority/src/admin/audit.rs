//! The audit log.

use std::{io, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    response::{IntoResponse, Response},
    routing::get,
};
use carnet_core::{Error, hex};
use carnet_store::{AuditFilter, AuditHead, AuditRow, AuditVerdict, Outcome, export_audit, verify_audit};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, DuplexStream},
    task::JoinHandle,
};

use super::{
    Admin,
    answer::Failure,
    input::{self, Query},
    join_tokens::digest,
    page::{Page, limit},
    route::{Answer, Route},
};

/// What is on its way from the log to whoever exports it, in bytes.
const IN_FLIGHT: usize = 64 << 10;

/// Rows that one answer of an export looks at when it has a filter, which may let none of them pass.
const LOOKED_AT: u64 = 20_000;
/// From where to go on when an answer ends there and the log does not.
pub(crate) const NEXT: HeaderName = HeaderName::from_static("carnet-next-after");

/// A row of the audit log.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct AuditView {
    /// Its place, from 1, without gaps.
    seq: u64,
    /// Digest of the row before, hexadecimal.
    previous: String,
    /// Its digest, hexadecimal.
    hash: String,
    /// What happened: `at`, `action`, `outcome`, `actor`, `subject` and so on.
    #[schemars(with = "serde_json::Map<String, Value>")]
    record: Value,
}

/// Which rows. All that is given must hold; texts are compared byte for byte.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// `oldest` first, or `newest`. An export has the oldest first.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    order: Option<Order>,
    /// Only what comes after this row, in that order.
    #[serde(default, deserialize_with = "input::number")]
    after: Option<u64>,
    /// Most rows. Of a page 1 to 1000, and 100 unless given; of an export without limit unless given.
    #[serde(default, deserialize_with = "input::number")]
    #[schemars(range(min = 1))]
    limit: Option<usize>,
    /// Not before this time (RFC 3339).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    since: Option<Timestamp>,
    /// Before this time (RFC 3339).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    until: Option<Timestamp>,
    /// What was asked for, for instance `token.exchange`.
    #[serde(default)]
    action: Option<String>,
    /// `allowed`, `refused` or `failed`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    outcome: Option<Outcome>,
    /// Who asked.
    #[serde(default)]
    actor: Option<String>,
    /// The identity that was shown.
    #[serde(default)]
    subject: Option<String>,
    /// The identity that was given.
    #[serde(default)]
    principal: Option<String>,
    /// The rule that decided.
    #[serde(default)]
    rule: Option<String>,
    /// `jti` or serial number of what was issued.
    #[serde(default)]
    token_id: Option<String>,
    /// The number of the request.
    #[serde(default)]
    request_id: Option<String>,
}

/// Which rows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    #[default]
    Oldest,
    Newest,
}

/// A row that was noted elsewhere.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VerifyQuery {
    /// Its place.
    #[serde(default, deserialize_with = "input::number")]
    noted_seq: Option<u64>,
    /// Its digest, hexadecimal.
    #[serde(default)]
    noted_hash: Option<String>,
}

/// Whether the log is what it was.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Verdict {
    /// Whether every row follows from the one before.
    intact: bool,
    /// The last row when it is intact; else the first that is wrong, or missing.
    seq: u64,
    /// Digest of the last row, hexadecimal. Absent when it is not intact.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// What is wrong with the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(crate) fn routes() -> Vec<Route> {
    let export = "Rows of the log, one JSON object a line: `previous`, `hash` and `record`, which is exactly the text whose digest is `hash`. With a filter an answer looks at 20000 rows: to go on, give `Carnet-Next-After` as `after`, or the last line's `seq` when it has as many lines as the limit.";
    vec![
        Route::new::<Page<AuditView>>(Method::GET, "/v1/audit", "listAudit", "Rows of the audit log, oldest first unless asked for.", get(list))
            .query::<AuditQuery>(),
        Route::new::<Verdict>(
            Method::GET,
            "/v1/audit/verify",
            "verifyAudit",
            "Goes through the whole log. Against whoever can write the store, note the head elsewhere and give it here.",
            get(verify),
        )
        .query::<VerifyQuery>(),
        Route::new::<Verdict>(Method::GET, "/v1/audit/export", "exportAudit", export, get(self::export))
            .query::<AuditQuery>()
            .answers(Answer::Lines),
    ]
}

async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Failure> {
    let limit = limit(query.limit)?;
    let (store, filter) = (&admin.parts.store, query.filter());
    let rows = match query.order.unwrap_or_default() {
        Order::Oldest => store.audit(query.after()?.unwrap_or_default(), limit + 1, filter).await?,
        Order::Newest => store.audit_newest(query.after()?, limit + 1, filter).await?,
    };
    let rows = rows.iter().map(AuditView::of).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(Page::cut(rows, limit, |row| row.seq.to_string())))
}

async fn verify(State(admin): State<Arc<Admin>>, Query(query): Query<VerifyQuery>) -> Result<Json<Verdict>, Failure> {
    let noted = match (query.noted_seq, query.noted_hash) {
        (None, None) => None,
        (Some(seq), Some(text)) => {
            let hash = digest(&text);
            let hash =
                hash.ok_or_else(|| Failure::invalid("a digest has 64 hexadecimal digits").field("noted_hash"))?;
            Some(AuditHead { seq, hash })
        }
        _ => return Err(Failure::invalid("noted_seq and noted_hash belong together").field("noted_seq")),
    };
    Ok(Json(match verify_audit(&*admin.parts.store, noted).await? {
        AuditVerdict::Intact(head) => {
            Verdict { intact: true, seq: head.seq, hash: Some(hex(&head.hash)), message: None }
        }
        AuditVerdict::Broken { seq, what } => {
            Verdict { intact: false, seq, hash: None, message: Some(carnet_core::safe_text(&what.to_string())) }
        }
    }))
}

async fn export(State(admin): State<Arc<Admin>>, Query(query): Query<AuditQuery>) -> Result<Response, Failure> {
    if query.order == Some(Order::Newest) {
        return Err(Failure::invalid("an export has the oldest row first").field("order"));
    }
    let (reader, mut writer) = tokio::io::duplex(IN_FLIGHT);
    let (after, mut filter) = (query.after()?.unwrap_or_default(), query.filter());
    let store = Arc::clone(&admin.parts.store);
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"))]);
    // Without a filter it looks at no more than is read.
    let end = after.saturating_add(LOOKED_AT);
    if filter != AuditFilter::default() && end < store.audit_head().await?.seq {
        filter.up_to = Some(end);
        headers.insert(NEXT, end.into());
    }
    // It ends there, or with the log, or when a row is written that nobody reads any more.
    let work = tokio::spawn(async move { export_audit(&*store, after, &filter, &mut writer).await });
    let lines = Lines { reader, work: Some(work), left: query.limit.unwrap_or(usize::MAX) };
    let body = futures_util::stream::unfold(lines, |mut lines| async move {
        let next = lines.next().await?;
        Some((next, lines))
    });
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The lines of an export on their way.
struct Lines {
    reader: DuplexStream,
    work: Option<JoinHandle<Result<Option<AuditHead>, Error>>>,
    /// Lines that may still go out.
    left: usize,
}

impl Lines {
    /// The next piece; an error, which cuts the answer, when the log could not be read to its end.
    async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if self.left == 0 {
            return None;
        }
        let mut piece = vec![0; IN_FLIGHT];
        match self.reader.read(&mut piece).await {
            Err(error) => Some(Err(error)),
            Ok(0) => {
                let outcome =
                    self.work.take()?.await.map_err(io::Error::other).and_then(|done| done.map_err(io::Error::other));
                outcome.err().map(|error| {
                    tracing::error!(%error, "an export of the audit log is cut");
                    Err(error)
                })
            }
            Ok(length) => {
                piece.truncate(length);
                let mut from = 0;
                while let Some(end) = piece.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
                    from = from.saturating_add(end).saturating_add(1);
                    self.left = self.left.saturating_sub(1);
                    if self.left == 0 {
                        piece.truncate(from);
                        break;
                    }
                }
                Some(Ok(piece))
            }
        }
    }
}

impl AuditQuery {
    /// Refused here when no store can have such a row: an answer that has begun cannot say so any more.
    fn after(&self) -> Result<Option<u64>, Failure> {
        match self.after {
            Some(seq) if i64::try_from(seq).is_err() => {
                Err(Failure::invalid(format!("no row has so high a number: the last there can be is {}", i64::MAX))
                    .field("after"))
            }
            after => Ok(after),
        }
    }

    fn filter(&self) -> AuditFilter {
        let Self { since, until, action, outcome, actor, subject, principal, rule, token_id, request_id, .. } =
            self.clone();
        AuditFilter {
            up_to: None,
            since,
            until,
            action,
            outcome,
            actor,
            subject,
            principal,
            rule,
            token_id,
            request_id,
        }
    }
}

impl AuditView {
    fn of(row: &AuditRow) -> Result<Self, Failure> {
        let record = serde_json::to_value(&row.record);
        let record = record.map_err(|error| Failure::internal(format!("write row {}: {error}", row.seq)))?;
        Ok(Self { seq: row.seq, previous: hex(&row.previous), hash: hex(&row.hash), record })
    }
}
