//! Files and variables that point clients of Kubernetes at the clusters: a kubeconfig, and for each pod what its container would
//! find.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::Error;
use carnet_sandbox_kit::Urls;
use serde_json::{Value, json};

use crate::{cluster::Cluster, seed, tokens};

const CONFIG: &str = "kubernetes/config";
/// The authority of all services of the sandbox, beside the emulators' folders: here the clusters have no others.
const CA: &str = "ca.pem";

/// The files.
pub(crate) fn files(clusters: &[Arc<Cluster>], urls: &Urls, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let mut files = vec![(PathBuf::from(CONFIG), config(urls, folder).to_string().into_bytes())];
    for cluster in clusters {
        for (namespace, pod, _) in seed::PODS {
            let place = PathBuf::from("kubernetes").join(cluster.seed.name).join(namespace).join(pod);
            let token = tokens::projected(cluster, namespace, pod, None)?;
            let variables = variables(cluster.seed, urls, &folder.join(&place), folder);
            files.push((place.join("token"), token.expose().as_bytes().to_vec()));
            files.push((place.join("namespace"), namespace.as_bytes().to_vec()));
            files.push((place.join("environment"), variables.into_bytes()));
        }
    }
    Ok(files)
}

/// The variables.
pub(crate) fn environment(folder: &Path) -> Vec<(String, String)> {
    vec![("KUBECONFIG".to_owned(), folder.join(CONFIG).display().to_string())]
}

/// The variables of a pod, one in each line: what the kubelet sets, and where the files are that it would have at the usual
/// place.
fn variables(cluster: &seed::Cluster, urls: &Urls, place: &Path, folder: &Path) -> String {
    let port = |service: &str| urls.get(service).and_then(|urls| urls.tls.port()).map(|port| port.to_string());
    let proxymux = format!("oke-proxymux-{}", cluster.name);
    let all = [
        ("KUBERNETES_SERVICE_HOST", Some("127.0.0.1".to_owned())),
        ("KUBERNETES_SERVICE_PORT", port(cluster.service)),
        ("KUBERNETES_SERVICE_PORT_PROXYMUX", port(&proxymux)),
        ("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", Some(folder.join(CA).display().to_string())),
        ("CARNET_SANDBOX_POD_TOKEN_FILE", Some(place.join("token").display().to_string())),
        ("CARNET_SANDBOX_POD_CA_FILE", Some(folder.join(CA).display().to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some(format!("{name}={}\n", value?))).collect()
}

/// A kubeconfig in JSON, which is YAML too: a context for each cluster, as its administrator.
fn config(urls: &Urls, folder: &Path) -> Value {
    let ca = folder.join(CA).display().to_string();
    let present = || seed::CLUSTERS.iter().filter_map(move |cluster| Some((cluster, urls.get(cluster.service)?)));
    let clusters: Vec<Value> = present()
        .map(|(cluster, urls)| {
            let server = json!({ "server": urls.tls_origin(), "certificate-authority": ca });
            json!({ "name": cluster.name, "cluster": server })
        })
        .collect();
    let users: Vec<Value> = present()
        .map(|(cluster, _)| json!({ "name": cluster.name, "user": { "token": cluster.admin_token } }))
        .collect();
    let contexts: Vec<Value> = present()
        .map(|(cluster, _)| {
            let context = json!({ "cluster": cluster.name, "user": cluster.name, "namespace": seed::NAMESPACE });
            json!({ "name": cluster.name, "context": context })
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "prod",
        "clusters": clusters, "users": users, "contexts": contexts,
    })
}
