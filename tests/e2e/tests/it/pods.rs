//! Pods of the emulated clusters: Oracle's and Kubernetes' own clients in them, alone and fed by carnet.

use std::path::PathBuf;

use crate::harness::Sandbox;

mod cluster;
mod oke;

/// What a container of a pod finds. The namespace of all of them is `example`.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    pub(crate) sandbox: &'a Sandbox,
    cluster: &'static str,
    name: &'static str,
}

impl<'a> Pod<'a> {
    /// Of the cluster `prod`, `dev` or `basic`: `admin-0` or `viewer-0`, whose service accounts are `admin` and `viewer`.
    pub(crate) fn new(sandbox: &'a Sandbox, cluster: &'static str, name: &'static str) -> Self {
        // The files are there from when somebody has asked for the variables.
        sandbox.environment(&[]);
        Self { sandbox, cluster, name }
    }

    /// A file that the kubelet writes: `token`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.sandbox.folder().join("kubernetes").join(self.cluster).join("example").join(self.name).join(name)
    }

    /// The file with the cluster's authorities.
    pub(crate) fn ca(&self) -> PathBuf {
        self.sandbox.folder().join("ca.pem")
    }

    /// The pod's API server.
    pub(crate) fn api(&self) -> String {
        format!("https://127.0.0.1:{}", self.variable("KUBERNETES_SERVICE_PORT"))
    }

    /// Fields of the source `kubernetes`: the pod's API server is asked for a token of the pod.
    pub(crate) fn request(&self) -> String {
        format!(
            "token = \"request\", api = {{ url = \"{}\", ca_file = \"{}\", token_file = \"{}\" }}",
            self.api(),
            self.ca().display(),
            self.file("token").display()
        )
    }

    /// What the kubelet sets, and where the files are.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.file("environment")).expect("read the variables of a pod");
        let each = text.lines().filter_map(|line| line.split_once('='));
        each.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// One of them.
    pub(crate) fn variable(&self, name: &str) -> String {
        let found = self.variables().into_iter().find(|(own, _)| own == name);
        found.unwrap_or_else(|| panic!("a pod has no {name}")).1
    }
}
