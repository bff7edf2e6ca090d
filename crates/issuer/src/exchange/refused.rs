//! Saying no: to the audit in full, to the caller in one sentence.

use std::borrow::Cow;

use carnet_core::safe_text;
use carnet_store::{AuditRecord, Outcome};
use carnet_trust::Refusal;
use serde_json::json;

use crate::{Grant, OAuthCode, OAuthError, inbound::Unproved};

/// A no: what the audit says, and what the caller is told.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) told: OAuthError,
    pub(crate) refusal: Box<Refusal>,
    /// Whether it should have been yes, and could not be.
    pub(crate) failed: bool,
}

pub(crate) fn note_refusal(row: &mut AuditRecord, refused: &Refused) {
    row.outcome = if refused.failed { Outcome::Failed } else { Outcome::Refused };
    row.clause = Some(refused.refusal.clause.to_owned());
    let mut note = |name: &str, text: &str| row.details.insert(name.to_owned(), json!(text));
    note("seen", &safe_text(&refused.refusal.seen));
    note("wanted", &refused.refusal.wanted);
    note("fix", &refused.refusal.fix);
    note("error", refused.told.code.as_str());
}

impl Refused {
    pub(crate) fn new(refusal: Refusal, told: OAuthError) -> Self {
        Self { told, refusal: Box::new(refusal), failed: false }
    }

    /// What is needed is not there now; the same request may be good later.
    pub(crate) fn unavailable(clause: &'static str, seen: impl Into<String>) -> Self {
        let refusal =
            Refusal::new(clause, seen, "that it works", "temporarily_unavailable", "see to it, and to the log");
        let told = OAuthError::new(OAuthCode::TemporarilyUnavailable, "try again later");
        Self { failed: true, ..Self::new(refusal, told) }
    }

    /// A mistake on this side: a key that is missing, a rule that cannot be carried out.
    pub(crate) fn here(error: &carnet_core::Error) -> Self {
        let reasons = carnet_core::chain(error).join(": ");
        let fix = error.hints().first().map_or("see to the log", |hint| *hint).to_owned();
        let refusal = Refusal::new("key", safe_text(&reasons), "a key that signs", "server_error", fix);
        let told = OAuthError::new(OAuthCode::ServerError, "the authority cannot issue this now");
        Self { failed: true, ..Self::new(refusal, told) }
    }

    fn unproved(unproved: Unproved, code: OAuthCode, told: impl Into<Cow<'static, str>>) -> Self {
        if unproved.later {
            let Self { told, failed, .. } = Self::unavailable("keys", "");
            return Self { told, refusal: unproved.refusal, failed };
        }
        Self { told: OAuthError::new(code, told), refusal: unproved.refusal, failed: false }
    }

    /// RFC 8693, 2.2.2; RFC 7523, 3.1.
    pub(super) fn subject(grant: Grant, unproved: Unproved) -> Self {
        match grant {
            Grant::TokenExchange => {
                Self::unproved(unproved, OAuthCode::InvalidRequest, "the subject token is not accepted")
            }
            Grant::JwtBearer => Self::unproved(unproved, OAuthCode::InvalidGrant, "the assertion is not accepted"),
            Grant::ClientCredentials => Self::client(unproved),
        }
    }

    pub(super) fn actor(unproved: Unproved) -> Self {
        Self::unproved(unproved, OAuthCode::InvalidRequest, "the actor token is not accepted")
    }

    pub(crate) fn client(unproved: Unproved) -> Self {
        Self::unproved(unproved, OAuthCode::InvalidClient, "the client is not authenticated")
    }

    /// No rule allows it. Of targets and scopes the caller may know that they are the matter: it chose them.
    pub(crate) fn denied(grant: Grant, refusal: Box<Refusal>) -> Self {
        let told = match (refusal.code.as_str(), grant) {
            ("invalid_target", _) => OAuthError::new(OAuthCode::InvalidTarget, "nothing is issued for this target"),
            ("invalid_scope", _) => OAuthError::new(OAuthCode::InvalidScope, "the scope is more than may be had"),
            (_, Grant::TokenExchange) => OAuthError::request("the subject token is not accepted"),
            (_, Grant::JwtBearer) => OAuthError::new(OAuthCode::InvalidGrant, "the assertion is not accepted"),
            (_, Grant::ClientCredentials) => {
                OAuthError::new(OAuthCode::UnauthorizedClient, "the client may not have this")
            }
        };
        Self { told, refusal, failed: false }
    }
}
