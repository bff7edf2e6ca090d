//! A role of the JWT method: which tokens, and what they become.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use carnet_core::Mistake;
use carnet_trust::Glob;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{
    printed::printed,
    template,
    times::Leeways,
    token_fields::TokenFields,
    wire_types::{list, seconds},
};

/// `POST auth/MOUNT/role/NAME`. A write merges: the caller lays the fields that were sent over the stored ones before it
/// checks them. Field names and defaults: "JWT/OIDC auth method (API), Create role".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// `oidc` unless it is said; only `jwt` logs in with a token.
    pub role_type: String,
    /// `aud` must hold one of these.
    #[serde(deserialize_with = "list")]
    pub bound_audiences: Vec<String>,
    /// What `sub` must be.
    pub bound_subject: String,
    /// Claim or JSON pointer, to a value or a list of values.
    pub bound_claims: BTreeMap<String, Value>,
    /// `string` or `glob`.
    pub bound_claims_type: String,
    /// The claim whose text becomes the identity.
    pub user_claim: String,
    /// Whether `user_claim` may be a JSON pointer.
    pub user_claim_json_pointer: bool,
    /// The claim or JSON pointer with the groups.
    pub groups_claim: String,
    /// Claim or JSON pointer, to a name in the token's metadata.
    pub claim_mappings: BTreeMap<String, String>,
    /// Seconds that a token without `exp` lives. 0: 150; negative: none.
    #[serde(deserialize_with = "seconds")]
    pub expiration_leeway: i64,
    /// Seconds before `exp` from which a token with neither `nbf` nor `iat` counts. 0: 150; negative: none.
    #[serde(deserialize_with = "seconds")]
    pub not_before_leeway: i64,
    /// Seconds that clocks may differ. 0: 60; negative: none.
    #[serde(deserialize_with = "seconds")]
    pub clock_skew_leeway: i64,
    /// For logins by browser, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub max_age: i64,
    /// For logins by browser.
    #[serde(deserialize_with = "list")]
    pub allowed_redirect_uris: Vec<String>,
    /// For logins by browser.
    #[serde(deserialize_with = "list")]
    pub oidc_scopes: Vec<String>,
    /// For logins by browser.
    pub verbose_oidc_logging: bool,
    /// Whether policies are templates over the claims (OpenBao).
    pub token_policies_template_claims: bool,
    /// What the token becomes.
    #[serde(flatten)]
    pub token: TokenFields,
}

impl Default for Role {
    fn default() -> Self {
        Self {
            role_type: "oidc".to_owned(),
            bound_audiences: Vec::new(),
            bound_subject: String::new(),
            bound_claims: BTreeMap::new(),
            bound_claims_type: "string".to_owned(),
            user_claim: String::new(),
            user_claim_json_pointer: false,
            groups_claim: String::new(),
            claim_mappings: BTreeMap::new(),
            expiration_leeway: 0,
            not_before_leeway: 0,
            clock_skew_leeway: 0,
            max_age: 0,
            allowed_redirect_uris: Vec::new(),
            oidc_scopes: Vec::new(),
            verbose_oidc_logging: false,
            token_policies_template_claims: false,
            token: TokenFields::default(),
        }
    }
}

/// What a bound claim may be.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    Values(Vec<Value>),
    Globs(Vec<Glob>),
}

/// A role that a write accepts, ready to be asked.
#[derive(Clone, Debug)]
pub struct CheckedRole {
    name: String,
    role: Role,
    bound_claims: Vec<(String, Bound)>,
    networks: Vec<IpNet>,
}

impl CheckedRole {
    /// Checks everything that a write refuses with 400. The message of a mistake is the text of the product.
    ///
    /// # Errors
    /// The first mistake, since a write answers with one.
    pub fn new(name: &str, mut role: Role) -> Result<Self, Mistake> {
        check_name(name)?;
        let name = name.to_ascii_lowercase();
        if role.role_type.is_empty() {
            "oidc".clone_into(&mut role.role_type);
        }
        check_kind(&role)?;
        let networks = role.token.check()?;
        let bound_claims = bound_claims(&role)?;
        check_mappings(&role)?;
        if role.token_policies_template_claims {
            template::check(&role.token.token_policies)?;
        }
        Ok(Self { name, role, bound_claims, networks })
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was checked.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Whether it logs in with a token.
    pub fn is_jwt(&self) -> bool {
        self.role.role_type == "jwt"
    }

    /// Whether a login may come from this address.
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|network| network.contains(&address)))
    }

    /// The three leeways with their defaults filled in.
    pub fn leeways(&self) -> Leeways {
        Leeways::of(self.role.expiration_leeway, self.role.not_before_leeway, self.role.clock_skew_leeway)
    }

    /// Networks from which login and token work. None: all.
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// How long a token of this role lives at first.
    pub fn lifetime(&self) -> SignedDuration {
        self.role.token.lifetime()
    }

    /// The policies of a token, unless they are templates.
    pub fn policies(&self) -> BTreeSet<String> {
        self.role.token.policies()
    }

    pub(super) fn bound_claims(&self) -> &[(String, Bound)] {
        &self.bound_claims
    }
}

