//! A token that a program prints.

use std::{sync::Arc, time::Duration};

use carnet_core::{BoxFuture, Command, Context, Error, Found, Kinds, Mistake, Secret, Source, SourceConfig, Want};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::last_words::last_words;
use crate::token::{Format, MAX_BYTES, Reader, TokenKind};

/// Longest time for the program, unless configured.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that can be configured: a program that waits for a person belongs elsewhere.
const MAX_TIMEOUT: Duration = Duration::from_mins(10);
/// Tells the program which audience the next step needs.
const AUDIENCE_VARIABLE: &str = "CARNET_AUDIENCE";

/// A token that a program prints on its standard output. The program is run as it is given, without a shell; it finds
/// the audience that the next step needs in `CARNET_AUDIENCE`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSource {
    /// The program and its arguments, one element each.
    pub argv: Vec<String>,
    /// Longest time it may take, for instance `10s`. By default 30 seconds.
    #[serde(default)]
    pub timeout: Option<String>,
    /// `text` (default): the output is the token. `json`: a member of a JSON object is.
    #[serde(default)]
    pub format: Format,
    /// The member that holds the token, for `json`. Dots go into nested objects. By default `access_token`.
    #[serde(default)]
    pub field: Option<String>,
    /// `jwt` or `access-token`. By default what it looks like.
    #[serde(default)]
    pub kind: Option<TokenKind>,
}

impl SourceConfig for CommandSource {
    const NAME: &'static str = "command";
    const ABOUT: &'static str = "a token that a program prints";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        match self.argv.first() {
            Some(program) if !program.is_empty() => {}
            _ => mistakes.push(
                Mistake::new("argv", "names no program")
                    .hint("write a list, for instance [\"/usr/bin/token\", \"--audience\", \"x\"]"),
            ),
        }
        if self.argv.iter().any(|argument| argument.contains('\0')) {
            mistakes.push(Mistake::new("argv", "holds a NUL byte"));
        }
        let timeout = match self.timeout.as_deref().map(str::parse::<SignedDuration>) {
            None => DEFAULT_TIMEOUT,
            Some(Ok(time)) => match Duration::try_from(time) {
                Ok(time) if !time.is_zero() && time <= MAX_TIMEOUT => time,
                _ => {
                    mistakes.push(Mistake::new("timeout", "is out of range").hint("give a time from `1s` to `10m`"));
                    DEFAULT_TIMEOUT
                }
            },
            Some(Err(_)) => {
                mistakes.push(Mistake::new("timeout", "is not a length of time").hint("give a time such as `10s`"));
                DEFAULT_TIMEOUT
            }
        };
        let reader = Reader::check(self.format, self.field, self.kind, &mut mistakes);
        if mistakes.is_empty() { Ok(Arc::new(Program { argv: self.argv, timeout, reader })) } else { Err(mistakes) }
    }
}

struct Program {
    argv: Vec<String>,
    timeout: Duration,
    reader: Reader,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments may hold what somebody should not have put there.
        f.debug_struct("Program").field("program", &self.name_of()).finish_non_exhaustive()
    }
}

impl Program {
    fn name_of(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }
}

impl Source for Program {
    fn name(&self) -> &'static str {
        CommandSource::NAME
    }

    fn gives(&self) -> Kinds {
        self.reader.gives()
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let program = self.name_of();
            let audience =
                want.audience.iter().map(|value| (AUDIENCE_VARIABLE.to_owned(), Secret::new(value.as_str())));
            let output = context
                .commands
                .run(Command {
                    argv: self.argv.clone(),
                    environment: audience.collect(),
                    timeout: self.timeout,
                    max_output: MAX_BYTES,
                })
                .await?;
            if output.status != Some(0) {
                let end = match output.status {
                    Some(status) => format!("it ended with status {status}"),
                    None => "a signal ended it".to_owned(),
                };
                let error = Error::refused(format!("run {program} for a token: {end}"));
                return Err(match last_words(output.stderr.expose(), program) {
                    Some(line) => error.hint(format!("its last words were: {line}")),
                    None => error,
                });
            }
            let what = format!("the token that {program} printed");
            self.reader.read(output.stdout.expose(), &what, context, want).map(Found::credential)
        })
    }
}
