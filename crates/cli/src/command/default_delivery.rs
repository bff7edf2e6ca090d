//! How `carnet run` hands a credential over when the route does not say: variables for a token, a private OCI profile
//! for a session.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{BoxFuture, Context, Credential, Delivered, Delivery, Error, Kind, Kinds};
use carnet_route::{ConfigError, Part, Registry, Route};

use crate::world;

/// A folder for this process alone, removed when it ends. Nothing is made before something is written.
#[derive(Debug)]
pub(super) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Under the user's runtime folder, which lives in memory and is private; otherwise where temporary folders are.
    pub(super) fn new(context: &Context) -> Self {
        let parent = context.env("XDG_RUNTIME_DIR").filter(|parent| Path::new(parent).is_dir());
        let parent = parent.map_or_else(world::temporary_folder, PathBuf::from);
        // Nobody can guess the name, so nobody can have made it before us.
        Self(parent.join(format!("carnet-{}", context.random_hex::<16>())))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if self.0.exists() {
            // What cannot be removed is private and expires by itself.
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

/// The route with a delivery: its own, or the usual one.
pub(super) fn complete(route: Route, folder: &PrivateFolder, context: &Context) -> Result<Route, Error> {
    if !route.deliveries().is_empty() {
        return Ok(route);
    }
    let registry = Registry::standard();
    let build = |name: &str, fields: Vec<(String, String)>| {
        let part = Part { flag: "run".to_owned(), name: name.to_owned(), fields };
        part.delivery(&registry, &*context.environment).map_err(|error: ConfigError| Error::from(error))
    };
    let folder = folder.0.join(route.name().replace(' ', "-"));
    // What the tools of Google and of Vault read, where the route ends there.
    let last = route.exchanges().last().map(|exchange| exchange.name());
    let variables = match last {
        Some("gcp") if route.gives().contains(Kind::AccessToken) => "gcp-env",
        Some("vault" | "vault-unwrap") => "vault-env",
        _ => "env",
    };
    let usual = Usual {
        variables: build(variables, Vec::new())?,
        profile: build("oci-profile", vec![("directory".to_owned(), folder.to_string_lossy().into_owned())])?,
    };
    route.deliver_also(Arc::new(usual)).map_err(|misfit| misfit.to_error("--deliver", &registry))
}

/// Chooses by the kind of the credential, which `auto` knows only at the end.
#[derive(Debug)]
struct Usual {
    variables: Arc<dyn Delivery>,
    profile: Arc<dyn Delivery>,
}

impl Delivery for Usual {
    fn name(&self) -> &'static str {
        "usual"
    }

    fn takes(&self) -> Kinds {
        Kinds::ANY
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let delivery = match credential.kind() {
                Kind::OciSession => &self.profile,
                kind if self.variables.takes().contains(kind) => &self.variables,
                kind => {
                    return Err(Error::configuration(format!("hand over a credential of kind {kind} to a command"))
                        .hint("add `deliver` to the route, or `--deliver`"));
                }
            };
            delivery.deliver(context, credential).await
        })
    }
}
