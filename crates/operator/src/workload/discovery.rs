//! The discovery documents: a Deployment.

use serde_json::{Value, json};
use url::Url;

use super::{Defaults, Owner, Plan, config, exposure, pods};
use crate::api::{CONFIG_MAPS, DEPLOYMENTS, DiscoverySpec, KeyRef, SERVICE_ACCOUNTS, SERVICES, WorkloadApi};

const PLAIN: u16 = 8080;
const TLS: u16 = 8443;
const BUNDLE: &str = "/etc/carnet-bundle/bundle.json";

/// Where the keys come from.
enum Source<'a> {
    Workload(WorkloadApi),
    Endpoint(&'a crate::api::BundleEndpoint),
    File(&'a KeyRef),
}

pub(super) fn plan(spec: &DiscoverySpec, owner: &Owner, defaults: &Defaults) -> Result<Plan, String> {
    let source = source(spec)?;
    defaults.check(&spec.placement)?;
    let name = owner.name();
    let file = config::file("discovery", &spec.config, settings(spec, &source))?;
    let digest = config::digest(&[&file]);
    let (port, inner) = if spec.tls_secret.is_some() { (443, TLS) } else { (80, PLAIN) };
    let listed = json!([{ "name": "public", "port": port, "targetPort": "public", "protocol": "TCP" }]);
    let deployment = json!({
        "replicas": spec.replicas,
        "selector": { "matchLabels": owner.selector() },
        "template": pods::template(owner, &spec.placement, &digest, pod(spec, owner, defaults, &source, inner)),
    });
    let mut parts = vec![
        owner.part(SERVICE_ACCOUNTS, &name, json!({ "automountServiceAccountToken": false })),
        owner.part(CONFIG_MAPS, &name, json!({ "data": { "carnet.toml": file } })),
        owner.part(SERVICES, &name, json!({ "spec": { "selector": owner.selector(), "ports": listed } })),
        owner.part(DEPLOYMENTS, &name, json!({ "spec": deployment })),
    ];
    parts.extend(exposure::parts(&spec.exposure, owner, &spec.issuer, spec.tls_secret.is_some())?);
    let secrets = spec.tls_secret.iter().chain(&spec.exposure.external_certificate).cloned().collect();
    Ok(Plan { parts, pods: DEPLOYMENTS, name, exposure: Some(spec.exposure.clone()), secrets })
}

fn source(spec: &DiscoverySpec) -> Result<Source<'_>, String> {
    let of = &spec.source;
    match (&of.workload_api, &of.bundle_endpoint, &of.config_map) {
        (workload, None, None) => Ok(Source::Workload(workload.clone().unwrap_or_default())),
        (None, Some(endpoint), None) if endpoint.spiffe_id.is_some() && endpoint.bootstrap.is_none() => {
            Err("source.bundleEndpoint.bootstrap: is missing, and the endpoint proves itself by its SPIFFE ID"
                .to_owned())
        }
        (None, Some(endpoint), None) => Ok(Source::Endpoint(endpoint)),
        (None, None, Some(file)) => Ok(Source::File(file)),
        _ => Err("source: one of workloadApi, bundleEndpoint and configMap may be given".to_owned()),
    }
}

/// The section `[discovery]`.
fn settings(spec: &DiscoverySpec, source: &Source<'_>) -> Value {
    let listen = match &spec.tls_secret {
        Some(_) => json!({ "tls": {
            "address": format!("0.0.0.0:{TLS}"), "certificate": "/etc/carnet-tls/tls.crt", "private_key": "/etc/carnet-tls/tls.key",
        } }),
        None => json!({ "plain": { "address": format!("0.0.0.0:{PLAIN}") } }),
    };
    let domain = &spec.trust_domain;
    let source = match source {
        Source::Workload(api) => json!({ "workload-api": {
            "address": format!("unix:///run/workload-api/{}", api.socket), "trust_domain": domain,
        } }),
        Source::Endpoint(endpoint) => {
            let profile = endpoint.spiffe_id.as_ref();
            let profile = profile.map(|id| json!({ "type": "https_spiffe", "endpoint_spiffe_id": id }));
            let bootstrap = endpoint.bootstrap.as_ref().map(|_| BUNDLE);
            json!({ "url": { "url": endpoint.url, "trust_domain": domain, "profile": profile, "bootstrap": bootstrap } })
        }
        Source::File(_) => json!({ "file": { "path": BUNDLE, "trust_domain": domain } }),
    };
    let host = Url::parse(&spec.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut domains: Vec<String> = host.into_iter().collect();
    domains.extend(spec.domains.iter().filter(|domain| !domains.contains(domain)).cloned().collect::<Vec<_>>());
    json!({
        "issuer": spec.issuer, "domains": domains, "listen": listen, "source": source,
        "diagnostics": format!("0.0.0.0:{}", pods::DIAGNOSTICS),
    })
}

fn pod(spec: &DiscoverySpec, owner: &Owner, defaults: &Defaults, source: &Source<'_>, port: u16) -> Value {
    let mut mounts = vec![pods::mount("config", pods::CONFIG, true)];
    let mut volumes = vec![pods::config_volume(&owner.name())];
    let bundle = match source {
        Source::Workload(api) => {
            mounts.push(pods::mount("workload-api", "/run/workload-api", true));
            volumes.push(json!({ "name": "workload-api", "csi": { "driver": api.driver, "readOnly": true } }));
            None
        }
        Source::Endpoint(endpoint) => endpoint.bootstrap.as_ref(),
        Source::File(file) => Some(*file),
    };
    if let Some(bundle) = bundle {
        mounts.push(pods::mount("bundle", "/etc/carnet-bundle", true));
        volumes.push(pods::config_key("bundle", bundle, "bundle.json"));
    }
    if let Some(secret) = &spec.tls_secret {
        mounts.push(pods::mount("tls", "/etc/carnet-tls", true));
        volumes.push(json!({ "name": "tls", "secret": { "secretName": secret } }));
    }
    let container = pods::Container {
        name: "discovery",
        args: vec!["discovery".into(), "--config".into(), format!("{}/carnet.toml", pods::CONFIG).into()],
        ports: vec![("public", port), ("diagnostics", pods::DIAGNOSTICS)],
        env: Vec::new(),
        mounts,
        security: pods::container_security(),
        probed: Some("diagnostics"),
    };
    json!({
        "serviceAccountName": owner.name(), "automountServiceAccountToken": false,
        "securityContext": pods::pod_security(),
        "containers": [container.json(&spec.placement, defaults)], "volumes": volumes,
    })
}
