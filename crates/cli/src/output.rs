//! Standard output is data, standard error is talk.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use carnet_core::{Error, ErrorKind, chain, redacted};
use serde_json::{Value, json};

use crate::args::{Colour, Global, Output};

mod text;
mod visible;

pub(crate) use text::Text;

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

    /// One that writes for people, before the arguments could be read.
    pub(crate) fn for_people() -> Self {
        Self { json: false, colour: anstream::ColorChoice::Never }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether talk may have colour.
    fn colours(self) -> bool {
        self.colour != anstream::ColorChoice::Never
    }

    /// Whether a person looks at standard output.
    pub(crate) fn stdout_is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn data(self, bytes: &[u8]) -> Result<(), Error> {
        self.write(bytes).map(drop)
    }

    /// Whether anybody reads on.
    #[expect(clippy::unused_self, reason = "whoever may write has been given the terminal")]
    fn write(self, bytes: &[u8]) -> Result<bool, Error> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // A reader that has seen enough, such as head(1), is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::configuration("write to standard output").because(error)),
            Ok(()) => Ok(true),
        }
    }

    /// Writes text for people to standard output, with colour if that is wanted.
    pub(crate) fn text(self, text: impl Into<Text>) -> Result<(), Error> {
        self.heard(text).map(drop)
    }

    /// The same, for who goes on until nobody reads any more: answers whether somebody does.
    pub(crate) fn heard(self, text: impl Into<Text>) -> Result<bool, Error> {
        let seen = Self::stdout_is_terminal() || self.colour == anstream::ColorChoice::Always;
        self.write(text.into().render(seen && self.colours()).as_bytes())
    }

    /// Writes one JSON document with its version in one line, for who goes on until nobody reads any more: answers whether
    /// somebody does.
    pub(crate) fn json_line(self, document: &Value) -> Result<bool, Error> {
        let mut document = document.clone();
        if let Some(members) = document.as_object_mut() {
            members.insert("version".to_owned(), json!(SCHEMA_VERSION));
        }
        self.write(format!("{}\n", visible::for_programs(&document.to_string())).as_bytes())
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

    /// Says something to standard error, without the secrets that slipped into it.
    pub(crate) fn say(self, text: impl Into<Text>) {
        Self::write_line(&text.into().redacted().render(self.colours()));
    }

    /// Says what a renderer has laid out, which puts in colours of its own when it is told `true`. It is told so only where
    /// the same without them shows that there are none from outside.
    pub(crate) fn say_rendered(self, render: impl Fn(bool) -> String) {
        let plain = render(false);
        let shown = visible::for_people(&redacted(&plain));
        Self::write_line(&if self.colours() && shown == plain { render(true) } else { shown });
    }

    fn write_line(line: &str) {
        // When nobody can hear it there is nobody to tell.
        drop(writeln!(io::stderr().lock(), "{line}"));
    }

    /// Says one JSON document with its version to standard error, in one line.
    fn say_json(what: &str, document: &Value) {
        let line = json!({"version": SCHEMA_VERSION, what: without_secrets(document)}).to_string();
        Self::write_line(&visible::for_programs(&line));
    }

    /// Tells of something that is no failure yet.
    pub(crate) fn warn(self, warning: &Warning<'_>) {
        if self.json {
            Self::say_json("warning", &warning.to_json());
        } else {
            self.say(warning.to_text());
        }
    }

    /// Tells of a failure.
    pub(crate) fn fail(self, error: &Error) {
        if self.json {
            Self::say_json("error", &error_json(error));
        } else {
            self.say(error_text(error));
        }
    }
}

/// The document, without the secrets that slipped into its texts: for results that tell of mistakes.
pub(crate) fn without_secrets(document: &Value) -> Value {
    match document {
        Value::String(text) => redacted(text).into(),
        Value::Array(elements) => elements.iter().map(without_secrets).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), without_secrets(value))).collect(),
        other => other.clone(),
    }
}

/// Something that is no failure yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Warning<'a> {
    /// What it is.
    pub(crate) message: &'a str,
    /// The route, where it is about one that runs on.
    pub(crate) route: Option<&'a str>,
    /// The step of the route.
    pub(crate) step: Option<&'a str>,
}

impl Warning<'_> {
    /// As JSON: `message`, `route`, `step`.
    fn to_json(self) -> Value {
        json!({"message": self.message, "route": self.route, "step": self.step})
    }

    fn to_text(self) -> Text {
        let mut text = Text::default();
        text.styled(cyan(), "warning").push(format!(": {}", self.message));
        if let Some(step) = self.step {
            text.push(format!(" (step {step})"));
        }
        text
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

fn error_text(error: &Error) -> Text {
    let mut lines = chain(error).into_iter();
    let head = lines.next().unwrap_or_default();
    let step = error.step().map_or(String::new(), |step| format!(" (step {step})"));
    let mut text = Text::default();
    text.styled(red(), "error").push(format!(": {head}{step}"));
    for cause in lines {
        text.push(format!("\n  because: {cause}"));
    }
    if let Some(clause) = error.failed_clause() {
        text.push(format!("\n  clause: {clause}"));
    }
    if let Some(code) = error.provider_code() {
        text.push(format!("\n  code: {code}"));
    }
    for hint in error.hints() {
        text.push("\n  ").styled(cyan(), "hint").push(format!(": {hint}"));
    }
    if error.kind() == ErrorKind::Internal {
        text.push("\n  this is a mistake in carnet itself; please report it");
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
        let text = error_text(&error).render(false);
        assert_eq!(
            text,
            "error: exchange at the pool (step gcp)\n  because: the audience does not match\n  clause: audience\n  \
             code: invalid_grant\n  hint: set audience"
        );
        assert_eq!(error_json(&error)["exit_code"], 4);
    }

    #[test]
    fn a_warning_names_what_it_is_about() {
        let warning = Warning { message: "it is old", route: Some("reader"), step: Some("source file") };
        assert_eq!(warning.to_text().render(false), "warning: it is old (step source file)");
        assert_eq!(warning.to_json(), json!({"message": "it is old", "route": "reader", "step": "source file"}),);
    }
}
