//! User, groups and executable.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::{BoxFuture, Error, hex};
use carnet_spiffe::Selector;

use super::{Caller, Names, WorkloadAttestor, push, version::Version};
use crate::process::{Process, is_same_file};

const KIND: &str = "unix";

/// Digests that are remembered.
const MAX_DIGESTS: usize = 256;

/// What `readlink` shows behind the path of a file that was removed (proc_pid_exe(5)).
const REMOVED: &str = " (deleted)";

/// Facts that every process has.
///
/// | selector | from |
/// | --- | --- |
/// | `unix:uid:1000`, `unix:gid:1000` | effective ids |
/// | `unix:supplementary_gid:24` | supplementary groups |
/// | `unix:user:api`, `unix:group:api`, `unix:supplementary_group:cdrom` | the names that [`Names`] has for them |
/// | `unix:path:/usr/bin/api` | `/proc/PID/exe`, when the agent sees the same file there |
/// | `unix:sha256:…` | the content of that file, lower-case hexadecimal |
///
/// A path is a name in the caller's own mount namespace, and any user may make one (user_namespaces(7)). So it counts only when the
/// same path leads the agent to the same file.
#[derive(Debug)]
pub struct Unix {
    names: Names,
    executables: Executables,
    digests: Arc<Digests>,
}

/// What is looked at of the executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executables {
    /// Nothing.
    Ignored,
    /// Its path.
    Path,
    /// Its path, and the SHA-256 of its content when it has at most so many bytes.
    Digest(u64),
}

impl Unix {
    /// With these names.
    pub fn new(names: Names, executables: Executables) -> Self {
        Self { names, executables, digests: Arc::default() }
    }

    fn ids(&self, caller: &Caller) -> Result<Vec<Selector>, Error> {
        let ids = &caller.credentials;
        let (users, groups) = (self.names.read("passwd")?, self.names.read("group")?);
        let mut selectors = Vec::new();
        let mut add = |what: &str, value: &str| push(&mut selectors, KIND, &format!("{what}:{value}"));
        add("uid", &ids.uid.to_string());
        add("gid", &ids.gid.to_string());
        if let Some(name) = users.name(ids.uid) {
            add("user", name);
        }
        if let Some(name) = groups.name(ids.gid) {
            add("group", name);
        }
        for gid in &ids.groups {
            add("supplementary_gid", &gid.to_string());
            if let Some(name) = groups.name(*gid) {
                add("supplementary_group", name);
            }
        }
        Ok(selectors)
    }

    /// An executable that may not be looked at makes the selectors fewer, and no error.
    async fn executable(&self, caller: &Caller, selectors: &mut Vec<Selector>) -> Result<(), Error> {
        let limit = match self.executables {
            Executables::Ignored => return Ok(()),
            Executables::Path => None,
            Executables::Digest(limit) => Some(limit),
        };
        let file = match caller.process().open_file("exe") {
            Ok(file) => file,
            Err(error) => {
                tracing::debug!(%error, workload.pid = caller.pid, "the executable of a workload cannot be opened");
                return Ok(());
            }
        };
        if let Some(path) = path(caller.process(), &file) {
            push(selectors, KIND, &format!("path:{path}"));
        }
        if let Some(limit) = limit {
            let digests = Arc::clone(&self.digests);
            let digest = tokio::task::spawn_blocking(move || digests.of(file, limit)).await;
            match digest.map_err(|error| Error::internal("digest an executable").because(error))? {
                Ok(Some(digest)) => push(selectors, KIND, &format!("sha256:{}", hex(&digest))),
                Ok(None) => {
                    tracing::warn!(
                        workload.pid = caller.pid,
                        limit,
                        "the executable of a workload is too large to digest"
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, workload.pid = caller.pid, "the executable of a workload cannot be read");
                }
            }
        }
        Ok(())
    }
}

impl WorkloadAttestor for Unix {
    fn name(&self) -> &'static str {
        KIND
    }

    fn attest<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<Vec<Selector>, Error>> {
        Box::pin(async move {
            let mut selectors = self.ids(caller)?;
            self.executable(caller, &mut selectors).await?;
            Ok(selectors)
        })
    }
}

fn path(process: &Process, file: &File) -> Option<String> {
    let path = process.link("exe").ok()?;
    let text = path.to_str()?;
    (!text.ends_with(REMOVED) && is_same_file(file, &path)).then(|| text.to_owned())
}

/// Digests of files that have not changed since.
#[derive(Debug, Default)]
struct Digests(Mutex<HashMap<Version, [u8; 32]>>);

impl Digests {
    /// The digest of an open file, or nothing when it is larger than `limit`. One file is read at a time, since it is held in
    /// memory meanwhile.
    fn of(&self, file: File, limit: u64) -> io::Result<Option<[u8; 32]>> {
        let version = Version::of(&file.metadata()?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = known.get(&version) {
            return Ok(Some(*digest));
        }
        if version.length > limit {
            return Ok(None);
        }
        let mut content = Vec::with_capacity(usize::try_from(version.length).unwrap_or_default());
        file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
            return Ok(None);
        }
        let digest = carnet_jose::sha256(&content);
        if known.len() >= MAX_DIGESTS {
            known.clear();
        }
        known.insert(version, digest);
        Ok(Some(digest))
    }
}
