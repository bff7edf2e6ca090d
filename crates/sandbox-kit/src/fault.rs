//! What can be made to go wrong.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// What goes wrong. The names are those of the control API and of `carnet sandbox fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The connection is cut in mid-answer. The request is not acted on.
    Cut,
    /// Tokens are issued already expired. The emulators do this one.
    Expired,
    /// The service accepts and never answers.
    Hang,
    /// Ten megabytes are answered.
    Huge,
    /// The signing key is replaced, old tokens no longer verify, documents show the new key. Happens once, when it is
    /// switched on.
    KeyRotated,
    /// The service's clock is ten minutes ahead. Lasts until it is cleared; its count and path are not looked at.
    Skew,
    /// The answer comes after three seconds.
    Slow,
    /// HTTP 429 with the service's own body.
    #[serde(alias = "429")]
    TooManyRequests,
    /// HTTP 503 with the service's own body.
    #[serde(alias = "503")]
    Unavailable,
}

impl FaultKind {
    /// All kinds, by name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("cut", Self::Cut),
        ("expired", Self::Expired),
        ("hang", Self::Hang),
        ("huge", Self::Huge),
        ("key-rotated", Self::KeyRotated),
        ("skew", Self::Skew),
        ("slow", Self::Slow),
        ("too-many-requests", Self::TooManyRequests),
        ("unavailable", Self::Unavailable),
    ];
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find_map(|(name, kind)| (kind == self).then_some(*name));
        f.write_str(name.unwrap_or_default())
    }
}

/// A name that is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a fault: there are cut, expired, hang, huge, key-rotated, skew, slow, too-many-requests (or 429) and \
     unavailable (or 503)"
)]
pub struct UnknownFault;

impl FromStr for FaultKind {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let name = match text {
            "429" => "too-many-requests",
            "503" => "unavailable",
            name => name,
        };
        Self::ALL.iter().find_map(|(known, kind)| (*known == name).then_some(*kind)).ok_or(UnknownFault)
    }
}

/// A fault that is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The name of the service, or `*` for all.
    #[serde(default = "every_service")]
    pub service: String,
    /// Only requests whose path starts with this. Empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How many more requests it hits; without it, until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Fault {
    /// A fault of every service, until it is cleared.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, service: every_service(), path: String::new(), times: None }
    }

    /// Only of this service.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Only for requests whose path starts with this.
    #[must_use]
    pub fn path(mut self, start: impl Into<String>) -> Self {
        self.path = start.into();
        self
    }

    /// Only for so many requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Whether it concerns a service at all.
    pub fn concerns(&self, service: &str) -> bool {
        self.service == "*" || self.service == service
    }

    fn is_live(&self, kind: FaultKind, service: &str) -> bool {
        self.kind == kind && self.concerns(service) && self.times != Some(0)
    }
}

fn every_service() -> String {
    "*".to_owned()
}

/// The faults that are switched on.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// How long [`FaultKind::Slow`] waits.
    pub const SLOW: Duration = Duration::from_secs(3);

    /// How much [`FaultKind::Huge`] answers, in bytes: ten times what any client here reads.
    pub const HUGE: usize = 10 << 20;

    /// Switches one on.
    pub fn add(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Switches all off.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Those that are on. One that has hit as often as it should is gone.
    pub fn list(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this kind is on for a service, without counting it.
    pub fn is_on(&self, kind: FaultKind, service: &str) -> bool {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().any(|fault| fault.is_live(kind, service))
    }

    /// Whether this kind hits this request, and counts it. Ask once for each request.
    pub fn hits(&self, kind: FaultKind, service: &str, path: &str) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = faults.iter_mut().find(|fault| fault.is_live(kind, service) && path.starts_with(&fault.path));
        let Some(fault) = hit else { return false };
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
        }
        faults.retain(|fault| fault.times != Some(0));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_only_its_service_path_and_count() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::Unavailable).service("gcp-sts").path("/v1/token").times(2));
        assert!(!faults.hits(FaultKind::Unavailable, "oci-domain", "/v1/token"));
        assert!(!faults.hits(FaultKind::Unavailable, "gcp-sts", "/other"));
        assert!(!faults.hits(FaultKind::Slow, "gcp-sts", "/v1/token"));
        assert!(faults.hits(FaultKind::Unavailable, "gcp-sts", "/v1/token"));
        assert!(faults.hits(FaultKind::Unavailable, "gcp-sts", "/v1/token?x"));
        assert!(!faults.hits(FaultKind::Unavailable, "gcp-sts", "/v1/token"));
        assert!(faults.list().is_empty());
    }

    #[test]
    fn asking_whether_it_is_on_does_not_count() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::Skew).times(1));
        assert!(faults.is_on(FaultKind::Skew, "any") && faults.is_on(FaultKind::Skew, "any"));
        faults.clear();
        assert!(!faults.is_on(FaultKind::Skew, "any"));
    }

    #[test]
    fn names_are_those_of_the_control_api() {
        for (name, kind) in FaultKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!(name.parse::<FaultKind>().unwrap(), kind);
            assert_eq!(kind.to_string(), name);
        }
        for (status, kind) in [("429", FaultKind::TooManyRequests), ("503", FaultKind::Unavailable)] {
            assert_eq!(status.parse(), Ok(kind));
            assert_eq!(serde_json::from_value::<FaultKind>(status.into()).unwrap(), kind);
        }
        assert!("nonsense".parse::<FaultKind>().is_err());
    }

    #[test]
    fn rejects_a_misspelt_field() {
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"slow","servce":"x"}"#).is_err());
        let fault: Fault = serde_json::from_str(r#"{"kind":"slow"}"#).unwrap();
        assert_eq!(fault, Fault::new(FaultKind::Slow));
    }
}
