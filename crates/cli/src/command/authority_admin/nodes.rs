//! `carnet authority node|join-token`

use carnet_authority::admin::join_token_digest;
use carnet_core::Error;
use serde_json::{Value, json};

use super::{
    api::Api,
    args::{JoinTokenCommand, NodeCommand},
    changed, show,
    table::table,
};
use crate::output::Terminal;

const NODES: [(&str, &str); 5] = [
    ("ID", "/id"),
    ("KIND", "/kind"),
    ("BANNED", "/banned"),
    ("SVID UNTIL", "/expires_at"),
    ("SELECTORS", "/selectors"),
];

const TOKENS: [(&str, &str); 4] =
    [("DIGEST", "/hash"), ("NAME", "/agent_path"), ("UNTIL", "/expires_at"), ("SELECTORS", "/selectors")];

pub(super) async fn node(api: &Api, command: NodeCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        NodeCommand::List => {
            let nodes = api.list(&["nodes"], &[], usize::MAX).await?;
            if terminal.is_json() {
                terminal.json(json!({ "nodes": nodes }))?;
            } else {
                terminal.text(table(&NODES, &nodes))?;
            }
            Ok(0)
        }
        NodeCommand::Show { id } => show("node", &api.get(&["nodes", &id], &[]).await?, terminal),
        NodeCommand::Ban { id } => show("node", &api.post(&["nodes", &id, "ban"], &[], &json!({})).await?, terminal),
        NodeCommand::Delete { id } => changed("node", &id, &api.delete(&["nodes", &id], &[]).await?, terminal),
    }
}

pub(super) async fn join_token(api: &Api, command: JoinTokenCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        JoinTokenCommand::Create { name, ttl, selectors } => {
            let body = json!({ "agent_path": name, "ttl": ttl, "selectors": selectors });
            let made = api.post(&["join-tokens"], &[], &body).await?;
            if terminal.is_json() {
                terminal.json(json!({ "join_token": made }))?;
                return Ok(0);
            }
            let member = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
            terminal.say(format!("for {}, once, until {}", member("agent"), member("expires_at")));
            // Alone, so that a shell can take it.
            terminal.data(format!("{}\n", member("token")).as_bytes())?;
            Ok(0)
        }
        JoinTokenCommand::List => {
            let tokens = api.list(&["join-tokens"], &[], usize::MAX).await?;
            if terminal.is_json() {
                terminal.json(json!({ "join_tokens": tokens }))?;
            } else {
                terminal.text(table(&TOKENS, &tokens))?;
            }
            Ok(0)
        }
        JoinTokenCommand::Delete { token } => {
            // The token itself goes nowhere: paths of requests are logged by whatever stands between.
            let hash = join_token_digest(&token);
            changed("join token", &hash, &api.delete(&["join-tokens", &hash], &[]).await?, terminal)
        }
    }
}
