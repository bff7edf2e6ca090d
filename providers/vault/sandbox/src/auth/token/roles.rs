//! `auth/token/roles/NAME`: what tokens that are made at `auth/token/create/NAME` become.

use std::{collections::BTreeSet, net::IpAddr};

use carnet_trust::Glob;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::{
    call::Call,
    fields,
    policy::Operation,
    reply::{self, Answer, ApiError, Data, Reply},
    state::{MAX_ENTRIES, Namespace},
};

/// What a write may send, with the old names. `allowed_entity_aliases` is not there: no role allows any alias here.
const KNOWN: [&str; 18] = [
    "allowed_policies",
    "allowed_policies_glob",
    "bound_cidrs",
    "disallowed_policies",
    "disallowed_policies_glob",
    "explicit_max_ttl",
    "name",
    "orphan",
    "path_suffix",
    "period",
    "renewable",
    "role_name",
    "token_bound_cidrs",
    "token_explicit_max_ttl",
    "token_no_default_policy",
    "token_num_uses",
    "token_period",
    "token_type",
];

/// A role of the tokens' own method ("Token auth method (API), Create/update token role").
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRole {
    pub(super) name: String,
    /// Policies in place of the caller's, by name and by pattern.
    allowed: Vec<String>,
    allowed_globs: Vec<String>,
    disallowed: Vec<String>,
    disallowed_globs: Vec<String>,
    pub(super) orphan: bool,
    pub(super) fixed: bool,
    pub(super) no_default: bool,
    suffix: String,
    pub(super) period: SignedDuration,
    pub(super) explicit_max_ttl: SignedDuration,
    pub(super) num_uses: i64,
    pub(super) bound: Vec<IpNet>,
    /// `service`, `batch`, or the same with `default-` before it, where the request may say another.
    kind: String,
}

impl TokenRole {
    /// The path that its tokens are of.
    pub(super) fn path(&self) -> String {
        let end = if self.suffix.is_empty() { String::new() } else { format!("/{}", self.suffix) };
        format!("auth/token/create/{}{end}", self.name)
    }

    /// Whether a token is a batch token, for the type that was asked for.
    pub(super) fn is_batch(&self, asked: &str) -> bool {
        match (self.kind.as_str(), asked) {
            ("service", _) => false,
            ("batch", _) | ("default-batch", "") => true,
            (_, asked) => asked == "batch",
        }
    }

