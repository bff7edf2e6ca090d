//! How long a token lives, at first and when it is renewed (`framework.CalculateTTL` of the products).

use carnet_vault::trust::TokenFields;
use jiff::{SignedDuration, Timestamp};

use crate::{duration, tokens::Token, tuning::Tuning};

/// What a role, a program or a request says of the life of a token. Zero is nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) ttl: SignedDuration,
    /// Longest life with renewals.
    pub(super) max: SignedDuration,
    /// Longest life whatever else.
    pub(super) explicit: SignedDuration,
    /// The life that each renewal gives again; then only `explicit` ends it.
    pub(super) period: SignedDuration,
}

/// How long a token lives from now on.
pub(super) struct Life {
    pub(super) ttl: SignedDuration,
    /// Said where it is shorter than what was asked for.
    pub(super) warning: Option<String>,
}

impl Spans {
    /// Those of a role.
    pub(super) fn of_role(fields: &TokenFields) -> Self {
        let span = SignedDuration::from_secs;
        Self {
            ttl: span(fields.token_ttl),
            max: span(fields.token_max_ttl),
            explicit: span(fields.token_explicit_max_ttl),
            period: span(fields.token_period),
        }
    }

    /// Those that a token was made with.
    pub(super) fn of_token(token: &Token) -> Self {
        let Token { ttl, max_ttl: max, explicit_max_ttl: explicit, period, .. } = *token;
        Self { ttl, max, explicit, period }
    }

    /// The life of a token that was made then, within the bounds of its mount.
    pub(super) fn life(self, mount: &Tuning, created: Timestamp, now: Timestamp) -> Life {
        let periodic = self.period.is_positive();
        let wanted = [self.period, self.ttl].into_iter().find(SignedDuration::is_positive);
        let wanted = wanted.unwrap_or_else(|| mount.default_ttl());
        let (max, from_creation) = if periodic {
            (mount.max_ttl(), [self.explicit, SignedDuration::ZERO, SignedDuration::ZERO])
        } else {
            (SignedDuration::MAX, [self.explicit, self.max, mount.max_ttl()])
        };
        let longest = from_creation.into_iter().filter(SignedDuration::is_positive).min();
        let end = longest.and_then(|longest| created.saturating_add(longest).ok());
        let left = end.map_or(max, |end| end.duration_since(now).max(SignedDuration::ZERO).min(max));
        let what = if periodic && left == max { "period" } else { "TTL" };
        let warning = (left < wanted).then(|| {
            format!(
                "{what} of \"{}\" exceeded the effective max_ttl of \"{}\"; {what} value is capped accordingly",
                duration::text(wanted),
                duration::text(left)
            )
        });
        Life { ttl: wanted.min(left), warning }
    }
}
