//! Where proxymux is, and the files that the kubelet writes into a pod.

use std::{
    net::Ipv6Addr,
    path::{Path, PathBuf},
};

use carnet_core::{Context, Error, Secret, SecretBytes, Unnamed, check_token};
use url::Url;

use crate::{
    endpoint,
    token::{MAX_KEY, MAX_TOKEN},
};

/// What the kubelet sets in every pod.
const HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Another port than the usual one (Oracle's TypeScript SDK).
const PORT: &str = "KUBERNETES_SERVICE_PORT_PROXYMUX";
/// The port of proxymux, fixed in Oracle's SDKs.
const USUAL_PORT: &str = "12250";
/// Another file of authorities (all of Oracle's SDKs).
const CA_VARIABLE: &str = "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH";
/// What Oracle's documents have people set in pods on Kubernetes Engine, although it names nothing of it.
const VERSION: &str = "OCI_RESOURCE_PRINCIPAL_VERSION";
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const SESSIONS: &str = "/resourcePrincipalSessionTokens";

/// Proxymux at one address.
#[derive(Debug)]
pub(super) struct Proxymux {
    base: Url,
    /// Whether somebody said that there is one.
    pub(super) expected: bool,
}

/// The files, where configuration names them.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) token: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
}

impl Proxymux {
    /// Where it is, or why this is not the place. `named`: configuration names files of a pod.
    pub(super) fn locate(context: &Context, url: Option<&Url>, named: bool) -> Result<Result<Self, String>, Error> {
        if let Some(base) = url {
            return Ok(Ok(Self { base: base.clone(), expected: true }));
        }
        let Some(host) = context.env(HOST) else {
            return Ok(Err(format!("{HOST} is not set: this is no pod of Kubernetes")));
        };
        let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host };
        let port = context.env(PORT);
        let told = [PORT, CA_VARIABLE, VERSION].into_iter().any(|name| context.env(name).is_some());
        let port_text = port.as_deref().unwrap_or(USUAL_PORT);
        let base =
            port_text.parse::<u16>().ok().and_then(|port| endpoint::parse(&format!("https://{host}:{port}")).ok());
        let base = base.filter(|base| base.path() == "/").ok_or_else(|| {
            Error::configuration(format!("find proxymux: {HOST} and {PORT} do not make an address"))
                .hint("the kubelet sets the former; unset the latter, or write a port")
        })?;
        Ok(Ok(Self { base, expected: told || named }))
    }

    /// Where session tokens are given.
    pub(super) fn sessions(&self) -> Url {
        endpoint::join(&self.base, SESSIONS)
    }

    /// Its address, for people.
    pub(super) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// What is attempted there.
    pub(super) fn what(&self) -> String {
        format!("get a session token for this pod from {}", self.origin())
    }
}

impl Files {
    /// Whether configuration names one.
    pub(super) fn is_named(&self) -> bool {
        self.token.is_some() || self.ca.is_some()
    }

    pub(super) fn token_place(&self) -> &Path {
        self.token.as_deref().unwrap_or(Path::new(TOKEN))
    }

    /// The token, if there is one. White space around it is not part of it.
    pub(super) fn token(&self, context: &Context) -> Result<Option<Secret>, Error> {
        let Some(bytes) = read(context, self.token.as_deref(), TOKEN, MAX_TOKEN)? else { return Ok(None) };
        let shown = carnet_core::safe_text(&self.token_place().to_string_lossy());
        let no_token = |wrong: &str| {
            Error::configuration(format!("read {shown}: {wrong}"))
                .hint("it holds the service account's token and nothing else")
        };
        let text = std::str::from_utf8(bytes.expose()).map_err(|_quoting| no_token("it is not text"))?;
        let token = Secret::new(text.trim());
        check_token(&token).map_err(no_token)?;
        Ok(Some(token))
    }

    /// The cluster's authorities.
    pub(super) fn ca(&self, context: &Context) -> Result<Vec<u8>, Error> {
        let named = self.ca.clone().or_else(|| context.env(CA_VARIABLE).map(PathBuf::from));
        let bytes = read(context, named.as_deref(), CA, MAX_KEY)?.ok_or_else(|| {
            let shown = named.as_deref().unwrap_or(Path::new(CA)).to_string_lossy();
            Error::configuration(format!("read {}: it does not exist", carnet_core::safe_text(&shown)))
                .hint(format!("it holds the cluster's authorities; set ca_file or {CA_VARIABLE} where it is elsewhere"))
        })?;
        Ok(bytes.expose().to_vec())
    }
}

/// A file that somebody named, or the one at the usual place, if nobody else could have put it there.
fn read(
    context: &Context,
    named: Option<&Path>,
    usual: &'static str,
    limit: usize,
) -> Result<Option<SecretBytes>, Error> {
    let Some(path) = named else {
        return match context.files.read_unnamed(Path::new(usual), limit)? {
            Some(Unnamed::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Unnamed::OfAnotherUser) => {
                Err(Error::configuration(format!("use {usual}: it, or a link to it, belongs to another user"))
                    .hint("in a pod it belongs to root or to the pod's user; elsewhere name the file that is meant"))
            }
            None => Ok(None),
        };
    };
    context.files.read(path, limit)
}
