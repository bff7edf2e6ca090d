//! Checks that no compiler makes, and the files that are generated from the code.
//!
//! `cargo xtask test` installs what the tests need and runs every check; `cargo xtask setup` only installs.
//! `cargo xtask layers` reads `cargo metadata` and fails when a crate depends on one it must not see.
//! `cargo xtask docs` writes the generated parts of the manual, `cargo xtask docs --check` fails when one has drifted, a link
//! is broken or an example does not work.
//! `cargo xtask matrix` writes the page of what the end-to-end tests have proven, `cargo xtask matrix --check` fails when they
//! have proven something else.
//! `cargo xtask codegen` writes the gRPC code from the `.proto` files, `cargo xtask codegen --check` fails when it has drifted.
//! `cargo xtask unused` fails when a dependency is named and not used.
//! `cargo xtask words` fails when a source file breaks a rule of the house that is a matter of text.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers speaks on the terminal")]

mod codegen;
mod docs;
mod layers;
mod packages;
mod test;
mod unused;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let outcome = match args.next().as_deref() {
        Some("docs") => match args.next().as_deref() {
            None => docs::write(),
            Some("--check") => docs::check(),
            Some(other) => Err(anyhow::anyhow!("no such option: {other}; there is `--check`")),
        },
        Some("codegen") => match args.next().as_deref() {
            None => codegen::write(),
            Some("--check") => codegen::check(),
            Some(other) => Err(anyhow::anyhow!("no such option: {other}; there is `--check`")),
        },
        Some("matrix") => match args.next().as_deref() {
            None => docs::matrix::write(),
            Some("--check") => docs::matrix::check(),
            Some(other) => Err(anyhow::anyhow!("no such option: {other}; there is `--check`")),
        },
        Some("layers") => layers::check(),
        Some("unused") => unused::check(),
        Some("words") => words::check(),
        Some("setup") => test::setup(),
        Some("test") => test::test(),
        other => Err(anyhow::anyhow!(
            "no such task: {}; there are `test`, `setup`, `docs`, `matrix`, `codegen`, `layers`, `unused` and `words`",
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
