//! Whether what is written lands where it will be looked for.
//!
//! A file that was deleted, replaced or overwritten goes on taking writes from whoever has it open: SQLite neither looks at its name
//! again nor reads back what it has in its cache ("How To Corrupt An SQLite Database File", 2.4 "Unlinking or renaming a database
//! file while in use"). An audit row in such a file is lost when the process ends.

use std::{
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::connection::Sqlite;
use crate::{
    StoreError,
    sql::{Head, corrupt},
};

/// Looks at the database as whoever opens it next will.
#[derive(Debug)]
pub(super) struct Witness {
    /// The file and its log, by what the kernel calls them.
    files: Vec<(PathBuf, (u64, u64))>,
    /// With a cache of its own, which each commit of another connection empties.
    reader: Sqlite,
}

impl Witness {
    /// Remembers which files are there. The writer has them open already.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let reader = Sqlite::open_reader(path)?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let names = [path.to_owned(), log.into()];
        let files = names.into_iter().filter_map(|name| fs::metadata(&name).ok().map(|found| (name, inode(&found))));
        Ok(Self { files: files.collect(), reader })
    }

    /// Does not wait for locks of others.
    #[cfg(test)]
    pub(super) fn without_patience(&self) {
        self.reader.run("PRAGMA busy_timeout = 0", &[]).unwrap();
    }

    /// Whether the names still lead to the files that are written. A file that was moved back is as good as before.
    pub(super) fn in_place(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.files {
            let what = match fs::metadata(path) {
                Ok(found) if inode(&found) == *opened => continue,
                Ok(_) => "another file has taken its place".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "it was deleted or moved".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(StoreError::Unusable {
                what: format!("write {}: {what} while it was in use", path.display()),
                hint: "nothing is written until it is back in its place; to restore a backup, stop every carnet that uses the \
                       file first"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Whether the head that the writer has written is the one in the file. The head of another process may be later.
    ///
    /// # Errors
    /// Those of [`Sqlite::read_back`], and [`StoreError::Corrupt`] when it is another.
    pub(super) fn agrees(&self, written: &Head) -> Result<(), StoreError> {
        let found = self.reader.read_back()?;
        let same = written.hash == found.hash && written.revision == found.revision;
        if found.seq > written.seq || (found.seq == written.seq && same) {
            return Ok(());
        }
        Err(corrupt("what was written is not what is in the file: it was overwritten while it was in use"))
    }
}

fn inode(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
