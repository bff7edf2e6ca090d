//! Pods of Kubernetes clusters: their tokens are believed by the cluster's keys and, unless configured otherwise, by its API server.

use std::{collections::HashMap, sync::Arc};

use carnet_core::{Error, Secret, chain};
use carnet_jose::UnverifiedJwt;
use carnet_kubernetes::relying::ClusterVerifier;

use super::{Proof, Shown, Unproved, once, subject_of};
use crate::{Issuer, SubjectType};

/// The clusters that are believed, by `iss`.
#[derive(Debug, Default)]
pub(crate) struct Clusters(HashMap<String, Arc<ClusterVerifier>>);

impl Clusters {
    pub(crate) fn of(clusters: impl IntoIterator<Item = ClusterVerifier>) -> Self {
        Self(clusters.into_iter().map(|cluster| (cluster.issuer().to_owned(), Arc::new(cluster))).collect())
    }

    pub(super) fn get(&self, issuer: &str) -> Option<Arc<ClusterVerifier>> {
        self.0.get(issuer).cloned()
    }
}

impl Issuer {
    /// Proves by the token of a service account, which must be for the authority or for another audience that the rules of this
    /// cluster expect.
    pub(super) async fn prove_pod(
        &self,
        token: &Secret,
        parsed: &UnverifiedJwt,
        kind: SubjectType,
        cluster: &ClusterVerifier,
        expected: &[String],
    ) -> Result<Proof, Unproved> {
        if parsed.unverified_claims().audiences().is_empty() {
            let fix = "project the token, or ask the TokenRequest API for it, with this audience";
            return Err(Unproved::new("audience", "a token without audience", self.issuer_url(), fix));
        }
        let audiences: Vec<&str> =
            std::iter::once(self.issuer_url()).chain(expected.iter().map(String::as_str)).collect();
        let timeout = self.settings().fetch_timeout;
        let verified = tokio::time::timeout(timeout, cluster.verify(token, &audiences)).await;
        let verified = verified.unwrap_or_else(|_elapsed| {
            let what = format!("ask the cluster's API server: it does not answer within {} ms", timeout.as_millis());
            Err(Error::unreachable(what).clause("api-server"))
        });
        let jwt = verified.map_err(|error| unasked(&error))??.jwt;
        let issuer = cluster.issuer().to_owned();
        Ok(Proof {
            subject: subject_of(&jwt)?,
            kind,
            expires_at: jwt.claims().time("exp"),
            once: Some(once(token.expose(), &issuer, jwt.claims().str("jti"))),
            claims: Shown::Jwt(jwt),
            own: None,
            only_rule: None,
            issuer,
        })
    }
}

/// Nobody is believed meanwhile. That says nothing about the token, so it may be shown again.
fn unasked(error: &Error) -> Unproved {
    let clause = match error.failed_clause() {
        Some("keys") => "keys",
        Some("token-review") => "token-review",
        _ => "api-server",
    };
    let fix = error.hints().first().map_or("look at the way to the cluster's API server", |hint| *hint).to_owned();
    let unproved = Unproved::new(clause, chain(error).join(": "), "the answer of the cluster's API server", &fix);
    Unproved { later: true, ..unproved }
}
