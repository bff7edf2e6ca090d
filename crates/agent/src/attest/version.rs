//! Whether a file is still the one that was read.

use std::{fs::Metadata, os::unix::fs::MetadataExt as _};

/// What of a file is another when its content is: the time of the last change (`ctime`) is set by the kernel alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    device: u64,
    inode: u64,
    /// In bytes.
    pub(super) length: u64,
    changed: (i64, i64),
}

impl Version {
    /// That of the file which this was found of.
    pub(super) fn of(found: &Metadata) -> Self {
        let changed = (found.ctime(), found.ctime_nsec());
        Self { device: found.dev(), inode: found.ino(), length: found.len(), changed }
    }
}
