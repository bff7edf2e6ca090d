//! What the control API and the sandbox's owner share.

use std::{fmt, sync::Arc};

use carnet_core::{Error, Secret};
use carnet_sandbox_kit::{Fault, FaultKind, Urls, World};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    emulators::Emulators,
    environment::{Flavour, Places, variables},
    folder::Folder,
    routes::Routes,
};

/// A running sandbox, without what keeps it running.
pub(crate) struct Inner {
    pub(crate) folder: Folder,
    pub(crate) world: World,
    pub(crate) emulators: Emulators,
    pub(crate) urls: Urls,
    pub(crate) routes: Arc<Routes>,
    pub(crate) ca_pem: String,
    pub(crate) control_token: Secret,
    pub(crate) control: Url,
    pub(crate) proxy: Url,
    pub(crate) files: OnceCell<()>,
    pub(crate) shutdown: CancellationToken,
}

impl Inner {
    /// `http://127.0.0.1:PORT`
    pub(crate) fn proxy_url(&self) -> String {
        self.proxy.origin().ascii_serialization()
    }

    /// Switches a fault on. A key is replaced now and not at each request.
    pub(crate) fn add_fault(&self, fault: Fault) -> Result<(), Error> {
        if !self.urls.keys().any(|name| fault.concerns(name)) {
            let names: Vec<&str> = self.urls.keys().copied().collect();
            return Err(Error::configuration(format!("switch on a fault of {:?}, which is no service", fault.service))
                .hint(format!("services are {}", names.join(", "))));
        }
        if fault.kind == FaultKind::KeyRotated {
            for name in self.urls.keys().filter(|name| fault.concerns(name)) {
                for (_, emulator) in &self.emulators {
                    emulator.rotate_keys(name);
                }
            }
        }
        self.world.faults.add(fault);
        Ok(())
    }

    pub(crate) fn job_environment(&self, job: &str, audience: Option<&str>) -> Result<Vec<(String, String)>, Error> {
        let played =
            self.emulators.iter().find_map(|(_, emulator)| emulator.job_environment(job, audience, &self.urls));
        played.unwrap_or_else(|| {
            Err(Error::configuration(format!("play a job of {job}, which is no CI system here"))
                .hint("`carnet sandbox env --help` names the systems"))
        })
    }

    pub(crate) async fn environment(self: &Arc<Self>, flavour: Flavour) -> Result<Vec<(String, String)>, Error> {
        self.files
            .get_or_try_init(|| async {
                let inner = Arc::clone(self);
                let made = tokio::task::spawn_blocking(move || inner.write_files()).await;
                made.map_err(|error| Error::internal("write the emulators' files").because(error))?
            })
            .await?;
        let control = self.control.origin().ascii_serialization();
        let places = Places {
            folder: self.folder.path(),
            proxy: &self.proxy_url(),
            control: &control,
            urls: &self.urls,
            routes: &self.routes,
        };
        Ok(variables(flavour, &self.emulators, &places))
    }

    fn write_files(&self) -> Result<(), Error> {
        let mut files = Vec::new();
        for (_, emulator) in &self.emulators {
            files.extend(emulator.files(&self.urls, self.folder.path())?);
        }
        self.folder.write(files)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("urls", &self.urls).field("folder", &self.folder).finish_non_exhaustive()
    }
}
