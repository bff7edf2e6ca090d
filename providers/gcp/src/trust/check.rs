//! What Google refuses when a pool or a provider is created.

use std::sync::Arc;

use carnet_core::Mistake;
use carnet_jose::KeySet;
use carnet_trust::Expression;
use serde_json::Value;
use url::Url;

use super::{MAX_ATTRIBUTES, Pool, Provider};

/// Longest `displayName`, in characters.
const MAX_DISPLAY_NAME: usize = 32;
/// Longest `description`, in characters.
const MAX_DESCRIPTION: usize = 256;
/// Most `allowedAudiences`.
const MAX_AUDIENCES: usize = 10;
/// Longest allowed audience, in characters.
const MAX_AUDIENCE: usize = 256;
/// Longest mapping expression, in characters.
const MAX_EXPRESSION: usize = 2048;
/// Longest condition, in characters.
const MAX_CONDITION: usize = 4096;
/// Longest name of a custom attribute, in characters.
const MAX_ATTRIBUTE_NAME: usize = 100;
/// Longest `discoveryUri` (and, UNCONFIRMED, issuer), in characters.
const MAX_URI: usize = 2000;
/// The members that an uploaded key may have.
const KEY_MEMBERS: [&str; 9] = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];

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
        check_issuer(&provider, &mut mistakes);
        let keys = check_keys(&provider, &mut mistakes);
        let mapping = check_mapping(&provider, &mut mistakes);
        let condition = check_condition(&provider, &mut mistakes);
        if mistakes.is_empty() {
            Ok(Self(Arc::new(Inner { provider, mapping, condition, keys })))
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

    /// Where the discovery document of the issuer is.
    pub fn discovery_uri(&self) -> String {
        let oidc = &self.0.provider.oidc;
        oidc.discovery_uri
            .clone()
            .unwrap_or_else(|| format!("{}/.well-known/openid-configuration", oidc.issuer_uri.trim_end_matches('/')))
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

fn check_issuer(provider: &Provider, mistakes: &mut Vec<Mistake>) {
    let oidc = &provider.oidc;
    let issuer = Url::parse(&oidc.issuer_uri)
        .ok()
        .filter(|url| url.scheme() == "https" && url.has_host() && url.query().is_none() && url.fragment().is_none());
    if issuer.is_none() || oidc.issuer_uri.len() > MAX_URI {
        let mistake = Mistake::new("oidc.issuerUri", "not an https URL without query and fragment");
        mistakes.push(mistake.hint("take the claim `iss` of a token, character by character"));
    }
    if oidc.allowed_audiences.len() > MAX_AUDIENCES {
        mistakes.push(Mistake::new("oidc.allowedAudiences", format!("more than {MAX_AUDIENCES} audiences")));
    }
    if oidc.allowed_audiences.iter().any(|one| one.is_empty() || one.chars().count() > MAX_AUDIENCE) {
        mistakes.push(Mistake::new("oidc.allowedAudiences", format!("an audience has 1 to {MAX_AUDIENCE} characters")));
    }
    if let Some(discovery) = &oidc.discovery_uri {
        let fits = Url::parse(discovery).ok().is_some_and(|url| {
            issuer.as_ref().is_some_and(|issuer| issuer.origin() == url.origin())
                && url.path().contains("/.well-known/")
        });
        if !fits || discovery.len() > MAX_URI {
            let message = "not a URL with `/.well-known/` in its path at the issuer's scheme, host and port";
            mistakes.push(Mistake::new("oidc.discoveryUri", message));
        }
    }
}

fn check_keys(provider: &Provider, mistakes: &mut Vec<Mistake>) -> Option<KeySet> {
    let json = provider.oidc.jwks_json.as_ref()?;
    let wrong = || Mistake::new("oidc.jwksJson", "Input JWK is not in a valid json format");
    let Ok(document) = serde_json::from_str::<Value>(json) else {
        mistakes.push(wrong());
        return None;
    };
    let keys = document.get("keys").and_then(Value::as_array);
    let odd = keys.into_iter().flatten().find_map(|key| {
        let members = key.as_object()?;
        members.keys().find(|member| !KEY_MEMBERS.contains(&member.as_str())).cloned()
    });
    if let Some(odd) = odd {
        let hint = format!("leave out the member `{odd}`: only {} are accepted", KEY_MEMBERS.join(", "));
        mistakes.push(wrong().hint(hint));
        return None;
    }
    let kinds_fit = keys.is_some_and(|keys| {
        !keys.is_empty() && keys.iter().all(|key| matches!(key.get("kty").and_then(Value::as_str), Some("RSA" | "EC")))
    });
    match KeySet::from_json(json.as_bytes()) {
        Ok(keys) if kinds_fit => Some(keys),
        Ok(_) => {
            mistakes.push(wrong().hint("upload RSA or EC keys, at least one"));
            None
        }
        Err(error) => {
            mistakes.push(wrong().hint(error.to_string()));
            None
        }
    }
}

fn check_mapping(provider: &Provider, mistakes: &mut Vec<Mistake>) -> Vec<(String, Expression)> {
    let mapping = &provider.attribute_mapping;
    if !mapping.contains_key("google.subject") {
        let mistake = Mistake::new("attributeMapping", "`google.subject` is not mapped");
        mistakes.push(mistake.hint("map it, for instance to `assertion.sub`"));
    }
    if mapping.keys().filter(|key| key.starts_with("attribute.")).count() > MAX_ATTRIBUTES {
        mistakes.push(Mistake::new("attributeMapping", format!("more than {MAX_ATTRIBUTES} custom attributes")));
    }
    let mut compiled = Vec::with_capacity(mapping.len());
    for (key, source) in mapping {
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
        if is_shared(&provider.oidc.issuer_uri) {
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
