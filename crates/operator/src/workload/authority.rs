//! An authority: a StatefulSet.

use serde_json::{Value, json};

use super::{Defaults, Owner, Part, Plan, config, exposure, pods};
use crate::api::{
    AuthoritySpec, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, GROUP, KeyRef, ROLE_BINDINGS, ROLES,
    SERVICE_ACCOUNTS, SERVICES, STATEFUL_SETS,
};

const PUBLIC: u16 = 8080;
const NODES: u16 = 8443;
/// Health and metrics of the container beside it.
const BESIDE: u16 = 9091;
const SOCKET: &str = "/run/carnet/authority.sock";

pub(super) fn plan(spec: &AuthoritySpec, owner: &Owner, defaults: &Defaults) -> Result<Plan, String> {
    let postgres = spec.store.postgres.as_ref();
    if spec.replicas > 1 && postgres.is_none() {
        return Err("replicas: more than one needs store.postgres".to_owned());
    }
    if postgres.is_some() && spec.seal_secret.is_none() {
        return Err("sealSecret: is missing, and with store.postgres there is no volume for a key".to_owned());
    }
    defaults.check(&spec.placement)?;
    let name = owner.name();
    let file = config::file("authority", &spec.config, settings(spec))?;
    let beside = spec.registers.then(|| registrar(spec, owner)).transpose()?;
    let mut data = json!({ "carnet.toml": file, "nodes.toml": nodes(spec)? });
    if let (Some(beside), Some(members)) = (&beside, data.as_object_mut()) {
        members.insert("operator.toml".to_owned(), beside.clone().into());
    }
    let digest = config::digest(&[&file, beside.as_deref().unwrap_or_default()]);
    let mut parts = vec![
        owner.part(SERVICE_ACCOUNTS, &name, json!({ "automountServiceAccountToken": false })),
        owner.part(CONFIG_MAPS, &name, json!({ "data": data })),
        owner.part(SERVICES, &name, service(spec, owner)),
    ];
    parts.extend(rights(spec, owner));
    parts.push(owner.part(STATEFUL_SETS, &name, json!({ "spec": stateful_set(spec, owner, defaults, &digest) })));
    parts.extend(exposure::parts(&spec.exposure, owner, &spec.issuer, spec.tls_secret.is_some())?);
    let mut secrets: Vec<String> = spec.tls_secret.iter().chain(&spec.exposure.external_certificate).cloned().collect();
    secrets.extend(spec.seal_secret.iter().map(|of| of.name.clone()));
    secrets.extend(postgres.and_then(|postgres| postgres.password_secret.as_ref()).map(|of| of.name.clone()));
    Ok(Plan { parts, pods: STATEFUL_SETS, name, exposure: Some(spec.exposure.clone()), secrets })
}

/// The section `[authority]`.
fn settings(spec: &AuthoritySpec) -> Value {
    let postgres = spec.store.postgres.as_ref();
    let password = postgres.and_then(|postgres| postgres.password_secret.as_ref());
    let store = match postgres {
        Some(postgres) => json!({
            "url": postgres.url, "password_file": password.map(|_| "/run/carnet-secrets/store-password"),
        }),
        None => json!({ "url": "sqlite:/var/lib/carnet/data/authority.db" }),
    };
    let seal = match &spec.seal_secret {
        Some(_) => json!({ "passphrase_file": "/run/carnet-secrets/seal-passphrase" }),
        None => json!({ "key_file": "/var/lib/carnet/data/seal.key" }),
    };
    let tls = spec.tls_secret.as_ref();
    let tls = tls.map(|_| json!({ "certificate": "/etc/carnet-tls/tls.crt", "key": "/etc/carnet-tls/tls.key" }));
    let behind = tls.is_none().then_some(true);
    let review = json!({
        "url": "https://kubernetes.default.svc",
        "ca_file": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "token_file": "/var/run/secrets/kubernetes.io/serviceaccount/token",
    });
    let cluster = json!({ "audience": spec.agent_audience, "service_accounts": spec.agents, "token_review": review });
    let attest =
        if spec.agents.is_empty() { Value::Null } else { json!({ "k8s": { spec.cluster.as_str(): cluster } }) };
    let mut entries = spec.config.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
    entries.push(format!("{}/nodes.toml", pods::CONFIG).into());
    let proxies = (!spec.trusted_proxies.is_empty()).then_some(&spec.trusted_proxies);
    json!({
        "issuer": spec.issuer, "trust_domain": spec.trust_domain, "entries": entries, "store": store, "keys": { "seal": seal },
        "listen": {
            "public": format!("0.0.0.0:{PUBLIC}"), "tls": tls, "behind_proxy": behind, "trusted_proxies": proxies,
            "nodes": format!("0.0.0.0:{NODES}"), "admin": SOCKET, "diagnostics": format!("0.0.0.0:{}", pods::DIAGNOSTICS),
        },
        "attest": attest,
    })
}

