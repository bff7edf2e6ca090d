//! A Unix socket that is put in place whole, and taken away by whoever put it there.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener as StdListener,
        },
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use carnet_core::Error;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with},
};
use tokio::net::{UnixListener, UnixStream};

use super::Peer;

/// Connections that may wait to be accepted. The kernel cuts it to `net.core.somaxconn` (listen(2)), 4096 by default
/// since Linux 5.4. Every sidecar of a machine may come back at once after a restart.
const BACKLOG: i32 = 4096;

/// Names that are tried for the socket before it gets its own.
const ATTEMPTS: u32 = 64;

/// Makes the names that sockets have before they are renamed differ within this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A listening Unix socket. Its file is removed when this is dropped, unless another socket has taken its place.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: File,
    by_user: bool,
}

impl UnixSocket {
    /// Counts the connections of all processes of one user together, where [`crate::Limits::connections_per_peer`] bounds
    /// them. Without it each process is counted for itself, and a user may have many.
    #[must_use]
    pub fn counted_by_user(mut self) -> Self {
        self.by_user = true;
        self
    }

    pub(crate) fn counts_users(&self) -> bool {
        self.by_user
    }

    /// Listens at a path. The folder must exist. `mode` is who may connect: connecting takes the right to write
    /// (unix(7)).
    ///
    /// The socket is made under another name in the same folder, gets its mode, and is renamed, so that nobody meets it
    /// with other rights and a client finds either the old socket or the new one. A socket on which nobody listens any
    /// more is replaced. Of two processes that start at the same instant the later one keeps the path.
    ///
    /// # Errors
    /// When a server answers at the path or may be there, when something else than a socket is there, when the folder
    /// is missing or may not be written, or when the path is longer than the 107 bytes of a Unix address. Outside a
    /// tokio runtime.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, Error> {
        let failed = || Error::configuration(format!("listen on the socket {}", path.display()));
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return Err(failed().hint("name a file, not a folder")),
        };
        // An address that is too long is told from a name that cannot be made: the first wants another path.
        SocketAddrUnix::new(path).map_err(|error| {
            failed()
                .because(io::Error::from(error))
                .hint("a Unix socket's path has at most 107 bytes: choose a shorter one")
        })?;
        refuse_what_is_there(path)?;
        let (socket, temporary) = bind_beside(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed().because(error).hint(format!("create the folder {}", folder.display())),
            _ => failed().because(error),
        })?;
        let placed = place(&socket, &temporary, path, mode);
        let (listener, file) = placed.map_err(|error| {
            drop(fs::remove_file(&temporary));
            failed().because(error)
        })?;
        Ok(Self { listener, file, by_user: false })
    }

    /// [`UnixSocket::bind`] that makes the folder, with this mode, when it is missing. Its parent must exist. A folder
    /// that is there stays as it is.
    ///
    /// # Errors
    /// As [`UnixSocket::bind`], and when the folder cannot be made.
    pub fn bind_in_folder(path: &Path, mode: u32, folder_mode: u32) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let failed = || Error::configuration(format!("create the folder {}", folder.display()));
            match fs::DirBuilder::new().mode(folder_mode).create(folder) {
                // mkdir(2) takes the umask off; what was asked for is meant.
                Ok(()) => fs::set_permissions(folder, fs::Permissions::from_mode(folder_mode))
                    .map_err(|error| failed().because(error))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed().because(error)),
            }
        }
        Self::bind(path, mode)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The next connection with who made it. A peer that is gone before it is known is passed over.
    pub(crate) async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        loop {
            let (stream, _unnamed) = self.listener.accept().await?;
            match Peer::of(&stream) {
                Ok(peer) => return Ok((stream, peer)),
                Err(error) => tracing::debug!(%error, "a local peer was gone before it was known"),
            }
        }
    }
}

/// The file of a socket, by what the kernel calls it, because a path may lead to another socket by now.
#[derive(Debug)]
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for File {
    fn drop(&mut self) {
        let ours =
            fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a socket could not be removed");
        }
    }
}

/// Refuses a path where a server answers, or where something is that is not ours to replace.
fn refuse_what_is_there(path: &Path) -> Result<(), Error> {
    let failed = || Error::configuration(format!("listen on the socket {}", path.display()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed().because(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(failed().hint("something that is not a socket is there: remove it, or choose another path"));
        }
        Ok(_) => {}
    }
    let live = "another server answers there: stop it, or choose another path";
    match try_connect(path) {
        // Bound and not listening: whoever bound it has ended. NOENT: it was removed just now.
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // AGAIN: its queue is full (connect(2)), so somebody listens.
        Ok(()) | Err(Errno::AGAIN) => Err(failed().hint(live)),
        Err(error) => Err(failed().because(io::Error::from(error)).hint(live)),
    }
}

/// Connects without waiting: a server whose queue is full must not hold up the start.
fn try_connect(path: &Path) -> Result<(), Errno> {
    connect(&new_socket()?, &SocketAddrUnix::new(path)?)
}

fn new_socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// A socket with a name of its own in the folder, on which nobody can connect yet.
fn bind_beside(folder: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let socket = new_socket()?;
    for _ in 0..ATTEMPTS {
        // Short, so that it fits wherever the real name does. A name that is taken is of a process that died just
        // there.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{:x}", process::id().wrapping_add(number)));
        match bind(&socket, &SocketAddrUnix::new(&path)?) {
            Ok(()) => return Ok((socket, path)),
            Err(Errno::ADDRINUSE) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free name in the folder"))
}

/// Gives the socket its mode, opens it, and moves it to its path.
#[expect(
    clippy::disallowed_methods,
    reason = "a socket is no file with content, so the writer of files cannot place it"
)]
fn place(socket: &OwnedFd, temporary: &Path, path: &Path, mode: u32) -> io::Result<(UnixListener, File)> {
    fs::set_permissions(temporary, fs::Permissions::from_mode(mode))?;
    let found = fs::symlink_metadata(temporary)?;
    // Listening before the rename: a client that finds the path is never refused.
    listen(socket, BACKLOG)?;
    let listener = UnixListener::from_std(StdListener::from(socket.try_clone()?))?;
    fs::rename(temporary, path)?;
    Ok((listener, File { path: path.to_owned(), device: found.dev(), inode: found.ino() }))
}
