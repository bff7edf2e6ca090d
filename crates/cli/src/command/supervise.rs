//! A child process: its environment, its signals, its exit code.

use std::{
    io::{self, IsTerminal as _},
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
};

use carnet_core::{Error, Secret};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::Terminal;

/// The command exists and cannot be run; as env(1).
const CANNOT_RUN: u8 = 126;
/// The command does not exist; as env(1).
const NOT_FOUND: u8 = 127;

/// Starts `command` with these variables added, passes signals on, and returns its exit code (128 plus the signal's
/// number when a signal ended it, as shells do).
pub(super) async fn child(
    command: &[String],
    environment: &[(String, Secret)],
    terminal: Terminal,
) -> Result<u8, Error> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::configuration("run a command: none was given"));
    };
    // The handlers are set before the child starts, so that no signal falls into the gap.
    let mut signals = Signals::listen()?;
    let mut child = tokio::process::Command::new(program);
    child.args(arguments).kill_on_drop(true);
    for (name, value) in environment {
        child.env(name, value.expose());
    }
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            terminal.fail(&Error::configuration(format!("run {program}")).because(error));
            return Ok(code);
        }
    };
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|error| Error::internal(format!("wait for {program}")).because(error))?;
                return Ok(exit_code(status));
            }
            signal = signals.next() => {
                if let Some(pid) = pid {
                    // The child may have ended in this instant; then there is nobody left to tell.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128))).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    user_1: tokio::signal::unix::Signal,
    user_2: tokio::signal::unix::Signal,
    /// At a terminal the kernel sends interrupt and quit to the child as well; passing them on would double them.
    from_terminal: bool,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(|error| Error::internal("listen for signals").because(error));
        Ok(Self {
            hangup: on(SignalKind::hangup())?,
            interrupt: on(SignalKind::interrupt())?,
            quit: on(SignalKind::quit())?,
            terminate: on(SignalKind::terminate())?,
            user_1: on(SignalKind::user_defined1())?,
            user_2: on(SignalKind::user_defined2())?,
            from_terminal: io::stdin().is_terminal(),
        })
    }

    /// The next signal that the child must get from us.
    async fn next(&mut self) -> Signal {
        loop {
            let (signal, by_terminal) = tokio::select! {
                _ = self.hangup.recv() => (Signal::HUP, false),
                _ = self.interrupt.recv() => (Signal::INT, true),
                _ = self.quit.recv() => (Signal::QUIT, true),
                _ = self.terminate.recv() => (Signal::TERM, false),
                _ = self.user_1.recv() => (Signal::USR1, false),
                _ = self.user_2.recv() => (Signal::USR2, false),
            };
            if !(by_terminal && self.from_terminal) {
                return signal;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_becomes_128_and_its_number() {
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
    }
}