/// The nodes of the cluster as a group, whose agents serve all entries that name no other parent.
fn nodes(spec: &AuthoritySpec) -> Result<String, String> {
    let entry = json!({
        "spiffe_id": group(spec), "parent_id": format!("spiffe://{}/carnet/authority", spec.trust_domain),
        "selectors": [format!("k8s:cluster:{}", spec.cluster)],
    });
    toml::to_string(&json!({ "entry": [entry] })).map_err(|error| format!("cluster: {error}"))
}

fn group(spec: &AuthoritySpec) -> String {
    format!("spiffe://{}/nodes/{}", spec.trust_domain, spec.cluster)
}

/// The configuration of the operator beside it, which keeps entries and rules true over the authority's socket.
fn registrar(spec: &AuthoritySpec, owner: &Owner) -> Result<String, String> {
    let settings = json!({
        "manage": ["registrations"],
        "namespace": owner.namespace,
        "lease": format!("{}-registrations", owner.name()),
        "parent_id": group(spec),
        "authority": { "socket": SOCKET },
        "diagnostics": format!("0.0.0.0:{BESIDE}"),
    });
    config::file("operator", &serde_json::Map::new(), settings)
}

fn service(spec: &AuthoritySpec, owner: &Owner) -> Value {
    let public = if spec.tls_secret.is_some() { 443 } else { 80 };
    let port = |name: &str, port: u16| json!({ "name": name, "port": port, "targetPort": name, "protocol": "TCP" });
    json!({ "spec": { "selector": owner.selector(), "ports": [port("public", public), port("nodes", NODES)] } })
}

/// What its account may: review tokens of agents, and with `registers` keep custom resources.
fn rights(spec: &AuthoritySpec, owner: &Owner) -> Vec<Part> {
    let rule = |group: &str, resources: Value, verbs: Value| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
    let mut rules = Vec::new();
    if !spec.agents.is_empty() {
        rules.push(rule("authentication.k8s.io", json!(["tokenreviews"]), json!(["create"])));
    }
    let own = ["registrationentries", "clusterregistrationentries", "trustrules"];
    if spec.registers {
        rules.push(rule(GROUP, json!(own), json!(["get", "list", "watch", "patch"])));
        rules.push(rule(GROUP, json!(own.map(|plural| format!("{plural}/status"))), json!(["patch"])));
        rules.push(rule("", json!(["events"]), json!(["create"])));
        rules.push(json!({
            "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"],
        }));
    }
    let subject = json!({ "kind": "ServiceAccount", "namespace": owner.namespace, "name": owner.name() });
    let to = |kind: &str, name: &str| json!({ "apiGroup": CLUSTER_ROLES.group, "kind": kind, "name": name });
    let reference = to(CLUSTER_ROLES.kind, &owner.cluster_name());
    let wanted = !rules.is_empty();
    let binding = json!({ "roleRef": reference, "subjects": [subject] });
    let leases = json!([rule("coordination.k8s.io", json!(["leases"]), json!(["get", "create", "update"]))]);
    let here = json!({ "roleRef": to(ROLES.kind, &owner.name()), "subjects": [subject] });
    vec![
        Part { wanted, ..owner.cluster_part(CLUSTER_ROLES, json!({ "rules": rules })) },
        Part { wanted, ..owner.cluster_part(CLUSTER_ROLE_BINDINGS, binding) },
        Part { wanted: spec.registers, ..owner.part(ROLES, &owner.name(), json!({ "rules": leases })) },
        Part { wanted: spec.registers, ..owner.part(ROLE_BINDINGS, &owner.name(), here) },
    ]
}

