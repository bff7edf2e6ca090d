//! Who believes the tokens of a cluster: by its keys, by asking its API server, or by both.
//!
//! Keys answer without a question to anybody, and cannot know which pods are gone. An API server knows, and must be there. With
//! both, what the keys refuse is never asked about, and what they accept must be believed by the API server as well.

mod keys;

use std::path::PathBuf;

use carnet_core::{Context, Error, Mistake, Secret};
use carnet_jose::UnverifiedJwt;
use carnet_trust::{Decision, Refusal};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::keys::Keys;
use crate::{
    AccountPattern, ApiAccess, ApiConfig, Bound,
    trust::{Binding, ClusterTrust, UNAUTHORIZED, admit, evaluate},
};

/// A cluster whose service accounts are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// What the tokens must be for: one of these. Never the API server's own audience, unless every pod of the cluster may show
    /// here what it shows there.
    pub audiences: Vec<String>,
    /// Accounts that are believed, each `NAMESPACE:NAME`, or `NAMESPACE:*` for all of a namespace.
    pub service_accounts: Vec<String>,
    /// `iss` of the tokens, byte for byte. Needed with `keys`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where the cluster's keys are.
    #[serde(default)]
    pub keys: Option<KeysConfig>,
    /// Ask the API server about each token; it knows which pods and accounts are gone.
    #[serde(default)]
    pub token_review: Option<ApiConfig>,
    /// `pod` (default): the token must be bound to a pod. `account`: it need not.
    #[serde(default)]
    pub binding: BindingConfig,
    /// Longest life of a token (`exp - iat`), in seconds. Unbounded unless given; the default token of a pod counts for a year.
    #[serde(default)]
    pub max_lifetime: Option<u32>,
}

/// Where a cluster's keys are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeysConfig {
    /// Where the discovery document of the issuer says, on a public address: EKS, GKE, AKS, OKE with OIDC discovery.
    Discovery,
    /// In a file (`kubectl get --raw /openid/v1/jwks`), read when the configuration is.
    File(PathBuf),
    /// At the API server, which lets service accounts read them (role `system:service-account-issuer-discovery`).
    InCluster(ApiConfig),
    /// Uploaded: the key set itself.
    Jwks(Value),
    /// At this URL, which needs no token.
    Url(String),
}

/// What a token must be bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BindingConfig {
    /// Nothing.
    Account,
    /// A pod.
    #[default]
    Pod,
}

/// See [`ClusterConfig`].
#[derive(Debug)]
pub struct ClusterVerifier {
    trust: ClusterTrust,
    keys: Option<Keys>,
    review: Option<ApiAccess>,
    context: Context,
}

impl ClusterConfig {
    /// Checks the section `field`, and reads what it names. Nothing is asked of anybody. `None` after a mistake.
    pub fn check(self, field: &str, context: &Context, mistakes: &mut Vec<Mistake>) -> Option<ClusterVerifier> {
        let before = mistakes.len();
        let name = |part: &str| format!("{field}.{part}");
        for (part, list, what) in [
            ("audiences", &self.audiences, "say what the tokens are for"),
            ("service_accounts", &self.service_accounts, "name accounts as NAMESPACE:NAME"),
        ] {
            if list.is_empty() || list.iter().any(String::is_empty) {
                mistakes.push(Mistake::new(name(part), "is empty, so no token would be believed").hint(what));
            }
        }
        let mut accounts = Vec::new();
        for text in self.service_accounts.iter().filter(|text| !text.is_empty()) {
            if let Some(pattern) = AccountPattern::parse(text) {
                accounts.push(pattern);
            } else {
                let message = format!("{} is no NAMESPACE:NAME or NAMESPACE:*", carnet_core::safe_text(text));
                mistakes.push(Mistake::new(name("service_accounts"), message));
            }
        }
        if self.keys.is_none() && self.token_review.is_none() {
            let mistake = Mistake::new(field, "has neither keys nor token_review, so no token would be believed");
            mistakes.push(mistake.hint("name the cluster's keys, or its API server"));
        }
        if self.keys.is_some() && self.issuer.as_deref().is_none_or(str::is_empty) {
            let mistake = Mistake::new(name("issuer"), "is missing");
            mistakes.push(mistake.hint("write what `kubectl get --raw /.well-known/openid-configuration` has"));
        }
        if self.max_lifetime == Some(0) {
            mistakes.push(Mistake::new(name("max_lifetime"), "no token lives for 0 seconds"));
        }
        let issuer = self.issuer.clone().unwrap_or_default();
        let keys = self.keys.and_then(|config| Keys::check(config, &issuer, &name("keys"), context, mistakes));
        let review = self.token_review.map(|config| config.check(&name("token_review"), mistakes));
        if mistakes.len() > before {
            return None;
        }
        let trust = ClusterTrust {
            issuer: self.issuer,
            audiences: self.audiences,
            accounts,
            binding: match self.binding {
                BindingConfig::Account => Binding::Account,
                BindingConfig::Pod => Binding::Pod,
            },
            max_lifetime: self.max_lifetime.map(|seconds| SignedDuration::from_secs(i64::from(seconds))),
        };
        Some(ClusterVerifier { trust, keys, review, context: context.clone() })
    }
}

