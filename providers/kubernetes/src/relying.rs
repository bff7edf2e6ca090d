//! Who believes the tokens of a cluster: by its keys, and by asking its API server.
//!
//! Keys answer without a question to anybody, and cannot know which pods are gone. An API server knows, and must be there. What the
//! keys refuse is never asked about; what they accept must be believed by the API server as well, where it is asked.

mod keys;

use std::path::PathBuf;

use carnet_core::{Context, Error, Mistake, Secret, chain};
use carnet_jose::UnverifiedJwt;
use carnet_trust::Refusal;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::keys::Keys;
use crate::{
    AccountPattern, ApiConfig, ApiServer,
    trust::{Believed, Binding, ClusterTrust, UNAUTHORIZED},
};

/// Longest life of a token that nobody reviews, unless configured, in seconds. The default token of a pod counts for a year.
const USUAL_MAX_AGE: u32 = 86_400;

/// A Kubernetes cluster whose service accounts are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// `iss` of the tokens, byte for byte: what `kubectl get --raw /.well-known/openid-configuration` says.
    pub issuer: String,
    /// The API server. Without it, that of the cluster that carnet runs in, as its pod's account.
    #[serde(default)]
    pub api: ApiConfig,
    /// Where the cluster's keys are: `"api-server"` (the default), `"discovery"`, `{ url = "…" }`, `{ file = "…" }` or `{ jwks = { … } }`.
    #[serde(default)]
    pub keys: KeysConfig,
    /// Whether the API server is asked about each token: it alone knows which pods and accounts are gone. Its account needs the
    /// role `system:auth-delegator` then. While it does not answer, nobody of the cluster is believed.
    #[serde(default = "yes")]
    pub token_review: bool,
    /// What a token must be bound to: `pod` (the default), or `account` when it need not be bound to anything.
    #[serde(default)]
    pub binding: BindingConfig,
    /// Accounts that are believed, each `NAMESPACE:NAME`, or `NAMESPACE:*` for all of a namespace. Without it rules alone say who is meant.
    #[serde(default)]
    pub service_accounts: Option<Vec<String>>,
    /// Longest life of a token (`exp - iat`), in seconds: 86400 unless given. With `token_review` unbounded unless given.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_age: Option<u32>,
}

/// Where a cluster's keys are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeysConfig {
    /// At the API server, which lets service accounts read them (role `system:service-account-issuer-discovery`).
    #[default]
    ApiServer,
    /// Where the discovery document of the issuer says, on a public address: EKS, GKE, AKS, OKE with OIDC discovery.
    Discovery,
    /// In a file (`kubectl get --raw /openid/v1/jwks`), read when the configuration is.
    File(PathBuf),
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
    keys: Keys,
    review: Option<ApiServer>,
    context: Context,
}

