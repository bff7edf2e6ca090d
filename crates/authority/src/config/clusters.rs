//! Kubernetes clusters whose pods are believed.

use std::collections::BTreeMap;

use carnet_core::{Context, Mistake};
use carnet_kubernetes::relying::{ClusterConfig, ClusterVerifier};

use super::{Settings, below};

/// All of them, as far as that needs no file.
pub(super) fn check(clusters: &BTreeMap<String, ClusterConfig>, own_issuer: &str, mistakes: &mut Vec<Mistake>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, cluster) in clusters {
        below(&field(name), cluster.check(), mistakes);
        let mut wrong = |message: String, hint: &str| {
            mistakes.push(Mistake::new(format!("{}.issuer", field(name)), message).hint(hint));
        };
        if cluster.issuer == own_issuer {
            wrong("it is the issuer of the authority itself".to_owned(), "write the issuer of the cluster's tokens");
        }
        // Rules name clusters by their issuer, so two of one issuer would be one: the pods of either could be those of the other.
        if let Some(other) = seen.insert(&cluster.issuer, name) {
            let message = format!(
                "the cluster `{}` has the same, and rules could not tell their pods apart",
                carnet_core::safe_text(other)
            );
            wrong(message, "give one of them an issuer of its own (--service-account-issuer of its API server)");
        }
    }
}

impl Settings {
    /// Reads the files that the clusters name.
    pub(crate) fn load_clusters(&self, context: &Context) -> Result<Vec<ClusterVerifier>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let load =
            |(name, cluster): (&String, &ClusterConfig)| below(&field(name), cluster.load(context), &mut mistakes);
        let clusters = self.clusters.iter().filter_map(load).collect();
        if mistakes.is_empty() { Ok(clusters) } else { Err(mistakes) }
    }
}

fn field(name: &str) -> String {
    format!("cluster.{name}")
}
