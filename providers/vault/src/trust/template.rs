//! Policies that are templates over the claims (`token_policies_template_claims`, `OpenBao`).
//!
//! The product takes the whole language of Go's `text/template`. Here an action names a claim, `{{ .team }}` or
//! `{{ .project.id }}`, and nothing else: what computes is refused when the role is written.

use std::collections::BTreeSet;

use carnet_core::Mistake;
use carnet_jose::Claims;
use carnet_trust::Refusal;
use serde_json::Value;

use super::{refuse, role::CheckedRole};

/// A piece of a template: a text as it stands, or the claim that stands in its place.
enum Part<'a> {
    Text(&'a str),
    Claim(&'a str),
}

/// Whether the templates of a role can be rendered at all.
///
/// # Errors
/// The first that cannot.
pub(super) fn check(policies: &[String]) -> Result<(), Mistake> {
    policies.iter().try_for_each(|policy| match parts(policy) {
        Some(_) => Ok(()),
        None => Err(Mistake::new("token_policies", format!("the template {policy:?} is not understood"))
            .hint("`{{ .claim }}` or `{{ .claim.member }}`; other actions of Go's templates are not evaluated here")),
    })
}

/// The policies of a token: those of the role, with claims filled in where the role says so.
///
/// # Errors
/// The clauses `policy-template` and `policy`.
pub(super) fn policies(role: &CheckedRole, claims: &Claims) -> Result<BTreeSet<String>, Box<Refusal>> {
    if !role.role().token_policies_template_claims {
        return Ok(role.policies());
    }
    let mut policies = BTreeSet::new();
    for template in &role.role().token.token_policies {
        let policy = render(template, claims)?.trim().to_lowercase();
        if policy == "root" {
            let fix =
                "do not make the names of policies out of claims: map the claim to metadata, and use it in a path";
            let text = "auth methods cannot create root tokens";
            return Err(refuse("policy", "root", "any other policy", text, fix));
        }
        if !policy.is_empty() {
            policies.insert(policy);
        }
    }
    if !role.role().token.token_no_default_policy {
        policies.insert("default".to_owned());
    }
    Ok(policies)
}

fn render(template: &str, claims: &Claims) -> Result<String, Box<Refusal>> {
    let mut text = String::with_capacity(template.len());
    for part in parts(template).unwrap_or_default() {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Claim(path) => text.push_str(&value(path, claims)?),
        }
    }
    Ok(text)
}

fn value(path: &str, claims: &Claims) -> Result<String, Box<Refusal>> {
    let mut names = path.split('.');
    let first = names.next().and_then(|name| claims.get(name));
    let found = names.fold(first, |value, name| value?.get(name));
    let wrong = |seen: String, text: String| {
        let fix = "let the issuer put the claim into the token, or take it out of `token_policies` of the role";
        refuse("policy-template", seen, "a text, a whole number or a truth value", text, fix)
    };
    match found {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Bool(truth)) => Ok(truth.to_string()),
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        Some(_) => Err(wrong(format!("{path} is none"), format!("policy template: the claim {path:?} is no text"))),
        None => {
            let last = path.rsplit('.').next().unwrap_or_default();
            Err(wrong(format!("no {path}"), format!("policy template: map has no entry for key {last:?}")))
        }
    }
}

fn parts(template: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}")?;
        let path = action.trim().strip_prefix('.')?;
        let name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !path.split('.').all(name) {
            return None;
        }
        parts.extend([Part::Text(before), Part::Claim(path)]);
        rest = after;
    }
    parts.push(Part::Text(rest));
    Some(parts)
}
