//! What works and should not: the tightenings that are ours, as warnings.

use carnet_jose::Claims;
use carnet_trust::Warning;
use jiff::SignedDuration;
use serde_json::Value;

use super::{
    CheckedCelRole, KeyOrigin,
    claims::{Looked, look_up, was_cut},
    config::CheckedConfig,
    role::CheckedRole,
};

/// Longest `exp - iat` of a token that is shown to another party. Longer ones are stored and stolen.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Issuers that sign for everybody: a role must say whose tokens it means.
const SHARED_ISSUERS: [&str; 3] =
    ["https://token.actions.githubusercontent.com", "https://gitlab.com", "https://accounts.google.com"];
/// Claims that are names, and the claims that are their immutable ids.
const NAMES: [(&str, &str); 4] = [
    ("repository", "repository_id"),
    ("repository_owner", "repository_owner_id"),
    ("project_path", "project_id"),
    ("namespace_path", "namespace_id"),
];

fn warning(clause: &'static str, message: impl Into<String>, fix: &str) -> Warning {
    Warning { clause, message: message.into(), fix: fix.to_owned() }
}

/// What there is to say against a configuration that works.
pub fn lint_config(config: &CheckedConfig) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if config.issuer().is_none() {
        warnings.push(warning(
            "issuer",
            "`iss` is not compared: whoever has a key of the set speaks for every issuer in it",
            "set `bound_issuer`; discovery alone does not do it",
        ));
    }
    if let KeyOrigin::Sets(sets) = config.keys() {
        if sets.len() > 1 {
            warnings.push(warning(
                "keys",
                "several key sets and no link between set and issuer: each issuer can sign as the other",
                "one mount for each issuer",
            ));
        }
        if sets.iter().any(|set| set.jwks_url.starts_with("http://")) {
            warnings.push(warning("keys", "keys are fetched without TLS", "use an https address"));
        }
    }
    if config.config().jwt_supported_algs.is_empty() {
        warnings.push(warning(
            "algorithm",
            "all ten algorithms are taken",
            "set `jwt_supported_algs` to those that the issuer uses",
        ));
    }
    warnings
}

/// What there is to say against a role that works.
pub fn lint_role(checked: &CheckedRole) -> Vec<Warning> {
    let role = checked.role();
    let mut warnings = Vec::new();
    if role.bound_audiences.is_empty() {
        warnings.push(warning(
            "audience",
            "no audience is bound: a token without `aud` logs in, wherever it was shown before",
            "set `bound_audiences` to a name that only this server has",
        ));
    }
    if role.bound_subject.is_empty() && role.bound_claims.is_empty() {
        warnings.push(warning(
            "subject",
            "every token of the issuer with this audience logs in",
            "set `bound_subject`, or `bound_claims` on an immutable id",
        ));
    }
    if role.bound_claims_type == "glob" {
        let loose = role.bound_claims.iter().filter(|(_, value)| too_wide(value));
        warnings.extend(loose.map(|(claim, _)| {
            let message =
                format!("the pattern for `{claim}` begins with `*`: whoever may choose the end of the text gets in");
            warning("bound-claims", message, "begin the pattern with a fixed text, up to a separator")
        }));
    }
    for (name, id) in NAMES {
        if role.bound_claims.contains_key(name) && !role.bound_claims.contains_key(id) {
            let message = format!("`{name}` is a name: whoever registers it after you gets in");
            warnings.push(warning("bound-claims", message, &format!("bind `{id}` instead")));
        }
    }
    if role.token.token_num_uses == 0 && role.token.token_ttl == 0 && role.token.token_period == 0 {
        warnings.push(warning(
            "lifetime",
            "the token lives as long as the mount allows, by default 768 hours",
            "set `token_ttl` to minutes, or `token_type` to `batch`",
        ));
    }
    if role.token.token_period > 0 && role.token.token_explicit_max_ttl == 0 {
        warnings.push(warning(
            "lifetime",
            "a periodic token can be renewed for ever, also after the workload is gone",
            "set `token_explicit_max_ttl`",
        ));
    }
    if role.clock_skew_leeway > 300 || role.expiration_leeway > 300 || role.not_before_leeway > 300 {
        warnings.push(warning("times", "a leeway of over 5 minutes", "set the clocks instead"));
    }
    if role.token_policies_template_claims {
        warnings.push(warning(
            "policy",
            "policies are made of claims: who chooses the text of a claim chooses the policy",
            "map the claim to metadata, and use it in the policy's path",
        ));
    }
    warnings
}

/// What there is to say against a role that is a program.
pub fn lint_cel_role(checked: &CheckedCelRole) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if checked.role().bound_audiences.is_empty() {
        warnings.push(warning(
            "audience",
            "no audience is bound: a token that was made for another party logs in too",
            "set `bound_audiences` to a name that only this server has",
        ));
    }
    if checked.name() != checked.name().to_ascii_lowercase() {
        warnings.push(warning(
            "role",
            "the name has capitals, and logins look for names in lower case: nobody can use this role",
            "write the role under a name in lower case",
        ));
    }
    if !checked.reads_claims() {
        warnings.push(warning(
            "subject",
            "the program does not look at the claims: every token of the issuer logs in",
            "compare `claims.sub`, or a claim that is an immutable id",
        ));
    }
    warnings
}

/// What there is to say against a token that logs in, whatever the role.
pub(super) fn lint_token(claims: &Claims) -> Vec<Warning> {
    let mut warnings = Vec::new();
    match (claims.time("iat"), claims.time("exp")) {
        (_, None) => warnings.push(warning(
            "times",
            "the token has no `exp`; the role's `expiration_leeway` stands in for it",
            "let the issuer put `exp` into the token",
        )),
        (Some(issued), Some(expiry)) if expiry.duration_since(issued) > LONG_LIFE => warnings.push(warning(
            "times",
            "the token was issued for more than a day, and nothing here bounds that",
            "let the issuer make tokens for minutes",
        )),
        _ => {}
    }
    if claims.str("jti").is_none() {
        warnings.push(warning(
            "replay",
            "the token has no `jti`, and it may be shown again until it ends",
            "keep its life short",
        ));
    }
    warnings
}

/// What there is to say against the way in which a role looks at a token.
pub(super) fn lint_bounds(claims: &Claims, role: &CheckedRole) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let issuer = claims.str("iss").unwrap_or_default();
    let role_data = role.role();
    if SHARED_ISSUERS.contains(&issuer) && role_data.bound_subject.is_empty() && role_data.bound_claims.is_empty() {
        warnings.push(warning(
            "subject",
            format!("every customer of {issuer} logs in by this role"),
            "bind an immutable id of yours",
        ));
    }
    for name in role_data.bound_claims.keys() {
        if let Looked::Value(value) = look_up(claims, name)
            && was_cut(value)
        {
            let message = format!(
                "`{name}` is not a whole number of 64 bits, and the comparison cuts it to one: 1.9 passes for 1, 2^64 - 1 for 2^63 - 1"
            );
            warnings.push(warning("bound-claims", message, "bind a claim that is a text"));
        }
    }
    warnings
}

fn too_wide(value: &Value) -> bool {
    let wide = |value: &Value| value.as_str().is_some_and(|pattern| pattern.starts_with('*'));
    match value {
        Value::Array(values) => values.iter().any(wide),
        one => wide(one),
    }
}
