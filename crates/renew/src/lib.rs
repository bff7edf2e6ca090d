//! The one renewal worker: it keeps a value per key fresh, whatever the value is.
//!
//! What it guarantees:
//! - **Single flight**: one fetch per key, however many callers.
//! - **Refresh ahead**: at half of the life that is left, with jitter, and before the last five minutes ([`Schedule`]).
//! - **Keep the last good one**: while a renewal fails, the value that still counts is served.
//! - **Never expired**: what has expired by the context's clock is not handed out, not even after the machine slept.
//! - **Backoff per key**: with jitter and a cap ([`Backoff`]); one broken key never delays another, and a failure is
//!   remembered no longer than its backoff.
//! - **Nothing left over**: a bounded number of keys; forgetting a key in mid-flight drops the answer; shutting down
//!   waits for every task.
//!
//! What it is not: it does not know what a credential is, and it writes nothing to disk.
//!
//! ```
//! use std::sync::Arc;
//! use carnet_core::{BoxFuture, Error, FixedRandom, FixedClock};
//! use carnet_renew::{Expires, Fetch, Renewer, Settings};
//! use jiff::{SignedDuration, Timestamp};
//!
//! struct Token(Timestamp);
//! impl Expires for Token {
//!     fn expires_at(&self) -> Option<Timestamp> {
//!         Some(self.0)
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct Hourly;
//! impl Fetch<&'static str, Token> for Hourly {
//!     fn fetch<'a>(&'a self, _key: &'a &'static str) -> BoxFuture<'a, Result<Token, Error>> {
//!         Box::pin(async { Ok(Token(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1))) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
//! let renewer = Renewer::start(Settings::default(), clock, Arc::new(FixedRandom::default()), Arc::new(Hourly));
//! let token = renewer.get(&"route").await?;
//! assert!(token.expires_at().is_some());
//! renewer.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod renewer;
mod schedule;
mod state;
mod worker;

#[cfg(test)]
mod tests;

use carnet_core::{BoxFuture, Credential, Error};
use jiff::Timestamp;

pub use renewer::{Renewer, Settings};
pub use schedule::{Backoff, Schedule};
pub use state::{Failure, RenewError, State};

/// Something that stops counting.
pub trait Expires {
    /// When it stops counting. `None` when the giver did not say; then it counts until it is replaced.
    fn expires_at(&self) -> Option<Timestamp>;
}

impl Expires for Credential {
    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// Gets a new value for a key.
pub trait Fetch<K, V>: Send + Sync + 'static {
    /// Gets it. It must end by itself; nothing here puts a limit on its time.
    fn fetch<'a>(&'a self, key: &'a K) -> BoxFuture<'a, Result<V, Error>>;

    /// When to renew the value of this key. The worker's own schedule unless the key has one.
    fn schedule(&self, _key: &K) -> Option<Schedule> {
        None
    }
}
