//! Target paths: where the kubelet wants a volume. Nothing is looked at here but the words.

use std::path::{Path, PathBuf};

/// Longest path, in bytes: `PATH_MAX` without the zero at its end (limits.h).
const LONGEST: usize = 4095;

/// A path below the kubelet's folder, said without detours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    kubelet: PathBuf,
    folders: Vec<String>,
    name: String,
}

/// Why a path is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with a slash (CSI, NodePublishVolumeRequest: an absolute path).
    #[error("it must be an absolute path")]
    Relative,
    /// It is not below the kubelet's folder.
    #[error("it must be below the kubelet's folder")]
    Outside,
    /// A part of it is empty, `.` or `..`.
    #[error("none of its parts may be empty, `.` or `..`")]
    Detour,
    /// It holds a control character.
    #[error("it may hold no control character")]
    Control,
    /// It is longer than any path.
    #[error("it is longer than the {LONGEST} bytes of a path")]
    Long,
}

impl Target {
    /// Reads a path that the kubelet names, `kubelet` being the folder that it may name paths of: absolute, and without a slash
    /// at its end.
    ///
    /// # Errors
    /// When the path leads, or might lead, anywhere else.
    pub fn below(kubelet: &Path, path: &str) -> Result<Self, TargetError> {
        if path.len() > LONGEST {
            return Err(TargetError::Long);
        }
        if path.contains(char::is_control) {
            return Err(TargetError::Control);
        }
        if !path.starts_with('/') {
            return Err(TargetError::Relative);
        }
        let inside = kubelet.to_str().and_then(|kubelet| path.strip_prefix(kubelet)?.strip_prefix('/'));
        let mut parts = inside.ok_or(TargetError::Outside)?.split('/');
        if parts.clone().any(|part| matches!(part, "" | "." | "..")) {
            return Err(TargetError::Detour);
        }
        let name = parts.next_back().ok_or(TargetError::Outside)?.to_owned();
        Ok(Self { kubelet: kubelet.to_owned(), folders: parts.map(str::to_owned).collect(), name })
    }

    /// The kubelet's folder.
    pub fn kubelet(&self) -> &Path {
        &self.kubelet
    }

    /// The folders from there to the last part.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    /// The last part: the folder that becomes the volume.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.kubelet.join(self.folders.join("/")).join(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KUBELET: &str = "/var/lib/kubelet";

    fn below(path: &str) -> Result<Target, TargetError> {
        Target::below(Path::new(KUBELET), path)
    }

    #[test]
    fn accepts_the_path_that_kubelets_name() {
        let path = "/var/lib/kubelet/pods/c3a32fc0-f186-4974-8579-429dea58ec6d/volumes/kubernetes.io~csi/spiffe/mount";
        let target = below(path).unwrap();
        assert_eq!(target.path(), Path::new(path));
        assert_eq!((target.folders().count(), target.name()), (5, "mount"));
    }

    #[test]
    fn accepts_a_path_right_below_the_folder() {
        assert_eq!(below("/var/lib/kubelet/x").unwrap().path(), Path::new("/var/lib/kubelet/x"));
    }

    #[test]
    fn rejects_a_path_outside_of_the_kubelets_folder() {
        for path in ["/etc/passwd", "/var/lib/kubelet", "/var/lib/kubelet-other/x", "/", "//var/lib/kubelet/x"] {
            assert_eq!(below(path), Err(TargetError::Outside), "{path}");
        }
    }

    #[test]
    fn rejects_detours() {
        for rest in ["../x", "a/../../../../etc", "./a", "a//b", "a/", ".", "..", ""] {
            assert_eq!(below(&format!("{KUBELET}/{rest}")), Err(TargetError::Detour), "{rest}");
        }
    }

    #[test]
    fn rejects_a_relative_path() {
        for path in ["", "pods/x", "var/lib/kubelet/x"] {
            assert_eq!(below(path), Err(TargetError::Relative), "{path}");
        }
    }

    #[test]
    fn rejects_control_characters() {
        for rest in ["a\0b", "a\nb", "a\u{7f}"] {
            assert_eq!(below(&format!("{KUBELET}/{rest}")), Err(TargetError::Control), "{rest:?}");
        }
    }

    #[test]
    fn rejects_a_path_longer_than_paths_are() {
        let longest = format!("{KUBELET}/{}", "a".repeat(LONGEST - KUBELET.len() - 1));
        assert!(below(&longest).is_ok());
        assert_eq!(below(&format!("{longest}a")), Err(TargetError::Long));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_below_the_folder_and_says_the_same(path in "(/var/lib/kubelet)?(/(\\.|\\.\\.|[a-z~.]{0,4}|\\PC{0,3})){0,6}/?") {
            if let Ok(target) = below(&path) {
                let said = target.path();
                prop_assert_eq!(said.to_str(), Some(path.as_str()));
                prop_assert!(path.starts_with("/var/lib/kubelet/"));
                prop_assert!(path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != ".."));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(path in "\\PC{0,80}") {
            prop_assert_eq!(below(&path).is_ok(), path.starts_with("/var/lib/kubelet/") && !path.ends_with('/') && !path.contains("//")
                && !path.split('/').any(|part| part == "." || part == ".."));
        }
    }
}
