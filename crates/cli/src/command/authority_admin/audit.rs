//! `carnet authority audit`: through the authority, or in its store when it does not run.

pub(super) mod follow;

use std::{path::Path, sync::Arc};

use carnet_core::{Error, hex};
use carnet_store::{AuditFilter, AuditHead, AuditVerdict, Options, Outcome, Store, export_audit, verify_audit};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::{
    api::Api,
    args::{At, AuditCommand, AuditRows},
    table::table,
};
use crate::output::{Terminal, Text, green, red};

/// Exit code when something was looked at and found wrong.
const PROBLEMS: u8 = 8;
/// What is on its way from a store to standard output, in bytes.
const IN_FLIGHT: usize = 64 << 10;
/// Rows of a list unless asked for.
const ROWS: usize = 100;
/// Lines of an export in one answer.
const LINES: usize = 10_000;

const COLUMNS: [(&str, &str); 7] = [
    ("SEQ", "/seq"),
    ("AT", "/record/at"),
    ("ACTION", "/record/action"),
    ("OUTCOME", "/record/outcome"),
    ("ACTOR", "/record/actor"),
    ("SUBJECT", "/record/subject"),
    ("CLAUSE", "/record/clause"),
];

/// Whether the log is what it was: the last row, or the first bad one and what is wrong with it.
struct Verdict {
    seq: u64,
    hash: Option<String>,
    message: Option<String>,
}

pub(super) async fn run(at: &At, command: AuditCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        AuditCommand::List { rows, after, limit, follow: true } => {
            if after.is_some() && limit.is_some() {
                let error = Error::configuration("follow the audit log: -n does not go with --follow and --after");
                return Err(error.hint("leave -n out: all rows after that one are shown"));
            }
            follow::run(&Api::open(at)?, query(&rows), after, limit.unwrap_or(ROWS), terminal).await
        }
        AuditCommand::List { rows, after, limit, follow: false } => {
            let rows = list(&Api::open(at)?, &query(&rows), after, limit.unwrap_or(ROWS)).await?;
            if terminal.is_json() {
                terminal.json(json!({ "rows": rows }))?;
            } else {
                terminal.text(table(&COLUMNS, &rows))?;
            }
            Ok(0)
        }
        AuditCommand::Verify { noted, store } => {
            let noted = noted.as_deref().map(read_noted).transpose()?;
            let verdict = match store {
                Some(address) => verify_store(&address, noted).await?,
                None => verify(&Api::open(at)?, noted).await?,
            };
            tell(&verdict, terminal)
        }
        AuditCommand::Export { rows, after, store: Some(address) } => {
            let store = open(&address).await?;
            let outcome = write_out(&*store, &rows, after, terminal).await;
            store.close().await;
            outcome.map(|()| 0)
        }
        AuditCommand::Export { rows, after, store: None } => {
            export(&Api::open(at)?, &query(&rows), after, terminal).await
        }
    }
}

