//! A pipe or a device that somebody named, such as a shell's `<(…)`: its writer is waited for, but not for ever.

use std::{
    fs::File,
    io::{self, Read},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a pipe may take until it has delivered everything: commands that print a token answer in seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A reading end, opened without blocking. A read waits for what is written, and fails with `TimedOut` when the patience is
/// over.
pub(super) struct PatientPipe {
    file: File,
    until: Instant,
}

impl PatientPipe {
    pub(super) fn new(file: File, patience: Duration) -> Self {
        Self { file, until: now() + patience }
    }

    /// Waits until there is something to read, or its writers have gone. No writer yet is neither (poll(2), `POLLHUP`).
    fn wait(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl Read for PatientPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait()?;
            match self.file.read(buffer) {
                // Another reader was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a reader without a runtime: the kernel is asked to wait in steady time")]
fn now() -> Instant {
    Instant::now()
}
