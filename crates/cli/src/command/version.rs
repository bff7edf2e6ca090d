//! `carnet version`

use carnet_core::Error;
use serde_json::json;

use crate::output::Terminal;

pub(super) fn run(terminal: Terminal) -> Result<u8, Error> {
    let version = env!("CARGO_PKG_VERSION");
    if terminal.is_json() {
        terminal.json(json!({"carnet": version}))?;
    } else {
        terminal.text(format!("carnet {version}\n"))?;
    }
    Ok(0)
}
