//! From rows to what they mean.

use std::fmt::Write as _;

use crate::{
    AuditFilter, JoinTokenRow, KeyRow, NodeRow, Object, ObjectKind, Row, StoreClock, StoreError, TokenFilter, TokenRow,
    TokenState,
    sql::{Columns, Sql, Value, corrupt},
};

pub(crate) const ENTRY: &str = "id, body, revision, deleted_at";
pub(crate) const OBJECT: &str = "name, body, revision";
pub(crate) const KEY: &str = "kid, purpose, algorithm, stage, created_at, activate_at, retire_at, expires_at, revoked_at, \
                              sealed, public, certificate, node, revision";
pub(crate) const NODE: &str = "id, kind, selectors, serial, expires_at, banned, reattestable, attested_at, revision";
pub(crate) const JOIN_TOKEN: &str = "hash, agent_path, expires_at, selectors";
pub(crate) const TOKEN: &str = "id, subject, actor, rule, audiences, issued_at, expires_at, max_expires_at, uses_left, \
                                networks, revoked_at, claims";

/// A row of [`crate::apply::CLOCK`].
pub(crate) fn clock(mut row: Columns) -> Result<StoreClock, StoreError> {
    Ok(StoreClock { believed: row.maybe(Columns::time)?, forgotten: row.time()? })
}

pub(crate) fn entry(mut row: Columns) -> Result<Row, StoreError> {
    Ok(Row {
        id: row.text()?,
        body: row.maybe(Columns::json)?.unwrap_or_default(),
        revision: row.count()?,
        deleted: row.maybe(Columns::time)?.is_some(),
    })
}

pub(crate) fn object(kind: ObjectKind, mut row: Columns) -> Result<Object, StoreError> {
    Ok(Object { kind, name: row.text()?, body: row.json()?, revision: row.count()? })
}

pub(crate) fn key(mut row: Columns) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        kid: row.text()?,
        purpose: row.text()?,
        algorithm: row.text()?,
        stage: row.text()?,
        created_at: row.time()?,
        activate_at: row.time()?,
        retire_at: row.time()?,
        expires_at: row.time()?,
        revoked_at: row.maybe(Columns::time)?,
        sealed: row.bytes()?,
        public: row.bytes()?,
        certificate: row.json::<Vec<String>>()?.iter().map(|hex| from_hex(hex)).collect::<Result<_, _>>()?,
        node: row.maybe(Columns::text)?,
        revision: row.count()?,
    })
}

fn from_hex(text: &str) -> Result<Vec<u8>, StoreError> {
    let bad = || corrupt("a certificate in it is not hexadecimal");
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(bad());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(bad))
        .collect()
}

pub(crate) fn node(mut row: Columns) -> Result<NodeRow, StoreError> {
    Ok(NodeRow {
        id: row.text()?,
        kind: row.text()?,
        selectors: row.json()?,
        serial: row.text()?,
        expires_at: row.time()?,
        banned: row.bool()?,
        reattestable: row.bool()?,
        attested_at: row.time()?,
        revision: row.count()?,
    })
}

pub(crate) fn join_token(mut row: Columns) -> Result<JoinTokenRow, StoreError> {
    Ok(JoinTokenRow {
        hash: row.digest()?,
        agent_path: row.maybe(Columns::text)?,
        expires_at: row.time()?,
        selectors: row.json()?,
    })
}

pub(crate) fn token(mut row: Columns) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        id: row.text()?,
        subject: row.text()?,
        actor: row.maybe(Columns::text)?,
        rule: row.text()?,
        audiences: row.json()?,
        issued_at: row.time()?,
        expires_at: row.time()?,
        max_expires_at: row.time()?,
        uses_left: row.maybe(Columns::count)?,
        networks: row.json()?,
        revoked_at: row.maybe(Columns::time)?,
        claims: row.json()?,
    })
}

/// The statement for a page of tokens.
pub(crate) fn token_page(after: String, limit: Value, filter: TokenFilter) -> (Sql, Vec<Value>) {
    let TokenFilter { subject, rule, states, now } = filter;
    let mut sql = format!("SELECT {TOKEN} FROM tokens WHERE id > $1");
    let mut params = vec![Value::Text(after)];
    let mut place = |value: Value| {
        params.push(value);
        params.len()
    };
    // Writing to a String does not fail.
    for (column, wanted) in [("subject", subject), ("rule", rule)] {
        if let Some(wanted) = wanted {
            let _ = write!(sql, " AND {column} = ${}", place(Value::Text(wanted.replace('\0', "\u{fffd}"))));
        }
    }
    if !states.is_empty() {
        let any: Vec<String> = states.iter().map(|state| in_state(*state, &mut || place(Value::time(now)))).collect();
        let _ = write!(sql, " AND ({})", any.join(" OR "));
    }
    let _ = write!(sql, " ORDER BY id LIMIT ${}", place(limit));
    (Sql::Owned(sql), params)
}

/// As [`TokenRow::state`] has it, with places for the time.
fn in_state(state: TokenState, now: &mut impl FnMut() -> usize) -> String {
    match state {
        TokenState::Revoked => "revoked_at IS NOT NULL".to_owned(),
        TokenState::Expired => format!("(revoked_at IS NULL AND expires_at <= ${})", now()),
        TokenState::UsedUp => format!("(revoked_at IS NULL AND expires_at > ${} AND uses_left = 0)", now()),
        TokenState::Active => {
            format!("(revoked_at IS NULL AND expires_at > ${} AND (uses_left IS NULL OR uses_left > 0))", now())
        }
    }
}

/// Where a page of the audit log begins, and which way it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// Behind this row, the oldest first.
    After(u64),
    /// Before this row or at the end, the newest first.
    Before(Option<u64>),
}

/// The statement for a page of the audit log.
pub(crate) fn audit_page(from: From, limit: Value, filter: &AuditFilter) -> Result<(Sql, Vec<Value>), StoreError> {
    let (start, order) = match from {
        From::After(seq) => (("seq >", Value::count(seq)?), "seq"),
        From::Before(seq) => (("seq <", seq.map_or(Ok(Value::Int(i64::MAX)), Value::count)?), "seq DESC"),
    };
    let mut sql = format!("SELECT {} FROM audit WHERE {} $1", crate::audit::COLUMNS, start.0);
    let mut params = vec![start.1];
    let mut clause = |condition: &str, value: Value| {
        params.push(value);
        let _ = write!(sql, " AND {condition} ${}", params.len()); // Writing to a String does not fail.
    };
    if let Some(seq) = filter.up_to {
        clause("seq <=", Value::count(seq)?);
    }
    if let Some(since) = filter.since {
        clause("at >=", Value::time(since));
    }
    if let Some(until) = filter.until {
        clause("at <", Value::time(until));
    }
    let texts = [
        ("action", filter.action.as_deref()),
        ("outcome", filter.outcome.map(crate::Outcome::as_str)),
        ("actor", filter.actor.as_deref()),
        ("subject", filter.subject.as_deref()),
        ("principal", filter.principal.as_deref()),
        ("rule", filter.rule.as_deref()),
        ("token_id", filter.token_id.as_deref()),
        ("request_id", filter.request_id.as_deref()),
    ];
    for (member, wanted) in texts {
        if let Some(wanted) = wanted {
            // As it is written in the record.
            clause(&format!("record ->> '{member}' ="), Value::Text(wanted.replace('\0', "\u{fffd}")));
        }
    }
    params.push(limit);
    let _ = write!(sql, " ORDER BY {order} LIMIT ${}", params.len());
    Ok((Sql::Owned(sql), params))
}
