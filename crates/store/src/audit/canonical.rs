//! The one text of a record, whose digest is in the chain.
//!
//! RFC 8785 as far as it goes here: members sorted, no blanks, the shortest escapes. Numbers are integers; any other is
//! written as text. U+0000 becomes U+FFFD, because PostgreSQL cannot hold it. Times have six digits after the second.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::AuditRecord;

/// Longest record, in bytes. What callers send is bounded far below.
const MOST: usize = 256 * 1024;

/// A record as it is hashed, but for its place.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    before: String,
    after: String,
}

impl Rendered {
    /// Renders all but the place, away from the writer.
    pub(crate) fn new(record: &AuditRecord) -> Result<Self, String> {
        let mut before = String::with_capacity(512);
        before.push('{');
        member(&mut before, "action", |out| text(out, &record.action));
        next_member(&mut before, "actor", |out| text(out, &record.actor));
        next_member(&mut before, "at", |out| time(out, record.at));
        next_member(&mut before, "audiences", |out| list(out, &record.audiences, |out, item| text(out, item)));
        next_member(&mut before, "clause", |out| maybe(out, record.clause.as_deref()));
        next_member(&mut before, "details", |out| object(out, &record.details));
        next_member(&mut before, "expires_at", |out| match record.expires_at {
            Some(at) => time(out, at),
            None => out.push_str("null"),
        });
        next_member(&mut before, "outcome", |out| text(out, record.outcome.as_str()));
        next_member(&mut before, "peer", |out| maybe(out, record.peer.as_deref()));
        next_member(&mut before, "principal", |out| text(out, &record.principal));
        next_member(&mut before, "request_id", |out| text(out, &record.request_id));
        next_member(&mut before, "rule", |out| maybe(out, record.rule.as_deref()));
        before.push_str(",\"seq\":");
        let mut after = String::with_capacity(128);
        next_member(&mut after, "subject", |out| text(out, &record.subject));
        next_member(&mut after, "token_id", |out| maybe(out, record.token_id.as_deref()));
        after.push('}');
        let length = before.len().saturating_add(after.len());
        if length > MOST {
            return Err(format!("the audit record has {length} bytes, at most {MOST} are taken"));
        }
        Ok(Self { at: record.at.as_microsecond(), before, after })
    }

    /// The whole text, at this place of the chain.
    pub(crate) fn at_place(&self, seq: u64) -> String {
        let mut whole = String::with_capacity(self.before.len() + self.after.len() + 20);
        whole.push_str(&self.before);
        whole.push_str(&seq.to_string());
        whole.push_str(&self.after);
        whole
    }
}

fn member(out: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    text(out, name);
    out.push(':');
    value(out);
}

fn next_member(out: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    out.push(',');
    member(out, name, value);
}

fn maybe(out: &mut String, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.push_str("null"),
    }
}

fn time(out: &mut String, at: Timestamp) {
    let cut = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    text(out, &format!("{cut:.6}"));
}

fn list<T>(out: &mut String, items: &[T], each: impl Fn(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

fn object(out: &mut String, members: &serde_json::Map<String, Value>) {
    // RFC 8785, 3.2.3: sorted by UTF-16 code units. The map's own order depends on how serde_json was built.
    let mut names: Vec<&String> = members.keys().collect();
    names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        member(out, name, |out| value(out, members.get(name).unwrap_or(&Value::Null)));
    }
    out.push('}');
}

fn value(out: &mut String, of: &Value) {
    match of {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) if number.is_i64() || number.is_u64() => out.push_str(&number.to_string()),
        Value::Number(number) => text(out, &number.to_string()),
        Value::String(string) => text(out, string),
        Value::Array(items) => list(out, items, value),
        Value::Object(members) => object(out, members),
    }
}

fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = special.chars();
        if let Some(c) = characters.next() {
            escape(out, c);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\0' => out.push('\u{fffd}'),
        other => {
            let _ = write!(out, "\\u{:04x}", u32::from(other)); // Writing to a String does not fail.
        }
    }
}
