//! The pod, asked of the kubelet.

mod pods;

use std::{path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{BoxFuture, Destination, Error, Files, HttpSend, Request, Secret};
use carnet_spiffe::Selector;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use url::Url;

use super::{
    Caller, WorkloadAttestor,
    cgroup::{Cgroups, ContainerId},
};
use pods::{Pod, PodList};

/// The kind of the selectors, as SPIRE has it.
const KIND: &str = "k8s";

/// Largest list of pods, in bytes. A pod has some 10 KB; a node bears a few hundred.
const MAX_PODS: usize = 32 << 20;

/// Largest token or certificate file, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Where the kubelet is, and how the agent shows who it is.
#[derive(Clone, Debug)]
pub struct Kubelet {
    /// Its list of pods, for instance `https://127.0.0.1:10250/pods`.
    pub pods: Url,
    /// The token of the agent's service account, read before each question because it is rotated. `None` for the port
    /// without authentication.
    pub token: Option<PathBuf>,
    /// PEM certificates that the kubelet's is checked with, read likewise. `None` when the client that asks checks it, or does
    /// not on purpose.
    pub ca: Option<PathBuf>,
    /// How long a container that the kubelet does not list yet is waited for.
    pub patience: Duration,
    /// Between two questions.
    pub pause: Duration,
}

/// Facts about the pod and the container that the process is in; see the crate's README for all selectors.
///
/// A container may ask before the kubelet lists it, so the kubelet is asked again until it does, for a bounded time. One list
/// serves all callers that wait at the moment.
#[derive(Debug)]
pub struct Kubernetes {
    kubelet: Kubelet,
    http: Arc<dyn HttpSend>,
    files: Arc<dyn Files>,
    latest: Mutex<Option<(Instant, Arc<PodList>)>>,
}

impl Kubernetes {
    /// Asks this kubelet through `http`, which checks the kubelet's certificate unless told not to.
    pub fn new(kubelet: Kubelet, http: Arc<dyn HttpSend>, files: Arc<dyn Files>) -> Self {
        Self { kubelet, http, files, latest: Mutex::new(None) }
    }

    async fn find(&self, container: &ContainerId) -> Result<Vec<Selector>, Error> {
        let asked = Instant::now();
        loop {
            let list = self.list(asked).await?;
            if let Some(selectors) = list.selectors(KIND, container) {
                return Ok(selectors);
            }
            if asked.elapsed() + self.kubelet.pause > self.kubelet.patience {
                let seconds = self.kubelet.patience.as_secs();
                return Err(Error::not_here(format!(
                    "find the container {} in the kubelet's list: it was not there for {seconds} s",
                    container.id
                )));
            }
            sleep(self.kubelet.pause).await;
        }
    }

    /// A list that is no older than one pause, whoever asked for it; callers that come meanwhile wait for the same one.
    /// `asked` is when the caller came: a list of before may miss its container, and then the next one is asked for.
    async fn list(&self, asked: Instant) -> Result<Arc<PodList>, Error> {
        let mut latest = self.latest.lock().await;
        if let Some((at, list)) = &*latest
            && at.elapsed() < self.kubelet.pause
            && (*at >= asked || at.elapsed() < self.kubelet.pause / 2)
        {
            return Ok(Arc::clone(list));
        }
        let list = Arc::new(self.ask().await?);
        *latest = Some((Instant::now(), Arc::clone(&list)));
        Ok(list)
    }

    async fn ask(&self) -> Result<PodList, Error> {
        let mut request = Request::get(self.kubelet.pods.clone())
            .destination(Destination::Configured)
            .timeout(self.kubelet.patience.max(Duration::from_secs(1)))
            .max_response(MAX_PODS);
        if let Some(path) = &self.kubelet.token {
            let token = self.read(path)?;
            let token = std::str::from_utf8(token.expose()).map_err(|error| {
                Error::configuration(format!("read the service account's token {}", path.display())).because(error)
            })?;
            request = request.bearer(&Secret::new(token.trim()))?;
        }
        if let Some(path) = &self.kubelet.ca {
            request.ca_pem = Some(self.read(path)?.expose().to_vec().into());
        }
        let answer = self.http.send(request).await.map_err(Error::from)?;
        match answer.status.as_u16() {
            200 => answer.json("the kubelet's list of pods"),
            status @ (401 | 403) => Err(Error::refused(format!("list the kubelet's pods: HTTP {status}"))
                .hint("let the agent's service account get nodes/proxy (a ClusterRole), and check its token")),
            status => Err(Error::unreachable(format!("list the kubelet's pods: HTTP {status}"))),
        }
    }

    fn read(&self, path: &std::path::Path) -> Result<carnet_core::SecretBytes, Error> {
        self.files
            .read(path, MAX_FILE)?
            .ok_or_else(|| Error::configuration(format!("read {}: it does not exist", path.display())))
    }
}

impl WorkloadAttestor for Kubernetes {
    fn name(&self) -> &'static str {
        KIND
    }

    fn attest<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async move {
            match Cgroups::of(caller)?.container()? {
                Some(container) if container.pod_uid.is_some() => self.find(&container).await,
                // A container of a runtime without Kubernetes, or none: the kubelet knows nothing of it.
                _ => Ok(Vec::new()),
            }
        })
    }
}

impl Pod {
    /// Whether this is the container's pod, and which of its statuses is the container's.
    fn holds(&self, container: &ContainerId) -> bool {
        let same_pod = container.pod_uid.as_deref().is_none_or(|uid| self.is(uid));
        same_pod && self.status_of(&container.id).is_some()
    }
}
