//! A token from a file, a variable, a program or a URL.

mod command;
mod last_words;
mod url;

use std::{path::PathBuf, sync::Arc};

use carnet_core::{BoxFuture, Context, Error, Found, Kinds, Mistake, Source, SourceConfig, Want, is_variable_name};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::{
    command::CommandSource,
    url::{HeaderFile, UrlSource},
};
use crate::token::{Format, MAX_BYTES, Reader, TokenKind};

/// A token in a file, read again at each use: a Kubernetes projected token, or whatever another program keeps fresh.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// The file.
    pub path: PathBuf,
    /// `text` (default): the file holds the token. `json`: a member of a JSON object does.
    #[serde(default)]
    pub format: Format,
    /// The member that holds the token, for `json`. Dots go into nested objects. By default `access_token`.
    #[serde(default)]
    pub field: Option<String>,
    /// `jwt` or `access-token`. By default what it looks like.
    #[serde(default)]
    pub kind: Option<TokenKind>,
}

impl SourceConfig for FileSource {
    const NAME: &'static str = "file";
    const ABOUT: &'static str = "a token in a file, read again at each use";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.path.as_os_str().is_empty() {
            mistakes.push(Mistake::new("path", "is empty"));
        }
        let reader = Reader::check(self.format, self.field, self.kind, &mut mistakes);
        if mistakes.is_empty() { Ok(Arc::new(File { path: self.path, reader })) } else { Err(mistakes) }
    }
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    reader: Reader,
}

impl Source for File {
    fn name(&self) -> &'static str {
        FileSource::NAME
    }

    fn gives(&self) -> Kinds {
        self.reader.gives()
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let path = self.path.display();
            let Some(bytes) = context.files.read(&self.path, MAX_BYTES)? else {
                return Ok(Found::not_here(format!("there is no file {}", carnet_core::safe_text(&path.to_string()))));
            };
            let what = format!("the token in {path}");
            self.reader.read(bytes.expose(), &what, context, want).map(Found::credential)
        })
    }
}

/// A token in an environment variable.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvSource {
    /// The name of the variable, without `$`.
    pub variable: String,
    /// `text` (default): the variable holds the token. `json`: a member of a JSON object does.
    #[serde(default)]
    pub format: Format,
    /// The member that holds the token, for `json`. Dots go into nested objects. By default `access_token`.
    #[serde(default)]
    pub field: Option<String>,
    /// `jwt` or `access-token`. By default what it looks like.
    #[serde(default)]
    pub kind: Option<TokenKind>,
}

impl SourceConfig for EnvSource {
    const NAME: &'static str = "env";
    const ABOUT: &'static str = "a token in an environment variable";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if !is_variable_name(&self.variable) {
            mistakes.push(
                Mistake::new("variable", "is not the name of a variable")
                    .hint("give its name; not its value and without `$`"),
            );
        }
        let reader = Reader::check(self.format, self.field, self.kind, &mut mistakes);
        if mistakes.is_empty() { Ok(Arc::new(Variable { name: self.variable, reader })) } else { Err(mistakes) }
    }
}

#[derive(Debug)]
struct Variable {
    name: String,
    reader: Reader,
}

impl Source for Variable {
    fn name(&self) -> &'static str {
        EnvSource::NAME
    }

    fn gives(&self) -> Kinds {
        self.reader.gives()
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let Some(value) = context.environment.secret(&self.name) else {
                if context.environment.is_garbled(&self.name) {
                    return Err(Error::configuration(format!("read the variable {}: it is not UTF-8 text", self.name))
                        .hint("look at what set it; a token is plain text"));
                }
                return Ok(Found::not_here(format!("the variable {} is not set", self.name)));
            };
            let what = format!("the token in the variable {}", self.name);
            self.reader.read(value.expose().as_bytes(), &what, context, want).map(Found::credential)
        })
    }
}

#[cfg(test)]
mod tests;
