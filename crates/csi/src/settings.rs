//! What the driver goes by.

use std::path::{Component, Path, PathBuf};

use carnet_core::{Error, Result, safe_text};
use carnet_grpc::Endpoint;

/// The name that pods write in their volumes for the Workload API, whoever serves it: that of SPIFFE's own driver.
pub const DEFAULT_DRIVER_NAME: &str = "csi.spiffe.io";
/// The kubelet's root directory, unless it was started with another (kubelet, `--root-dir`).
pub const DEFAULT_KUBELET: &str = "/var/lib/kubelet";

/// Longest name of a driver, in bytes (CSI, GetPluginInfoResponse).
const LONGEST_NAME: usize = 63;
/// Longest name of a node, in bytes (CSI, NodeGetInfoResponse).
const LONGEST_NODE: usize = 256;

/// What the driver goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name that pods write in `csi.driver`, a domain name.
    pub driver_name: String,
    /// What the driver calls this node: the node's name in Kubernetes.
    pub node_id: String,
    /// The socket on which the kubelet calls.
    pub endpoint: PathBuf,
    /// The agent's socket. Its folder is what pods get, with all that is in it.
    pub workload_socket: PathBuf,
    /// The kubelet's folder. Nothing outside of it is mounted on or removed.
    pub kubelet: PathBuf,
}

impl Settings {
    /// Checks the words; nothing is looked at.
    ///
    /// # Errors
    /// `Configuration` with what is wrong and how it is written.
    pub fn check(&self) -> Result<()> {
        if !is_driver_name(&self.driver_name) {
            let shown = safe_text(&self.driver_name);
            return Err(Error::configuration(format!("call the CSI driver \"{shown}\": that is no domain name"))
                .hint(format!(
                    "for instance {DEFAULT_DRIVER_NAME}: letters, digits, dots and hyphens, at most {LONGEST_NAME}"
                ))
                .clause("CSI, GetPluginInfoResponse"));
        }
        if self.node_id.is_empty() || self.node_id.len() > LONGEST_NODE || self.node_id.contains(char::is_control) {
            return Err(Error::configuration("call the node of the CSI driver by its name")
                .hint(format!(
                    "--node-id is the node's name in Kubernetes (spec.nodeName), at most {LONGEST_NODE} bytes"
                ))
                .clause("CSI, NodeGetInfoResponse"));
        }
        let socket = &self.workload_socket;
        if !is_plain(socket) || socket.parent().is_none_or(|folder| folder.parent().is_none()) {
            return Err(Error::configuration(format!("show pods the folder of the socket {}", socket.display())).hint(
                "--workload-socket is an absolute path of a file in a folder of its own: /run/carnet/agent/api.sock",
            ));
        }
        if !is_plain(&self.kubelet) {
            return Err(Error::configuration(format!("keep to the kubelet's folder {}", self.kubelet.display()))
                .hint(format!("--kubelet-dir is an absolute path without detours, for instance {DEFAULT_KUBELET}")));
        }
        if self.folder().starts_with(&self.kubelet) || self.kubelet.starts_with(self.folder()) {
            let (folder, kubelet) = (self.folder().display(), self.kubelet.display());
            return Err(Error::configuration(format!(
                "show pods {folder}: it and the kubelet's folder {kubelet} overlap"
            ))
            .hint("give the agent's socket a folder of its own elsewhere: /run/carnet/agent/api.sock"));
        }
        Ok(())
    }

    /// The folder that pods get.
    pub fn folder(&self) -> &Path {
        self.workload_socket.parent().unwrap_or(Path::new("/"))
    }
}

