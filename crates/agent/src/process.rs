//! What the kernel tells of a process, `/proc/PID` (proc(5)).

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::ffi::OsStringExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, openat, readlinkat};

/// Largest file of `/proc/PID` that is read, in bytes. `status` has some 1,500; a line of `cgroup` may be long.
const MAX_FILE: u64 = 64 << 10;

/// Where processes are looked up.
#[derive(Clone, Debug)]
pub struct Processes {
    root: PathBuf,
}

impl Processes {
    /// The processes of this machine, as this process's pid namespace shows them.
    pub fn of_this_machine() -> Self {
        Self::at("/proc")
    }

    /// Those of a folder that looks like `/proc`: another pid namespace's, or a test's.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The process that has this number now.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(&self, pid: i32) -> io::Result<Process> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(self.root.join(pid.to_string()), flags, Mode::empty())?;
        let mut process = Process { directory, started: 0 };
        process.started = process.start_time()?;
        Ok(process)
    }
}

/// One process. What is read belongs to the process that was opened: when it ends, reading fails, also when its number is
/// given to another (the folder is held open).
#[derive(Debug)]
pub struct Process {
    directory: OwnedFd,
    started: u64,
}

/// Under whose rights a process acts: effective ids (`status`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

impl Process {
    /// A file of the process.
    ///
    /// # Errors
    /// When the process has ended, or this process may not look at it.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let opened = openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
        Ok(File::from(opened))
    }

    /// The text of a file of the process. What is not UTF-8 becomes U+FFFD.
    ///
    /// # Errors
    /// As [`Self::open_file`], and when it is larger than anything that belongs there.
    pub fn read(&self, name: &str) -> io::Result<String> {
        // These files have no length that could be asked for; without room to begin with they are read in small pieces.
        let mut bytes = Vec::with_capacity(4096);
        self.open_file(name)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(invalid(format!("{name} of the process is larger than {MAX_FILE} bytes")));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where a link of the process leads.
    ///
    /// # Errors
    /// As [`Self::open_file`].
    pub fn link(&self, name: &str) -> io::Result<PathBuf> {
        let target = readlinkat(&self.directory, name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Under whose rights it acts now.
    ///
    /// # Errors
    /// As [`Self::open_file`], and when `status` has no such lines.
    pub fn credentials(&self) -> io::Result<Credentials> {
        let status = self.read("status")?;
        credentials(&status).ok_or_else(|| invalid("status of the process names no user and group"))
    }

    /// Whether it is still the process that was opened, and has not ended.
    pub fn is_same(&self) -> bool {
        self.start_time().is_ok_and(|started| started == self.started)
    }

    /// When it was started, in clock ticks since boot: field 22 of `stat` (proc_pid_stat(5)).
    fn start_time(&self) -> io::Result<u64> {
        let stat = self.read("stat")?;
        start_time(&stat).ok_or_else(|| invalid("stat of the process names no start time"))
    }
}

/// Whether two paths lead to one file, whatever the names.
pub(crate) fn is_same_file(file: &File, path: &Path) -> bool {
    let Ok(found) = rustix::fs::stat(path) else { return false };
    rustix::fs::fstat(file).is_ok_and(|opened| (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino))
}

/// The command's name is the second field and may hold anything, blanks and brackets too, so the count begins behind the last
/// closing bracket.
fn start_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn credentials(status: &str) -> Option<Credentials> {
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    // Real, effective, saved, of the file system.
    let effective = |name: &str| line(name)?.split_ascii_whitespace().nth(1)?.parse().ok();
    let groups = line("Groups")?.split_ascii_whitespace().map(|id| id.parse().ok()).collect::<Option<_>>()?;
    Some(Credentials { uid: effective("Uid")?, gid: effective("Gid")?, groups })
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_brackets_does_not_move_the_start_time() {
        let stat = "7 (a) 1 (b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 424242 1 2 3";
        assert_eq!(start_time(stat), Some(424_242));
        assert_eq!(start_time("7 (a) S 1"), None);
    }

    #[test]
    fn the_effective_ids_count() {
        let status = "Name:\tx\nUid:\t1000\t1001\t1002\t1003\nGid:\t100\t101\t102\t103\nGroups:\t4 24 \n";
        let wanted = Credentials { uid: 1001, gid: 101, groups: vec![4, 24] };
        assert_eq!(credentials(status), Some(wanted));
        assert_eq!(credentials(&status.replace("Groups:\t4 24 ", "Groups:\t")).map(|ids| ids.groups), Some(vec![]));
        assert_eq!(credentials("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_found_and_stays_the_same() {
        let pid = std::process::id().try_into().unwrap();
        let process = Processes::of_this_machine().open(pid).unwrap();
        assert!(process.is_same());
        assert_eq!(process.credentials().unwrap().uid, rustix::process::geteuid().as_raw());
        assert_eq!(process.link("exe").unwrap(), std::env::current_exe().unwrap());
    }

    #[test]
    fn a_number_that_no_process_has_is_an_error() {
        assert!(Processes::of_this_machine().open(i32::MAX).is_err());
    }
}
