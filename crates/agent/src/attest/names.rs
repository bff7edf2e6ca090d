//! Names of users and groups.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::Error;

use super::version::Version;

/// Largest `passwd` or `group` that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Names from `passwd` and `group` (passwd(5), group(5)), and from no other service: a directory service may be slow, and may
/// be told what to answer by others than root of this machine.
///
/// A file is read again once it has changed: every call to the agent asks, and these files change once in months.
#[derive(Debug)]
pub struct Names {
    folder: PathBuf,
    known: Mutex<HashMap<&'static str, (Version, Arc<Table>)>>,
}

impl Names {
    /// Those of this machine.
    pub fn of_this_machine() -> Self {
        Self::at("/etc")
    }

    /// Those in the files `passwd` and `group` of a folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), known: Mutex::default() }
    }

    /// The names of a user (`file` `passwd`) or a group (`group`) by number. The first line that has the number counts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&self, file: &'static str) -> Result<Arc<Table>, Error> {
        let path = self.folder.join(file);
        self.current(file, &path)
            .map_err(|error| Error::configuration(format!("read {}", path.display())).because(error))
    }

    fn current(&self, file: &'static str, path: &Path) -> io::Result<Arc<Table>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Version::of(&std::fs::metadata(path)?);
        if let Some((_, table)) = known.get(file).filter(|(version, _)| *version == found) {
            return Ok(Arc::clone(table));
        }
        let opened = File::open(path)?;
        // Taken before it is read: what is written meanwhile makes another version, which is read the next time.
        let version = Version::of(&opened.metadata()?);
        let mut content = Vec::new();
        opened.take(MAX_FILE.saturating_add(1)).read_to_end(&mut content)?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MAX_FILE} bytes")));
        }
        let table = Arc::new(Table(String::from_utf8_lossy(&content).into_owned()));
        known.insert(file, (version, Arc::clone(&table)));
        Ok(table)
    }
}

/// Lines of `NAME:PASSWORD:NUMBER:…`.
#[derive(Debug)]
pub(super) struct Table(String);

impl Table {
    /// The name with this number.
    pub(super) fn name(&self, number: u32) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let found: u32 = fields.nth(1)?.parse().ok()?;
            (found == number).then_some(name)
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "lays out files of a test")]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_the_number_names_it() {
        let table = Table("# comment\nroot:x:0:0::/:/bin/sh\ntoor:x:0:0\nbroken:x\napi:x:1000:100\n".to_owned());
        assert_eq!(table.name(0), Some("root"));
        assert_eq!(table.name(1000), Some("api"));
        assert_eq!(table.name(1), None);
    }
    #[test]
    fn a_file_that_was_replaced_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::at(folder.path());
        let write = |text: &str| {
            std::fs::write(folder.path().join("new"), text).unwrap();
            std::fs::rename(folder.path().join("new"), folder.path().join("passwd")).unwrap();
        };
        write("api:x:1000:100\n");
        let first = names.read("passwd").unwrap();
        assert_eq!(first.name(1000), Some("api"));
        assert!(Arc::ptr_eq(&first, &names.read("passwd").unwrap()));
        write("web:x:1000:100\n");
        assert_eq!(names.read("passwd").unwrap().name(1000), Some("web"));
    }

    #[test]
    fn a_file_that_is_away_is_told_also_when_it_was_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::at(folder.path());
        std::fs::write(folder.path().join("group"), "api:x:100:\n").unwrap();
        names.read("group").unwrap();
        std::fs::remove_file(folder.path().join("group")).unwrap();
        assert!(names.read("group").unwrap_err().to_string().contains("group"));
    }

    #[test]
    fn rejects_a_file_that_is_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("passwd")).unwrap();
        file.set_len(MAX_FILE + 1).unwrap();
        assert!(Names::at(folder.path()).read("passwd").is_err());
        file.set_len(MAX_FILE).unwrap();
        assert!(Names::at(folder.path()).read("passwd").is_ok());
    }
}
