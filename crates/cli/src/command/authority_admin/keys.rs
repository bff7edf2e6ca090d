//! `carnet authority key`

use carnet_core::Error;
use serde_json::json;

use super::{api::Api, args::KeyCommand, show, table::table};
use crate::output::Terminal;

const COLUMNS: [(&str, &str); 6] = [
    ("KID", "/kid"),
    ("PURPOSE", "/purpose"),
    ("STAGE", "/stage"),
    ("SIGNS FROM", "/activate_at"),
    ("SIGNS UNTIL", "/retire_at"),
    ("REVOKED", "/revoked_at"),
];

pub(super) async fn run(api: &Api, command: KeyCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        KeyCommand::List => {
            let keys = api.list(&["keys"], &[], usize::MAX).await?;
            if terminal.is_json() {
                terminal.json(json!({ "keys": keys }))?;
            } else {
                terminal.text(table(&COLUMNS, &keys))?;
            }
            Ok(0)
        }
        KeyCommand::Rotate { purpose, now } => {
            let when = if now { "now" } else { "propagating" };
            let body = json!({ "purpose": purpose, "when": when });
            show("rotated", &api.post(&["keys", "rotate"], &[], &body).await?, terminal)
        }
        KeyCommand::Revoke { kid } => {
            show("withdrawn", &api.post(&["keys", &kid, "revoke"], &[], &json!({})).await?, terminal)
        }
        KeyCommand::Taint { kid } => {
            show("withdrawn", &api.post(&["keys", &kid, "taint"], &[], &json!({})).await?, terminal)
        }
        KeyCommand::Rewrap { key_file, passphrase_file } => {
            let body = match (key_file, passphrase_file) {
                (Some(path), _) => json!({ "key_file": path }),
                (None, path) => json!({ "passphrase_file": path }),
            };
            let answer = api.post(&["keys", "rewrap"], &[], &body).await?;
            if !terminal.is_json() {
                terminal.say("change [authority.keys] before the authority starts again: it needs what the keys are sealed with now");
            }
            show("rewrapped", &answer, terminal)
        }
    }
}
