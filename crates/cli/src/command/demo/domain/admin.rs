//! The admin API, over its socket.

use std::path::PathBuf;

use carnet_core::{Error, HttpSend as _, Request};
use carnet_net::Client;
use serde_json::Value;
use url::Url;

/// A client of the admin API.
pub(in crate::command::demo) struct Admin {
    client: Client,
}

impl Admin {
    /// At this socket.
    pub(super) fn at(socket: PathBuf) -> Self {
        Self { client: Client::unix(socket) }
    }

    /// Asks for a change.
    pub(in crate::command::demo) async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send(path, Request::post_json(url(path)?, body)).await
    }

    /// What was refused after this row of the audit log, oldest first.
    pub(in crate::command::demo) async fn refused_after(&self, seq: u64) -> Result<Vec<Value>, Error> {
        let path = format!("audit?outcome=refused&limit=1000&after={seq}");
        let mut page = self.send(&path, Request::get(url(&path)?)).await?;
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(rows)) => Ok(rows),
            _ => Err(Error::internal("find the rows in the answer of the audit log")),
        }
    }

    async fn send(&self, path: &str, request: Request) -> Result<Value, Error> {
        let response = self.client.send(request).await?;
        if !response.status.is_success() {
            let said = response.text().unwrap_or_default();
            return Err(Error::internal(format!("ask the admin API for {path}: {} {said}", response.status)));
        }
        response.json("the answer of the admin API")
    }
}

fn url(path: &str) -> Result<Url, Error> {
    format!("http://localhost/v1/{path}").parse().map_err(|error| Error::internal("name the admin API").because(error))
}
