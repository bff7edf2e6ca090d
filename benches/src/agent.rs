//! An authority with its agent in one process: named by `CARNET_BIN`, or the release binary.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must stop")]
#![expect(clippy::disallowed_methods, reason = "it starts a program")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// One that serves, with an entry for this user. It ends when it is dropped.
#[derive(Debug)]
pub struct Agent {
    process: Child,
    /// Where its Workload API is.
    pub socket: String,
}

impl Agent {
    /// Starts one that keeps what it has in this folder.
    ///
    /// # Panics
    /// When there is no program, or it does not say that it serves.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches lies in the root");
        let binary = env::var_os("CARNET_BIN").map_or_else(|| root.join("target/release/carnet"), Into::into);
        let mut process = Command::new(binary)
            .args(["--output", "json", "authority", "--dev", "--with-agent", "--stop-with-stdin", "--folder"])
            .arg(folder.join("authority"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the release binary; CARNET_BIN names another");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("the line by which it says that it serves");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let socket = ready.get("socket").and_then(Value::as_str).expect("its socket").to_owned();
        Self { process, socket }
    }

    /// Microseconds of processor time so far, in steps of a tick (10 ms): `utime` and `stime` (proc_pid_stat(5)).
    ///
    /// # Panics
    /// When the process has ended.
    pub fn spent(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the process lives");
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("ticks"));
        ticks.sum::<f64>() * 1e6 / TICKS
    }
}

/// Ticks of a second: the same on every Linux that Rust runs on (`USER_HZ`, time(7)).
const TICKS: f64 = 100.0;

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait(); // Nobody is left whom its end could tell anything.
    }
}
