//! Saying no.

use carnet_core::safe_text;
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What the agent goes by.
    pub code: RefusalCode,
    /// What people go by; safe to show.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What sort of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// The request is not one. Sending it again is of no use. 400.
    Invalid,
    /// The evidence is not believed. 403.
    NotAttested,
    /// The agent's SVID is missing, has expired, or has been replaced: attest again, if the method can. 401.
    MustAttest,
    /// The agent has been turned away by an operator. 403.
    Banned,
    /// The entry is not, or no longer, one of this agent's. 403.
    NotAuthorized,
    /// There is no such call. 404.
    NotFound,
    /// Too many requests: wait a second. 429.
    TooMany,
    /// The authority cannot answer now: its store or its keys are not there. Try again. 503.
    Unavailable,
}

impl RefusalCode {
    /// The status of the HTTP answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::MustAttest => 401,
            Self::NotAttested | Self::Banned | Self::NotAuthorized => 403,
            Self::NotFound => 404,
            Self::TooMany => 429,
            Self::Unavailable => 503,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::TooMany | Self::Unavailable)
    }
}

impl Refusal {
    /// A refusal without advice.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The same without what could lead a terminal or a log astray: what another machine says is shown as this only.
    #[must_use]
    pub fn made_safe(self) -> Self {
        let (message, hint) = (safe_text(&self.message), self.hint.as_deref().map(safe_text));
        Self { message, hint, ..self }
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
