//! What custom resources may ask of nodes. Agents run as root there: whoever may write one gets no program of his own onto every node by that, and no folder.

use carnet_core::Mistake;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::{KUBELET, SOCKETS};

/// What custom resources may name besides what the operator itself is set to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowConfig {
    /// Images, each as it is, or without tag and digest for every one of that repository. By default none: all pods run `image`.
    #[serde(default)]
    pub images: Vec<String>,
    /// Folders of nodes in which Agents may have their socket, and all below them. By default `/run/carnet/agent`.
    #[serde(default)]
    pub socket_directories: Option<Vec<String>>,
    /// Folders of nodes that Agents may take for the kubelet's. By default `/var/lib/kubelet`.
    #[serde(default)]
    pub kubelet_directories: Option<Vec<String>>,
}

/// It, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    images: Vec<String>,
    socket_directories: Vec<String>,
    kubelet_directories: Vec<String>,
}

impl AllowConfig {
    pub(super) fn check(self, mistakes: &mut Vec<Mistake>) -> Allowed {
        let mut wrong = |field: &str, index: usize, what: &str| {
            mistakes.push(Mistake::new(format!("allow.{field}[{index}]"), what));
        };
        for (index, _) in self.images.iter().enumerate().filter(|(_, image)| image.is_empty()) {
            wrong("images", index, "is empty");
        }
        for (field, folders) in
            [("socket_directories", &self.socket_directories), ("kubelet_directories", &self.kubelet_directories)]
        {
            for (index, _) in folders.iter().flatten().enumerate().filter(|(_, folder)| !is_folder(folder)) {
                wrong(field, index, "is no absolute path of a folder, without . and .. and a slash at the end");
            }
        }
        let or = |folders: Option<Vec<String>>, usual: &str| folders.unwrap_or_else(|| vec![usual.to_owned()]);
        Allowed {
            images: self.images,
            socket_directories: or(self.socket_directories, SOCKETS),
            kubelet_directories: or(self.kubelet_directories, KUBELET),
        }
    }
}

impl Allowed {
    /// Whether pods may run an image that is not the operator's.
    ///
    /// # Errors
    /// What is wrong with this field of a custom resource.
    pub(crate) fn image(&self, field: &str, image: &str) -> Result<(), String> {
        let fits = |allowed: &String| {
            let rest = image.strip_prefix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with([':', '@']) && !rest.contains('/')))
        };
        if self.images.iter().any(fits) { Ok(()) } else { Err(refused(field, image, "images")) }
    }

    /// Whether agents may have their socket in this folder of the node.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn socket_directory(&self, folder: &str) -> Result<(), String> {
        let below = |allowed: &String| {
            let rest = folder.strip_prefix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fits = is_folder(folder) && self.socket_directories.iter().any(below);
        if fits { Ok(()) } else { Err(refused("socketDirectory", folder, "socket_directories")) }
    }

    /// Whether this folder of the node may be taken for the kubelet's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn kubelet_directory(&self, folder: &str) -> Result<(), String> {
        let fits = self.kubelet_directories.iter().any(|allowed| allowed == folder);
        if fits { Ok(()) } else { Err(refused("csi.kubeletDirectory", folder, "kubelet_directories")) }
    }
}

fn refused(field: &str, value: &str, list: &str) -> String {
    format!(
        "{field}: {value:?} is not allowed: whoever runs the operator would have to name it in operator.allow.{list}"
    )
}

/// An absolute path that leads where it says.
fn is_folder(text: &str) -> bool {
    let named = |part: &str| !matches!(part, "" | "." | "..") && !part.contains([':', '\0']);
    text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(config: AllowConfig) -> Allowed {
        let mut mistakes = Vec::new();
        let allowed = config.check(&mut mistakes);
        assert_eq!(mistakes, []);
        allowed
    }

    #[test]
    fn only_the_usual_folders_and_no_image_are_allowed_at_first() {
        let usual = allowed(AllowConfig::default());
        assert!(usual.image("image", "carnet:1").is_err());
        assert_eq!(usual.socket_directory("/run/carnet/agent"), Ok(()));
        assert_eq!(usual.socket_directory("/run/carnet/agent/second"), Ok(()));
        assert_eq!(usual.kubelet_directory("/var/lib/kubelet"), Ok(()));
    }

    #[test]
    fn rejects_folders_that_are_not_below_an_allowed_one() {
        let usual = allowed(AllowConfig::default());
        for folder in
            ["/etc", "/run/carnet", "/run/carnet/agents", "/run/carnet/agent/../../../etc", "/run/carnet/agent/"]
        {
            let error = usual.socket_directory(folder).unwrap_err();
            assert!(error.starts_with("socketDirectory: "), "{error}");
        }
        for folder in ["/", "/var/lib", "/var/lib/kubelet/pods", "/var/lib/kubelet/.."] {
            assert!(usual.kubelet_directory(folder).unwrap_err().starts_with("csi.kubeletDirectory: "), "{folder}");
        }
    }

    #[test]
    fn an_image_is_allowed_as_it_is_or_by_its_repository() {
        let images = vec!["registry.example.org/carnet".to_owned(), "carnet:2".to_owned(), "registry".to_owned()];
        let some = allowed(AllowConfig { images, ..<_>::default() });
        for good in ["registry.example.org/carnet:1", "registry.example.org/carnet@sha256:00", "carnet:2"] {
            assert_eq!(some.image("placement.image", good), Ok(()), "{good}");
        }
        for bad in
            ["registry.example.org/carnet-x:1", "carnet:3", "carnet:2-x", "registry:5000/other", "registry/other"]
        {
            let error = some.image("placement.image", bad).unwrap_err();
            assert!(error.starts_with("placement.image: "), "{error}");
        }
    }

    #[test]
    fn rejects_lists_that_allow_what_nobody_can_name() {
        let mut mistakes = Vec::new();
        let folders = |folder: &str| Some(vec!["/ok".to_owned(), folder.to_owned()]);
        let config = AllowConfig {
            images: vec![String::new()],
            socket_directories: folders("run"),
            kubelet_directories: folders("/a/../b"),
        };
        config.check(&mut mistakes);
        let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["allow.images[0]", "allow.socket_directories[1]", "allow.kubelet_directories[1]"]);
    }
}
