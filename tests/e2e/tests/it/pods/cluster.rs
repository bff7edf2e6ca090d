//! The API server, with credentials of carnet's: kubectl and Kubernetes' client for Python run it as their plugin.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::Pod;
use crate::{
    harness::{Sandbox, both, carnet, json, output, python},
    matrix::proven,
    scene::works,
};

/// Both clients, as the matrix calls them.
const KUBECTL: &str = "kubectl";
const PYTHON: &str = "Kubernetes client for Python";
/// Whom the API server takes the pods for.
const ADMIN: &str = "system:serviceaccount:example:admin";
const VIEWER: &str = "system:serviceaccount:example:viewer";

/// A kubeconfig for the pod's cluster, whose user is whom carnet gets by this source.
fn kubeconfig(pod: &Pod<'_>, folder: &Path, source: &str) -> String {
    let route = folder.join("carnet.toml");
    std::fs::write(&route, format!("version = 1\n[route.cluster]\nsource = {{ kubernetes = {{ {source} }} }}\n"))
        .unwrap();
    let binary = std::path::absolute(carnet::<&str>([]).get_program()).unwrap();
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": binary, "interactiveMode": "Never",
        "args": ["get", "cluster", "--config", route, "--format", "kubernetes-exec-credential"],
    });
    let cluster = json!({ "server": pod.api(), "certificate-authority": pod.ca() });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "pod",
        "clusters": [{ "name": "cluster", "cluster": cluster }],
        "users": [{ "name": "carnet", "user": { "exec": exec } }],
        "contexts": [{ "name": "pod", "context": { "cluster": "cluster", "user": "carnet", "namespace": "example" } }],
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

/// A token for this audience, which the API server is asked for in the pod's name.
fn requested(pod: &Pod<'_>, audience: &str) -> String {
    format!("audience = \"{audience}\", {}", pod.request())
}

/// The token that is projected into the pod.
fn projected(pod: &Pod<'_>) -> String {
    format!("token = \"projected\", path = \"{}\"", pod.file("token").display())
}

/// The API server's own audience: that of the token which every pod has for it.
fn audience(pod: &Pod<'_>) -> String {
    let token = std::fs::read_to_string(pod.file("token")).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["iss"].as_str().unwrap().to_owned()
}

fn kubectl(folder: &Path, kubeconfig: &str, arguments: &[&str]) -> Command {
    let mut command = python("packaging/kubectl.py");
    // What it remembers of API servers goes by their addresses, which are others' in the next run.
    command.arg("--cache-dir").arg(folder.join("cache")).args(["--kubeconfig", kubeconfig]).args(arguments);
    command
}

/// What kubectl says of a refusal.
fn refused(command: &mut Command, says: &str) {
    let done = output(command);
    assert!(!done.status.success() && both(&done).contains(says), "wanted {says:?}:\n{}", both(&done));
}

fn in_python(kubeconfig: &str) -> Value {
    json(python("kubernetes_pods.py").args(["--kubeconfig", kubeconfig]))
}

#[test]
fn kubectl_and_the_python_client_are_who_carnet_says() {
    let sandbox = Sandbox::shared();
    let pod = Pod::new(sandbox, "prod", "admin-0");
    for source in [requested(&pod, &audience(&pod)), projected(&pod)] {
        let folder = tempfile::tempdir().unwrap();
        let config = kubeconfig(&pod, folder.path(), &source);
        let who = json(&mut kubectl(folder.path(), &config, &["auth", "whoami", "--output", "json"]));
        let user = &who["status"]["userInfo"];
        assert_eq!(user["username"], ADMIN, "{who}");
        // The token ends with the pod.
        assert_eq!(user["extra"]["authentication.kubernetes.io/pod-name"], json!(["admin-0"]), "{who}");
        let pods = works(&mut kubectl(folder.path(), &config, &["get", "pods", "--output", "name"]));
        assert_eq!(pods, "pod/admin-0\npod/viewer-0\n");
        assert_eq!(in_python(&config), json!({ "who": ADMIN, "pods": ["admin-0", "viewer-0"] }));
    }
    proven("kubernetes", "kubernetes", KUBECTL);
    proven("kubernetes", "kubernetes", PYTHON);
}

#[test]
fn kubectl_and_the_python_client_are_refused_what_the_account_may_not() {
    let sandbox = Sandbox::start();
    let pod = Pod::new(&sandbox, "prod", "viewer-0");
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(&pod, folder.path(), &projected(&pod));
    assert_eq!(in_python(&config), json!({ "who": VIEWER, "refused": [403, "Forbidden"] }));
    assert_eq!(sandbox.refusals("kubernetes-prod"), ["rbac"]);
    refused(&mut kubectl(folder.path(), &config, &["get", "pods"]), "cannot list resource \"pods\"");

    // It may not even ask for a token of its own: then the plugin fails, and kubectl shows why.
    let config = kubeconfig(&pod, folder.path(), &requested(&pod, &audience(&pod)));
    refused(&mut kubectl(folder.path(), &config, &["get", "pods"]), "clause: rbac");
}

#[test]
fn the_api_server_refuses_tokens_for_others_and_of_others() {
    let sandbox = Sandbox::start();
    // Both clusters have the same issuer, and other keys.
    let (pod, other) = (Pod::new(&sandbox, "dev", "admin-0"), Pod::new(&sandbox, "basic", "admin-0"));
    let last = || sandbox.refusals("kubernetes-dev").pop();
    for (source, clause) in [(requested(&pod, "https://somebody.else"), "audience"), (projected(&other), "key")] {
        let folder = tempfile::tempdir().unwrap();
        let config = kubeconfig(&pod, folder.path(), &source);
        assert_eq!(in_python(&config), json!({ "refused": [401, "Unauthorized"] }), "{clause}");
        assert_eq!(last().as_deref(), Some(clause));
        refused(&mut kubectl(folder.path(), &config, &["get", "pods"]), "You must be logged in to the server");
        assert_eq!(last().as_deref(), Some(clause));
    }
}
