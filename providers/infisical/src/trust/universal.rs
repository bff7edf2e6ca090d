//! Universal Auth: a client id and a client secret (`identity-ua-service.ts`).

use std::net::IpAddr;

use carnet_core::Mistake;
use carnet_trust::Warning;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Checked, Proven, Refused, TokenSettings,
    networks::{self, TrustedIp, allows},
    refused::Why,
    warning,
};

/// `universal-auth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UniversalAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// From where a client secret may be used.
    pub client_secret_trusted_ips: Vec<TrustedIp>,
    /// Whether failures lock the method.
    pub lockout_enabled: bool,
    /// How many failures.
    pub lockout_threshold: u32,
    /// Seconds that it stays locked.
    pub lockout_duration_seconds: i64,
    /// Seconds after which failures are forgotten.
    pub lockout_counter_reset_seconds: i64,
}

impl Default for UniversalAuth {
    fn default() -> Self {
        Self {
            token: TokenSettings::default(),
            client_secret_trusted_ips: TrustedIp::everywhere(),
            lockout_enabled: true,
            lockout_threshold: 3,
            lockout_duration_seconds: 300,
            lockout_counter_reset_seconds: 30,
        }
    }
}

/// A client secret, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    /// When it was made.
    pub created: Timestamp,
    /// Seconds that it lives. 0: for ever.
    pub ttl: i64,
    /// How many logins it was used for.
    pub uses: i64,
    /// How many logins it is good for. 0: any number.
    pub uses_limit: i64,
}

/// Failed logins in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// How many.
    pub failed: u32,
    /// When the last was.
    pub last: Timestamp,
}

impl UniversalAuth {
    /// What a write checks.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), Mistake> {
        networks::check(&self.client_secret_trusted_ips)?;
        let wrong = [
            ("lockoutThreshold", !(1..=30).contains(&self.lockout_threshold)),
            ("lockoutDurationSeconds", !(30..=86_400).contains(&self.lockout_duration_seconds)),
            ("lockoutCounterResetSeconds", !(5..=3600).contains(&self.lockout_counter_reset_seconds)),
        ];
        match wrong.into_iter().find(|(_, wrong)| *wrong) {
            Some((field, _)) => Err(Mistake::new(field, "Number out of range")),
            None => Ok(()),
        }
    }

    /// What is looked at before the secret: the network, then whether failures have locked the method.
    ///
    /// # Errors
    /// The clauses `address` and `locked`.
    pub fn admit(&self, peer: IpAddr, lockout: Option<Lockout>, now: Timestamp) -> Checked<()> {
        if !allows(&self.client_secret_trusted_ips, peer) {
            let fix = "log in from one of the networks in `clientSecretTrustedIps`";
            let why = Why { clause: "address", seen: &peer.to_string(), wanted: "a trusted network", fix };
            return Err(Refused::forbidden(&why, super::method::ADDRESS));
        }
        let failed = lockout.filter(|lockout| self.lockout_enabled && self.counts(*lockout, now));
        if failed.is_some_and(|lockout| lockout.failed >= self.lockout_threshold) {
            let seen = format!("{} failures", self.lockout_threshold);
            let fix = "wait until the lockout is over, or clear it; then use the right secret";
            let why = Why { clause: "locked", seen: &seen, wanted: "fewer", fix };
            let text = "This identity auth method is temporarily locked, please try again later";
            return Err(Refused::unauthorized(&why, text));
        }
        Ok(())
    }

    /// The failures after one more.
    pub fn failed(&self, lockout: Option<Lockout>, now: Timestamp) -> Lockout {
        let before = lockout.filter(|lockout| self.counts(*lockout, now)).map_or(0, |lockout| lockout.failed);
        Lockout { failed: before.saturating_add(1), last: now }
    }

    /// Whether failures are not forgotten yet.
    fn counts(&self, lockout: Lockout, now: Timestamp) -> bool {
        let locked = lockout.failed >= self.lockout_threshold;
        let seconds = if locked { self.lockout_duration_seconds } else { self.lockout_counter_reset_seconds };
        now.duration_since(lockout.last) < SignedDuration::from_secs(seconds)
    }

    /// Whether this secret, which was found by what was shown, logs in.
    ///
    /// # Errors
    /// The clauses `secret`, `expired` and `uses`.
    pub fn decide(found: Option<&ClientSecret>, now: Timestamp) -> Checked<Proven> {
        let Some(secret) = found else { return Err(Self::invalid()) };
        if secret.ttl > 0 && now.duration_since(secret.created) > SignedDuration::from_secs(secret.ttl) {
            let seen = format!("made at {}", secret.created);
            let wanted = format!("at most {} seconds old", secret.ttl);
            let why = Why { clause: "expired", seen: &seen, wanted: &wanted, fix: "make a new client secret" };
            return Err(Refused::unauthorized(&why, "Access denied due to expired client secret"));
        }
        if secret.uses_limit > 0 && secret.uses >= secret.uses_limit {
            let seen = format!("{} uses", secret.uses);
            let wanted = format!("at most {}", secret.uses_limit);
            let why = Why { clause: "uses", seen: &seen, wanted: &wanted, fix: "make a new client secret" };
            return Err(Refused::unauthorized(&why, "Access denied due to client secret usage limit reached"));
        }
        let held = vec!["address", "locked", "secret", "expired", "uses"];
        Ok(Proven { principal: "client secret".to_owned(), held, ..Proven::default() })
    }

    /// No such client id, or not its secret: the same words for both.
    pub fn invalid() -> Box<Refused> {
        let fix = "check client id and client secret; they belong together, and secrets are shown once";
        let why = Why { clause: "secret", seen: "not the right one", wanted: "a client id and its secret", fix };
        Refused::unauthorized(&why, "Invalid credentials")
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        warnings.push(warning(
            "secret",
            "a secret is stored with the workload: whoever reads it is the workload",
            "use a method that proves where the workload runs",
        ));
        if networks::is_open(&self.client_secret_trusted_ips) {
            let message = "the secret may be used from everywhere";
            warnings.push(warning("address", message, "set `clientSecretTrustedIps`"));
        }
        if !self.lockout_enabled {
            warnings.push(warning("locked", "secrets may be guessed without end", "set `lockoutEnabled`"));
        }
        warnings
    }
}