fn stateful_set(spec: &AuthoritySpec, owner: &Owner, defaults: &Defaults, digest: &str) -> Value {
    let sqlite = spec.store.postgres.is_none();
    let mut set = json!({
        "replicas": spec.replicas, "serviceName": owner.name(), "podManagementPolicy": "Parallel",
        "selector": { "matchLabels": owner.selector() },
        "template": pods::template(owner, &spec.placement, digest, pod(spec, owner, defaults)),
    });
    if let (true, Some(members)) = (sqlite, set.as_object_mut()) {
        let mut claim = json!({
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": spec.store.volume.size } },
        });
        let class = spec.store.volume.storage_class_name.as_ref();
        if let (Some(class), Some(claim)) = (class, claim.as_object_mut()) {
            claim.insert("storageClassName".to_owned(), class.clone().into());
        }
        let metadata = json!({ "name": "data", "labels": owner.selector() });
        members.insert("volumeClaimTemplates".to_owned(), json!([{ "metadata": metadata, "spec": claim }]));
    }
    set
}

fn pod(spec: &AuthoritySpec, owner: &Owner, defaults: &Defaults) -> Value {
    let password = spec.store.postgres.as_ref().and_then(|postgres| postgres.password_secret.as_ref());
    let copied: Vec<(&str, &KeyRef)> = [("store-password", password), ("seal-passphrase", spec.seal_secret.as_ref())]
        .into_iter()
        .filter_map(|(name, of)| Some((name, of?)))
        .collect();
    let mut mounts = vec![pods::mount("config", pods::CONFIG, true), pods::mount("run", "/run/carnet", false)];
    let mut volumes = vec![pods::config_volume(&owner.name()), pods::memory("run", "1Mi")];
    if spec.store.postgres.is_none() {
        mounts.push(pods::mount("data", "/var/lib/carnet", false));
    }
    if !copied.is_empty() {
        mounts.push(pods::mount("secrets", "/run/carnet-secrets", true));
        volumes.push(pods::memory("secrets", "1Mi"));
    }
    volumes.extend(copied.iter().map(|(name, of)| pods::secret_key(name, of, name)));
    if let Some(secret) = &spec.tls_secret {
        mounts.push(pods::mount("tls", "/etc/carnet-tls", true));
        volumes.push(json!({ "name": "tls", "secret": { "secretName": secret } }));
    }
    let container = |name, config: &str, command: &str, ports, mounts, probed| pods::Container {
        name,
        args: vec![command.into(), "--config".into(), format!("{}/{config}", pods::CONFIG).into()],
        ports,
        env: Vec::new(),
        mounts,
        security: pods::container_security(),
        probed: Some(probed),
    };
    let ports = vec![("public", PUBLIC), ("nodes", NODES), ("diagnostics", pods::DIAGNOSTICS)];
    let run = mounts.get(..2).unwrap_or_default().to_vec();
    let authority = container("authority", "carnet.toml", "authority", ports, mounts, "diagnostics");
    let mut containers = vec![authority.json(&spec.placement, defaults)];
    if spec.registers {
        let beside = container("registrar", "operator.toml", "operator", vec![("registrar", BESIDE)], run, "registrar");
        containers.push(beside.json(&spec.placement, defaults));
    }
    // Without either it asks the API server for nothing.
    let token = spec.registers || !spec.agents.is_empty();
    json!({
        "serviceAccountName": owner.name(), "automountServiceAccountToken": token,
        "securityContext": pods::pod_security(),
        "initContainers": copied.iter().map(|(name, _)| copy(name, spec, defaults)).collect::<Vec<_>>(),
        "containers": containers, "volumes": volumes,
    })
}

/// A Secret's files belong to root and can be read by the pod's group, and carnet takes no secret that others can read: so each is copied into memory, for this
/// user only.
fn copy(name: &str, spec: &AuthoritySpec, defaults: &Defaults) -> Value {
    let args = [
        "get",
        "--quiet",
        "--from",
        "file",
        &format!("path=/etc/carnet-secrets/{name}"),
        "kind=access-token",
        "--deliver",
        "token-file",
        &format!("path=/run/carnet-secrets/{name}"),
    ];
    let container = pods::Container {
        name,
        args: args.iter().map(|arg| Value::from(*arg)).collect(),
        ports: Vec::new(),
        env: Vec::new(),
        mounts: vec![
            pods::mount(name, "/etc/carnet-secrets", true),
            pods::mount("secrets", "/run/carnet-secrets", false),
        ],
        security: pods::container_security(),
        probed: None,
    };
    container.json(&spec.placement, defaults)
}
