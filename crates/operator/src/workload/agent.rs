//! The agents of the nodes: a DaemonSet.

use serde_json::{Value, json};

use super::{Defaults, Owner, Plan, config, csi, pods};
use crate::api::{AgentSpec, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, DAEMON_SETS, SERVICE_ACCOUNTS};

/// The authority's port for nodes, as its Service has it.
const NODES: u16 = 8443;

pub(super) fn plan(spec: &AgentSpec, owner: &Owner, defaults: &Defaults) -> Result<Plan, String> {
    let authority = match (&spec.authority, &spec.authority_url) {
        (Some(name), None) => format!("https://{name}-authority.{}.svc:{NODES}", owner.namespace),
        (None, Some(url)) => url.clone(),
        _ => return Err("authority: one of authority and authorityUrl must be given".to_owned()),
    };
    if spec.bootstrap.config_map.is_some() == spec.bootstrap.insecure {
        return Err("bootstrap: one of configMap and insecure must be given".to_owned());
    }
    defaults.check(&spec.placement)?;
    defaults.allowed.socket_directory(&spec.socket_directory)?;
    let name = owner.name();
    let file = config::file("agent", &spec.config, settings(spec, &authority))?;
    let digest = config::digest(&[&file]);
    let subject = json!({ "kind": "ServiceAccount", "namespace": owner.namespace, "name": name });
    let resource = format!("nodes/{}", spec.kubelet_permission);
    // The kubelet's list of pods: whose container a process is in.
    let rules = json!([{ "apiGroups": [""], "resources": [resource], "verbs": ["get"] }]);
    let reference =
        json!({ "apiGroup": CLUSTER_ROLES.group, "kind": CLUSTER_ROLES.kind, "name": owner.cluster_name() });
    let set = json!({
        "selector": { "matchLabels": owner.selector() },
        "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1 } },
        "template": pods::template(owner, &spec.placement, &digest, pod(spec, owner, defaults)?),
    });
    let mut parts = vec![
        owner.part(SERVICE_ACCOUNTS, &name, json!({ "automountServiceAccountToken": false })),
        owner.cluster_part(CLUSTER_ROLES, json!({ "rules": rules })),
        owner.cluster_part(CLUSTER_ROLE_BINDINGS, json!({ "roleRef": reference, "subjects": [subject] })),
        owner.part(CONFIG_MAPS, &name, json!({ "data": { "carnet.toml": file } })),
        owner.part(DAEMON_SETS, &name, json!({ "spec": set })),
    ];
    parts.extend(spec.csi.enabled.then(|| csi::driver(&spec.csi, owner)));
    Ok(Plan { parts, pods: DAEMON_SETS, name, exposure: None, secrets: Vec::new() })
}

/// The section `[agent]`.
fn settings(spec: &AgentSpec, authority: &str) -> Value {
    json!({
        "trust_domain": spec.trust_domain,
        "authority": authority,
        "attest": { "k8s": { "cluster": spec.cluster, "token_file": "/var/run/secrets/carnet/token" } },
        "insecure_bootstrap": spec.bootstrap.insecure.then_some(true),
        "bootstrap_bundle": spec.bootstrap.config_map.as_ref().map(|_| "/etc/carnet-bundle/bundle.json"),
        "socket": format!("{}/api.sock", spec.socket_directory),
        "state_directory": "/var/lib/carnet/agent",
        "diagnostics": format!("0.0.0.0:{}", pods::DIAGNOSTICS),
        "systemd": false,
        "kubernetes": {
            "kubelet": "https://${NODE_ADDRESS}:10250/pods",
            "skip_verification": spec.skip_kubelet_verification.then_some(true),
        },
    })
}

fn pod(spec: &AgentSpec, owner: &Owner, defaults: &Defaults) -> Result<Value, String> {
    let token =
        json!({ "serviceAccountToken": { "path": "token", "audience": spec.audience, "expirationSeconds": 3600 } });
    let mut mounts = vec![
        pods::mount("config", pods::CONFIG, true),
        pods::mount("token", "/var/run/secrets/carnet", true),
        pods::mount("state", "/var/lib/carnet", false),
        pods::mount("sockets", &spec.socket_directory, false),
    ];
    let mut volumes = vec![
        pods::config_volume(&owner.name()),
        json!({ "name": "token", "projected": { "sources": [token] } }),
        // The node proves again what it is after a start, so its key need not be on a disk.
        pods::memory("state", "16Mi"),
        json!({ "name": "sockets", "hostPath": { "path": spec.socket_directory, "type": "DirectoryOrCreate" } }),
    ];
    if let Some(bundle) = &spec.bootstrap.config_map {
        mounts.push(pods::mount("bundle", "/etc/carnet-bundle", true));
        volumes.push(pods::config_key("bundle", bundle, "bundle.json"));
    }
    let address = json!({ "name": "NODE_ADDRESS", "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } });
    let container = pods::Container {
        name: "agent",
        args: vec!["agent".into(), "--config".into(), format!("{}/carnet.toml", pods::CONFIG).into()],
        ports: vec![("diagnostics", pods::DIAGNOSTICS)],
        env: vec![address],
        mounts,
        // It looks at the processes of other pods, and at the paths of other users' executables.
        security: json!({
            "runAsUser": 0, "runAsGroup": 0, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"], "add": ["SYS_PTRACE", "DAC_READ_SEARCH"] },
        }),
        probed: Some("diagnostics"),
    };
    let mut containers = vec![container.json(&spec.placement, defaults)];
    containers.extend(csi::containers(spec, defaults)?);
    volumes.extend(csi::volumes(&spec.csi));
    Ok(json!({
        "serviceAccountName": owner.name(), "automountServiceAccountToken": true, "hostPID": true,
        "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": containers, "volumes": volumes,
    }))
}
