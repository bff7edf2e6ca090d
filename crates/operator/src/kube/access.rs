//! As whom the operator asks, and which API server: that of the cluster that it runs in, one that is named, or that of a kubeconfig.

use carnet_core::{Context, Error, Request};
use carnet_kubernetes::{ApiAccess, ApiServer};
use carnet_net::TlsCertificate;
use url::Url;

use super::kubeconfig::Kubeconfig;

/// Which API server.
#[derive(Debug)]
pub(crate) enum Access {
    /// By its address, with the token of a file: in a pod its own account's.
    Server(ApiServer),
    /// As a kubeconfig has it.
    Kubeconfig(Box<Kubeconfig>),
}

impl Access {
    /// What is named; otherwise the cluster's own; otherwise what `KUBECONFIG` or `~/.kube/config` say.
    pub(crate) fn find(
        context: &Context,
        named: &ApiAccess,
        kubeconfig: Option<&std::path::Path>,
        place: Option<&str>,
    ) -> Result<Self, Error> {
        if let Some(path) = kubeconfig {
            return Ok(Self::Kubeconfig(Box::new(Kubeconfig::read(context, path, place)?)));
        }
        if let Some(server) = named.locate(context)? {
            return Ok(Self::Server(server));
        }
        match Kubeconfig::find(context, place)? {
            Some(found) => Ok(Self::Kubeconfig(Box::new(found))),
            None => named.need(context).map(Self::Server).map_err(|error| error.hint("or set KUBECONFIG")),
        }
    }

    /// The certificate that is shown, if there is one.
    pub(crate) fn identity(&self) -> Option<TlsCertificate> {
        match self {
            Self::Server(_) => None,
            Self::Kubeconfig(config) => config.identity(),
        }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> Url {
        match self {
            Self::Server(server) => server.url(path),
            Self::Kubeconfig(config) => config.url(path),
        }
    }

    /// The request with who asks, and whom it believes.
    pub(crate) async fn prepare(&self, context: &Context, request: Request) -> Result<Request, Error> {
        match self {
            Self::Server(server) => server.prepare(context, request),
            Self::Kubeconfig(config) => config.prepare(context, request).await,
        }
    }
}
