//! What Google refuses when a pool or a provider is created.

mod oidc;
mod trust_store;

use std::sync::Arc;

use carnet_core::Mistake;
use carnet_jose::KeySet;
use carnet_trust::Expression;

use super::{MAX_ATTRIBUTES, Oidc, Pool, Provider};

pub(super) use trust_store::{Authorities, check_key};

/// Longest `displayName`, in characters.
const MAX_DISPLAY_NAME: usize = 32;
/// Longest `description`, in characters.
const MAX_DESCRIPTION: usize = 256;
/// Longest mapping expression, in characters.
const MAX_EXPRESSION: usize = 2048;
/// Longest condition, in characters.
const MAX_CONDITION: usize = 4096;
/// Longest name of a custom attribute, in characters.
const MAX_ATTRIBUTE_NAME: usize = 100;

/// Issuers that sign for everybody: without a condition, any of their customers would get in, so Google demands one.
/// The list is Google's own examples; issuers with a path for each customer are not on it.
const SHARED_ISSUERS: [&str; 3] =
    ["https://app.terraform.io", "https://gitlab.com", "https://token.actions.githubusercontent.com"];

/// A provider that was checked, with its expressions compiled and its keys parsed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CheckedProvider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: Provider,
    mapping: Vec<(String, Expression)>,
    condition: Option<Expression>,
    keys: Option<KeySet>,
    authorities: Option<Authorities>,
}

impl CheckedProvider {
    /// Checks a provider with this id.
    ///
    /// # Errors
    /// Everything that creation refuses, field by field in the names of Google's API.
    pub fn new(id: &str, provider: Provider) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_id("workloadIdentityPoolProviderId", id, &mut mistakes);
        check_texts(&provider.display_name, &provider.description, &mut mistakes);
        check_kind(&provider, &mut mistakes);
        let keys = provider.oidc.as_ref().and_then(|issuer| oidc::check(issuer, &mut mistakes));
        let authorities = provider.x509.as_ref().map(|x509| trust_store::check(&x509.trust_store, &mut mistakes));
        let mapping = check_mapping(&provider, &mut mistakes);
        let condition = check_condition(&provider, &mut mistakes);
        if mistakes.is_empty() {
            Ok(Self(Arc::new(Inner { provider, mapping, condition, keys, authorities })))
        } else {
            Err(mistakes)
        }
    }

    /// What was checked.
    pub fn provider(&self) -> &Provider {
        &self.0.provider
    }

    /// The uploaded keys, parsed. Without them the caller fetches the issuer's.
    pub fn keys(&self) -> Option<&KeySet> {
        self.0.keys.as_ref()
    }

    /// The issuer, for a provider that has one, and where its discovery document is.
    pub fn issuer(&self) -> Option<(&Oidc, String)> {
        let oidc = self.0.provider.oidc.as_ref()?;
        let below = || format!("{}/.well-known/openid-configuration", oidc.issuer_uri.trim_end_matches('/'));
        Some((oidc, oidc.discovery_uri.clone().unwrap_or_else(below)))
    }

    /// Whose certificates count, for a provider that takes certificates.
    pub(super) fn authorities(&self) -> Option<&Authorities> {
        self.0.authorities.as_ref()
    }

    pub(super) fn mapping(&self) -> &[(String, Expression)] {
        &self.0.mapping
    }

    pub(super) fn condition(&self) -> Option<&Expression> {
        self.0.condition.as_ref()
    }
}

/// What the creation of a pool with this id refuses.
pub fn check_pool(id: &str, pool: &Pool) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    check_id("workloadIdentityPoolId", id, &mut mistakes);
    check_texts(&pool.display_name, &pool.description, &mut mistakes);
    mistakes
}

/// Whether the issuer signs for everybody.
pub(super) fn is_shared(issuer: &str) -> bool {
    SHARED_ISSUERS.contains(&issuer)
}

fn check_id(field: &str, id: &str, mistakes: &mut Vec<Mistake>) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(4..=32).contains(&id.len()) || !id.bytes().all(allowed) {
        mistakes.push(Mistake::new(field, "an id has 4 to 32 characters of [a-z0-9-]"));
    } else if id.starts_with("gcp-") {
        mistakes.push(Mistake::new(field, "ids that begin with `gcp-` are reserved for Google"));
    }
}

