//! What a login makes a token of: the fields that roles of all auth methods share (`tokenutil` of the products).

use std::{collections::BTreeSet, net::IpAddr};

use carnet_core::Mistake;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{
    SYSTEM_TTL,
    wire_types::{list, seconds},
};

/// The fields `token_…` of a role. Field names and defaults: "Tokens", "JWT/OIDC auth method (API), Create role".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenFields {
    /// Whether the token is bound to the address of the login (OpenBao).
    pub token_strictly_bind_ip: bool,
    /// Life of the token in seconds.
    #[serde(deserialize_with = "seconds", alias = "ttl")]
    pub token_ttl: i64,
    /// Longest life with renewals, in seconds.
    #[serde(deserialize_with = "seconds", alias = "max_ttl")]
    pub token_max_ttl: i64,
    /// Longest life whatever else, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub token_explicit_max_ttl: i64,
    /// Life that each renewal gives again, in seconds.
    #[serde(deserialize_with = "seconds", alias = "period")]
    pub token_period: i64,
    /// Policies of the token.
    #[serde(deserialize_with = "list", alias = "policies")]
    pub token_policies: Vec<String>,
    /// Networks from which login and token work.
    #[serde(deserialize_with = "list", alias = "bound_cidrs")]
    pub token_bound_cidrs: Vec<String>,
    /// Whether the policy `default` is left out.
    pub token_no_default_policy: bool,
    /// How often the token may be used. 0: without bound.
    #[serde(alias = "num_uses")]
    pub token_num_uses: i64,
    /// `default`, `service` or `batch`.
    pub token_type: String,
}

impl Default for TokenFields {
    fn default() -> Self {
        Self {
            token_strictly_bind_ip: false,
            token_ttl: 0,
            token_max_ttl: 0,
            token_explicit_max_ttl: 0,
            token_period: 0,
            token_policies: Vec::new(),
            token_bound_cidrs: Vec::new(),
            token_no_default_policy: false,
            token_num_uses: 0,
            token_type: "default".to_owned(),
        }
    }
}

impl TokenFields {
    /// Checks what a write of any role refuses with 400; gives the networks.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<Vec<IpNet>, Mistake> {
        let networks = networks(&self.token_bound_cidrs)?;
        check(self)?;
        Ok(networks)
    }

    /// How long a token lives at first: the period, else the life, within the bounds of role and system.
    pub fn lifetime(&self) -> SignedDuration {
        let Self { token_period, token_ttl, token_max_ttl, token_explicit_max_ttl, .. } = self;
        let [period, ttl, most, explicit] = [token_period, token_ttl, token_max_ttl, token_explicit_max_ttl]
            .map(|seconds| SignedDuration::from_secs(*seconds));
        first_life(period, ttl, most, explicit)
    }

    /// The policies of a token: in lower case, sorted, once each, with `default` unless it is left out.
    pub fn policies(&self) -> BTreeSet<String> {
        let mut policies: BTreeSet<String> = self.token_policies.iter().map(|policy| policy.to_lowercase()).collect();
        if !self.token_no_default_policy {
            policies.insert("default".to_owned());
        }
        policies
    }
}

/// How long a token lives at first. Spans of zero are not set.
pub(super) fn first_life(
    period: SignedDuration,
    ttl: SignedDuration,
    most: SignedDuration,
    explicit: SignedDuration,
) -> SignedDuration {
    let wanted = [period, ttl].into_iter().find(SignedDuration::is_positive).unwrap_or(SYSTEM_TTL);
    let most = if period.is_positive() { SignedDuration::ZERO } else { most };
    [SYSTEM_TTL, most, explicit].into_iter().filter(SignedDuration::is_positive).fold(wanted, Ord::min)
}

pub(super) fn networks(texts: &[String]) -> Result<Vec<IpNet>, Mistake> {
    let parse = |text: &String| {
        text.parse::<IpNet>()
            .ok()
            .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
            .ok_or_else(|| Mistake::new("token_bound_cidrs", format!("invalid CIDR: {text}")))
    };
    texts.iter().map(parse).collect()
}

fn check(fields: &TokenFields) -> Result<(), Mistake> {
    for (field, value) in [
        ("token_ttl", fields.token_ttl),
        ("token_max_ttl", fields.token_max_ttl),
        ("token_explicit_max_ttl", fields.token_explicit_max_ttl),
        ("token_period", fields.token_period),
        ("token_num_uses", fields.token_num_uses),
    ] {
        if value < 0 {
            return Err(Mistake::new(field, format!("'{field}' cannot be negative")));
        }
    }
    if fields.token_max_ttl > 0 && fields.token_ttl > fields.token_max_ttl {
        return Err(Mistake::new("token_ttl", "'token_ttl' cannot be greater than 'token_max_ttl'"));
    }
    if fields.token_period > SYSTEM_TTL.as_secs() {
        let message = format!(
            "'token_period' of '{}s' is greater than the backend's maximum lease TTL of '{}s'",
            fields.token_period,
            SYSTEM_TTL.as_secs()
        );
        return Err(Mistake::new("token_period", message));
    }
    match fields.token_type.as_str() {
        "batch" if fields.token_period > 0 || fields.token_num_uses > 0 => {
            let message = "'token_type' cannot be 'batch' when 'token_period' or 'token_num_uses' is set";
            return Err(Mistake::new("token_type", message));
        }
        "" | "default" | "service" | "batch" => {}
        other => return Err(Mistake::new("token_type", format!("invalid 'token_type' value {other:?}"))),
    }
    if fields.token_strictly_bind_ip && !fields.token_bound_cidrs.is_empty() {
        let message = "'token_strictly_bind_ip' and 'token_bound_cidrs' are mutually exclusive";
        return Err(Mistake::new("token_strictly_bind_ip", message));
    }
    if fields.token_policies.iter().any(|policy| policy.eq_ignore_ascii_case("root")) {
        return Err(Mistake::new("token_policies", "auth methods cannot create root tokens"));
    }
    Ok(())
}
