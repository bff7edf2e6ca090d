//! The lines of a watch.

use std::time::Duration;

use carnet_core::{HttpError, HttpErrorKind};
use carnet_net::Streamed;
use serde_json::Value;

use super::{ApiError, Object};

/// Longest line, in bytes. An API server takes no object over 3 MiB from its clients (etcd's limit).
const MAX_LINE: usize = 8 << 20;

/// What a watch tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// It is there, and so.
    Put(Object),
    /// It is there no more; this is how it was.
    Gone(Object),
    /// Nothing has changed up to this version.
    Bookmark(String),
}

/// A watch while it runs.
#[derive(Debug)]
pub(crate) struct Watch {
    answer: Streamed,
    waiting: Vec<u8>,
    /// Up to where no end of a line was found in what waits.
    looked: usize,
}

impl Watch {
    pub(super) fn new(answer: Streamed) -> Self {
        Self { answer, waiting: Vec::new(), looked: 0 }
    }

    /// The next event. `None` when the server ends the watch. May be dropped and called again.
    ///
    /// # Errors
    /// What the server says in the middle of it (410 when it has forgotten what comes next), a line that is none, or a connection that breaks or is silent for
    /// longer than `patience`.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Option<Event>, ApiError> {
        loop {
            if let Some(line) = self.line() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return parse(&line).map(Some);
            }
            if self.waiting.len() > MAX_LINE {
                return Err(broken("a line of the watch is too long"));
            }
            let chunk = tokio::time::timeout(patience, self.answer.chunk()).await;
            let chunk = chunk.map_err(|_elapsed| {
                let message = format!("the watch was silent for {} s", patience.as_secs());
                ApiError::Unanswered(HttpError { kind: HttpErrorKind::Timeout, message, cause: None })
            })?;
            match chunk.map_err(ApiError::unanswered)? {
                Some(bytes) => self.waiting.extend_from_slice(&bytes),
                // The rest of a line without its end was cut off, and comes again.
                None => return Ok(None),
            }
        }
    }

    /// Takes a whole line out of what waits.
    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = self.waiting.get(self.looked..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.looked = self.waiting.len();
            return None;
        };
        let after = self.waiting.split_off(self.looked + end + 1);
        self.looked = 0;
        Some(std::mem::replace(&mut self.waiting, after))
    }
}

fn parse(line: &[u8]) -> Result<Event, ApiError> {
    let mut event: Value =
        serde_json::from_slice(line).map_err(|_quoting| broken("a line of the watch is no event"))?;
    let object = event.get_mut("object").map(Value::take).unwrap_or_default();
    match event.get("type").and_then(Value::as_str) {
        Some("ADDED" | "MODIFIED") => Ok(Event::Put(Object(object).lean())),
        Some("DELETED") => Ok(Event::Gone(Object(object).lean())),
        Some("BOOKMARK") => Ok(Event::Bookmark(Object(object).version().to_owned())),
        Some("ERROR") => Err(ApiError::of_event(&object)),
        _ => Err(broken("an event of the watch is of no kind that there is")),
    }
}

fn broken(message: &str) -> ApiError {
    ApiError::Unanswered(HttpError { kind: HttpErrorKind::Protocol, message: message.to_owned(), cause: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_event_is_known() {
        let object = "{\"metadata\": {\"name\": \"a\", \"resourceVersion\": \"7\"}}";
        let parsed = |kind: &str| parse(format!("{{\"type\": \"{kind}\", \"object\": {object}}}").as_bytes());
        assert!(matches!(parsed("ADDED"), Ok(Event::Put(one)) if one.key().name == "a"));
        assert!(matches!(parsed("DELETED"), Ok(Event::Gone(_))));
        assert!(matches!(parsed("BOOKMARK"), Ok(Event::Bookmark(version)) if version == "7"));
        assert!(parsed("SOMETHING").is_err());
        let gone = parse(b"{\"type\": \"ERROR\", \"object\": {\"code\": 410, \"reason\": \"Expired\"}}").unwrap_err();
        assert!(gone.is_gone());
    }

    #[test]
    fn rejects_what_is_no_event() {
        for line in ["", "[]", "{}", "{\"type\": 7}", "{\"type\": \"ADDED\""] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
