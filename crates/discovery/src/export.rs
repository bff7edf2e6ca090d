//! The documents as files, for a bucket or a CDN.

mod read_back;
mod upload;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use bytes::Bytes;
use carnet_core::{Context, Error, NewFile};
use carnet_spiffe::Bundle;

use crate::{
    BundleSettings, CONFIGURATION_PATH, CONTENT_TYPE, Documents, KEYS_PATH, Settings, bundle::hinted, documents,
    documents::pretty, settings::check_path,
};

pub use read_back::{Check, Finding, check};
pub use upload::{UploadTo, upload_commands};

/// Largest file that is compared, in bytes.
const MAX_FILE: usize = 4 << 20;
/// Public documents may be read by everybody: by a web server of another user, for instance.
const PUBLIC: u32 = 0o644;
/// Where the SPIFFE bundle goes: an object store cannot answer at the bare address.
const BUNDLE_PATH: &str = "bundle.json";

/// A document with how it must be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFile {
    /// Below the issuer, without a slash in front: `.well-known/openid-configuration`, `keys`, `bundle.json`.
    pub path: String,
    /// The content.
    pub content: Bytes,
    /// `Content-Type` to serve it with.
    pub content_type: &'static str,
    /// `Cache-Control` to serve it with.
    pub cache_control: String,
}

/// What an export does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// There was none.
    New,
    /// It had another content.
    Changed,
    /// It is what it was.
    Same,
}

impl Change {
    /// The word for people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "same",
        }
    }
}

/// The files of an issuer, the key set first: a discovery document must not be there before what it points at.
///
/// # Errors
/// When the settings name no issuer, or the key set is elsewhere than below it.
pub fn export_files(
    bundle: &Bundle,
    settings: &Settings,
    with: Option<&BundleSettings>,
) -> Result<Vec<ExportFile>, Error> {
    let Documents { openid_configuration, jwks } = documents(bundle, settings)?;
    let file = |path: &str, content: Bytes, seconds: u64| ExportFile {
        path: path.trim_start_matches('/').to_owned(),
        content,
        content_type: CONTENT_TYPE,
        cache_control: format!("public, max-age={seconds}"),
    };
    let seconds = settings.max_age.as_secs();
    let mut files =
        vec![file(&keys_path(settings)?, jwks, seconds), file(CONFIGURATION_PATH, openid_configuration, seconds)];
    if let Some(with) = with {
        let json = hinted(bundle, with.refresh_hint).to_json()?;
        files.push(file(BUNDLE_PATH, pretty(&json), crate::bundle::MAX_AGE.as_secs()));
    }
    Ok(files)
}

/// Says what [`export`] would do, in the order of the files.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn diff(folder: &Path, files: &[ExportFile], context: &Context) -> Result<Vec<Change>, Error> {
    files
        .iter()
        .map(|file| {
            let found = context.files.read(&folder.join(&file.path), MAX_FILE)?;
            Ok(match found {
                None => Change::New,
                Some(found) if found.expose() == file.content => Change::Same,
                Some(_) => Change::Changed,
            })
        })
        .collect()
}

/// Writes the files below a folder, each whole or not at all, and says what it did. Files that are the same are left alone, so
/// that tools that copy by time copy only what changed. They are readable by everybody.
///
/// # Errors
/// When a file cannot be written; then none is replaced.
pub fn export(folder: &Path, files: &[ExportFile], context: &Context) -> Result<Vec<Change>, Error> {
    let changes = diff(folder, files, context)?;
    let to_write = || files.iter().zip(&changes).filter(|(_, change)| **change != Change::Same).map(|(file, _)| file);
    let new: Vec<NewFile> =
        to_write().map(|file| NewFile::new(folder.join(&file.path), file.content.to_vec())).collect();
    context.files.replace(&new)?;
    for file in to_write() {
        make_public(folder, &folder.join(&file.path))?;
    }
    Ok(changes)
}

/// The file, and the folders between it and the one that was named, which the writer of private files makes private.
fn make_public(folder: &Path, file: &Path) -> Result<(), Error> {
    let between = file.ancestors().take_while(|path| *path != folder);
    for path in between.filter(|path| path.exists()) {
        let mode = if path.is_dir() { PUBLIC | 0o111 } else { PUBLIC };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| Error::configuration(format!("let everybody read {}", path.display())).because(error))?;
    }
    Ok(())
}

fn keys_path(settings: &Settings) -> Result<String, Error> {
    let issuer = settings.issuer.as_deref().unwrap_or_default().trim_end_matches('/');
    let Some(uri) = &settings.jwks_uri else { return Ok(KEYS_PATH.to_owned()) };
    let path = uri.strip_prefix(issuer).filter(|path| check_path("jwks_uri", path).is_ok() && *path != "/");
    path.map(str::to_owned).ok_or_else(|| {
        Error::configuration("export the key set: `jwks_uri` is not below the issuer")
            .hint("leave `jwks_uri` out, or write the issuer and a path")
    })
}
