//! What the kernel is asked about mounts.

mod info;
mod kernel;

use std::{fmt, io, os::unix::fs::MetadataExt as _, path::Path};

pub use info::{mount_id, mount_options};
pub use kernel::KernelMounts;

use crate::Place;

/// Which folder it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderId {
    /// The file system's device (`st_dev`).
    pub device: u64,
    /// The folder's number there (`st_ino`).
    pub inode: u64,
}

impl FolderId {
    /// The folder at a path now. Symbolic links are followed.
    ///
    /// # Errors
    /// When there is nothing, or something that is no folder.
    pub fn at(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

/// A mount at a place: the uppermost, where several lie on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// What it shows; nothing when that cannot be looked at any more.
    pub shows: Option<FolderId>,
    /// Whether it is read-only, without devices, set-user-ID and execution: all four.
    pub locked: bool,
    /// Whether it is seen elsewhere too: in other mount namespaces, the host's for instance (mount_namespaces(7), shared).
    pub shared: bool,
}

/// What the kernel is asked. The one that asks is [`KernelMounts`]; tests that look at refusals have others.
pub trait Mounts: fmt::Debug + Send + Sync {
    /// Tries what [`Mounts::attach`] does up to the last step, which is left out: nothing remains.
    ///
    /// # Errors
    /// When this process may not mount, or the kernel is too old.
    fn rehearse(&self, folder: &Path) -> io::Result<()>;

    /// What is mounted at a place, if anything is.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn at(&self, place: &Place) -> io::Result<Option<Mounted>>;

    /// Shows a folder at a place where a folder is: read-only, without devices, set-user-ID and execution from its first moment on,
    /// and also wherever else the mount is seen.
    ///
    /// # Errors
    /// When it does not succeed. Then nothing has changed.
    fn attach(&self, folder: &Path, place: &Place) -> io::Result<()>;

    /// Takes away the uppermost mount at a place. Whoever still looks into it keeps it, and nobody else finds it any more.
    ///
    /// # Errors
    /// When there is none, or the system refuses.
    fn detach(&self, place: &Place) -> io::Result<()>;
}
