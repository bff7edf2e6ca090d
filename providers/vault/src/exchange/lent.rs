//! Tokens that were obtained, until they are given back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carnet_core::{Context, Credential, Error, Release, X509Identity};
use jiff::Timestamp;

use super::{connection_of, is_batch, revoke, token};
use crate::{config::Revoke, endpoint::Server};

/// Tokens that are remembered. One that is renewed in time has few before it that have not ended; who obtains more leaves the
/// oldest to their own end.
const MOST: usize = 64;

/// The tokens that an exchange gave and is to give back, oldest first.
#[derive(Debug)]
pub(crate) struct Lent {
    /// As it is configured, if it is.
    revoke: Option<Revoke>,
    loans: Mutex<Vec<Loan>>,
}

#[derive(Clone, Debug)]
struct Loan {
    credential: Credential,
    /// What it was obtained with, if that is a certificate.
    certificate: Option<Arc<X509Identity>>,
}

impl Lent {
    pub(crate) fn new(revoke: Option<Revoke>) -> Self {
        Self { revoke, loans: Mutex::default() }
    }

    /// Remembers a token that was obtained or renewed. Says in the fact `warning` that a batch token cannot be given back, where
    /// somebody asked for that.
    pub(super) fn note(
        &self,
        credential: Credential,
        certificate: Option<Arc<X509Identity>>,
        now: Timestamp,
    ) -> Credential {
        if self.revoke() == Revoke::Never {
            return credential;
        }
        if is_batch(&credential) {
            let warning = "this is a batch token, which cannot be given back: `revoke` does nothing";
            return if self.revoke.is_some() { credential.fact("warning", warning) } else { credential };
        }
        let loan = Loan { credential: credential.clone(), certificate };
        let mut loans = self.loans();
        loans.retain(|loan| loan.lives(now));
        if let Some(same) = loans.iter_mut().find(|before| before.is_of(&credential)) {
            *same = loan;
            return credential;
        }
        if loans.len() >= MOST {
            loans.remove(0);
        }
        loans.push(loan);
        credential
    }

    /// Gives back those that are due, all of them whatever becomes of one.
    pub(super) async fn release(&self, context: &Context, server: &Server, which: Release<'_>) -> Result<(), Error> {
        let mut outcome = Ok(());
        for loan in self.due(which, context.now()) {
            match loan.give_back(context, server).await {
                // Only now: where this is given up on the way, the next call tries again.
                Ok(()) => self.forget(&loan.credential),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    pub(super) fn forget(&self, credential: &Credential) {
        self.loans().retain(|loan| !loan.is_of(credential));
    }

    fn due(&self, which: Release<'_>, now: Timestamp) -> Vec<Loan> {
        let mut loans = self.loans();
        loans.retain(|loan| loan.lives(now));
        match which {
            Release::All => loans.clone(),
            Release::Before(current) if self.revoke() == Revoke::Replaced => {
                let before = loans.iter().position(|loan| loan.is_of(current)).unwrap_or(0);
                loans.iter().take(before).cloned().collect()
            }
            Release::Before(_) => Vec::new(),
        }
    }

    fn revoke(&self) -> Revoke {
        self.revoke.unwrap_or_default()
    }

    fn loans(&self) -> MutexGuard<'_, Vec<Loan>> {
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan {
    fn is_of(&self, credential: &Credential) -> bool {
        token(&self.credential).is_ok_and(|own| token(credential).is_ok_and(|other| own == other))
    }

    fn lives(&self, now: Timestamp) -> bool {
        self.credential.remaining(now).is_none_or(|left| left.is_positive())
    }

    async fn give_back(&self, context: &Context, server: &Server) -> Result<(), Error> {
        let connection = connection_of(&self.credential, server, context)?;
        let outcome = revoke(context, &connection, &self.credential, self.certificate.clone()).await;
        outcome.map_err(|error| match self.credential.expires_at {
            Some(end) => error.hint(format!("what is not given back ends at {end:.0}")),
            None => error.hint("this token has no end of its own: revoke it by its accessor"),
        })
    }
}

#[cfg(test)]
mod tests;
