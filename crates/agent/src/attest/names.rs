//! Names of users and groups.

use std::path::PathBuf;

use carnet_core::Error;

/// Largest `passwd` or `group` that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Names from `passwd` and `group` (passwd(5), group(5)), and from no other service: a directory service may be slow, and may
/// be told what to answer by others than root of this machine.
#[derive(Clone, Debug)]
pub struct Names {
    folder: PathBuf,
}

impl Names {
    /// Those of this machine.
    pub fn of_this_machine() -> Self {
        Self::at("/etc")
    }

    /// Those in the files `passwd` and `group` of a folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The names of a user (`file` `passwd`) or a group (`group`) by number. The first line that has the number counts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&self, file: &str) -> Result<Table, Error> {
        let path = self.folder.join(file);
        let failed = || Error::configuration(format!("read {}", path.display()));
        let length = std::fs::metadata(&path).map_err(|error| failed().because(error))?.len();
        if length > MAX_FILE {
            return Err(failed().hint(format!("it is larger than {MAX_FILE} bytes")));
        }
        let text = std::fs::read(&path).map_err(|error| failed().because(error))?;
        Ok(Table(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// Lines of `NAME:PASSWORD:NUMBER:…`.
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
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_the_number_names_it() {
        let table = Table("# comment\nroot:x:0:0::/:/bin/sh\ntoor:x:0:0\nbroken:x\napi:x:1000:100\n".to_owned());
        assert_eq!(table.name(0), Some("root"));
        assert_eq!(table.name(1000), Some("api"));
        assert_eq!(table.name(1), None);
    }
}
