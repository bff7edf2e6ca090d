//! What the operator of a mount has tuned: above all how long its tokens live ("sys/mounts", tune).

use carnet_vault::trust::SYSTEM_TTL;
use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::{duration, fields, reply::ApiError};

/// Fields that are kept and shown, and change nothing here.
const KEPT: [&str; 13] = [
    "allowed_managed_keys",
    "allowed_response_headers",
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "delegated_auth_accessors",
    "force_no_cache",
    "identity_token_key",
    "listing_visibility",
    "options",
    "passthrough_request_headers",
    "plugin_version",
    "token_type",
    "user_lockout_config",
];

/// The tuning of a mount.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tuning {
    /// Zero: that of the system.
    default: SignedDuration,
    /// Zero: that of the system. It may be longer than the system's.
    max: SignedDuration,
    kept: Map<String, Value>,
}

impl Tuning {
    /// Takes what is sent, all of it or nothing; gives the names that mean nothing.
    ///
    /// # Errors
    /// 400 for what is no span of time, for a default that is over the maximum, and for words that are not known.
    pub(crate) fn write(&mut self, sent: &Map<String, Value>) -> Result<Vec<String>, ApiError> {
        check_words(sent)?;
        let mut new = self.clone();
        let mut unknown = Vec::new();
        for (name, value) in sent {
            match name.as_str() {
                "default_lease_ttl" => new.default = span(value)?,
                "max_lease_ttl" => new.max = span(value)?,
                kept if KEPT.contains(&kept) => drop(new.kept.insert(kept.to_owned(), value.clone())),
                other => unknown.push(other.to_owned()),
            }
        }
        if new.max.is_positive() && new.default > new.max {
            return Err(ApiError::bad(format!(
                "backend max lease TTL of {} would be less than backend default lease TTL of {}",
                new.max.as_secs(),
                new.default.as_secs()
            )));
        }
        *self = new;
        Ok(unknown)
    }

    /// The life of a token that nobody has said one for.
    pub(crate) fn default_ttl(&self) -> SignedDuration {
        let default = if self.default.is_positive() { self.default } else { SYSTEM_TTL };
        default.min(self.max_ttl())
    }

    /// The longest life of a token.
    pub(crate) fn max_ttl(&self) -> SignedDuration {
        if self.max.is_positive() { self.max } else { SYSTEM_TTL }
    }

    /// `config` of a mount: seconds, 0 where the system's are meant.
    pub(crate) fn config(&self) -> Map<String, Value> {
        self.shown(self.default, self.max)
    }

    /// What `tune` tells: seconds that hold.
    pub(crate) fn effective(&self) -> Map<String, Value> {
        self.shown(self.default_ttl(), self.max_ttl())
    }

    fn shown(&self, default: SignedDuration, max: SignedDuration) -> Map<String, Value> {
        let mut fields = self.kept.clone();
        fields.insert("default_lease_ttl".to_owned(), default.as_secs().into());
        fields.insert("max_lease_ttl".to_owned(), max.as_secs().into());
        fields.entry("force_no_cache").or_insert(Value::Bool(false));
        fields
    }
}

/// The words of the two fields that are one of a few (`handleTuneWriteCommon` and `handleMount` of the products).
fn check_words(sent: &Map<String, Value>) -> Result<(), ApiError> {
    if !matches!(fields::text(sent, "token_type")?, "" | "default-service" | "default-batch" | "service" | "batch") {
        return Err(ApiError::bad("invalid value for 'token_type'"));
    }
    match fields::text(sent, "listing_visibility")? {
        "" | "hidden" | "unauth" => Ok(()),
        other => Err(ApiError::bad(format!("invalid listing_visibility {other}"))),
    }
}

/// A life of less than a second is refused (UNCONFIRMED): it would be told as 0 seconds, which means that there is no end.
fn span(value: &Value) -> Result<SignedDuration, ApiError> {
    if value.is_null() || value == "system" {
        return Ok(SignedDuration::ZERO);
    }
    let span = duration::parse(value).filter(|span| span.is_zero() || span.as_secs() > 0);
    span.ok_or_else(|| ApiError::bad(format!("time: invalid duration {value}")))
}