/// Word characters, with `-` and `.` inside.
pub(super) fn check_name(name: &str) -> Result<(), Mistake> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inside = name.chars().all(|c| word(c) || matches!(c, '-' | '.'));
    if inside && name.starts_with(word) && name.ends_with(word) {
        return Ok(());
    }
    Err(Mistake::new("name", "unsupported path").hint("letters, digits and `_`; `-` and `.` inside only"))
}

fn check_kind(role: &Role) -> Result<(), Mistake> {
    if !matches!(role.role_type.as_str(), "jwt" | "oidc") {
        return Err(Mistake::new("role_type", format!("invalid 'role_type': {}", role.role_type)).hint("`jwt`"));
    }
    if !matches!(role.bound_claims_type.as_str(), "string" | "glob") {
        let message = format!("invalid 'bound_claims_type': {}", role.bound_claims_type);
        return Err(Mistake::new("bound_claims_type", message).hint("`string` or `glob`"));
    }
    if role.user_claim.is_empty() {
        return Err(Mistake::new("user_claim", "a user claim must be defined on the role").hint("mostly `sub`"));
    }
    if role.role_type == "oidc" && role.allowed_redirect_uris.is_empty() {
        let message = "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.";
        return Err(Mistake::new("allowed_redirect_uris", message)
            .hint("for workloads set `role_type` to `jwt`: the default is `oidc`, the login by browser"));
    }
    let bound = !role.bound_audiences.is_empty()
        || !role.bound_subject.is_empty()
        || !role.bound_claims.is_empty()
        || !role.token.token_bound_cidrs.is_empty();
    if role.role_type == "jwt" && !bound {
        return Err(Mistake::new("", "must have at least one bound constraint when creating/updating a role")
            .hint("set `bound_audiences`, and one of `bound_subject` and `bound_claims`"));
    }
    Ok(())
}

/// The texts are those of `vault-plugin-auth-jwt`: for patterns of the write (`path_role.go`), else of the login (`claims.go`),
/// which a role that binds an object refuses to everybody; here the write does.
fn bound_claims(role: &Role) -> Result<Vec<(String, Bound)>, Mistake> {
    let glob = role.bound_claims_type == "glob";
    let checked = role.bound_claims.iter().map(|(claim, value)| {
        let not = |what: &str, value: &Value| {
            let text = format!("{what}: {}", printed(value, Number::to_string));
            Mistake::new(format!("bound_claims.{claim}"), text)
        };
        let values = match value {
            Value::Array(values) => values.clone(),
            Value::Object(_) | Value::Null if glob => return Err(not("claim is not a string or list", value)),
            one => vec![one.clone()],
        };
        let bound = if glob {
            let pattern =
                |value: &Value| value.as_str().map(Glob::new).ok_or_else(|| not("claim is not a string", value));
            Bound::Globs(values.iter().map(pattern).collect::<Result<_, _>>()?)
        } else {
            let odd = values.iter().find(|value| value.is_object() || value.is_array() || value.is_null());
            if let Some(odd) = odd {
                return Err(not("bound claim is not a string, bool, int or list", odd));
            }
            Bound::Values(values)
        };
        Ok((claim.clone(), bound))
    });
    checked.collect()
}

fn check_mappings(role: &Role) -> Result<(), Mistake> {
    let mut targets = BTreeSet::new();
    for target in role.claim_mappings.values() {
        if target == "role" {
            let message = "metadata key \"role\" is reserved and may not be a mapping destination";
            return Err(Mistake::new("claim_mappings", message));
        }
        if !targets.insert(target) {
            let message = format!("multiple keys are mapped to metadata key {target:?}");
            return Err(Mistake::new("claim_mappings", message));
        }
    }
    Ok(())
}
