//! Files that somebody else changes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use carnet_core::Error;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Without a message of the kernel the files are looked at this often: projected volumes and network file systems say
/// nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// After the first message it waits this long, so that several files that are written together count once.
const SETTLE: Duration = Duration::from_millis(50);

/// Watches files, and folders with everything directly in them.
#[derive(Debug)]
pub struct FileWatch {
    paths: Vec<PathBuf>,
    changed: Arc<Notify>,
    /// Kept, because dropping it ends the watch.
    _watcher: Option<RecommendedWatcher>,
}

/// What shows that a file is another one than before: files are replaced by renaming, so the inode changes.
type Mark = (u64, u64, Option<SystemTime>);

impl FileWatch {
    /// Starts to watch these paths. A path that does not exist yet is watched through its folder.
    ///
    /// # Errors
    /// Never for want of notifications: where the kernel gives none, files are looked at every half a minute.
    pub fn start(paths: Vec<PathBuf>) -> Result<Self, Error> {
        let changed = Arc::new(Notify::new());
        let wake = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| wake.notify_one());
        let watcher = match watcher {
            Ok(mut watcher) => {
                for folder in folders(&paths) {
                    if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                        tracing::debug!(%error, path = %folder.display(), "no notifications, looking from time to time");
                    }
                }
                Some(watcher)
            }
            Err(error) => {
                tracing::debug!(%error, "no notifications, looking from time to time");
                None
            }
        };
        Ok(Self { paths, changed, _watcher: watcher })
    }

    /// Sends the number of changes seen so far whenever a file changed, until `shutdown` or until nobody listens.
    pub async fn run(self, changes: watch::Sender<u64>, shutdown: CancellationToken) {
        let mut marks = marks(&self.paths);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = changes.closed() => return,
                () = self.changed.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            let seen = self::marks(&self.paths);
            if seen != marks {
                marks = seen;
                changes.send_modify(|count| *count += 1);
            }
        }
    }
}

/// The folders whose notifications tell about these paths.
fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        let own = path.is_dir().then(|| path.clone());
        let parent = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        folders.extend(own.into_iter().chain(parent.map(Path::to_owned)));
    }
    folders.sort();
    folders.dedup();
    folders
}

fn marks(paths: &[PathBuf]) -> BTreeMap<PathBuf, Mark> {
    let inside = |path: &PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let all = paths.iter().flat_map(|path| std::iter::once(path.clone()).chain(inside(path)));
    all.filter_map(|path| mark(&path).map(|mark| (path, mark))).collect()
}

fn mark(path: &Path) -> Option<Mark> {
    use std::os::unix::fs::MetadataExt as _;
    // Through links: Kubernetes swaps the link above the file.
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "somebody else writes the files that are watched")]
mod tests {
    use super::*;

    async fn watched(paths: Vec<PathBuf>) -> (watch::Receiver<u64>, CancellationToken) {
        let (sender, receiver) = watch::channel(0);
        let shutdown = CancellationToken::new();
        let watch = FileWatch::start(paths).unwrap();
        tokio::spawn(watch.run(sender, shutdown.clone()));
        tokio::task::yield_now().await;
        (receiver, shutdown)
    }

    #[tokio::test]
    async fn a_replaced_file_a_new_file_and_a_swapped_link_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, rules, link) =
            (folder.path().join("a.pem"), folder.path().join("rules"), folder.path().join("current"));
        std::fs::write(&file, "one").unwrap();
        std::fs::create_dir(&rules).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let (mut changes, shutdown) = watched(vec![file.clone(), rules.clone(), link.clone()]).await;

        let other = folder.path().join("b.pem");
        std::fs::write(&other, "two!").unwrap();
        std::fs::rename(&other, &file).unwrap();
        changes.changed().await.unwrap();

        std::fs::write(rules.join("new.toml"), "").unwrap();
        changes.changed().await.unwrap();

        std::fs::write(&other, "three").unwrap();
        let swap = folder.path().join("swap");
        std::os::unix::fs::symlink(&other, &swap).unwrap();
        std::fs::rename(&swap, &link).unwrap();
        changes.changed().await.unwrap();
        shutdown.cancel();
        assert!(changes.changed().await.is_err(), "the watch has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn without_notifications_it_looks_from_time_to_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pem");
        std::fs::write(&file, "one").unwrap();
        let (sender, mut changes) = watch::channel(0);
        let watch = FileWatch { paths: vec![file.clone()], changed: Arc::new(Notify::new()), _watcher: None };
        tokio::spawn(watch.run(sender, CancellationToken::new()));
        tokio::task::yield_now().await;
        std::fs::write(&file, "two!").unwrap();
        changes.changed().await.unwrap();
        assert_eq!(*changes.borrow(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_about_nothing_new_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pem");
        std::fs::write(&file, "one").unwrap();
        let (sender, changes) = watch::channel(0);
        let notify = Arc::new(Notify::new());
        let watch = FileWatch { paths: vec![file], changed: Arc::clone(&notify), _watcher: None };
        let task = tokio::spawn(watch.run(sender, CancellationToken::new()));
        tokio::task::yield_now().await;
        notify.notify_one();
        tokio::time::sleep(SETTLE * 2).await;
        assert_eq!(*changes.borrow(), 0);
        drop(changes);
        task.await.unwrap();
    }
}
