//! Mounts of this machine.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    thread,
};

use nix::sched::{CloneFlags, unshare};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_bind, mount_change,
        mount_remount, move_mount, open_tree, unmount,
    },
};

use super::{FolderId, Mounted, Mounts, mount_id, mount_options};
use crate::Place;

/// Where a thread finds its own mounts and open files. A thread may be in another mount namespace than its process.
const THREAD: &str = "/proc/thread-self";

/// What a mount for pods must have: nothing can be written, executed or used as a device through it.
const LOCKED: [&str; 4] = ["ro", "nosuid", "nodev", "noexec"];

/// Asks the kernel. It wants `CAP_SYS_ADMIN` and Linux 5.2.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelMounts;

impl Mounts for KernelMounts {
    fn rehearse(&self, folder: &Path) -> io::Result<()> {
        locked_tree(folder).map(drop)
    }

    fn at(&self, place: &Place) -> io::Result<Option<Mounted>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(place.parent(), place.name(), flags, Mode::empty()) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let id = mount_of(&found)?;
        if id == mount_of(place.parent())? {
            return Ok(None);
        }
        let mounts = fs::read(format!("{THREAD}/mountinfo"))?;
        let mounts = String::from_utf8_lossy(&mounts);
        let (options, shared) = mount_options(&mounts, id).ok_or_else(|| unreadable("mountinfo"))?;
        let locked = LOCKED.iter().all(|option| options.contains(option));
        let shows = File::from(found).metadata().ok();
        let shows = shows.map(|found| FolderId { device: found.dev(), inode: found.ino() });
        Ok(Some(Mounted { shows, locked, shared }))
    }

    fn attach(&self, folder: &Path, place: &Place) -> io::Result<()> {
        let tree = locked_tree(folder)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = openat(place.parent(), place.name(), flags, Mode::empty())?;
        let by_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(move_mount(&tree, "", &target, "", by_descriptor)?)
    }

    fn detach(&self, place: &Place) -> io::Result<()> {
        // By the name in the folder that is held: a descriptor of the mount itself would keep it busy. There is nothing to be
        // written back, so nobody has to be waited for.
        let path = format!("{THREAD}/fd/{}/{}", place.parent().as_raw_fd(), place.name());
        Ok(unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?)
    }
}

/// The number of the mount that an open file is on.
fn mount_of(file: impl AsFd) -> io::Result<u64> {
    let about = fs::read_to_string(format!("{THREAD}/fdinfo/{}", file.as_fd().as_raw_fd()))?;
    mount_id(&about).ok_or_else(|| unreadable("fdinfo"))
}

/// A mount of the folder that is locked and not attached anywhere yet.
///
/// It cannot be attached first and locked then: where the kubelet's folder is shared with the host, the host would get a copy
/// of the mount as it is when it is attached, and nothing that is changed later (mount_namespaces(7)). So it is made ready by a thread in a mount
/// namespace of its own, which ends with the thread.
fn locked_tree(folder: &Path) -> io::Result<OwnedFd> {
    let folder = PathBuf::from(folder);
    let made = thread::Builder::new().name("mount".to_owned()).spawn(move || locked_tree_here(&folder))?;
    made.join().unwrap_or_else(|_panic| Err(io::Error::other("the thread that prepares mounts has failed")))
}

/// Leaves the mount namespace of the process, so it must be called in a thread that ends with it.
fn locked_tree_here(folder: &Path) -> io::Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount_bind(folder, folder)?;
    let locked = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_remount(folder, locked, "")?;
    Ok(open_tree(CWD, folder, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?)
}

fn unreadable(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} does not say what it should of a mount"))
}
