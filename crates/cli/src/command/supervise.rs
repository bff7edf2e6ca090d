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

/// What came of getting ready.
pub(super) enum Ready<T> {
    /// It is done.
    Done(T),
    /// A signal ended it; the exit code for that.
    Ended(u8),
}

/// Gets ready for a child. A signal ends this as it would end the process, but for what is dropped on the way out: there
/// may be a folder with keys to remove by now.
pub(super) async fn prepare<T>(
    signals: &mut Signals,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<Ready<T>, Error> {
    tokio::select! {
        done = work => done.map(Ready::Done),
        (signal, _) = signals.any() => Ok(Ready::Ended(code_of(signal.as_raw()))),
    }
}

/// Starts `command` without the variables `unset` and with those of `environment` added, passes signals on, and returns its exit code (128 plus the signal's
/// number when a signal ended it, as shells do).
pub(super) async fn child(
    command: &[String],
    unset: &[String],
    environment: &[(String, Secret)],
    signals: &mut Signals,
    terminal: Terminal,
) -> Result<u8, Error> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::configuration("run a command: none was given"));
    };
    let mut child = tokio::process::Command::new(program);
    child.args(arguments).kill_on_drop(true);
    for name in unset {
        child.env_remove(name);
    }
    for (name, value) in environment {
        child.env(name, value.expose());
    }
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            let what = Error::configuration(format!("run {program}")).because(error);
            terminal.fail(&what.hint("name a program that this user may run, by its path or found in PATH"));
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
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => code_of(signal),
        (None, None) => 1,
    }
}

/// The exit code for an end by this signal.
fn code_of(signal: i32) -> u8 {
    u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)
}

/// The signals that a child must get from us.
pub(super) struct Signals {
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
    /// Takes them over. To be done before anything is written that must not outlive the process: a signal that nobody
    /// listens for ends it on the spot.
    pub(super) fn listen() -> Result<Self, Error> {
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
            let (signal, by_terminal) = self.any().await;
            if !(by_terminal && self.from_terminal) {
                return signal;
            }
        }
    }

    /// The next signal, and whether the terminal sends such a one to the child as well.
    async fn any(&mut self) -> (Signal, bool) {
        tokio::select! {
            _ = self.hangup.recv() => (Signal::HUP, false),
            _ = self.interrupt.recv() => (Signal::INT, true),
            _ = self.quit.recv() => (Signal::QUIT, true),
            _ = self.terminate.recv() => (Signal::TERM, false),
            _ = self.user_1.recv() => (Signal::USR1, false),
            _ = self.user_2.recv() => (Signal::USR2, false),
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

    #[tokio::test]
    async fn a_signal_while_getting_ready_ends_it_and_drops_what_was_made() {
        let folder = std::sync::Arc::new("a folder that is removed when it is dropped");
        let made = std::sync::Arc::clone(&folder);
        let mut signals = Signals::listen().unwrap();
        let work = async move {
            kill_process(rustix::process::getpid(), Signal::USR1).unwrap();
            std::future::pending::<()>().await;
            drop(made);
            Ok(())
        };
        let ready = prepare(&mut signals, work).await.unwrap();
        assert!(matches!(ready, Ready::Ended(138)));
        assert_eq!(std::sync::Arc::strong_count(&folder), 1);
    }
}
