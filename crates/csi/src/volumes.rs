//! Publishing and unpublishing, whole or not at all.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::safe_text;
use carnet_grpc::tonic::Status;

use crate::{
    FolderId, Mounted, Mounts, Place, Target,
    place::{Entry, PlaceError},
};

/// Most mounts that are taken away from one place. More than a few can only come from somebody who mounts there all the time.
const LAYERS: usize = 64;

/// Volumes of one driver.
#[derive(Debug)]
pub(crate) struct Volumes {
    folder: PathBuf,
    mounts: Arc<dyn Mounts>,
    /// One call after the other: each takes milliseconds, and two for one path would see each other half done.
    turn: Mutex<()>,
}

/// What publishing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is mounted now. Whether others than this mount namespace see it.
    Now { shared: bool },
    /// It was before.
    Before,
}

impl Volumes {
    /// Volumes that show this folder.
    pub(crate) fn new(folder: PathBuf, mounts: Arc<dyn Mounts>) -> Self {
        Self { folder, mounts, turn: Mutex::default() }
    }

    /// Shows the folder of the Workload API at the target.
    ///
    /// # Errors
    /// `InvalidArgument` for a path that leads over symbolic links, `FailedPrecondition` while the agent's folder is missing,
    /// `Internal` for what the system refuses. Then nothing is left at the target that was not there before.
    pub(crate) fn publish(&self, target: &Target) -> Result<Published, Status> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let cannot_create = "unable to create target path";
        let place = Place::open(target).map_err(|error| off_the_way(cannot_create, target, error))?;
        if place.entry() == Entry::Link {
            return Err(link(place.path()));
        }
        let wanted = self.source()?;
        match self.look(&place)? {
            Some(mounted) if is_good(&mounted, wanted) => return Ok(Published::Before),
            Some(_) => {
                tracing::info!(path = %place.path().display(), "a stale mount is taken away");
                self.clear(&place)?;
            }
            None => {}
        }
        let made = place.make().map_err(|error| refused(cannot_create, place.path(), &error))?;
        match self.attach(&place, wanted) {
            Ok(shared) => Ok(Published::Now { shared }),
            Err(status) => {
                if made && let Err(error) = place.remove() {
                    tracing::warn!(%error, path = %place.path().display(), "a folder was left behind");
                }
                Err(status)
            }
        }
    }

    /// Takes away what is mounted at the target, and the target. That there is nothing is as good.
    ///
    /// # Errors
    /// `InvalidArgument` for a path that leads over symbolic links, `Internal` for what the system refuses.
    pub(crate) fn unpublish(&self, target: &Target) -> Result<(), Status> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match Place::open(target) {
            Ok(place) => place,
            Err(PlaceError::Missing(_)) => return Ok(()),
            Err(error) => return Err(off_the_way("unable to unmount", target, error)),
        };
        match place.entry() {
            Entry::Nothing => return Ok(()),
            Entry::Link => return Err(link(place.path())),
            Entry::Something => self.clear(&place)?,
        }
        place.remove().map_err(|error| {
            let status = refused("unable to remove target path", place.path(), &error);
            Status::internal(format!(
                "{}: what is there was not put there by this driver, move it away",
                status.message()
            ))
        })
    }

    /// The folder that is shown.
    fn source(&self) -> Result<FolderId, Status> {
        FolderId::at(&self.folder).map_err(|error| {
            Status::failed_precondition(format!(
                "the folder {} of the Workload API's socket cannot be used: {error}; start the agent on this node, or \
                 say with --workload-socket where its socket is",
                self.folder.display()
            ))
        })
    }

    /// Mounts it and looks whether it is as it should be. Whether it is seen elsewhere too.
    fn attach(&self, place: &Place, wanted: FolderId) -> Result<bool, Status> {
        let cannot_mount = |error: &io::Error| refused("unable to mount", place.path(), error);
        self.mounts.attach(&self.folder, place).map_err(|error| cannot_mount(&error))?;
        match self.look(place) {
            Ok(Some(mounted)) if is_good(&mounted, wanted) => Ok(mounted.shared),
            seen => {
                self.clear(place)?;
                let other = || io::Error::other("what was mounted is not what should be; try again");
                Err(seen.err().unwrap_or_else(|| cannot_mount(&other())))
            }
        }
    }

    fn look(&self, place: &Place) -> Result<Option<Mounted>, Status> {
        self.mounts.at(place).map_err(|error| refused("unable to verify mount point", place.path(), &error))
    }

    /// Takes away every mount at a place.
    fn clear(&self, place: &Place) -> Result<(), Status> {
        for _layer in 0..LAYERS {
            if self.look(place)?.is_none() {
                return Ok(());
            }
            self.mounts.detach(place).map_err(|error| refused("unable to unmount", place.path(), &error))?;
        }
        let many = io::Error::other(format!("more than {LAYERS} mounts lie there on each other"));
        Err(refused("unable to unmount", place.path(), &many))
    }
}

/// Whether a mount is what publishing makes. One that shows a folder that was replaced since, or that can be written
/// through, is not.
fn is_good(mounted: &Mounted, wanted: FolderId) -> bool {
    mounted.locked && mounted.shows == Some(wanted)
}

/// Why there is no way to a target. A folder that is missing is the kubelet's to make (CSI, NodePublishVolumeRequest).
fn off_the_way(what: &str, target: &Target, error: PlaceError) -> Status {
    match error {
        PlaceError::Link(path) => link(&path),
        PlaceError::NotAFolder(path) => Status::invalid_argument(format!(
            "target path \"{}\" is refused: {} is not a folder",
            shown(&target.path()),
            shown(&path)
        )),
        PlaceError::Missing(path) => {
            let missing = io::Error::other(format!("there is no folder {}", shown(&path)));
            refused(what, &target.path(), &missing)
        }
        PlaceError::System(path, error) => refused(what, &path, &error),
    }
}

fn link(path: &Path) -> Status {
    Status::invalid_argument(format!(
        "target path is refused: {} is a symbolic link, and nothing is mounted or removed over one",
        shown(path)
    ))
}

/// What the system refused, and what to do about it.
fn refused(what: &str, path: &Path, error: &io::Error) -> Status {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; the driver needs CAP_SYS_ADMIN and the kubelet's folder: run it with securityContext.privileged: true"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; mount the kubelet's folder into the driver's container for writing",
        io::ErrorKind::Unsupported => "; the kernel is too old: Linux 5.2 is wanted",
        _ => "",
    };
    Status::internal(format!("{what} \"{}\": {error}{hint}", shown(path)))
}

fn shown(path: &Path) -> String {
    safe_text(&path.to_string_lossy())
}
