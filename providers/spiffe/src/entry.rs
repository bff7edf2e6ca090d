//! Registration entries: which selectors get which identity.

use std::collections::BTreeSet;

use carnet_core::Mistake;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Selector, SpiffeId, TrustDomain};

/// A registration entry: a workload with all of `selectors` below the node `parent_id` is `spiffe_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its key: letters, digits, dots, dashes and underscores.
    pub id: String,
    /// The identity given.
    pub spiffe_id: SpiffeId,
    /// The agent, or the group of agents, whose workloads it is for.
    pub parent_id: SpiffeId,
    /// All of these must be found.
    pub selectors: BTreeSet<Selector>,
    /// Life of X509-SVIDs in seconds; the authority's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509_ttl: Option<u32>,
    /// Life of JWT-SVIDs in seconds; the authority's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_ttl: Option<u32>,
    /// Foreign domains whose bundles the workload gets.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub federates_with: BTreeSet<TrustDomain>,
    /// DNS names in X509-SVIDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// The operator's label, by which a workload with several identities picks one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Whether it may use the admin API.
    #[serde(default, skip_serializing_if = "is_false")]
    pub admin: bool,
    /// Whether it may get an authority's certificate below this one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub downstream: bool,
    /// From when it does not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// Further claims of JWT-SVIDs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub jwt_claims: Map<String, Value>,
    /// Whether JWT-SVIDs get a `jti`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub include_jti: bool,
    /// When it was made.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Grows with every change.
    #[serde(default)]
    pub revision: u64,
}

/// Claims that an issuer writes itself (RFC 7519, 4.1; RFC 8693, 4.1 to 4.4; RFC 7800, 3.1; OpenID Connect Core, 2), and the one with
/// which an access token of ours stands by itself. A custom claim of such a name would be believed to be its word.
pub const ISSUERS_CLAIMS: [&str; 17] = [
    "carnet",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "act",
    "may_act",
    "client_id",
    "scope",
    "cnf",
    "azp",
    "auth_time",
    "acr",
    "amr",
];
/// First segments of paths that belong to authorities and agents: ours, and SPIRE's.
const RESERVED_PATHS: [&str; 2] = ["carnet", "spire"];
/// Further claims, serialized: more would make tokens that HTTP servers refuse.
const MAX_CLAIMS_LENGTH: usize = 4096;

impl Entry {
    /// Longest [`Self::id`], in bytes.
    pub const MAX_ID: usize = 255;
    /// Longest [`Self::hint`], in bytes (SPIFFE Workload API, 5.2.1).
    pub const MAX_HINT: usize = 1024;
    /// Most selectors.
    pub const MAX_SELECTORS: usize = 64;
    /// Most DNS names.
    pub const MAX_DNS_NAMES: usize = 64;
    /// Most federated domains.
    pub const MAX_FEDERATED: usize = 256;
    /// Longest life that an entry may ask for, in seconds: a year.
    pub const MAX_TTL: u32 = 366 * 24 * 3600;

    /// Whether it makes sense by itself. What it refers to is not looked at.
    ///
    /// # Errors
    /// All mistakes at once, each with its field.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        self.check_ids(&mut mistakes);
        self.check_selectors(&mut mistakes);
        self.check_issuing(&mut mistakes);
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    fn check_ids(&self, mistakes: &mut Vec<Mistake>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.id.is_empty() || self.id.len() > Self::MAX_ID || !self.id.chars().all(plain) {
            let hint = format!("1 to {} letters, digits, \".\", \"-\" and \"_\"", Self::MAX_ID);
            mistakes.push(Mistake::new("id", "is no key of an entry").hint(hint));
        }
        if self.spiffe_id.is_root() {
            let mistake = Mistake::new("spiffe_id", "has no path: it stands for the trust domain, not for a workload");
            mistakes.push(mistake.hint("add a path, for instance /ns/pay/sa/api"));
        }
        let first = self.spiffe_id.path().split('/').nth(1).unwrap_or_default();
        if RESERVED_PATHS.contains(&first) {
            let message = format!("paths below /{first} belong to authorities and agents");
            mistakes.push(Mistake::new("spiffe_id", message).hint("choose another path"));
        }
        let domain = self.spiffe_id.trust_domain();
        if !self.parent_id.is_of(&domain) {
            let message = format!("is of another trust domain than spiffe_id, which is of {domain}");
            mistakes.push(Mistake::new("parent_id", message));
        }
        if self.parent_id.is_root() {
            let mistake = Mistake::new("parent_id", "has no path: it names no agent and no group of agents");
            mistakes.push(mistake);
        }
        if self.federates_with.contains(&domain) {
            let mistake = Mistake::new("federates_with", format!("names {domain}, the entry's own trust domain"));
            mistakes.push(mistake.hint("leave it out: its bundle is always given"));
        }
        if self.federates_with.len() > Self::MAX_FEDERATED {
            mistakes.push(too_many("federates_with", "trust domains", Self::MAX_FEDERATED));
        }
    }

    fn check_selectors(&self, mistakes: &mut Vec<Mistake>) {
        if self.selectors.is_empty() {
            let mistake = Mistake::new("selectors", "is empty, and would fit every workload of the node");
            mistakes.push(mistake.hint("name at least one, for instance unix:uid:1000"));
        }
        if self.selectors.len() > Self::MAX_SELECTORS {
            mistakes.push(too_many("selectors", "selectors", Self::MAX_SELECTORS));
        }
    }

    fn check_issuing(&self, mistakes: &mut Vec<Mistake>) {
        for (field, ttl) in [("x509_ttl", self.x509_ttl), ("jwt_ttl", self.jwt_ttl)] {
            if ttl.is_some_and(|ttl| !(1..=Self::MAX_TTL).contains(&ttl)) {
                let mistake = Mistake::new(field, format!("is not between 1 and {} seconds", Self::MAX_TTL));
                mistakes.push(mistake.hint("leave it out for the authority's default"));
            }
        }
        if self.dns_names.len() > Self::MAX_DNS_NAMES {
            mistakes.push(too_many("dns_names", "names", Self::MAX_DNS_NAMES));
        }
        for (at, name) in self.dns_names.iter().enumerate().filter(|(_, name)| !is_dns_name(name)) {
            let message = format!("{name:?} is not a DNS name");
            let mistake = Mistake::new(format!("dns_names[{at}]"), message);
            mistakes.push(mistake.hint("labels of lower-case letters, digits and dashes, joined by dots; no wildcard"));
        }
        if self.hint.len() > Self::MAX_HINT || self.hint.chars().any(char::is_control) {
            let message = format!("has more than {} bytes, or holds a control character", Self::MAX_HINT);
            mistakes.push(Mistake::new("hint", message));
        }
        for claim in self.jwt_claims.keys().filter(|claim| ISSUERS_CLAIMS.contains(&claim.as_str())) {
            let mistake = Mistake::new(format!("jwt_claims.{claim}"), "is written by the authority itself");
            mistakes.push(mistake.hint("give it another name"));
        }
        if serde_json::to_string(&self.jwt_claims).map_or(0, |json| json.len()) > MAX_CLAIMS_LENGTH {
            mistakes.push(Mistake::new("jwt_claims", format!("has more than {MAX_CLAIMS_LENGTH} bytes as JSON")));
        }
    }
}

fn too_many(field: &str, what: &str, most: usize) -> Mistake {
    Mistake::new(field, format!("has more than {most} {what}"))
}

/// RFC 1123, 2.1, in lower case. No wildcards: an SVID names one workload.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        let letters = label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        letters && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}
