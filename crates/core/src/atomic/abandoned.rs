//! What a writer leaves behind that is killed between writing a file and giving it its name.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{hex, link::parent};

/// A writer takes milliseconds from the first byte to the last name. One that was stopped for longer finds its file gone,
/// replaces nothing and says so.
const ABANDONED: Duration = Duration::from_mins(1);
/// How many names of a folder are looked at: in a folder of more it would take longer than the writing itself.
const MOST: usize = 10_000;
/// How many random bytes stand in a name.
const RANDOM: usize = 8;

/// The name under which a file is written before it takes its place.
pub(super) fn staged(folder: &Path, name: &str, random: [u8; RANDOM]) -> PathBuf {
    folder.join(format!(".{name}.{}.new", hex(&random)))
}

/// Removes what killed writers of this file, which has just been replaced, have left beside it: a whole credential, under a
/// name that nobody would look for. Whatever cannot be removed stays; the new file is there in any case.
pub(super) fn remove_abandoned(path: &Path, name: &str) {
    let Some((owner, now)) = owner_and_time(path) else { return };
    let Ok(entries) = fs::read_dir(parent(path)) else { return };
    for entry in entries.take(MOST).filter_map(Result::ok) {
        if !entry.file_name().to_str().is_some_and(|there| is_staged(there, name)) {
            continue;
        }
        let left = owner_and_time(&entry.path());
        // Both times are the file system's own.
        let old = |time| now.duration_since(time).is_ok_and(|age| age > ABANDONED);
        if left.is_some_and(|(of, time)| of == owner && old(time)) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn is_staged(there: &str, name: &str) -> bool {
    let random =
        there.strip_prefix('.').and_then(|rest| rest.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".new"));
    random.is_some_and(|random| random.len() == 2 * RANDOM && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Of a regular file; nothing of a link.
fn owner_and_time(path: &Path) -> Option<(u32, SystemTime)> {
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((metadata.uid(), metadata.modified().ok()?))
}
