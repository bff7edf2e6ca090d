//! The authority's half.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use carnet_core::{Context, Destination, Error, Mistake, Secret};
use carnet_jose::{Algorithm, CachedKeySets, KeySet, KeySource};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

pub use super::review::ReviewConfig;
use super::{Bound, Payload, not_believed};
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    load,
    shown::{self, Wanted},
};

const KIND: Kind = Kind::K8s;
/// Tolerance for clocks that disagree.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Longest life of a token unless configured, in seconds. Kubernetes gives projected tokens an hour.
const USUAL_MAX_AGE: u32 = 86_400;
/// What the signers of service account tokens use.
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];

/// Which clusters are believed, by name. The name stands in the agents' identities.
pub type K8sConfig = BTreeMap<String, ClusterConfig>;

/// One cluster. Its tokens are believed by its keys, or by asking its API server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// What the tokens must be for.
    pub audience: String,
    /// Accounts whose pods may be agents, each `NAMESPACE:NAME`.
    pub service_accounts: Vec<String>,
    /// `iss` of the tokens, byte for byte. Needed unless `token_review` is there.
    #[serde(default)]
    pub issuer: Option<String>,
    /// File with the cluster's key set (`kubectl get --raw /openid/v1/jwks`).
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// URL of the cluster's key set.
    #[serde(default)]
    pub jwks_url: Option<Url>,
    /// Ask the API server instead; it also knows which pods are gone.
    #[serde(default)]
    pub token_review: Option<ReviewConfig>,
    /// Longest life of a token (`exp - iat`) that is believed by keys, in seconds: 86400 unless given. Tokens without `iat` are refused.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_age: Option<u32>,
}

/// See [`K8sConfig`].
#[derive(Debug)]
pub struct K8sVerifier {
    clusters: BTreeMap<String, Cluster>,
    fetched: CachedKeySets,
    context: Context,
}

#[derive(Debug)]
struct Cluster {
    audience: String,
    service_accounts: Vec<String>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Keys { issuer: String, keys: Keys, max_age: SignedDuration },
    Review(ReviewConfig),
}

#[derive(Debug)]
enum Keys {
    Pinned(Arc<KeySet>),
    At(Url),
}

/// What is wrong whatever the files hold.
pub(crate) fn check(config: &K8sConfig, mistakes: &mut Vec<Mistake>) {
    for (name, cluster) in config {
        let field = |field: &str| format!("k8s.{name}.{field}");
        if path(KIND, &[name]).is_err() {
            mistakes.push(Mistake::new(format!("k8s.{name}"), "the name cannot stand in an agent's identity"));
        }
        load::not_empty(&field("service_accounts"), &cluster.service_accounts, "accounts", mistakes);
        if cluster.audience.is_empty() {
            mistakes.push(Mistake::new(field("audience"), "is empty"));
        }
        let ways = [cluster.token_review.is_some(), cluster.jwks_file.is_some(), cluster.jwks_url.is_some()];
        if ways.into_iter().filter(|there| *there).count() != 1 {
            let message = "needs exactly one of jwks_file, jwks_url and token_review";
            mistakes.push(Mistake::new(field("jwks_file"), message));
        } else if cluster.token_review.is_none() && cluster.issuer.is_none() {
            let mistake = Mistake::new(field("issuer"), "is missing");
            mistakes.push(mistake.hint("write what `kubectl get --raw /.well-known/openid-configuration` has"));
        }
        match cluster.max_age {
            Some(0) => mistakes.push(Mistake::new(field("max_age"), "no token lives for 0 seconds")),
            Some(_) if cluster.token_review.is_some() => {
                let mistake =
                    Mistake::new(field("max_age"), "with token_review the API server says how long a token counts");
                mistakes.push(mistake.hint("take it away, or let the tokens be believed by the cluster's keys"));
            }
            _ => {}
        }
        load::keys_url(&field("jwks_url"), cluster.jwks_url.as_ref(), mistakes);
        if cluster.token_review.as_ref().is_some_and(|review| review.url.scheme() != "https") {
            mistakes.push(Mistake::new(field("token_review.url"), "is not an https URL"));
        }
    }
}

impl K8sVerifier {
    /// Of a checked configuration.
    pub(crate) fn load(
        config: &K8sConfig,
        context: &Context,
        fetched: CachedKeySets,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut clusters = BTreeMap::new();
        for (name, cluster) in config {
            let field = |field: &str| format!("k8s.{name}.{field}");
            if let Some(way) = cluster.way(context, &field, mistakes) {
                let cluster = Cluster {
                    audience: cluster.audience.clone(),
                    service_accounts: cluster.service_accounts.clone(),
                    way,
                };
                clusters.insert(name.clone(), cluster);
            }
        }
        Self { clusters, fetched, context: context.clone() }
    }

