//! Standard output is data, standard error is talk.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use carnet_core::{Error, ErrorKind, chain};
use serde_json::{Value, json};

use crate::args::{Colour, Global, Output};

mod visible;

/// The version of every JSON document that carnet writes. A field may be added without a new version; none is removed
/// or changes its meaning.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Where results and errors go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    json: bool,
    colour: anstream::ColorChoice,
}

impl Terminal {
    pub(crate) fn new(global: &Global) -> Self {
        let colour = match global.color {
            Colour::Auto => anstream::AutoStream::choice(&io::stderr()),
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        };
        Self { json: global.output == Output::Json, colour }
    }

    /// One that writes JSON, before the arguments could be read.
    pub(crate) fn for_programs() -> Self {
        Self { json: true, colour: anstream::ColorChoice::Never }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether talk may have colour.
    pub(crate) fn colours(self) -> bool {
        self.colour != anstream::ColorChoice::Never
    }

    /// Whether a person looks at standard output.
    pub(crate) fn stdout_is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Writes bytes to standard output as they are.
    #[expect(clippy::unused_self, reason = "whoever may write has been given the terminal")]
    pub(crate) fn data(self, bytes: &[u8]) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // A reader that has seen enough, such as head(1), is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Error::configuration("write to standard output").because(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Writes text for people to standard output, with colour if that is wanted.
    pub(crate) fn text(self, text: &str) -> Result<(), Error> {
        let choice = if Self::stdout_is_terminal() || self.colour == anstream::ColorChoice::Always {
            self.colour
        } else {
            anstream::ColorChoice::Never
        };
        let mut plain = anstream::AutoStream::new(Vec::new(), choice);
        // Writing to memory cannot fail.
        drop(plain.write_all(visible::for_people(text).as_bytes()));
        self.data(&plain.into_inner())
    }

    /// Writes one JSON document with its version to standard output.
    pub(crate) fn json(self, mut document: Value) -> Result<(), Error> {
        if let Some(members) = document.as_object_mut() {
            members.insert("version".to_owned(), json!(SCHEMA_VERSION));
        }
        let text =
            serde_json::to_string_pretty(&document).map_err(|error| Error::internal("write JSON").because(error))?;
        let mut text = visible::for_programs(&text);
        text.push('\n');
        self.data(text.as_bytes())
    }

    /// Says something to standard error.
    pub(crate) fn say(self, text: &str) {
        let mut out = anstream::AutoStream::new(io::stderr().lock(), self.colour);
        // When nobody can hear it there is nobody to tell.
        drop(writeln!(out, "{}", visible::for_people(text)));
    }

    /// Tells of something that is no failure yet.
    pub(crate) fn warn(self, step: &str, warning: &str) {
        if self.json {
            self.say(&visible::for_programs(
                &json!({"version": SCHEMA_VERSION, "warning": {"step": step, "message": warning}}).to_string(),
            ));
            return;
        }
        self.say(&format!("{}warning{}: {warning} (step {step})", cyan().render(), cyan().render_reset()));
    }

    /// Tells of a failure.
    pub(crate) fn fail(self, error: &Error) {
        if self.json {
            self.say(&visible::for_programs(
                &json!({"version": SCHEMA_VERSION, "error": error_json(error)}).to_string(),
            ));
            return;
        }
        self.say(&error_text(error));
    }
}

/// An error as JSON: `kind`, `exit_code`, `message`, `causes`, `step`, `clause`, `code`, `hints`.
pub(crate) fn error_json(error: &Error) -> Value {
    let causes: Vec<String> = chain(error).into_iter().skip(1).collect();
    json!({
        "kind": error.kind(),
        "exit_code": error.kind().exit_code(),
        "message": error.to_string(),
        "causes": causes,
        "step": error.step(),
        "clause": error.failed_clause(),
        "code": error.provider_code(),
        "hints": error.hints(),
    })
}

fn error_text(error: &Error) -> String {
    let mut lines = chain(error).into_iter();
    let head = lines.next().unwrap_or_default();
    let step = error.step().map_or(String::new(), |step| format!(" (step {step})"));
    let mut text = format!("{}error{}: {head}{step}", red().render(), red().render_reset());
    for cause in lines {
        text.push_str(&format!("\n  because: {cause}"));
    }
    if let Some(clause) = error.failed_clause() {
        text.push_str(&format!("\n  clause: {clause}"));
    }
    if let Some(code) = error.provider_code() {
        text.push_str(&format!("\n  code: {code}"));
    }
    for hint in error.hints() {
        text.push_str(&format!("\n  {}hint{}: {hint}", cyan().render(), cyan().render_reset()));
    }
    if error.kind() == ErrorKind::Internal {
        text.push_str("\n  this is a mistake in carnet itself; please report it");
    }
    text
}

/// Good.
pub(crate) fn green() -> Style {
    Style::new().fg_color(Some(AnsiColor::Green.into()))
}

/// Bad.
pub(crate) fn red() -> Style {
    Style::new().fg_color(Some(AnsiColor::Red.into())).bold()
}

/// Advice.
pub(crate) fn cyan() -> Style {
    Style::new().fg_color(Some(AnsiColor::Cyan.into()))
}

/// Headings.
pub(crate) fn bold() -> Style {
    Style::new().bold()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_thing_the_clause_and_the_fix() {
        let error = Error::refused("exchange at the pool")
            .because(Error::refused("the audience does not match").clause("audience").code("invalid_grant"))
            .hint("set audience")
            .at_step("gcp");
        let text = anstream::adapter::strip_str(&error_text(&error)).to_string();
        assert_eq!(
            text,
            "error: exchange at the pool (step gcp)\n  because: the audience does not match\n  clause: audience\n  \
             code: invalid_grant\n  hint: set audience"
        );
        assert_eq!(error_json(&error)["exit_code"], 4);
    }
}
