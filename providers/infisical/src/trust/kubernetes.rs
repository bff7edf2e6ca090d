//! Kubernetes: the token of a service account, which the cluster's own API server reviews
//! (`identity-kubernetes-auth-service.ts`).

use std::collections::BTreeMap;

use carnet_core::{Mistake, Secret};
use carnet_trust::Warning;
use serde::{Deserialize, Serialize};

use super::{
    Checked, Pattern, Proven, Refused, TokenSettings, claims::lint_pattern, listed, refused::Why, shown, warning,
};

/// Longest token that is taken, in bytes (the schema of the route).
const MAX_TOKEN: usize = 8192;

/// Who asks the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReviewMode {
    /// The server itself.
    #[default]
    Api,
    /// A gateway in the cluster, with its own service account.
    Gateway,
}

/// `kubernetes-auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// The API server: an address with or without `https://`.
    pub kubernetes_host: String,
    /// Roots for it (PEM).
    pub ca_cert: String,
    /// The token that may create reviews. Without it the token that is shown reviews itself.
    #[serde(skip_serializing)]
    pub token_reviewer_jwt: Option<Secret>,
    /// Who asks.
    pub token_review_mode: ReviewMode,
    /// Patterns for the namespace, separated by commas. Empty: not looked at.
    pub allowed_namespaces: String,
    /// Patterns for the name of the service account. Empty: not looked at.
    pub allowed_names: String,
    /// The audience that the review is for. Empty: that of the API server.
    pub allowed_audience: String,
}

/// What the API server says of a token (`authentication.k8s.io/v1`, `TokenReview`, `status`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Review {
    /// Whether it is one of the cluster's, in time, and of an object that is still there.
    pub authenticated: bool,
    /// Why not.
    pub error: Option<String>,
    /// Whose it is.
    pub user: ReviewUser,
    /// Those of the wanted audiences that it has.
    pub audiences: Vec<String>,
}

/// `user` of a review.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ReviewUser {
    /// `system:serviceaccount:NAMESPACE:NAME`
    pub username: String,
}