/// What is asked for, by its names in the API.
type Query = Vec<(&'static str, String)>;

/// The last rows, the newest first; or those after a row, the oldest first.
async fn list(api: &Api, query: &Query, after: Option<u64>, limit: usize) -> Result<Vec<Value>, Error> {
    let after = after.map(|seq| seq.to_string());
    let mut query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    query.push(match &after {
        Some(seq) => ("after", seq),
        None => ("order", "newest"),
    });
    api.list(&["audit"], &query, limit).await
}

/// The log of a store, without ever holding more of it than is on its way.
async fn write_out(store: &dyn Store, rows: &AuditRows, after: u64, terminal: Terminal) -> Result<(), Error> {
    let filter = filter(rows)?;
    let (mut reader, mut writer) = tokio::io::duplex(IN_FLIGHT);
    let write = async move { export_audit(store, after, &filter, &mut writer).await };
    let show = async move {
        let mut piece = vec![0; IN_FLIGHT];
        loop {
            let length = reader.read(&mut piece).await;
            let length = length.map_err(|error| Error::internal("pass the audit log on").because(error))?;
            match piece.get(..length).filter(|piece| !piece.is_empty()) {
                Some(piece) => terminal.data(piece)?,
                None => return Ok(()),
            }
        }
    };
    let (written, shown) = tokio::join!(write, show);
    shown.and(written.map(drop))
}

/// Piece by piece, each from where the one before it ended.
async fn export(api: &Api, query: &Query, mut after: u64, terminal: Terminal) -> Result<u8, Error> {
    let limit = LINES.to_string();
    loop {
        let from = after.to_string();
        let mut query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.extend([("after", from.as_str()), ("limit", limit.as_str())]);
        let (text, next) = api.lines(&["audit", "export"], &query).await?;
        // With so many lines it ends with the last of them. Otherwise it ends where it says, or with the log.
        let next = if text.lines().nth(LINES - 1).is_some() { None } else { next };
        let next = match (next, text.lines().last()) {
            (Some(next), _) => Some(next),
            (None, Some(last)) => Some(seq(last)?),
            (None, None) => return Ok(0),
        };
        let next = next.filter(|seq| *seq > after);
        after = next.ok_or_else(|| Error::unreachable("read the audit log: it does not go on where it ended"))?;
        terminal.data(text.as_bytes())?;
    }
}

/// The number of the row that a line holds.
fn seq(line: &str) -> Result<u64, Error> {
    let row: Value = serde_json::from_str(line)
        .map_err(|error| Error::unreachable("read the audit log: its last line is no JSON object").because(error))?;
    let seq = row.pointer("/record/seq").and_then(Value::as_u64);
    seq.ok_or_else(|| Error::unreachable("read the audit log: its last line has no number"))
}

async fn verify(api: &Api, noted: Option<AuditHead>) -> Result<Verdict, Error> {
    let noted = noted.map(|head| (head.seq.to_string(), hex(&head.hash)));
    let query: Vec<(&str, &str)> = match &noted {
        Some((seq, hash)) => vec![("noted_seq", seq), ("noted_hash", hash)],
        None => Vec::new(),
    };
    let answer = api.get(&["audit", "verify"], &query).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let intact = answer.get("intact").and_then(Value::as_bool);
    let (Some(intact), Some(seq)) = (intact, answer.get("seq").and_then(Value::as_u64)) else {
        return Err(Error::unreachable("read what the authority says of its audit log"));
    };
    let message = (!intact).then(|| text("message").unwrap_or_else(|| "it is not what it was".to_owned()));
    Ok(Verdict { seq, hash: text("hash"), message })
}

async fn verify_store(address: &str, noted: Option<AuditHead>) -> Result<Verdict, Error> {
    let store = open(address).await?;
    let verdict = verify_audit(&*store, noted).await;
    store.close().await;
    Ok(match verdict? {
        AuditVerdict::Intact(head) => Verdict { seq: head.seq, hash: Some(hex(&head.hash)), message: None },
        AuditVerdict::Broken { seq, what } => Verdict { seq, hash: None, message: Some(what.to_string()) },
    })
}

/// Opens a store that is there. One that is not would be made, empty and intact.
async fn open(address: &str) -> Result<Arc<dyn Store>, Error> {
    if let Some(path) = address.strip_prefix("sqlite:")
        && !Path::new(path).is_file()
    {
        return Err(Error::configuration(format!("open the store {path}: there is no such file"))
            .hint("name the file of the authority's store: --store sqlite:PATH"));
    }
    Ok(carnet_store::open(address, Options::default()).await?)
}

fn tell(verdict: &Verdict, terminal: Terminal) -> Result<u8, Error> {
    let Verdict { seq, hash, message } = verdict;
    let code = if message.is_none() { 0 } else { PROBLEMS };
    if terminal.is_json() {
        terminal.json(json!({ "intact": message.is_none(), "seq": seq, "hash": hash, "message": message }))?;
        return Ok(code);
    }
    let mut text = Text::default();
    match message {
        None => text.styled(green(), "intact").push(format!(
            ", {seq} rows. Note this elsewhere, to be given as --noted:\n{seq}:{}\n",
            hash.as_deref().unwrap_or_default()
        )),
        Some(message) => text.styled(red(), "broken").push(format!(" at row {seq}: {message}\n")),
    };
    terminal.text(text)?;
    Ok(code)
}

fn read_noted(text: &str) -> Result<AuditHead, Error> {
    let wrong =
        || Error::configuration("read --noted: it is not SEQ:HASH").hint("give it as `audit verify` has shown it");
    let (seq, digits) = text.split_once(':').ok_or_else(wrong)?;
    let head =
        json!({ "seq": seq.parse::<u64>().map_err(|_not_one| wrong())?, "hash": bytes(digits).ok_or_else(wrong)? });
    serde_json::from_value(head).map_err(|_not_a_head| wrong())
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}

fn query(rows: &AuditRows) -> Query {
    let mut query = Query::new();
    query.extend(rows.since.map(|time| ("since", time.to_string())));
    query.extend(rows.until.map(|time| ("until", time.to_string())));
    let texts = [
        ("action", &rows.action),
        ("outcome", &rows.outcome),
        ("actor", &rows.actor),
        ("subject", &rows.subject),
        ("rule", &rows.rule),
        ("token_id", &rows.token_id),
        ("request_id", &rows.request_id),
    ];
    query.extend(texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    query
}

fn filter(rows: &AuditRows) -> Result<AuditFilter, Error> {
    let outcome = match rows.outcome.as_deref() {
        None => None,
        Some("allowed") => Some(Outcome::Allowed),
        Some("refused") => Some(Outcome::Refused),
        Some("failed") => Some(Outcome::Failed),
        Some(_) => return Err(Error::configuration("read --outcome: it is allowed, refused or failed")),
    };
    Ok(AuditFilter {
        since: rows.since,
        until: rows.until,
        action: rows.action.clone(),
        outcome,
        actor: rows.actor.clone(),
        subject: rows.subject.clone(),
        rule: rows.rule.clone(),
        token_id: rows.token_id.clone(),
        request_id: rows.request_id.clone(),
        ..AuditFilter::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_as_it_was_shown() {
        let head = AuditHead { seq: 7, hash: [0xab; 32] };
        assert_eq!(read_noted(&format!("7:{}", hex(&head.hash))).unwrap(), head);
        for wrong in ["7", "x:00", "7:00", &format!("7:{}", "zz".repeat(32))] {
            assert!(read_noted(wrong).is_err(), "{wrong}");
        }
    }
}
