//! What every auth method says of the tokens that it gives.

use carnet_core::Mistake;
use carnet_trust::Warning;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    networks::{self, TrustedIp},
    warning,
};

/// 30 days: the default of life and longest life in the API ("Attach", every auth method).
const THIRTY_DAYS: i64 = 2_592_000;
/// Ten years: the most that either may be.
const TEN_YEARS: i64 = 315_360_000;
/// `MAX_MACHINE_IDENTITY_TOKEN_AGE`: whatever is configured, no token of the newer servers lives longer.
pub const MAX_TOKEN_AGE: SignedDuration = SignedDuration::from_secs(7_776_000);
/// Life from which on a token counts as long here.
const LONG_LIFE: i64 = 86_400;

/// Life, uses and networks of the tokens of a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenSettings {
    /// Seconds that one token lives. 0: as long as the server lets any.
    #[serde(rename = "accessTokenTTL")]
    pub access_token_ttl: i64,
    /// Seconds from the login that renewals cannot pass. 0: none.
    #[serde(rename = "accessTokenMaxTTL")]
    pub access_token_max_ttl: i64,
    /// How many requests a token is good for, over all renewals. 0: any number.
    pub access_token_num_uses_limit: i64,
    /// Seconds: each renewal begins them anew, and no longest life holds. 0: it does.
    pub access_token_period: i64,
    /// From where it may be used.
    pub access_token_trusted_ips: Vec<TrustedIp>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            access_token_ttl: THIRTY_DAYS,
            access_token_max_ttl: THIRTY_DAYS,
            access_token_num_uses_limit: 0,
            access_token_period: 0,
            access_token_trusted_ips: TrustedIp::everywhere(),
        }
    }
}

impl TokenSettings {
    /// What a write checks. The message of a mistake is the text of the product, or what its schema says.
    ///
    /// # Errors
    /// The first mistake, since a write answers with one.
    pub fn check(&self) -> Result<(), Mistake> {
        let seconds = [
            ("accessTokenTTL", self.access_token_ttl),
            ("accessTokenMaxTTL", self.access_token_max_ttl),
            ("accessTokenPeriod", self.access_token_period),
        ];
        for (field, value) in seconds {
            if !(0..=TEN_YEARS).contains(&value) {
                return Err(Mistake::new(field, format!("Number must be from 0 to {TEN_YEARS}")));
            }
        }
        if self.access_token_num_uses_limit < 0 {
            return Err(Mistake::new("accessTokenNumUsesLimit", "Number must be greater than or equal to 0"));
        }
        if self.access_token_max_ttl > 0 && self.access_token_ttl > self.access_token_max_ttl {
            return Err(Mistake::new("", "Access token TTL cannot be greater than max TTL"));
        }
        networks::check(&self.access_token_trusted_ips)
    }

    /// How long a token lives that is given now to a login of `created`: zero when the login has come to its end.
    pub fn life(&self, created: Timestamp, now: Timestamp) -> SignedDuration {
        let given = |seconds: i64| (seconds > 0).then(|| SignedDuration::from_secs(seconds));
        let own = given(self.requested_ttl());
        let left = given(self.requested_max()).map(|most| most.saturating_sub(now.duration_since(created)));
        own.into_iter().chain(left).fold(MAX_TOKEN_AGE, SignedDuration::min).max(SignedDuration::ZERO)
    }

    /// `expiresIn` of a login: what is configured, and not what will be.
    pub fn requested_ttl(&self) -> i64 {
        if self.access_token_period > 0 { self.access_token_period } else { self.access_token_ttl }
    }

    /// The longest life that renewals respect; 0 for none.
    pub fn requested_max(&self) -> i64 {
        if self.access_token_period > 0 { 0 } else { self.access_token_max_ttl }
    }

    /// What there is to say against settings that work.
    pub(super) fn lint(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.requested_ttl() == 0 || self.requested_ttl() > LONG_LIFE {
            warnings.push(warning(
                "lifetime",
                "a token lives for more than a day; whoever steals it has it for as long",
                "set `accessTokenTTL` to an hour or less, and renew",
            ));
        }
        if self.requested_max() == 0 {
            warnings.push(warning(
                "lifetime",
                "a token can be renewed for ever, also after the workload is gone",
                "set `accessTokenMaxTTL`, and no `accessTokenPeriod`",
            ));
        }
        if networks::is_open(&self.access_token_trusted_ips) {
            warnings.push(warning(
                "address",
                "a token may be used from everywhere",
                "set `accessTokenTrustedIps` to the networks of the workload",
            ));
        }
        if self.access_token_num_uses_limit > 0 {
            warnings.push(warning(
                "uses",
                "the count is kept in a cache there and begins anew when it is lost",
                "do not rely on it for anything that must not happen twice",
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_400 + second).unwrap()
    }

    fn life(ttl: i64, max: i64, period: i64, age: i64) -> i64 {
        let settings = TokenSettings {
            access_token_ttl: ttl,
            access_token_max_ttl: max,
            access_token_period: period,
            ..TokenSettings::default()
        };
        settings.life(at(0), at(age)).as_secs()
    }

    #[test]
    fn a_token_lives_as_long_as_the_shortest_bound() {
        assert_eq!(life(3600, 7200, 0, 0), 3600);
        assert_eq!(life(3600, 7200, 0, 6000), 1200);
        assert_eq!(life(3600, 7200, 0, 7200), 0);
        assert_eq!(life(3600, 7200, 0, 9000), 0);
        assert_eq!(life(0, 0, 0, 0), MAX_TOKEN_AGE.as_secs());
        assert_eq!(life(3600, 7200, 600, 100_000), 600);
    }

    #[test]
    fn rejects_each_setting_that_a_write_refuses() {
        let good = TokenSettings::default;
        good().check().unwrap();
        for (settings, field) in [
            (TokenSettings { access_token_ttl: -1, ..good() }, "accessTokenTTL"),
            (TokenSettings { access_token_max_ttl: TEN_YEARS + 1, ..good() }, "accessTokenMaxTTL"),
            (TokenSettings { access_token_num_uses_limit: -1, ..good() }, "accessTokenNumUsesLimit"),
            (TokenSettings { access_token_ttl: 2, access_token_max_ttl: 1, ..good() }, ""),
        ] {
            assert_eq!(settings.check().unwrap_err().field, field);
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_api_and_are_warned_of() {
        let settings: TokenSettings = serde_json::from_str("{}").unwrap();
        assert_eq!((settings.access_token_ttl, settings.access_token_max_ttl), (2_592_000, 2_592_000));
        let clauses: Vec<_> = settings.lint().iter().map(|warning| warning.clause).collect();
        assert_eq!(clauses, ["lifetime", "address"]);
    }
}
