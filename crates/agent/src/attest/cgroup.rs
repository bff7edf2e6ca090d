//! Control groups: which unit and which container a process is in (cgroups(7)).
//!
//! Names in the path may be chosen by whoever was given a subtree: below `user.slice` by any user, inside a container by
//! its processes. So the outermost name that means something counts, and nothing below `user.slice` is a container.

use std::collections::BTreeSet;

use carnet_core::Error;

use super::Caller;

/// Length of a container's ID in all of these runtimes: SHA-256 in lower-case hexadecimal.
const ID_LENGTH: usize = 64;

/// Paths of control groups of one process, one for each hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroups(Vec<String>);

/// A container, as the path of its control group names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ContainerId {
    /// 64 lower-case hexadecimal digits.
    pub(super) id: String,
    /// `docker`, `podman`, `containerd` or `cri-o`, if the path says so.
    pub(super) runtime: Option<&'static str>,
    /// The pod, if the path names one.
    pub(super) pod_uid: Option<String>,
}

impl Cgroups {
    pub(super) fn of(caller: &Caller) -> Result<Self, Error> {
        let failed = || Error::not_here(format!("read the control groups of process {}", caller.pid));
        let text = caller.process().read("cgroup").map_err(|error| failed().because(error))?;
        Ok(Self::parse(&text))
    }

    /// Lines of `HIERARCHY:CONTROLLERS:PATH`. The path may hold colons.
    fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(|line| Some(line.splitn(3, ':').nth(2)?.to_owned())).collect())
    }

    /// The unit of the system's manager: the outermost name that is no slice, when it is a service or a scope. A user's
    /// own units are below the service of that user's manager (`user@1000.service`) and do not count: users name them.
    pub(super) fn unit(&self) -> Option<&str> {
        self.0.iter().find_map(|path| {
            // `/..` means that this process looks from inside a group of its own: what is outermost cannot be seen.
            let mut names = path.split('/').filter(|name| !name.is_empty());
            let name = names.find(|name| !is_slice(name))?;
            // The manager puts "_" before names that would mean something else to the kernel (systemd.unit(5)).
            let name = name.strip_prefix('_').unwrap_or(name);
            (is_unit(name, ".service") || is_unit(name, ".scope")).then_some(name)
        })
    }

    /// The container.
    ///
    /// # Errors
    /// When two hierarchies name different ones.
    pub(super) fn container(&self) -> Result<Option<ContainerId>, Error> {
        let found: BTreeSet<ContainerId> = self.0.iter().filter_map(|path| container(path)).collect();
        let ids: BTreeSet<&str> = found.iter().map(|one| one.id.as_str()).collect();
        let pods: BTreeSet<&str> = found.iter().filter_map(|one| one.pod_uid.as_deref()).collect();
        if ids.len() > 1 || pods.len() > 1 {
            return Err(Error::refused("find the container of a process: its control groups name different ones"));
        }
        // The one that says most.
        Ok(found.into_iter().max_by_key(|one| (one.pod_uid.is_some(), one.runtime.is_some())))
    }
}

fn container(path: &str) -> Option<ContainerId> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != "..").collect();
    let mut pod_uid = None;
    let mut parent = "";
    for name in names {
        if name == "user.slice" {
            return None;
        }
        // containerd without the systemd driver writes `SLICE:RUNTIME:ID` into one name.
        for part in name.split(':') {
            pod_uid = pod_uid.or_else(|| pod(part));
        }
        if let Some((id, prefix)) = id(name) {
            return Some(ContainerId { id: id.to_owned(), runtime: runtime(prefix, parent), pod_uid });
        }
        parent = name;
    }
    None
}

/// The ID at the end of a name, and what stands before it.
fn id(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = name.split_at_checked(name.len().checked_sub(ID_LENGTH)?)?;
    let is_id = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // The process that watches a container (conmon) is not in it.
    let is_container = (prefix.is_empty() || prefix.ends_with(['-', ':'])) && !prefix.ends_with("conmon-");
    (is_id && is_container).then_some((id, prefix))
}

fn runtime(prefix: &str, parent: &str) -> Option<&'static str> {
    let name = prefix.trim_end_matches(['-', ':']).rsplit(':').next().unwrap_or_default();
    match (name, parent) {
        ("docker", _) | ("", "docker") => Some("docker"),
        ("libpod", _) | ("", "libpod_parent" | "machine.slice") => Some("podman"),
        ("cri-containerd" | "nerdctl" | "containerd", _) => Some("containerd"),
        ("crio", _) => Some("cri-o"),
        _ => None,
    }
}

