//! A mount namespace for a test.

use std::{
    fs, panic,
    path::{Path, PathBuf},
    thread,
};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

/// Runs a test in a thread with a mount namespace of its own and a folder that is removed at the end. Whatever it mounts goes with
/// the thread. It fails where that is not permitted.
pub(crate) fn in_a_namespace(test: impl AsyncFnOnce(PathBuf) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS)
            .expect("these tests mount: run them as root, where mount namespaces are permitted");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(path));
    });
    if let Err(failed) = thread.join() {
        panic::resume_unwind(failed);
    }
}

/// Makes a folder a mount of its own that is shared, and shows it at another path too: what is mounted at one is then seen at the
/// other, as a kubelet's folder is by a driver in a container and by the host.
pub(crate) fn share(folder: &Path, elsewhere: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::create_dir_all(elsewhere).unwrap();
    mount_bind(folder, folder).unwrap();
    mount_change(folder, MountPropagationFlags::SHARED).unwrap();
    mount_bind(folder, elsewhere).unwrap();
}

/// The options of every mount at a path in this thread's namespace, the uppermost last.
pub(crate) fn mounts_at(path: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.filter(|fields| Path::new(fields[4]) == path).map(|fields| fields[5].to_owned()).collect()
}

/// How many mounts there are in this thread's namespace.
pub(crate) fn mounts() -> usize {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap().lines().count()
}
