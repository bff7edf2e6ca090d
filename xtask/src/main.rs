//! Checks that no compiler makes, and the files that are generated from the code.
//!
//! `cargo xtask test` installs what the tests need and runs every check; `cargo xtask setup` only installs.
//! `cargo xtask layers` reads `cargo metadata` and fails when a crate depends on one it must not see.
//! `cargo xtask words` fails when a source file breaks a rule of the house that is a matter of text.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers speaks on the terminal")]

mod layers;
mod test;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let outcome = match args.next().as_deref() {
        Some("layers") => layers::check(),
        Some("words") => words::check(),
        Some("setup") => test::setup(),
        Some("test") => test::test(),
        other => Err(anyhow::anyhow!(
            "no such task: {}; there are `test`, `setup`, `layers` and `words`",
            other.unwrap_or("(none)")
        )),
    };
    match outcome {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