/// The UID of a pod in a name: `pod` and a UUID, in which systemd's names have `_` for `-`.
fn pod(name: &str) -> Option<String> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let (before, uid) = name.rsplit_once("pod")?;
    let uid = uid.replace('_', "-");
    let groups: Vec<usize> = uid.split('-').map(str::len).collect();
    let is_uuid = groups == [8, 4, 4, 4, 12] && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    // Static pods have the digest of their file instead (the kubelet's `config.hash`).
    let is_static = uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit());
    ((is_uuid || is_static) && (before.is_empty() || before.ends_with('-'))).then_some(uid)
}

fn is_slice(name: &str) -> bool {
    is_unit(name, ".slice")
}

fn is_unit(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961";
    const OTHER: &str = "0bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961";
    const POD: &str = "2c48913c-b29f-11e7-9350-020968147796";

    fn cgroups(paths: &[&str]) -> Cgroups {
        let line = |path: &&str| format!("0::{}\n", path.replace("ID", ID).replace("POD", POD));
        Cgroups::parse(&paths.iter().map(line).collect::<String>())
    }

    fn found(path: &str) -> Option<(Option<&'static str>, Option<String>)> {
        cgroups(&[path]).container().unwrap().map(|one| {
            assert_eq!(one.id, ID);
            (one.runtime, one.pod_uid)
        })
    }

    #[test]
    fn containers_are_found_where_each_runtime_puts_them() {
        let pod = || Some(POD.to_owned());
        let underscored = POD.replace('-', "_");
        for (path, runtime, uid) in [
            ("/docker/ID", Some("docker"), None),
            ("/system.slice/docker-ID.scope", Some("docker"), None),
            ("/machine.slice/libpod-ID.scope", Some("podman"), None),
            ("/machine.slice/libpod-ID.scope/container", Some("podman"), None),
            ("/libpod_parent/libpod-ID", Some("podman"), None),
            ("/system.slice/nerdctl-ID.scope", Some("containerd"), None),
            ("/kubepods/besteffort/podPOD/ID", None, pod()),
            ("/kubepods.slice/kubepods-podPOD.slice/cri-containerd-ID.scope", Some("containerd"), pod()),
            ("/kubepods.slice/kubepods-podPOD.slice/crio-ID.scope", Some("cri-o"), pod()),
            ("/system.slice/containerd.service/kubepods-podPOD.slice:cri-containerd:ID", Some("containerd"), pod()),
            ("/../../kubepods-besteffort-podPOD.slice/cri-containerd-ID.scope", Some("containerd"), pod()),
        ] {
            assert_eq!(found(path), Some((runtime, uid.clone())), "{path}");
            if path.contains(".slice/") {
                let path = path.replace("podPOD.slice", &format!("pod{underscored}.slice"));
                assert_eq!(found(&path), Some((runtime, uid)), "{path}");
            }
        }
    }

    #[test]
    fn what_a_user_names_is_no_container() {
        for path in [
            "/user.slice/user-1000.slice/user@1000.service/docker-ID.scope",
            "/machine.slice/libpod-conmon-ID.scope",
            "/system.slice/api.service",
            "/docker/short",
            "/",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        let upper = cgroups(&[&format!("/docker/{}", ID.to_uppercase())]);
        assert_eq!(upper.container().unwrap(), None);
    }

    #[test]
    fn the_outermost_container_counts() {
        let nested = cgroups(&[&format!("/docker/ID/docker/{OTHER}")]);
        assert_eq!(nested.container().unwrap().unwrap().id, ID);
    }

    #[test]
    fn rejects_hierarchies_that_name_different_containers() {
        let error = cgroups(&["/docker/ID", &format!("/docker/{OTHER}")]).container().unwrap_err();
        assert!(error.to_string().contains("different"), "{error}");
        assert!(cgroups(&["/docker/ID", "/docker/ID", "/"]).container().is_ok());
    }

    #[test]
    fn the_unit_is_the_system_managers() {
        for (path, unit) in [
            ("/system.slice/api.service", Some("api.service")),
            ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
            ("/system.slice/api.service/evil.service", Some("api.service")),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/api.service", Some("user@1000.service")),
            ("/user.slice/user-1000.slice/session-2.scope", Some("session-2.scope")),
            ("/system.slice/_cpu.service", Some("cpu.service")),
            ("/docker/ID", None),
            ("/../../system.slice/api.service", None),
            ("/.service", None),
            ("/", None),
        ] {
            assert_eq!(cgroups(&[path]).unit(), unit, "{path}");
        }
    }
}
