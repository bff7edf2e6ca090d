//! `carnet authority token`

use carnet_core::Error;
use serde_json::{Map, Value, json};

use super::{api::Api, args::TokenCommand, show, table::table, trust::dry};
use crate::output::Terminal;

const COLUMNS: [(&str, &str); 7] = [
    ("JTI", "/id"),
    ("STATE", "/state"),
    ("SUBJECT", "/subject"),
    ("RULE", "/rule"),
    ("UNTIL", "/expires_at"),
    ("USES LEFT", "/uses_left"),
    ("AUDIENCES", "/audiences"),
];

pub(super) async fn run(api: &Api, command: TokenCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        TokenCommand::List { subject, rule, state, after, limit } => {
            let given = [("subject", &subject), ("rule", &rule), ("state", &state), ("after", &after)];
            let query: Vec<(&str, &str)> =
                given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
            let tokens = api.list(&["tokens"], &query, limit).await?;
            if terminal.is_json() {
                terminal.json(json!({ "tokens": tokens }))?;
            } else {
                terminal.text(table(&COLUMNS, &tokens))?;
            }
            Ok(0)
        }
        TokenCommand::Show { id } => show("token", &api.get(&["tokens", &id], &[]).await?, terminal),
        TokenCommand::Revoke { id: Some(id), .. } => {
            show("token", &api.post(&["tokens", &id, "revoke"], &[], &json!({})).await?, terminal)
        }
        TokenCommand::Revoke { id: None, subject, rule, dry_run } => {
            let given = [("subject", subject), ("rule", rule)];
            let wanted = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
            let revoked = revoke(api, wanted, dry_run).await?;
            if terminal.is_json() {
                terminal.json(json!({ "revoked": revoked, "dry_run": dry_run }))?;
            } else if dry_run {
                terminal.text(format!("{revoked} tokens would be revoked, dry run: nothing was written\n"))?;
            } else {
                terminal.text(format!("{revoked} tokens revoked\n"))?;
            }
            Ok(0)
        }
    }
}

/// All of them, some at a time. Answers how many.
async fn revoke(api: &Api, mut wanted: Map<String, Value>, dry_run: bool) -> Result<u64, Error> {
    let mut revoked = 0_u64;
    loop {
        let answer = api.post(&["tokens", "revoke"], dry(dry_run), &Value::Object(wanted.clone())).await;
        let answer = answer.map_err(|error| match revoked {
            0 => error,
            _ => Error::new(error.kind(), format!("revoke the rest; {revoked} are revoked")).because(error),
        })?;
        let count = answer.get("revoked").and_then(Value::as_u64);
        let count = count.ok_or_else(|| Error::unreachable("read how many tokens the authority has revoked"))?;
        revoked = revoked.saturating_add(count);
        let Some(next) = answer.get("next").filter(|next| next.is_string()) else { return Ok(revoked) };
        wanted.insert("after".to_owned(), next.clone());
    }
}
