//! A workload with an open stream of X509-SVIDs.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command},
};

use serde_json::Value;

use crate::{authority::scene::spawn, harness::python};

pub(crate) struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
    errors: std::path::PathBuf,
}

impl Watch {
    /// Opens the stream. What the program complains of goes to this folder.
    pub(crate) fn open(socket: &str, folder: &Path) -> Self {
        let errors = folder.join("watch.log");
        let mut command: Command = python("spiffe_watch.py");
        let (child, stdout) = spawn(command.env("SPIFFE_ENDPOINT_SOCKET", socket), &errors);
        Self { child, lines: BufReader::new(stdout), errors }
    }

    /// The next message, or how the stream ended.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("read what the workload saw");
        let log = || std::fs::read_to_string(&self.errors).unwrap_or_default();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}\n{}", log()))
    }

    /// The identities of the next message.
    pub(crate) fn ids(&mut self) -> Vec<String> {
        let message = self.next();
        let ids = message["ids"].as_array().unwrap_or_else(|| panic!("the stream ended: {message}"));
        ids.iter().map(|id| id.as_str().expect("text").to_owned()).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