impl ClusterVerifier {
    /// What is believed.
    pub fn trust(&self) -> &ClusterTrust {
        &self.trust
    }

    /// Whether this token is believed.
    ///
    /// # Errors
    /// When keys or API server cannot be had: then nobody is believed.
    pub async fn decide(&self, token: &Secret) -> Result<Decision, Error> {
        let parsed = match UnverifiedJwt::parse(token.expose()) {
            Ok(parsed) => parsed,
            Err(error) => return Ok(no_token(&error.message)),
        };
        let by_keys = match &self.keys {
            Some(keys) => {
                let keys = keys.get(parsed.unverified_kid()).await?;
                let decision = evaluate(&parsed, &keys, &self.trust, self.context.now());
                if decision.refusal().is_some() || self.review.is_none() {
                    return Ok(decision);
                }
                Some(decision)
            }
            None => None,
        };
        let Some(review) = &self.review else { return Ok(no_token("neither keys nor an API server are configured")) };
        let audiences: Vec<&str> = self.trust.audiences.iter().map(String::as_str).collect();
        let reviewed = review.need(&self.context)?.review(&self.context, token, &audiences).await?;
        Ok(match reviewed {
            Err(refusal) => Decision::Refuse(*refusal),
            Ok(bound) => self.joined(&bound, &parsed, by_keys),
        })
    }

    /// Both must speak of the same account and pod: a review that came from elsewhere proves nothing.
    fn joined(&self, bound: &Bound, parsed: &UnverifiedJwt, by_keys: Option<Decision>) -> Decision {
        let Some(Decision::Allow(mut grant)) = by_keys else { return self.reviewed(bound, parsed) };
        match Bound::of_claims(parsed.unverified_claims()) {
            Ok(own) if own.account == bound.account && own.pod == bound.pod => {
                grant.held.push("token");
                // The API server has just said that the pod is there.
                grant.warnings.retain(|warning| warning.clause != "lifetime");
                Decision::Allow(grant)
            }
            _ => Decision::Refuse(Refusal::new(
                "claims",
                "a token review about another account or pod than the token names",
                "the same in both",
                UNAUTHORIZED,
                "see what answers as the API server of this cluster",
            )),
        }
    }

    fn reviewed(&self, bound: &Bound, parsed: &UnverifiedJwt) -> Decision {
        let claims = parsed.unverified_claims();
        let lifetime = || Some(claims.time("exp")?.duration_since(claims.time("iat")?));
        // The API server has verified the claims; how long is too long is for us to say.
        if let Some(longest) = self.trust.max_lifetime
            && lifetime().is_none_or(|lifetime| lifetime > longest)
        {
            return Decision::Refuse(Refusal::new(
                "lifetime",
                lifetime().map_or_else(|| "no iat or no exp".to_owned(), |lifetime| format!("{lifetime:#}")),
                format!("at most {longest:#}"),
                UNAUTHORIZED,
                "project the token with a shorter expirationSeconds, or raise max_lifetime",
            ));
        }
        match admit(bound, &self.trust) {
            Decision::Allow(mut grant) => {
                grant.held.splice(0..0, ["token", "audience", "subject", "claims"]);
                Decision::Allow(grant)
            }
            refused @ Decision::Refuse(_) => refused,
        }
    }
}

fn no_token(seen: &str) -> Decision {
    Decision::Refuse(Refusal::new(
        "form",
        carnet_core::safe_text(seen),
        "a signed JWT",
        UNAUTHORIZED,
        "show the token as the kubelet or the TokenRequest API gave it",
    ))
}

#[cfg(test)]
mod tests;
