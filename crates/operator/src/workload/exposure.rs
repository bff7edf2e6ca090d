//! The Ingress or Route.

use serde_json::{Value, json};
use url::Url;

use super::{Owner, Part};
use crate::api::{Exposure, ExposureKind, INGRESSES, ROLE_BINDINGS, ROLES, ROUTES};

/// Who reads certificates of Routes on OpenShift ("Creating a route with externally managed certificate").
const ROUTER: (&str, &str) = ("openshift-ingress", "router");

/// What exposes the service's port `public`: each kind, of which at most one is wanted.
///
/// # Errors
/// When the issuer has no host name and none is given.
pub(super) fn parts(exposure: &Exposure, owner: &Owner, issuer: &str, tls_inside: bool) -> Result<Vec<Part>, String> {
    let of_issuer = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = exposure.host.clone().or(of_issuer).ok_or("exposure.host: is missing, and the issuer has none")?;
    let is = |kind: ExposureKind| exposure.managed && exposure.kind == kind;
    let mut all = vec![
        Part { wanted: is(ExposureKind::Ingress), ..ingress(exposure, owner, &host) },
        Part { wanted: is(ExposureKind::Route), ..route(exposure, owner, &host, tls_inside) },
    ];
    // The router must be allowed to read the one Secret that the Route names.
    let name = format!("{}-certificate", owner.name());
    let secret = exposure.external_certificate.clone().unwrap_or_default();
    let read = is(ExposureKind::Route) && !secret.is_empty();
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get", "list", "watch"] }]);
    let subject = json!({ "kind": "ServiceAccount", "namespace": ROUTER.0, "name": ROUTER.1 });
    let reference = json!({ "apiGroup": ROLES.group, "kind": ROLES.kind, "name": name });
    all.push(Part { wanted: read, ..owner.part(ROLES, &name, json!({ "rules": rules })) });
    let binding = json!({ "roleRef": reference, "subjects": [subject] });
    all.push(Part { wanted: read, ..owner.part(ROLE_BINDINGS, &name, binding) });
    Ok(all)
}

fn ingress(exposure: &Exposure, owner: &Owner, host: &str) -> Part {
    let backend = json!({ "service": { "name": owner.name(), "port": { "name": "public" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    let mut spec = json!({ "rules": [{ "host": host, "http": { "paths": [path] } }] });
    if let Some(members) = spec.as_object_mut() {
        members.extend(exposure.class_name.as_ref().map(|class| ("ingressClassName".to_owned(), json!(class))));
        let secret = exposure.external_certificate.as_ref();
        members.extend(secret.map(|secret| ("tls".to_owned(), json!([{ "hosts": [host], "secretName": secret }]))));
    }
    annotated(owner.part(INGRESSES, &owner.name(), json!({ "spec": spec })), exposure)
}

fn route(exposure: &Exposure, owner: &Owner, host: &str, tls_inside: bool) -> Part {
    let termination = if tls_inside { "reencrypt" } else { "edge" };
    let mut tls = json!({ "termination": termination, "insecureEdgeTerminationPolicy": "Redirect" });
    if let (Some(secret), Some(members)) = (&exposure.external_certificate, tls.as_object_mut()) {
        members.insert("externalCertificate".to_owned(), json!({ "name": secret }));
    }
    let to = json!({ "kind": "Service", "name": owner.name(), "weight": 100 });
    let spec =
        json!({ "host": host, "port": { "targetPort": "public" }, "to": to, "tls": tls, "wildcardPolicy": "None" });
    annotated(owner.part(ROUTES, &owner.name(), json!({ "spec": spec })), exposure)
}

fn annotated(mut part: Part, exposure: &Exposure) -> Part {
    let metadata = part.object.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), false) = (metadata, exposure.annotations.is_empty()) {
        metadata.insert("annotations".to_owned(), json!(exposure.annotations));
    }
    part
}
