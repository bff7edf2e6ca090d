//! `carnet authority audit list --follow`

use std::time::Duration;

use carnet_core::Error;
use carnet_ops::Signals;
use serde_json::Value;

use super::{super::table::Table, COLUMNS, Query, list};
use crate::{command::authority_admin::api::Api, output::Terminal};

/// How often to look whether there is more.
const LOOK: Duration = Duration::from_secs(1);

/// Rows of one look. There may be more by the next one.
const MOST: usize = 10_000;

/// Shows rows until a signal, or until nobody reads them any more.
pub(super) async fn run(
    api: &Api,
    query: Query,
    after: Option<u64>,
    limit: usize,
    terminal: Terminal,
) -> Result<u8, Error> {
    let mut signals = Signals::listen()?;
    let mut follower = Follower::new(api, query);
    let show = async {
        let mut table = Table::new(&COLUMNS);
        let mut rows = follower.first(after, limit).await?;
        let mut heading = true;
        loop {
            let heard = if terminal.is_json() {
                rows.iter().try_fold(true, |heard, row| Ok::<bool, Error>(heard && terminal.json_line(row)?))?
            } else if heading || !rows.is_empty() {
                terminal.heard(table.rows(&rows, std::mem::take(&mut heading)))?
            } else {
                true
            };
            if !heard {
                return Ok(0);
            }
            tokio::time::sleep(LOOK).await;
            rows = follower.next().await?;
        }
    };
    tokio::select! {
        done = show => done,
        _ = signals.next() => Ok(0),
    }
}

/// Knows up to where the log was looked at.
pub(in crate::command::authority_admin) struct Follower<'a> {
    api: &'a Api,
    query: Query,
    after: u64,
}

impl<'a> Follower<'a> {
    pub(in crate::command::authority_admin) fn new(api: &'a Api, query: Query) -> Self {
        Self { api, query, after: 0 }
    }

    /// The last rows, or all after this one; the oldest first.
    pub(in crate::command::authority_admin) async fn first(
        &mut self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Value>, Error> {
        if let Some(seq) = after {
            self.after = seq;
            return self.next().await;
        }
        self.after = self.head().await?;
        let mut rows = list(self.api, &self.query, None, limit).await?;
        rows.reverse();
        self.seen(&rows);
        Ok(rows)
    }

    /// The rows since the last look.
    pub(in crate::command::authority_admin) async fn next(&mut self) -> Result<Vec<Value>, Error> {
        let head = self.head().await?;
        if head <= self.after {
            return Ok(Vec::new());
        }
        let rows = list(self.api, &self.query, Some(self.after), MOST).await?;
        if rows.len() < MOST {
            // What the filter keeps out was looked at, too.
            self.after = head;
        }
        self.seen(&rows);
        Ok(rows)
    }

    fn seen(&mut self, rows: &[Value]) {
        let last = rows.last().and_then(|row| row.get("seq")?.as_u64());
        self.after = self.after.max(last.unwrap_or_default());
    }

    async fn head(&self) -> Result<u64, Error> {
        let info = self.api.get(&["info"], &[]).await?;
        let seq = info.get("audit_seq").and_then(Value::as_u64);
        seq.ok_or_else(|| Error::unreachable("read how long the audit log of the authority is"))
    }
}