impl ClusterConfig {
    /// Checks what needs no file and no variable.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.issuer.is_empty() {
            let mistake = Mistake::new("issuer", "is empty");
            mistakes.push(mistake.hint("write what `kubectl get --raw /.well-known/openid-configuration` says"));
        }
        if self.max_age == Some(0) {
            mistakes.push(Mistake::new("max_age", "no token lives for 0 seconds"));
        }
        if self.service_accounts.as_ref().is_some_and(Vec::is_empty) {
            let mistake = Mistake::new("service_accounts", "is empty, so no token would be believed");
            mistakes.push(mistake.hint("name accounts as NAMESPACE:NAME, or leave it to the rules"));
        }
        self.accounts(&mut mistakes);
        self.api.clone().check("api", &mut mistakes);
        if self.api.is_given() && !self.asks() {
            let mistake = Mistake::new("api", "is asked for nothing: keys are elsewhere, and token_review is false");
            mistakes.push(mistake.hint("let it review tokens, or leave it out"));
        }
        mistakes.extend(keys::mistake(&self.keys).map(|wrong| Mistake::new("keys", wrong)));
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// Checks all, reads the files that are named, and finds the API server. Nothing is asked of anybody.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(&self, context: &Context) -> Result<ClusterVerifier, Vec<Mistake>> {
        self.check()?;
        let mut mistakes = Vec::new();
        let accounts = self.accounts(&mut mistakes);
        let server = self.asks().then(|| self.api.clone().check("api", &mut mistakes).need(context)).transpose();
        let server = server.unwrap_or_else(|error| {
            let hint = error.hints().first().map(|hint| (*hint).to_owned());
            mistakes.push(Mistake { hint, ..Mistake::new("api", chain(&error).join(": ")) });
            None
        });
        let keys = Keys::open(&self.keys, &self.issuer, server.as_ref(), context);
        let keys = keys.unwrap_or_else(|wrong| {
            mistakes.push(Mistake::new("keys", wrong));
            None
        });
        let max_age = self.max_age.or_else(|| (!self.token_review).then_some(USUAL_MAX_AGE));
        let trust = ClusterTrust {
            issuer: self.issuer.clone(),
            accounts,
            binding: match self.binding {
                BindingConfig::Account => Binding::Account,
                BindingConfig::Pod => Binding::Pod,
            },
            max_age: max_age.map(|seconds| SignedDuration::from_secs(i64::from(seconds))),
        };
        match keys {
            Some(keys) if mistakes.is_empty() => {
                let review = server.filter(|_| self.token_review);
                Ok(ClusterVerifier { trust, keys, review, context: context.clone() })
            }
            _ => Err(mistakes),
        }
    }

    /// Whether the API server is asked for anything.
    fn asks(&self) -> bool {
        self.token_review || matches!(self.keys, KeysConfig::ApiServer)
    }

    fn accounts(&self, mistakes: &mut Vec<Mistake>) -> Option<Vec<AccountPattern>> {
        let mut accounts = Vec::new();
        for text in self.service_accounts.as_ref()? {
            if let Some(pattern) = AccountPattern::parse(text) {
                accounts.push(pattern);
            } else {
                let message = format!("{:?} is no NAMESPACE:NAME or NAMESPACE:*", carnet_core::safe_text(text));
                mistakes.push(Mistake::new("service_accounts", message));
            }
        }
        Some(accounts)
    }
}

impl ClusterVerifier {
    /// `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.trust.issuer
    }

    /// Whether this token is believed, for one of these audiences. It may take as long as the API server does.
    ///
    /// # Errors
    /// The outer one when the keys (clause `keys`) or a review (clause `token-review`) cannot be had: then nobody is believed, which
    /// says nothing about the token. The inner one when it is refused, with the clauses of [`ClusterTrust::verify`], and `token`,
    /// `audience`, `subject` and `claims` by the API server.
    pub async fn verify(&self, token: &Secret, audiences: &[&str]) -> Result<Result<Believed, Box<Refusal>>, Error> {
        let parsed = match UnverifiedJwt::parse(token.expose()) {
            Ok(parsed) => parsed,
            Err(error) => return Ok(Err(no_token(&error.message))),
        };
        let keys = self.keys.get(parsed.unverified_kid()).await.map_err(|error| error.clause("keys"))?;
        let believed = match self.trust.verify(&parsed, &keys, audiences, self.context.now()) {
            Ok(believed) => believed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(server) = &self.review else { return Ok(Ok(believed)) };
        let reviewed = server.review(&self.context, token, audiences).await;
        let reviewed = reviewed.map_err(|error| {
            // Whatever keeps us from asking says nothing about the token: it may be shown again.
            Error::unreachable("review a token").clause("token-review").because(error)
        });
        Ok(match reviewed? {
            Err(refusal) => Err(refusal),
            // Both must speak of the same: a review that came from elsewhere proves nothing.
            Ok(told) if (&told.account, &told.pod) == (&believed.bound.account, &believed.bound.pod) => Ok(believed),
            Ok(_) => Err(of_another()),
        })
    }
}

fn yes() -> bool {
    true
}

fn of_another() -> Box<Refusal> {
    Box::new(Refusal::new(
        "claims",
        "a token review about another account or pod than the token names",
        "the same in both",
        UNAUTHORIZED,
        "see what answers as the API server of this cluster, and whose keys are configured for it",
    ))
}

fn no_token(seen: &str) -> Box<Refusal> {
    Box::new(Refusal::new(
        "form",
        carnet_core::safe_text(seen),
        "a signed JWT",
        UNAUTHORIZED,
        "show the token as the kubelet or the TokenRequest API gave it",
    ))
}

#[cfg(test)]
mod tests;
