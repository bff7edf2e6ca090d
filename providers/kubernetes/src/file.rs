//! The files that the kubelet writes and that configuration names.

use std::path::{Path, PathBuf};

use carnet_core::{Context, Error, Secret, SecretBytes, Unnamed, check_token};

/// Largest file that is read, in bytes: bundles of authorities have some kilobytes, tokens two.
const MAX_FILE: usize = 1 << 20;

/// A file, and whether somebody named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By configuration or environment.
    Named(PathBuf),
    /// Where the kubelet always puts it. Read only when nobody else could have.
    Usual(&'static str),
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Usual(path) => Path::new(path),
        }
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        carnet_core::safe_text(&self.path().to_string_lossy())
    }

    /// The whole file, or `None` when it does not exist. The kubelet swaps a link, so what is read is never half of it.
    ///
    /// # Errors
    /// When it cannot be read, or is one that another user could have put there.
    pub(crate) fn read(&self, context: &Context) -> Result<Option<SecretBytes>, Error> {
        match self {
            Self::Named(path) => context.files.read(path, MAX_FILE),
            Self::Usual(path) => match context.files.read_unnamed(Path::new(path), MAX_FILE)? {
                Some(Unnamed::Bytes(bytes)) => Ok(Some(bytes)),
                Some(Unnamed::OfAnotherUser) => Err(Error::configuration(format!(
                    "use {path}: it, or a link to it, belongs to another user"
                ))
                .hint("in a pod it belongs to root or to the pod's user; elsewhere name the file that is meant")),
                None => Ok(None),
            },
        }
    }

    /// A file that must be there.
    pub(crate) fn need(&self, context: &Context) -> Result<SecretBytes, Error> {
        self.read(context)?.ok_or_else(|| {
            Error::configuration(format!("read {}: it does not exist", self.shown()))
                .hint("a pod has it unless automountServiceAccountToken is false; elsewhere name the file")
        })
    }

    /// A token that must be there. White space around it is not part of it.
    pub(crate) fn token(&self, context: &Context) -> Result<Secret, Error> {
        token_of(&self.need(context)?, &self.shown())
    }
}

/// The token in the file that is shown like this.
pub(crate) fn token_of(bytes: &SecretBytes, shown: &str) -> Result<Secret, Error> {
    let no_token = |wrong: &str| {
        Error::configuration(format!("read {shown}: {wrong}")).hint("it holds one token and nothing else")
    };
    let text = std::str::from_utf8(bytes.expose()).map_err(|_quoting| no_token("it is not text"))?;
    let token = Secret::new(text.trim());
    check_token(&token).map_err(no_token)?;
    Ok(token)
}
