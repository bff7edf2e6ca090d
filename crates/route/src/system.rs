//! The world of a real process.

use std::{process::Stdio, sync::Arc};

use carnet_core::{
    BoxFuture, Command, CommandOutput, Commands, Context, Error, HttpSend, SecretBytes, SystemClock, SystemEnvironment,
    SystemFiles, SystemRandom,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command as Process},
    time::timeout,
};

/// The system's clock, randomness, environment, files and programs. The HTTP client is the caller's: `carnet_net` has
/// one, with its guard.
pub fn context(http: Arc<dyn HttpSend>) -> Context {
    Context {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        http,
        environment: Arc::new(SystemEnvironment),
        files: Arc::new(SystemFiles),
        commands: Arc::new(SystemCommands),
    }
}

/// Runs programs without a shell.
///
/// The program gets the whole environment of this process plus the command's variables, an empty standard input and a
/// process group of its own. When its time is up, when it prints more than allowed, or when the caller gives up, the
/// whole group is killed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemCommands;

impl Commands for SystemCommands {
    fn run(&self, command: Command) -> BoxFuture<'_, Result<CommandOutput, Error>> {
        Box::pin(run(command))
    }
}

async fn run(command: Command) -> Result<CommandOutput, Error> {
    let (program, arguments) = command
        .argv
        .split_first()
        .filter(|(program, _)| !program.is_empty())
        .ok_or_else(|| Error::configuration("run a command that has no program"))?;
    let child = Process::new(program)
        .args(arguments)
        .envs(command.environment.iter().map(|(name, value)| (name, value.expose())))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| cannot_start(program, error))?;
    let mut group = Group::new(child);
    let Some((stdout, stderr)) = group.child.stdout.take().zip(group.child.stderr.take()) else {
        return Err(Error::internal(format!("read the output of {program}")));
    };
    let work = async {
        let (stdout, stderr) =
            tokio::try_join!(read(stdout, command.max_output, program), read(stderr, command.max_output, program))?;
        let status = group.child.wait().await;
        let status = status.map_err(|error| Error::internal(format!("wait for {program}")).because(error))?;
        Ok(CommandOutput { status: status.code(), stdout, stderr })
    };
    match timeout(command.timeout, work).await {
        Ok(outcome) => outcome.inspect(|_| group.ended()),
        Err(_elapsed) => {
            Err(Error::unreachable(format!("wait for {program}: it ran for more than {:?}", command.timeout))
                .hint("run it by hand to see what it waits for; its standard input is empty"))
        }
    }
}

async fn read(mut stream: impl AsyncRead + Unpin, most: usize, program: &str) -> Result<SecretBytes, Error> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let outcome = (&mut stream).take(limit).read_to_end(&mut bytes).await;
    // Wrapped before anything can fail, so that it is wiped in any case.
    let bytes = SecretBytes::new(bytes);
    outcome.map_err(|error| Error::unreachable(format!("read the output of {program}")).because(error))?;
    if bytes.len() > most {
        return Err(Error::unreachable(format!("read the output of {program}: it is more than {most} bytes"))
            .hint("the program must print the token and nothing else"));
    }
    Ok(bytes)
}

/// A child and whatever it started. Killed when dropped before its end was seen.
struct Group {
    child: Child,
    pid: Option<Pid>,
}

impl Group {
    fn new(child: Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, pid }
    }

    /// The leader has been waited for, so its number may belong to somebody else from now on.
    fn ended(&mut self) {
        self.pid = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // It may have ended by itself in the meantime, and its number is ours until it has been waited for.
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

fn cannot_start(program: &str, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => "check the spelling, or write the whole path; no shell is involved",
        std::io::ErrorKind::PermissionDenied => "make the file executable for this user",
        _ => "run it by hand to see what is wrong",
    };
    Error::configuration(format!("start {program}")).because(error).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use carnet_core::{ErrorKind, Secret};

    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            environment: vec![("TOKEN".to_owned(), Secret::new("s3cr3t"))],
            timeout: Duration::from_secs(20),
            max_output: 1000,
        }
    }

    #[tokio::test]
    async fn output_status_and_variables_pass() {
        let output = SystemCommands.run(shell("printf %s \"$TOKEN\"; echo no >&2; exit 3")).await.unwrap();
        assert_eq!(output.status, Some(3));
        assert_eq!(output.stdout.expose(), b"s3cr3t");
        assert_eq!(output.stderr.expose(), b"no\n");
    }

    #[tokio::test]
    async fn standard_input_is_empty() {
        let output = SystemCommands.run(shell("cat; echo end")).await.unwrap();
        assert_eq!(output.stdout.expose(), b"end\n");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up_on() {
        let mut command = shell("sleep 600");
        command.timeout = Duration::from_millis(50);
        let error = SystemCommands.run(command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains("more than 50ms"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_never_stops_printing_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        SystemCommands.run(shell(&format!("mkfifo {}", pipe.display()))).await.unwrap();
        // The reader sees the end of the pipe when the last that holds it open, a child of the program, is gone.
        let reader = {
            let pipe = pipe.clone();
            tokio::task::spawn_blocking(move || std::fs::read(pipe).unwrap())
        };
        let script = format!("exec 3>{}; sleep 600 & yes", pipe.display());
        let error = SystemCommands.run(shell(&script)).await.unwrap_err();
        assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
        assert!(reader.await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let command = Command { argv: vec!["/no/such/program".to_owned()], ..shell("") };
        let error = SystemCommands.run(command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(error.to_string(), "start /no/such/program");
    }

    #[tokio::test]
    async fn no_program_is_refused() {
        let command = Command { argv: vec![], ..shell("") };
        assert_eq!(SystemCommands.run(command).await.unwrap_err().kind(), ErrorKind::Configuration);
    }
}
