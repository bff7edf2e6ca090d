//! Who is at the other end of a Unix socket.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use nix::{errno::Errno, sys::socket::sockopt::PeerPidfd};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use tokio::net::UnixStream;

/// The process that connected to a Unix socket, as the kernel wrote it down when it called `connect(2)`: an extension
/// of every request on such a socket.
///
/// | fact | from | since |
/// | --- | --- | --- |
/// | `pid`, `uid`, `gid` | `SO_PEERCRED`: as they were at the time of `connect(2)` (unix(7)) | any Linux |
/// | `pidfd` with `pidfd_is_peer` | `SO_PEERPIDFD`: that very process, whatever becomes of its number | Linux 6.5 |
/// | `pidfd` without it | `pidfd_open(2)` with the number, when the connection was accepted | Linux 5.3 |
///
/// A process number alone names nobody: the process may have ended and the number may be another's by now. Read what is
/// needed from `/proc/PID` first, then ask [`Peer::has_exited`]: as long as the process of the descriptor has not
/// ended, its number was not given away, so what was read is its own. Where `pidfd_is_peer` is false, the number may
/// have changed hands between `connect` and `accept`; then also compare the process's start time (`/proc/PID/stat`,
/// field 22, proc_pid_stat(5)) with the time of the connection, or do not trust more than `uid` and `gid`.
///
/// The peer may have passed the connection to another process (`SCM_RIGHTS`) or to a child: the facts are about the one
/// that connected.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its number in this process's pid namespace; `None` when it has none there.
    pub pid: Option<i32>,
    /// Effective user in this process's user namespace (65534 when it has none there, user_namespaces(7)).
    pub uid: u32,
    /// Effective group, likewise.
    pub gid: u32,
    /// A descriptor for the process (pidfd_open(2)); readable when the process has ended. `None` when the kernel has
    /// none to give: before Linux 5.3, or without a number.
    pub pidfd: Option<Arc<OwnedFd>>,
    /// Whether the kernel says that `pidfd` is the process that connected, and not just whoever has its number now.
    pub pidfd_is_peer: bool,
}

impl Peer {
    /// Who connected.
    ///
    /// # Errors
    /// When the kernel gives no credentials, or the process has ended and nothing can be learnt of it any more.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        // The kernel writes 0 for a process that has no number here (pid_namespaces(7)).
        let pid = credentials.pid().filter(|pid| *pid > 0);
        let (pidfd, pidfd_is_peer) = match nix::sys::socket::getsockopt(stream, PeerPidfd) {
            Ok(pidfd) => (Some(pidfd), true),
            Err(Errno::ENOPROTOOPT) => (open_by_number(pid)?, false),
            // EINVAL and ESRCH: it has ended and was reaped. Whoever has its number now is somebody else.
            Err(error) => return Err(error.into()),
        };
        Ok(Self { pid, uid: credentials.uid(), gid: credentials.gid(), pidfd: pidfd.map(Arc::new), pidfd_is_peer })
    }

    /// Whether the process of `pidfd` has ended, so that its number may be another's. `None` without a `pidfd`, or
    /// when the kernel does not say.
    pub fn has_exited(&self) -> Option<bool> {
        let pidfd = self.pidfd.as_ref()?;
        let mut asked = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        let ready = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).ok()?;
        Some(ready > 0)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid} uid {} gid {}", self.uid, self.gid),
            None => write!(f, "pid unknown uid {} gid {}", self.uid, self.gid),
        }
    }
}

fn open_by_number(pid: Option<i32>) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = pid.and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(rustix::io::Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
