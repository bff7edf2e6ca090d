//! `carnet authority store`

use carnet_core::Error;
use serde_json::json;

use super::{api::Api, args::StoreCommand, show};
use crate::{output::Terminal, world};

pub(super) async fn run(api: &Api, command: StoreCommand, terminal: Terminal) -> Result<u8, Error> {
    let path = ["store", "clock"];
    let clock = match command {
        StoreCommand::Clock => api.get(&path, &[]).await?,
        StoreCommand::BelieveClock { reopen } => {
            let body = json!({ "now": world::context().now(), "reopen": reopen });
            api.post(&path, &[], &body).await?
        }
    };
    show("clock", &clock, terminal)
}
