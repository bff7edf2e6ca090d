//! Where a passphrase or a PIN comes from. Never from the configuration itself.

use std::path::{Path, PathBuf};

use carnet_core::{Context, Error, Secret};

/// Largest file that is looked at, in bytes.
const LONGEST: usize = 4096;

/// Where a passphrase or a PIN is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In this environment variable.
    Environment(String),
    /// In this file, which only its owner may read. One line break at its end does not belong to it.
    File(PathBuf),
    /// In the systemd credential of this name (`LoadCredential=`, systemd.exec(5)).
    Credential(String),
}

impl SecretSource {
    /// Reads it. `what` it is stands in errors, for instance `passphrase of the keys`.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when it is not there, is empty, is not UTF-8, or other users may read it.
    pub fn read(&self, context: &Context, what: &str) -> Result<Secret, Error> {
        match self {
            Self::Environment(name) => context
                .environment
                .secret(name)
                .ok_or_else(|| Error::configuration(format!("the variable {name} with the {what} is not set"))),
            Self::File(path) => from_file(context, path, what),
            Self::Credential(name) => {
                if name.contains('/') || name.is_empty() || name == ".." {
                    return Err(Error::configuration(format!("{name:?} is no name of a systemd credential")));
                }
                let folder = context.env("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    Error::configuration(format!(
                        "the {what} should be the systemd credential {name:?}, and there are none here"
                    ))
                    .hint(format!("add LoadCredential={name}:PATH to the unit"))
                })?;
                from_file(context, &Path::new(&folder).join(name), what)
            }
        }
    }
}

fn from_file(context: &Context, path: &Path, what: &str) -> Result<Secret, Error> {
    let place = path.display();
    let bytes = context.files.read(path, LONGEST)?;
    let bytes = bytes.ok_or_else(|| Error::configuration(format!("the file {place} with the {what} is missing")))?;
    if context.files.others_may_read(path) {
        return Err(Error::configuration(format!("read the {what} in {place}: other users may read it"))
            .hint(format!("chmod 600 {place}")));
    }
    let text = std::str::from_utf8(bytes.expose())
        .map_err(|_opaque| Error::configuration(format!("the {what} in {place} is not UTF-8")))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Error::configuration(format!("the {what} in {place} is empty")));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_core::{MapEnvironment, MemoryFiles, test_context};

    use super::*;

    fn context(variables: &[(&str, &str)], files: &[(&str, &[u8])]) -> Context {
        let there = MemoryFiles::default();
        for (path, content) in files {
            there.put(path, *content);
        }
        Context { environment: Arc::new(MapEnvironment::of(variables)), files: Arc::new(there), ..test_context() }
    }

    fn said(source: &SecretSource, context: &Context) -> String {
        source.read(context, "PIN").unwrap_err().to_string()
    }

    #[test]
    fn it_is_read_from_a_variable_a_file_or_a_credential() {
        let context = context(
            &[("PIN", "one"), ("CREDENTIALS_DIRECTORY", "/run/credentials/carnet.service")],
            &[("/etc/pin", b"two \r\n"), ("/run/credentials/carnet.service/pin", b"three\n\n")],
        );
        let read = |source: SecretSource| source.read(&context, "PIN").unwrap().expose().to_owned();
        assert_eq!(read(SecretSource::Environment("PIN".to_owned())), "one");
        assert_eq!(read(SecretSource::File("/etc/pin".into())), "two ", "spaces belong to it");
        assert_eq!(read(SecretSource::Credential("pin".to_owned())), "three\n", "one line break does not");
    }

    #[test]
    fn rejects_what_is_not_there_or_says_nothing() {
        let context = context(&[("EMPTY", "")], &[("/empty", b"\n"), ("/bytes", b"\xff\xfe")]);
        let variable = |name: &str| said(&SecretSource::Environment(name.to_owned()), &context);
        let file = |path: &str| said(&SecretSource::File(path.into()), &context);
        assert_eq!(variable("OTHER"), "the variable OTHER with the PIN is not set");
        assert_eq!(variable("EMPTY"), "the variable EMPTY with the PIN is not set");
        assert_eq!(file("/nowhere"), "the file /nowhere with the PIN is missing");
        assert_eq!(file("/empty"), "the PIN in /empty is empty");
        assert_eq!(file("/bytes"), "the PIN in /bytes is not UTF-8");
    }

    #[test]
    fn rejects_credentials_elsewhere_and_where_there_are_none() {
        let none = context(&[], &[]);
        let credential = |name: &str| SecretSource::Credential(name.to_owned());
        assert_eq!(
            said(&credential("pin"), &none),
            "the PIN should be the systemd credential \"pin\", and there are none here"
        );
        let some = context(&[("CREDENTIALS_DIRECTORY", "/run/credentials/carnet.service")], &[("/etc/pin", b"x")]);
        for name in ["../../../etc/pin", "..", ""] {
            assert!(said(&credential(name), &some).ends_with("is no name of a systemd credential"), "{name}");
        }
    }
}
