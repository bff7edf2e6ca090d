//! How issued tokens stand.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::TokenRow;

/// How a token stands at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// It can be used.
    Active,
    /// It has no uses left.
    UsedUp,
    /// It was withdrawn.
    Revoked,
    /// Its time is over. One that was withdrawn before counts as revoked.
    Expired,
}

impl TokenRow {
    /// How the token stands at this time.
    pub fn state(&self, now: Timestamp) -> TokenState {
        match self {
            Self { revoked_at: Some(_), .. } => TokenState::Revoked,
            Self { expires_at, .. } if *expires_at <= now => TokenState::Expired,
            Self { uses_left: Some(0), .. } => TokenState::UsedUp,
            _ => TokenState::Active,
        }
    }
}

/// Which tokens to read. All that is given must hold; texts are compared byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// [`TokenRow::subject`].
    pub subject: Option<String>,
    /// [`TokenRow::rule`].
    pub rule: Option<String>,
    /// One of these at [`Self::now`]; any when empty.
    pub states: Vec<TokenState>,
    /// The time that the states are of.
    pub now: Timestamp,
}
