//! Kubernetes, emulated: the API servers of three clusters, with service accounts, pods, TokenRequest, TokenReview, and the
//! documents of the cluster as an issuer.
//!
//! The requests are parsed here and not by the client crate, so that one wrong reading of a document cannot pass its own test.
//! Controllers find what they need: objects of the kinds that they make, custom resources with their schemas, watches that can expire, patches, server-side
//! apply, finalizers, owners, roles and bindings. There are no controllers here: nobody makes pods of a deployment.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{Error, Secret};
use carnet_sandbox_kit::{Emulator, Host, Service, Urls, World};

mod authentication;
mod authorization;
mod call;
mod client_files;
mod cluster;
mod compiled;
mod documents;
mod fields;
mod gone;
mod managed;
mod objects;
mod rbac;
mod reply;
mod requests;
mod reviews;
mod schema;
pub mod seed;
mod selector;
mod store;
mod tokens;
mod types;
mod watch;
mod write;

use cluster::Cluster;

/// The emulated clusters over this world.
pub fn emulator(world: &World) -> KubernetesEmulator {
    KubernetesEmulator(seed::CLUSTERS.iter().map(|seed| Arc::new(Cluster::seeded(seed, world.clone()))).collect())
}

/// The emulated clusters. Cheap to clone; all clones share what is in them.
#[derive(Clone, Debug)]
pub struct KubernetesEmulator(Vec<Arc<Cluster>>);

impl KubernetesEmulator {
    /// The token that the kubelet writes into a pod: for the audience and an hour, or without one the pod's own, which is for the
    /// API server and counts for a year.
    ///
    /// # Errors
    /// When there is no such cluster or pod, or a key cannot be made.
    pub fn projected_token(
        &self,
        cluster: &str,
        namespace: &str,
        pod: &str,
        audience: Option<&str>,
    ) -> Result<Secret, Error> {
        let found = self.0.iter().find(|own| own.seed.name == cluster);
        let cluster = found.ok_or_else(|| Error::configuration("project a token: there is no such cluster"))?;
        tokens::projected(cluster, namespace, pod, audience)
    }

    /// Forgets the changes so far, as etcd's compaction does: whoever watches from before, or goes on with a list, is told 410, `Expired`.
    pub fn compact(&self, cluster: &str) {
        self.named(cluster).for_each(|cluster| cluster.objects().compact());
    }

    /// Ends all watches in the middle, as an API server does that is stopped and started. Objects stay.
    pub fn restart(&self, cluster: &str) {
        self.named(cluster).for_each(|cluster| cluster.objects().restart());
    }

    /// Tells of each change of the cluster, by its number. For tests, which wait for what they expect.
    pub fn changes(&self, cluster: &str) -> Option<tokio::sync::watch::Receiver<(u64, u64)>> {
        self.named(cluster).next().map(|cluster| cluster.objects().watch())
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Arc<Cluster>> {
        self.0.iter().filter(move |cluster| cluster.seed.name == name)
    }
}

impl Emulator for KubernetesEmulator {
    fn services(&self) -> Vec<Service> {
        let service = |cluster: &Arc<Cluster>| {
            let mut hosts = vec![Host::Exact(cluster.seed.host)];
            hosts.extend(cluster.seed.public_host.map(Host::Exact));
            Service::new(cluster.seed.service, hosts, call::router(Arc::clone(cluster))).error_body(reply::error_body)
        };
        self.0.iter().map(service).collect()
    }

    fn files(&self, urls: &Urls, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        client_files::files(&self.0, urls, folder)
    }

    fn environment(&self, _urls: &Urls, folder: &Path) -> Vec<(String, String)> {
        client_files::environment(folder)
    }

    fn warm(&self) {
        // A failure shows at the first use, with its reason.
        for cluster in &self.0 {
            drop(cluster.key.get());
        }
    }

    fn rotate_keys(&self, service: &str) {
        self.0.iter().filter(|cluster| cluster.seed.service == service).for_each(|cluster| cluster.key.rotate());
    }
}
