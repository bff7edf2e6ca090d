//! Which file it is, and its bytes.

use std::path::{Path, PathBuf};

use carnet_core::{Context, Error, Files, NotText, SecretBytes, Unnamed, chain};

use super::{
    error::{ConfigError, Problem, TextOrigin},
    limits,
};
use crate::EnvVars;

/// The file's name in every folder.
const NAME: &str = "carnet.toml";
/// The system's folder.
const SYSTEM: &str = "/etc/carnet";

pub(crate) fn find(flag: Option<&Path>, context: &Context) -> Result<Option<(PathBuf, Vec<u8>)>, ConfigError> {
    if let Some(path) = flag {
        return Ok(Some((path.to_owned(), read_named(path, "named by --config", &*context.files)?)));
    }
    if context.environment.is_garbled(EnvVars::CONFIG) {
        // Whoever named a file does not mean another one that happens to lie in a usual place.
        let problem = Problem::whole(format!("the path in {} is not UTF-8 text", EnvVars::CONFIG));
        let problem =
            problem.hint(format!("set {} to the path of a file, or name the file with --config", EnvVars::CONFIG));
        return Err(ConfigError::new(TextOrigin::File(None), "", vec![problem]));
    }
    if let Some(path) = EnvVars::read(&*context.environment).config {
        let bytes = read_named(&path, "named by CARNET_CONFIG", &*context.files)?;
        return Ok(Some((path, bytes)));
    }
    for path in candidates(context) {
        if let Some(bytes) = read_unnamed(&path, &*context.files)? {
            return Ok(Some((path, bytes)));
        }
    }
    Ok(None)
}

/// Reads a file that must exist.
pub(crate) fn read_named(path: &Path, named: &str, files: &dyn Files) -> Result<Vec<u8>, ConfigError> {
    read(path, files)?.ok_or_else(|| {
        let message = if named.is_empty() {
            "the file does not exist".to_owned()
        } else {
            format!("the file, {named}, does not exist")
        };
        whole(path, Problem::whole(message).hint("check the path; without one, carnet looks in the usual places"))
    })
}

/// The usual places, in order.
fn candidates(context: &Context) -> Vec<PathBuf> {
    // The XDG base directory specification: a path that is not absolute is ignored.
    let xdg = context.env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let user = xdg.or_else(|| context.files.home().map(|home| home.join(".config")));
    let mut paths = vec![PathBuf::from(NAME)];
    paths.extend(user.map(|folder| folder.join("carnet").join(NAME)));
    paths.push(Path::new(SYSTEM).join(NAME));
    paths
}

fn read(path: &Path, files: &dyn Files) -> Result<Option<Vec<u8>>, ConfigError> {
    let bytes = files.read(path, limits::FILE).map_err(|error| unreadable(path, &error))?;
    Ok(bytes.as_ref().map(bytes_of))
}

/// Reads a file from one of the usual places.
///
/// A configuration names programs to run and places to send tokens to. What lies in the folder where somebody happens to be
/// may have been put there by another user of the machine, as anybody can in /tmp. So its owner counts, and content and
/// owner are asked for at once: between two questions another file can take its place.
fn read_unnamed(path: &Path, files: &dyn Files) -> Result<Option<Vec<u8>>, ConfigError> {
    match files.read_unnamed(path, limits::FILE).map_err(|error| unreadable(path, &error))? {
        None => Ok(None),
        Some(Unnamed::Bytes(bytes)) => Ok(Some(bytes_of(&bytes))),
        Some(Unnamed::OfAnotherUser) => {
            let message = "the file, or a symbolic link to it, belongs to another user, so it is not used by itself";
            let hint = format!("if it is meant, name it: --config {}", path.display());
            Err(whole(path, Problem::whole(message).hint(hint)))
        }
    }
}

/// A configuration holds references to secrets, not secrets.
fn bytes_of(bytes: &SecretBytes) -> Vec<u8> {
    bytes.expose().to_vec()
}

fn unreadable(path: &Path, error: &Error) -> ConfigError {
    let hint = error.hints().first().map_or("make it a readable text file", |hint| *hint).to_owned();
    whole(path, Problem::whole(chain(error).join(": ")).hint(hint))
}

pub(crate) fn not_text(path: Option<&Path>, error: NotText) -> ConfigError {
    let problem = Problem::whole(error.to_string()).at(error.place).hint(NotText::HINT);
    ConfigError::new(TextOrigin::File(path.map(Path::to_owned)), "", vec![problem])
}

fn whole(path: &Path, problem: Problem) -> ConfigError {
    ConfigError::new(TextOrigin::File(Some(path.to_owned())), "", vec![problem])
}
