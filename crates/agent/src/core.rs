//! What all parts of a running agent share.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carnet_attest::protocol::RefusalCode;
use carnet_core::{Context, Error, ErrorKind, chain, safe_text};
use carnet_spiffe::Bundle;
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Attestation, Settings,
    hub::Hub,
    jwt_cache::JwtCache,
    jwt_calls::JwtCalls,
    server::Places,
    upstream::{AgentIdentity, Upstream, UpstreamError},
};

/// Longest time for a call of the authority that nobody waits for.
pub(crate) const LONGEST_CALL: Duration = Duration::from_mins(1);

/// Longest time without a look at the clock, since timers stand still while a machine sleeps.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// What all parts of a running agent share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) attestation: Attestation,
    pub(crate) context: Context,
    pub(crate) settings: Settings,
    pub(crate) hub: Arc<Hub>,
    pub(crate) jwt: JwtCache,
    pub(crate) jwt_calls: JwtCalls,
    /// Who the agent is, once it is somebody.
    pub(crate) own: watch::Sender<Option<Arc<Own>>>,
    /// Wakes when the authority has said that the agent must attest again.
    pub(crate) must_attest: watch::Sender<()>,
    pub(crate) contact: Mutex<Contact>,
    /// One for each stream that may still be opened.
    pub(crate) streams: Arc<Places>,
    pub(crate) stop: CancellationToken,
}

/// Who the agent is, and by what it believes the authority.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) identity: AgentIdentity,
    pub(crate) bundle: Arc<Bundle>,
}

/// How it goes with the authority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact {
    pub(crate) last_answer: Option<Timestamp>,
    /// Why the last call failed; nothing when it did not.
    pub(crate) problem: Option<String>,
}

/// What has happened when the authority has not refused: often it was not even asked.
fn words(error: &UpstreamError) -> &'static str {
    let UpstreamError::Failed(error) = error else { return "the authority refuses" };
    match error.kind() {
        ErrorKind::Configuration => "the authority was not asked: something here is not as it must be",
        ErrorKind::NotHere => "the authority was not asked: what is needed for it is not here",
        ErrorKind::Unreachable => "the authority was not reached",
        ErrorKind::Refused | ErrorKind::Policy => "the authority was not asked: this is refused",
        ErrorKind::Expired => {
            "the authority was not asked, or is not believed: something has expired, or clocks disagree"
        }
        ErrorKind::Internal => "the authority was not asked: a mistake in carnet itself",
    }
}

impl Core {
    /// Takes this as who the agent is.
    pub(crate) fn assume(&self, own: Own) -> Result<(), Error> {
        self.upstream.assume(&own.identity, &own.bundle)?;
        self.own.send_replace(Some(Arc::new(own)));
        Ok(())
    }

    /// Notes that the authority has answered.
    pub(crate) fn answered(&self) {
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        if contact.problem.take().is_some() {
            tracing::info!("the authority answers again");
        }
        contact.last_answer = Some(self.context.now());
    }

    /// Notes and logs what the authority, or its absence, has said, and does what must be done about it.
    pub(crate) fn heed(&self, what: &str, error: &UpstreamError) {
        let problem = safe_text(&chain(error).join(": "));
        let hints = safe_text(&error.hints().join("; "));
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        contact.problem = Some(format!("{what}: {problem}"));
        drop(contact);
        match error.code() {
            Some(RefusalCode::Banned) => {
                tracing::error!(
                    what,
                    problem,
                    hints,
                    "the authority has turned this agent away: nothing is served any more"
                );
                self.hub.ban();
            }
            Some(RefusalCode::MustAttest) => {
                tracing::warn!(what, problem, hints, "the authority wants this agent to attest again");
                self.must_attest.send_replace(());
            }
            Some(_) => tracing::warn!(what, problem, hints, "the authority refuses"),
            None => tracing::warn!(what, problem, hints, "{}", words(error)),
        }
    }

    /// Waits until the clock shows this moment, at most for a short while.
    pub(crate) async fn wait_until(&self, moment: Timestamp) {
        let left = moment.duration_since(self.context.now()).max(SignedDuration::ZERO);
        sleep(left.unsigned_abs().min(LONGEST_NAP)).await;
    }

    /// Waits after failures in a row.
    pub(crate) async fn pause(&self, failures: u32) {
        sleep(self.settings.backoff.delay(failures, self.roll())).await;
    }

    /// A random number from 0 to 1.
    pub(crate) fn roll(&self) -> f64 {
        let mut bytes = [0; 4];
        self.context.random.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_authority_that_was_asked_for_was_not_reached() {
        let said = |error: Error| words(&UpstreamError::from(error));
        assert_eq!(said(Error::unreachable("connect")), "the authority was not reached");
        for error in [Error::configuration("read the token"), Error::not_here("read metadata")] {
            assert!(said(error).starts_with("the authority was not asked"));
        }
    }
}
