//! A profile in a file that belongs to others too.

use std::path::Path;

use super::with_section;
use crate::{Context, Error, Held, NewFile, file_text};

/// Largest file that a profile is put into, in bytes.
const MAX_FILE: usize = 1 << 20;

/// The file with the profile in it, if it has to change; it is held until it is written, because every other profile in it may
/// be somebody's credential. Every other byte stays.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when the file cannot be read as profiles, and those of [`crate::Files::hold`].
pub async fn put_profile(
    context: &Context,
    path: &Path,
    profile: &str,
    entries: &[(&str, &str)],
) -> Result<(Option<NewFile>, Option<Held>), Error> {
    // Looked at once without holding it: a file that is as it should be may stand in a folder that is read-only.
    if changed(context, path, profile, entries)?.is_none() {
        return Ok((None, None));
    }
    let held = context.files.hold(path).await?;
    let changed = changed(context, held.path(), profile, entries)?;
    Ok((changed.map(|text| NewFile::new(held.path(), text)), Some(held)))
}

/// The file's new text, if it differs from the one that it has.
fn changed(context: &Context, path: &Path, profile: &str, entries: &[(&str, &str)]) -> Result<Option<String>, Error> {
    let before = context.files.read(path, MAX_FILE)?;
    let before = match &before {
        None => "",
        Some(bytes) => file_text(path, bytes.expose())?,
    };
    let after = with_section(before, profile, entries).map_err(|error| {
        Error::configuration(format!("put the profile [{profile}] into {}", path.display()))
            .because(error)
            .hint("mend that line; nothing was written")
    })?;
    Ok((after != before).then_some(after))
}
