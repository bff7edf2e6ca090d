//! The CSI driver of a node, beside the agent whose socket it shows, and what tells the kubelet of it. What it needs of the node stands in `crates/csi`.

use serde_json::{Value, json};

use super::{Defaults, Owner, Part, pods};
use crate::api::{AgentSpec, CSI_DRIVERS, Csi};

/// Where the driver's own socket is, in both containers.
const PLUGIN: &str = "/csi";
/// Where the registrar says how it is.
const HEALTH: u16 = 9809;
/// Pods that OpenShift and Pod Security Admission restrict may use it: what it mounts is one folder, read-only.
const PROFILE: (&str, &str) = ("security.openshift.io/csi-ephemeral-volume-profile", "restricted");

/// The driver as the cluster knows it.
pub(super) fn driver(csi: &Csi, owner: &Owner) -> Part {
    // Without the pod's data every volume is refused.
    let spec = json!({
        "attachRequired": false, "podInfoOnMount": true, "fsGroupPolicy": "None", "volumeLifecycleModes": ["Ephemeral"],
    });
    let mut part = owner.cluster_named(CSI_DRIVERS, &csi.driver_name, json!({ "spec": spec }));
    if let Some(labels) = part.object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.insert(PROFILE.0.to_owned(), PROFILE.1.into());
    }
    part
}

/// The two containers.
///
/// # Errors
/// What they may not have.
pub(super) fn containers(spec: &AgentSpec, defaults: &Defaults) -> Result<Vec<Value>, String> {
    let csi = &spec.csi;
    if !csi.enabled {
        return Ok(Vec::new());
    }
    defaults.allowed.kubelet_directory(&csi.kubelet_directory)?;
    let image = match &csi.registrar.image {
        Some(image) if *image != defaults.registrar => {
            defaults.allowed.image("csi.registrar.image", image)?;
            image
        }
        _ => &defaults.registrar,
    };
    Ok(vec![driver_container(spec, defaults), registrar(csi, image)])
}

fn driver_container(spec: &AgentSpec, defaults: &Defaults) -> Value {
    let csi = &spec.csi;
    let args = [
        "csi",
        "--endpoint",
        &format!("unix://{PLUGIN}/csi.sock"),
        "--driver-name",
        &csi.driver_name,
        "--node-id",
        "$(NODE_NAME)",
        "--workload-socket",
        &format!("{}/api.sock", spec.socket_directory),
        "--kubelet-dir",
        &csi.kubelet_directory,
    ];
    let mut pods_folder = pods::mount("pods", &format!("{}/pods", csi.kubelet_directory), false);
    if let Some(members) = pods_folder.as_object_mut() {
        members.insert("mountPropagation".to_owned(), "Bidirectional".into());
    }
    let container = pods::Container {
        name: "csi",
        args: args.map(Value::from).into(),
        ports: Vec::new(),
        env: vec![json!({ "name": "NODE_NAME", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } })],
        mounts: vec![
            pods::mount("plugin", PLUGIN, false),
            pods::mount("sockets", &spec.socket_directory, true),
            pods_folder,
        ],
        // The kernel lets nobody else mount, and Kubernetes lets no other container pass its mounts on to the node.
        security: json!({ "privileged": true, "runAsUser": 0, "runAsGroup": 0, "readOnlyRootFilesystem": true }),
        probed: None,
    };
    let mut container = container.json(&spec.placement, defaults);
    if let Some(members) = container.as_object_mut() {
        members.insert("resources".to_owned(), csi.resources.clone().into());
    }
    container
}

fn registrar(csi: &Csi, image: &str) -> Value {
    let args = [
        format!("--csi-address={PLUGIN}/csi.sock"),
        format!("--kubelet-registration-path={}/plugins/{}/csi.sock", csi.kubelet_directory, csi.driver_name),
        format!("--http-endpoint=:{HEALTH}"),
    ];
    json!({
        "name": "registrar", "image": image, "args": args,
        "ports": [{ "name": "registrar", "containerPort": HEALTH, "protocol": "TCP" }],
        "livenessProbe": {
            "httpGet": { "path": "/healthz", "port": "registrar" },
            "initialDelaySeconds": 5, "periodSeconds": 20, "timeoutSeconds": 5,
        },
        "volumeMounts": [pods::mount("plugin", PLUGIN, false), pods::mount("registration", "/registration", false)],
        // Root alone may write where kubelets look for drivers.
        "securityContext": {
            "runAsUser": 0, "runAsGroup": 0, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "resources": csi.registrar.resources,
    })
}

/// The folders of the node that they need, besides that of the agent's socket.
pub(super) fn volumes(csi: &Csi) -> Vec<Value> {
    if !csi.enabled {
        return Vec::new();
    }
    let folder = |name: &str, path: &str, kind: &str| json!({ "name": name, "hostPath": { "path": format!("{}/{path}", csi.kubelet_directory), "type": kind } });
    vec![
        folder("plugin", &format!("plugins/{}", csi.driver_name), "DirectoryOrCreate"),
        folder("registration", "plugins_registry", "Directory"),
        folder("pods", "pods", "Directory"),
    ]
}