    /// Whether the cluster's keys or its API server believe the token, it is for the audience and of an allowed account, and
    /// is bound to a pod on a node.
    ///
    /// # Errors
    /// The first of these that does not hold; [`carnet_core::ErrorKind::Unreachable`] when the cluster cannot be asked.
    pub async fn verify(&self, evidence: &Value) -> Result<Attested, Error> {
        let Payload { cluster: name, token } = payload(KIND, evidence)?;
        let cluster = self.clusters.get(&name).ok_or_else(|| {
            let shown = carnet_core::safe_text(&name.chars().take(64).collect::<String>());
            refused(KIND, "cluster", format!("cluster {shown:?} is not configured"))
        })?;
        let bound = match &cluster.way {
            Way::Review(review) => review.ask(&self.context, &token, &cluster.audience).await?,
            Way::Keys { issuer, keys, max_age } => {
                let keys = match keys {
                    Keys::Pinned(keys) => Arc::clone(keys),
                    Keys::At(url) => self.fetched(issuer, url, &token).await?,
                };
                let wanted = Wanted {
                    kind: KIND,
                    issuer,
                    audience: &cluster.audience,
                    algorithms: &ALGORITHMS,
                    leeway: LEEWAY,
                    max_lifetime: Some(*max_age),
                };
                let token = shown::parse(KIND, &token)?;
                let verified = wanted.verify(&token, &keys, self.context.now())?;
                let bound = carnet_kubernetes::Bound::of_claims(verified.claims());
                Bound::of(bound.map_err(|refusal| not_believed(&refusal))?)?
            }
        };
        let account = bound.account.to_string();
        if !cluster.service_accounts.contains(&account) {
            let shown = carnet_core::safe_text(&account);
            return Err(refused(KIND, "service-account", format!("the service account {shown} is not allowed")));
        }
        bound.attested(&name)
    }

    async fn fetched(&self, issuer: &str, url: &Url, token: &Secret) -> Result<Arc<KeySet>, Error> {
        let token = shown::parse(KIND, token)?;
        let source = KeySource::Url(url.clone(), Destination::Configured);
        self.fetched.keys(issuer, &source, token.unverified_kid()).await
    }
}

impl ClusterConfig {
    fn way(&self, context: &Context, field: &impl Fn(&str) -> String, mistakes: &mut Vec<Mistake>) -> Option<Way> {
        let keys = match (&self.token_review, &self.jwks_file, &self.jwks_url) {
            (Some(review), None, None) => return Some(Way::Review(review.clone())),
            (None, Some(file), None) => {
                let keys = load::file(context, file).and_then(|json| {
                    KeySet::from_json(&json).map_err(|error| Error::configuration("read the key set").because(error))
                });
                let keys = keys.and_then(|keys| {
                    if keys.is_empty() { Err(Error::configuration("there is no key in it")) } else { Ok(keys) }
                });
                match keys {
                    Ok(keys) => Keys::Pinned(Arc::new(keys)),
                    Err(error) => {
                        let message = format!("{}: {}", file.display(), carnet_core::chain(&error).join(": "));
                        mistakes.push(Mistake::new(field("jwks_file"), message));
                        return None;
                    }
                }
            }
            (None, None, Some(url)) => Keys::At(url.clone()),
            _ => return None,
        };
        let max_age = SignedDuration::from_secs(i64::from(self.max_age.unwrap_or(USUAL_MAX_AGE)));
        Some(Way::Keys { issuer: self.issuer.clone()?, keys, max_age })
    }
}

impl Bound {
    fn attested(&self, cluster: &str) -> Result<Attested, Error> {
        let facts = [
            ("cluster", cluster),
            ("agent-ns", self.account.namespace()),
            ("agent-sa", self.account.name()),
            ("agent-pod-name", &self.pod.name),
            ("agent-pod-uid", &self.pod.uid),
            ("node-name", &self.node.name),
            ("node-uid", &self.node.uid),
        ];
        Ok(Attested {
            kind: KIND,
            path: path(KIND, &[cluster, &self.node.uid])?,
            selectors: selectors(KIND, facts)?,
            once: Once::Again,
        })
    }
}