    /// The policies of a token, if the role has rules of its own for them: then they need not be the caller's.
    ///
    /// # Errors
    /// 400.
    pub(super) fn policies(
        &self,
        asked: &BTreeSet<String>,
        parent: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, ApiError> {
        let allows = !self.allowed.is_empty() || !self.allowed_globs.is_empty();
        if !allows && self.disallowed.is_empty() && self.disallowed_globs.is_empty() {
            return Ok(None);
        }
        let policies: BTreeSet<String> = match (asked.is_empty(), allows) {
            (true, true) => self.allowed.iter().cloned().collect(),
            (true, false) => parent.clone(),
            (false, _) => asked.clone(),
        };
        let is_in = |names: &[String], globs: &[String], policy: &String| {
            names.contains(policy) || globs.iter().any(|glob| Glob::new(glob).matches(policy))
        };
        let is_allowed = |policy: &String| policy == "default" || is_in(&self.allowed, &self.allowed_globs, policy);
        if allows && !policies.iter().all(is_allowed) {
            return Err(ApiError::bad(format!(
                "token policies ({policies:?}) must be subset of the role's allowed policies ({:?}) or glob policies ({:?})",
                self.allowed, self.allowed_globs
            )));
        }
        match policies.iter().find(|policy| is_in(&self.disallowed, &self.disallowed_globs, policy)) {
            Some(policy) => Err(ApiError::bad(format!("token policy {policy:?} is disallowed by this role"))),
            None => Ok(Some(policies)),
        }
    }

    /// Takes what a write sends; the rest stays.
    fn write(&mut self, body: &Map<String, Value>) -> Result<(), ApiError> {
        for (field, list) in [
            ("allowed_policies", &mut self.allowed),
            ("allowed_policies_glob", &mut self.allowed_globs),
            ("disallowed_policies", &mut self.disallowed),
            ("disallowed_policies_glob", &mut self.disallowed_globs),
        ] {
            if body.contains_key(field) {
                *list = fields::names(body, field)?.iter().map(|name| name.to_lowercase()).collect();
            }
        }
        self.orphan = fields::flag(body, "orphan", self.orphan)?;
        self.fixed = !fields::flag(body, "renewable", !self.fixed)?;
        self.no_default = fields::flag(body, "token_no_default_policy", self.no_default)?;
        if let Some(field) = sent(body, "token_period", "period") {
            self.period = fields::span(body, field)?;
        }
        if let Some(field) = sent(body, "token_explicit_max_ttl", "explicit_max_ttl") {
            self.explicit_max_ttl = fields::span(body, field)?;
        }
        if body.contains_key("token_num_uses") {
            self.num_uses = fields::whole(body, "token_num_uses")?;
        }
        if let Some(field) = sent(body, "token_bound_cidrs", "bound_cidrs") {
            self.bound = networks(&fields::names(body, field)?)?;
        }
        if let Some(suffix) = body.get("path_suffix").and_then(Value::as_str) {
            suffix.clone_into(&mut self.suffix);
        }
        if let Some(kind) = body.get("token_type").and_then(Value::as_str) {
            kind.clone_into(&mut self.kind);
        }
        self.check()
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.num_uses < 0 {
            return Err(ApiError::bad("'token_num_uses' cannot be negative"));
        }
        if !self.suffix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            return Err(ApiError::bad("given role path suffix contains invalid characters"));
        }
        match self.kind.as_str() {
            "batch" | "default-batch" if self.period.is_positive() || self.num_uses > 0 => {
                Err(ApiError::bad("'token_type' cannot be 'batch' when 'token_period' or 'token_num_uses' is set"))
            }
            "" | "default-service" | "default-batch" | "service" | "batch" => Ok(()),
            other => Err(ApiError::bad(format!("invalid 'token_type' value {other:?}"))),
        }
    }

    fn describe(&self) -> Value {
        json!({
            "name": self.name,
            "allowed_policies": self.allowed,
            "allowed_policies_glob": self.allowed_globs,
            "disallowed_policies": self.disallowed,
            "disallowed_policies_glob": self.disallowed_globs,
            "orphan": self.orphan,
            "renewable": !self.fixed,
            "path_suffix": self.suffix,
            "token_period": self.period.as_secs(),
            "token_explicit_max_ttl": self.explicit_max_ttl.as_secs(),
            "token_num_uses": self.num_uses,
            "token_bound_cidrs": self.bound.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "token_no_default_policy": self.no_default,
            "token_type": if self.kind.is_empty() { "default-service" } else { self.kind.as_str() },
        })
    }
}

/// Answers a request for what is below `auth/token/roles/`.
pub(super) fn answer(namespace: &mut Namespace, call: &Call, operation: Operation, name: &str) -> Answer {
    let roles = &mut namespace.token_roles;
    match operation {
        Operation::List if name.is_empty() => Data::keys(roles.keys()),
        _ if name.is_empty() || name.contains('/') => Err(ApiError::unsupported()),
        Operation::Read => Data::from_value(roles.get(name).ok_or_else(ApiError::nothing)?.describe()).answer(),
        Operation::Create | Operation::Update => {
            if roles.len() >= MAX_ENTRIES && !roles.contains_key(name) {
                return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} roles in a method")));
            }
            let new = || TokenRole { name: name.to_owned(), ..TokenRole::default() };
            let mut role = roles.get(name).cloned().unwrap_or_else(new);
            role.write(&call.body)?;
            roles.insert(name.to_owned(), role);
            let unknown: Vec<String> =
                call.body.keys().filter(|name| !KNOWN.contains(&name.as_str())).cloned().collect();
            Ok(reply::ignoring(&unknown))
        }
        Operation::Delete => {
            roles.remove(name);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

/// The name under which a field was sent; the present one wins over the old.
fn sent(body: &Map<String, Value>, present: &'static str, old: &'static str) -> Option<&'static str> {
    [present, old].into_iter().find(|field| body.contains_key(*field))
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, ApiError> {
    let parse = |text: &String| {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.ok_or_else(|| ApiError::bad(format!("invalid CIDR: {text}")))
    };
    texts.iter().map(parse).collect()
}
