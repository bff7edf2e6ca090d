//! What the kubelet lists (Kubernetes API, `PodList`), as far as selectors are made of it.

use std::collections::BTreeMap;

use carnet_spiffe::Selector;
use serde::{Deserialize, Deserializer};

use super::ContainerId;
use crate::attest::push;

/// The annotation that names a static pod's control group, in place of its UID.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// The answer of `/pods`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PodList {
    #[serde(default, deserialize_with = "or_default")]
    items: Vec<Pod>,
}

/// One pod.
#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    owner_references: Vec<Owner>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    kind: String,
    name: String,
    uid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    service_account_name: String,
    #[serde(default)]
    node_name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default, rename = "containerStatuses", deserialize_with = "or_default")]
    containers: Vec<ContainerStatus>,
    #[serde(default, rename = "initContainerStatuses", deserialize_with = "or_default")]
    init: Vec<ContainerStatus>,
    #[serde(default, rename = "ephemeralContainerStatuses", deserialize_with = "or_default")]
    ephemeral: Vec<ContainerStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default, rename = "imageID")]
    image_id: String,
    /// `RUNTIME://ID`.
    #[serde(default, rename = "containerID")]
    container_id: String,
}

impl PodList {
    /// The selectors of a container, or nothing when no pod lists it.
    pub(super) fn selectors(&self, kind: &str, container: &ContainerId) -> Option<Vec<Selector>> {
        let pod = self.items.iter().find(|pod| pod.holds(container))?;
        Some(pod.selectors(kind, pod.status_of(&container.id)?))
    }
}

impl Pod {
    /// Whether its control group is named with this UID.
    pub(super) fn is(&self, uid: &str) -> bool {
        self.metadata.uid == uid || self.metadata.annotations.get(CONFIG_HASH).is_some_and(|hash| hash == uid)
    }

    /// The status of the container with this ID. Ephemeral containers, with which people look into a pod, are the pod's too.
    pub(super) fn status_of(&self, id: &str) -> Option<&ContainerStatus> {
        let Status { containers, init, ephemeral } = &self.status;
        let mut all = containers.iter().chain(init).chain(ephemeral);
        all.find(|status| status.container_id.split_once("://").is_some_and(|(_, found)| found == id))
    }

    fn selectors(&self, kind: &str, container: &ContainerStatus) -> Vec<Selector> {
        let mut selectors = Vec::new();
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                push(&mut selectors, kind, &format!("{name}:{value}"));
            }
        };
        let Metadata { name, namespace, uid, labels, owner_references, .. } = &self.metadata;
        add("ns", namespace);
        add("sa", &self.spec.service_account_name);
        add("pod-name", name);
        add("pod-uid", uid);
        add("node-name", &self.spec.node_name);
        for (label, value) in labels {
            add("pod-label", &format!("{label}:{value}"));
        }
        for owner in owner_references {
            add("pod-owner", &format!("{}:{}", owner.kind, owner.name));
            add("pod-owner-uid", &format!("{}:{}", owner.kind, owner.uid));
        }
        for (what, statuses) in [("pod-image", &self.status.containers), ("pod-init-image", &self.status.init)] {
            statuses.iter().flat_map(ContainerStatus::images).for_each(|image| add(what, image));
            add(&format!("{what}-count"), &statuses.len().to_string());
        }
        add("container-name", &container.name);
        container.images().into_iter().for_each(|image| add("container-image", image));
        selectors.sort();
        selectors.dedup();
        selectors
    }
}

impl ContainerStatus {
    /// The image as it was asked for, and as it was found, with its digest; the latter also without the runtime's scheme.
    fn images(&self) -> [&str; 3] {
        let plain = self.image_id.split_once("://").map_or(self.image_id.as_str(), |(_, image)| image);
        [&self.image, &self.image_id, plain]
    }
}

/// `null` is what the Go programs of Kubernetes write for an empty list.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
