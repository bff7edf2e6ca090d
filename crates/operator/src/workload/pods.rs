//! What the pods of all three have in common: as tight as they can be, probes on the diagnostics' port, the configuration as a file.

use serde_json::{Value, json};

use super::{Defaults, Owner};
use crate::api::{KeyRef, Placement};

/// Where the configuration is.
pub(super) const CONFIG: &str = "/etc/carnet";
/// Health and metrics.
pub(super) const DIAGNOSTICS: u16 = 9090;
/// The user of the image.
const USER: u32 = 65_532;

/// A container of carnet.
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    pub(super) args: Vec<Value>,
    pub(super) ports: Vec<(&'a str, u16)>,
    pub(super) env: Vec<Value>,
    pub(super) mounts: Vec<Value>,
    pub(super) security: Value,
    /// The port of its probes, by name. `None` without probes.
    pub(super) probed: Option<&'a str>,
}

impl Container<'_> {
    pub(super) fn json(self, placement: &Placement, defaults: &Defaults) -> Value {
        let image = placement.image.clone().unwrap_or_else(|| defaults.image.clone());
        let ports: Vec<Value> = self
            .ports
            .iter()
            .map(|(name, port)| json!({ "name": name, "containerPort": port, "protocol": "TCP" }))
            .collect();
        let mut container = json!({
            "name": self.name, "image": image, "args": self.args, "ports": ports, "env": self.env,
            "volumeMounts": self.mounts, "securityContext": self.security, "resources": placement.resources,
        });
        if let (Some(port), Some(members)) = (self.probed, container.as_object_mut()) {
            let probe = |path: &str, every: u8, failures: u8| json!({ "httpGet": { "path": path, "port": port }, "periodSeconds": every, "failureThreshold": failures });
            members.insert("livenessProbe".to_owned(), probe("/livez", 10, 3));
            members.insert("readinessProbe".to_owned(), probe("/readyz", 5, 2));
            members.insert("startupProbe".to_owned(), probe("/livez", 2, 30));
        }
        container
    }
}

/// The pods' template.
pub(super) fn template(owner: &Owner, placement: &Placement, digest: &str, mut spec: Value) -> Value {
    let mut annotations = json!(placement.pod_annotations);
    if let Some(members) = annotations.as_object_mut() {
        // Most of the configuration counts from the next start.
        members.insert("carnet.dev/config".to_owned(), digest.into());
    }
    if let Some(members) = spec.as_object_mut() {
        members.insert("enableServiceLinks".to_owned(), false.into());
        let more = [
            ("nodeSelector", json!(placement.node_selector)),
            ("tolerations", json!(placement.tolerations)),
            ("affinity", json!(placement.affinity)),
            ("priorityClassName", json!(placement.priority_class_name)),
        ];
        for (name, value) in more {
            let empty = value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty);
            if !empty {
                members.insert(name.to_owned(), value);
            }
        }
    }
    json!({ "metadata": { "labels": owner.labels(), "annotations": annotations }, "spec": spec })
}

/// Of a pod that needs nothing of its node.
pub(super) fn pod_security() -> Value {
    json!({
        "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// Of a container that needs nothing of its node.
pub(super) fn container_security() -> Value {
    json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } })
}

pub(super) fn mount(name: &str, path: &str, read_only: bool) -> Value {
    json!({ "name": name, "mountPath": path, "readOnly": read_only })
}

pub(super) fn config_volume(name: &str) -> Value {
    json!({ "name": "config", "configMap": { "name": name } })
}

pub(super) fn memory(name: &str, size: &str) -> Value {
    json!({ "name": name, "emptyDir": { "medium": "Memory", "sizeLimit": size } })
}

/// The key of a Secret as the file of this name in a volume of this name.
pub(super) fn secret_key(name: &str, of: &KeyRef, file: &str) -> Value {
    json!({ "name": name, "secret": { "secretName": of.name, "items": [{ "key": of.key, "path": file }] } })
}

/// The key of a ConfigMap as the file of this name in a volume of this name.
pub(super) fn config_key(name: &str, of: &KeyRef, file: &str) -> Value {
    json!({ "name": name, "configMap": { "name": of.name, "items": [{ "key": of.key, "path": file }] } })
}