fn check_texts(display_name: &str, description: &str, mistakes: &mut Vec<Mistake>) {
    if display_name.chars().count() > MAX_DISPLAY_NAME {
        mistakes.push(Mistake::new("displayName", format!("longer than {MAX_DISPLAY_NAME} characters")));
    }
    if description.chars().count() > MAX_DESCRIPTION {
        mistakes.push(Mistake::new("description", format!("longer than {MAX_DESCRIPTION} characters")));
    }
}

/// A message of the API has one of them at most; what is wrong with none at all is UNCONFIRMED.
fn check_kind(provider: &Provider, mistakes: &mut Vec<Mistake>) {
    let given = [provider.aws.is_some(), provider.oidc.is_some(), provider.x509.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let message = "a provider has exactly one of `aws`, `oidc` and `x509`";
        mistakes.push(Mistake::new("providerConfig", message));
    }
    if let Some(aws) = &provider.aws
        && (aws.account_id.len() != 12 || !aws.account_id.bytes().all(|byte| byte.is_ascii_digit()))
    {
        mistakes.push(Mistake::new("aws.accountId", "an AWS account has a number of 12 digits"));
    }
}

fn check_mapping(provider: &Provider, mistakes: &mut Vec<Mistake>) -> Vec<(String, Expression)> {
    let mapping = provider.effective_mapping();
    if !mapping.contains_key("google.subject") {
        let mistake = Mistake::new("attributeMapping", "`google.subject` is not mapped");
        mistakes.push(mistake.hint("map it, for instance to `assertion.sub`"));
    }
    if mapping.keys().filter(|key| key.starts_with("attribute.")).count() > MAX_ATTRIBUTES {
        mistakes.push(Mistake::new("attributeMapping", format!("more than {MAX_ATTRIBUTES} custom attributes")));
    }
    let mut compiled = Vec::with_capacity(mapping.len());
    for (key, source) in &mapping {
        let field = format!("attributeMapping.{key}");
        if !is_mapping_key(key) {
            let message = "not `google.subject`, `google.groups` or `attribute.NAME` with a name of [a-z0-9_]";
            mistakes.push(Mistake::new(&field, message));
        }
        if source.chars().count() > MAX_EXPRESSION {
            mistakes.push(Mistake::new(&field, format!("longer than {MAX_EXPRESSION} characters")));
        }
        match Expression::compile_with(source, &["assertion"]) {
            Ok(expression) => compiled.push((key.clone(), expression)),
            Err(error) => mistakes.push(Mistake::new(&field, error.to_string())),
        }
    }
    compiled
}

fn is_mapping_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    matches!(key, "google.subject" | "google.groups")
        || key
            .strip_prefix("attribute.")
            .is_some_and(|name| (1..=MAX_ATTRIBUTE_NAME).contains(&name.len()) && name.bytes().all(allowed))
}

fn check_condition(provider: &Provider, mistakes: &mut Vec<Mistake>) -> Option<Expression> {
    let source = &provider.attribute_condition;
    if source.is_empty() {
        if provider.oidc.as_ref().is_some_and(|oidc| is_shared(&oidc.issuer_uri)) {
            let message = "The attribute condition must reference one of the provider's claims.";
            let hint = "this issuer signs for everybody: compare an immutable id of yours, such as \
                        `assertion.repository_owner_id`, `assertion.namespace_id` or `assertion.terraform_organization_id`";
            mistakes.push(Mistake::new("attributeCondition", message).hint(hint));
        }
        return None;
    }
    if source.chars().count() > MAX_CONDITION {
        mistakes.push(Mistake::new("attributeCondition", format!("longer than {MAX_CONDITION} characters")));
        return None;
    }
    match Expression::compile_with(source, &["assertion", "attribute", "google"]) {
        Ok(expression) => Some(expression),
        Err(error) => {
            mistakes.push(Mistake::new("attributeCondition", error.to_string()));
            None
        }
    }
}
