//! Hears what other nodes change.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::{
    config::{Role, Settings},
    readers::Readers,
    writer::Shared,
};

/// How often to look, for what was not heard.
const LOOK: Duration = Duration::from_secs(5);

/// Starts the task, which ends when it is aborted.
pub(super) fn start(settings: Settings, readers: Arc<Readers>, shared: Arc<Shared>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut listening: Option<Listening> = None;
        loop {
            if listening.as_ref().is_none_or(|listening| listening.client.is_closed()) {
                listening = listen(&settings, &shared).await;
            }
            // After listening has begun, so that nothing falls in between.
            let rows = readers.read("SELECT revision FROM head".into(), Vec::new()).await;
            if let Ok(rows) = rows
                && let Some(Ok(revision)) = rows.into_iter().next().map(|mut row| row.count())
            {
                shared.tell(revision);
            }
            tokio::time::sleep(LOOK).await;
        }
    })
}

struct Listening {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(settings: &Settings, shared: &Arc<Shared>) -> Option<Listening> {
    let shared = Arc::clone(shared);
    let heard = Arc::new(move |payload: &str| {
        if let Ok(revision) = payload.parse() {
            shared.tell(revision);
        }
    });
    match settings.connect(Role::Listener, heard).await {
        Ok((client, task)) => Some(Listening { client, task }),
        Err(error) => {
            tracing::warn!(%error, "changes of other nodes are looked for every few seconds only");
            None
        }
    }
}