impl KubernetesAuth {
    /// What a write checks.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), Mistake> {
        if self.token_review_mode == ReviewMode::Api && self.kubernetes_host.is_empty() {
            let text = "When token review mode is set to API, a Kubernetes host must be provided";
            return Err(Mistake::new("kubernetesHost", text));
        }
        Ok(())
    }

    /// The URL of the review, or why there is none.
    ///
    /// # Errors
    /// The clause `cluster`: a gateway, which only the product has, or no address.
    pub fn review_url(&self) -> Checked<String> {
        let (text, fix) = match self.token_review_mode {
            ReviewMode::Gateway => {
                ("Gateway or Gateway Pool is required when token review mode is set to Gateway", "connect a gateway")
            }
            ReviewMode::Api if self.kubernetes_host.is_empty() => {
                ("Kubernetes host is required when token review mode is set to API", "set `kubernetesHost`")
            }
            ReviewMode::Api => {
                let host = self.kubernetes_host.trim_end_matches('/');
                let scheme = if host.contains("://") { "" } else { "https://" };
                return Ok(format!("{scheme}{host}/apis/authentication.k8s.io/v1/tokenreviews"));
            }
        };
        let why = Why { clause: "cluster", seen: "no way to the cluster", wanted: "one", fix };
        Err(Refused::bad(&why, text))
    }

    /// The review could not be had.
    pub fn unreviewed(&self, why: &str) -> Box<Refused> {
        let fix =
            "make the API server reachable, with roots that fit (`caCert`), and let the reviewer create `tokenreviews`";
        let mut refused = Refused::bad(&Why { clause: "cluster", seen: why, wanted: &self.kubernetes_host, fix }, why);
        refused.error = "KubernetesTokenReviewError";
        refused
    }

    /// Refuses a token that is too long for the schema.
    ///
    /// # Errors
    /// 422, clause `form`.
    pub fn check_length(token: &Secret) -> Checked<()> {
        if token.len() <= MAX_TOKEN {
            return Ok(());
        }
        let seen = format!("{} bytes", token.len());
        let wanted = format!("at most {MAX_TOKEN}");
        let text = format!("String must contain at most {MAX_TOKEN} character(s)");
        let refusal = carnet_trust::Refusal::new("form", seen, wanted, text, "take the token of a service account");
        Err(Refused::new(422, "ValidationFailure", refusal))
    }

    /// Whether the service account of this review logs in.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, review: &Review) -> Checked<Proven> {
        if let Some(error) = &review.error {
            return Err(review_error(error, &carnet_core::safe_text(error)));
        }
        if !review.authenticated {
            return Err(review_error("Kubernetes token not authenticated", "not authenticated"));
        }
        let mut held = vec!["review"];
        let (namespace, name) = service_account(&review.user.username)?;
        allowed("namespace", &self.allowed_namespaces, namespace, "Access denied: K8s namespace not allowed.")?;
        held.push("namespace");
        allowed("name", &self.allowed_names, name, "Access denied: K8s name not allowed.")?;
        held.push("name");
        let audience = &self.allowed_audience;
        if !audience.is_empty() && !review.audiences.contains(audience) {
            let seen = shown(Some(&review.audiences.join(", ")));
            let fix = "project a token with the audience that the method wants (`serviceAccountToken.audience`)";
            let why = Why { clause: "audience", seen: &seen, wanted: audience, fix };
            return Err(Refused::unauthorized(&why, "Access denied: K8s audience not allowed."));
        }
        held.push("audience");
        let attributes =
            BTreeMap::from([("namespace".to_owned(), namespace.to_owned()), ("name".to_owned(), name.to_owned())]);
        let principal = shown(Some(&review.user.username));
        Ok(Proven { principal, attributes, held, warnings: Vec::new() })
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.allowed_namespaces.is_empty() || self.allowed_names.is_empty() {
            let message = if self.allowed_names.is_empty() && self.allowed_namespaces.is_empty() {
                "every service account of the cluster logs in"
            } else {
                "a service account of that name in any namespace, or of any name in that namespace, logs in"
            };
            warnings.push(warning("subject", message, "set `allowedNamespaces` and `allowedNames`"));
        }
        if self.allowed_audience.is_empty() {
            warnings.push(warning(
                "audience",
                "tokens for the API server log in: whoever is shown one can act as the pod in both places",
                "set `allowedAudience`, and project tokens for it",
            ));
        }
        if self.token_reviewer_jwt.is_none() && self.token_review_mode == ReviewMode::Api {
            let message = "each token reviews itself, so each service account needs the right to create reviews";
            warnings.push(warning("review", message, "set `tokenReviewerJwt`, or review through a gateway"));
        }
        for (name, list) in [("namespace", &self.allowed_namespaces), ("name", &self.allowed_names)] {
            warnings.extend(listed(list).filter(|one| !one.is_empty()).filter_map(|one| lint_pattern(name, one)));
        }
        warnings
    }
}

fn review_error(text: &str, seen: &str) -> Box<Refused> {
    let fix = "show the token of a service account of this cluster that has not ended, of a pod that is still there";
    let why = Why { clause: "review", seen, wanted: "an authenticated token", fix };
    let mut refused = Refused::unauthorized(&why, text);
    refused.error = "KubernetesTokenReviewError";
    refused
}

/// Namespace and name. Another user makes the product fail.
fn service_account(username: &str) -> Checked<(&str, &str)> {
    let parts = username.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    parts.filter(|(_, name)| !name.contains(':')).ok_or_else(|| {
        let seen = shown(Some(username));
        let wanted = "system:serviceaccount:NAMESPACE:NAME";
        Refused::broken(&Why { clause: "subject", seen: &seen, wanted, fix: "show the token of a service account" })
    })
}

fn allowed(clause: &'static str, list: &str, seen: &str, text: &str) -> Checked<()> {
    if list.is_empty() || listed(list).any(|one| Pattern::new(one).accepts(seen)) {
        return Ok(());
    }
    let fix = "add it to the list of the method, or use the service account that is in it";
    Err(Refused::unauthorized(&Why { clause, seen: &shown(Some(seen)), wanted: list, fix }, text))
}