/// The path of the socket that `CSI_ENDPOINT` names: `unix:///absolute/path.sock` (CSI, Environment Variables).
///
/// # Errors
/// `Configuration` when it names none.
pub fn endpoint_path(endpoint: &str) -> Result<PathBuf> {
    let refused = || {
        Error::configuration(format!("listen for the kubelet at \"{}\"", safe_text(endpoint)))
            .hint("write unix:///csi/csi.sock, with the absolute path of a socket")
            .clause("CSI, CSI_ENDPOINT")
    };
    match endpoint.parse() {
        Ok(Endpoint::Unix(path)) => Ok(path.into()),
        Ok(Endpoint::Tcp(_)) => Err(refused()),
        Err(error) => Err(refused().because(error)),
    }
}

/// At most 63 letters, digits, dots and hyphens, a letter or digit at both ends.
fn is_driver_name(name: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= LONGEST_NAME
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// An absolute path of text, that is not the root, said without detours. What [`crate::Target::below`] compares with.
fn is_plain(path: &Path) -> bool {
    let plain = |text: &str| {
        text.starts_with('/')
            && !text.ends_with('/')
            && !text.contains("//")
            && !text.contains(char::is_control)
            && !text.split('/').any(|part| part == ".")
    };
    path.to_str().is_some_and(plain) && !path.components().any(|part| part == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings {
            driver_name: DEFAULT_DRIVER_NAME.to_owned(),
            node_id: "node-1".to_owned(),
            endpoint: "/csi/csi.sock".into(),
            workload_socket: "/run/carnet/agent/api.sock".into(),
            kubelet: DEFAULT_KUBELET.into(),
        }
    }

    fn why(bend: impl FnOnce(&mut Settings)) -> String {
        let mut settings = good();
        bend(&mut settings);
        let error = settings.check().unwrap_err();
        assert!(!error.hints().is_empty(), "{error}");
        error.to_string()
    }

    #[test]
    fn accepts_the_usual_settings() {
        good().check().unwrap();
        assert_eq!(good().folder(), Path::new("/run/carnet/agent"));
    }

    #[test]
    fn rejects_a_name_that_is_no_domain_name() {
        for name in ["", "-x", "x-", "csi spiffe", "csi/spiffe", "csi.spiffé.io", &"x".repeat(64)] {
            assert!(why(|settings| settings.driver_name = name.to_owned()).contains("no domain name"), "{name}");
        }
    }

    #[test]
    fn rejects_a_node_without_a_name() {
        for node in ["", "a\nb", &"x".repeat(257)] {
            assert!(why(|settings| settings.node_id = node.to_owned()).contains("node"), "{node}");
        }
    }

    #[test]
    fn rejects_a_socket_without_a_folder_of_its_own() {
        for socket in ["api.sock", "/api.sock", "/", "/run/../api.sock", "/run/carnet/"] {
            assert!(
                why(|settings| settings.workload_socket = socket.into()).contains("folder of the socket"),
                "{socket}"
            );
        }
    }

    #[test]
    fn rejects_a_kubelets_folder_with_detours() {
        for kubelet in ["", "/", "kubelet", "/var/lib/kubelet/", "/var//lib", "/var/./lib", "/var/../lib"] {
            assert!(why(|settings| settings.kubelet = kubelet.into()).contains("kubelet's folder"), "{kubelet}");
        }
    }

    #[test]
    fn rejects_a_folder_that_overlaps_the_kubelets() {
        assert!(
            why(|settings| settings.workload_socket = "/var/lib/kubelet/agent/api.sock".into()).contains("overlap")
        );
        assert!(why(|settings| settings.workload_socket = "/var/lib/api.sock".into()).contains("overlap"));
    }

    #[test]
    fn an_endpoint_is_a_socket_with_an_absolute_path() {
        assert_eq!(endpoint_path("unix:///csi/csi.sock").unwrap(), Path::new("/csi/csi.sock"));
        for endpoint in ["", "/csi/csi.sock", "unix://csi.sock", "tcp://127.0.0.1:80"] {
            let error = endpoint_path(endpoint).unwrap_err();
            assert!(error.hints().iter().any(|hint| hint.contains("unix:///csi/csi.sock")), "{endpoint}: {error}");
        }
    }
}
