//! How the operator reaches the authority, and who it is there.

use std::{path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{Context, Error, HttpSend, Mistake};
use carnet_net::{CertificateFiles, Client, ClientTls, Settings};
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, TrustDomain, verify_x509_svid};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Authority;
use crate::metrics::Metrics;

/// Where an authority's admin API is unless it is named.
const USUAL_SOCKET: &str = "/run/carnet/authority.sock";
/// Largest bundle, in bytes.
const MAX_BUNDLE: usize = 1 << 20;
/// How often the SVID's files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// How the authority's admin API is reached: over its Unix socket, or by TLS with an X509-SVID or an access token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityAccess {
    /// The Unix socket. By default `/run/carnet/authority.sock`, unless there is a `url`.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// The authority's listener for nodes, for instance `https://authority.example.org:8443`.
    #[serde(default)]
    pub url: Option<String>,
    /// A file with an access token that has the scope `carnet:admin`, read anew each time.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// A PEM file with the X509-SVID that is shown; read again when it changes.
    #[serde(default)]
    pub svid: Option<PathBuf>,
    /// A PEM file with its private key.
    #[serde(default)]
    pub svid_key: Option<PathBuf>,
    /// The SPIFFE bundle of the authority's trust domain, which its certificate must be of; read at each connection. Without it the certificate must be one
    /// of the web.
    #[serde(default)]
    pub bundle: Option<PathBuf>,
    /// The name of that trust domain.
    #[serde(default)]
    pub trust_domain: Option<String>,
}

impl AuthorityAccess {
    /// What is wrong with it.
    pub(crate) fn check(&self, mistakes: &mut Vec<Mistake>) {
        let mut wrong = |field: &str, what: &str| mistakes.push(Mistake::new(format!("authority.{field}"), what));
        match &self.url {
            Some(_) if self.socket.is_some() => wrong("socket", "is given beside url: one of them is enough"),
            Some(url) => match Url::parse(url) {
                Ok(url) if carnet_core::may_carry_tokens(&url) => {}
                _ => wrong("url", "is not an https URL"),
            },
            None => {}
        }
        if self.svid.is_some() != self.svid_key.is_some() {
            wrong("svid_key", "is given without svid, or svid without it");
        }
        if self.svid.is_some() && self.token_file.is_some() {
            wrong("token_file", "is given beside svid: a token would count before the certificate");
        }
        if self.bundle.is_some() != self.trust_domain.is_some() {
            wrong("trust_domain", "is given without bundle, or bundle without it");
        }
        if self.url.is_none() && (self.svid.is_some() || self.bundle.is_some()) {
            wrong("url", "is missing: certificates are shown and looked at with TLS only");
        }
    }

    /// The authority. Nothing is sent yet.
    ///
    /// # Errors
    /// When a file that is named cannot be read.
    pub(crate) fn open(
        &self,
        context: &Context,
        network: &Settings,
        metrics: Metrics,
        shutdown: &CancellationToken,
    ) -> Result<Authority, Error> {
        let parse = |url: &str| {
            let parsed: Result<Url, _> = url.parse();
            parsed.map_err(|error| Error::configuration("read the address of the authority").because(error))
        };
        let (http, base): (Arc<dyn HttpSend>, Url) = match &self.url {
            None => {
                let socket = self.socket.clone().unwrap_or_else(|| PathBuf::from(USUAL_SOCKET));
                (Arc::new(Client::unix(socket)), parse("http://localhost")?)
            }
            Some(url) => {
                let client = Client::new(network.clone()).with_tls(self.tls(context, shutdown)?);
                (Arc::new(client), parse(url)?)
            }
        };
        Ok(Authority { context: context.clone(), http, base, token: self.token_file.clone(), metrics })
    }

    fn tls(&self, context: &Context, shutdown: &CancellationToken) -> Result<ClientTls, Error> {
        let mut tls = ClientTls::new();
        if let (Some(chain), Some(key)) = (&self.svid, &self.svid_key) {
            let files = CertificateFiles::open(Arc::clone(&context.files), chain.clone(), key.clone())?;
            tls = tls.identity(files.source());
            let shutdown = shutdown.clone();
            tokio::spawn(async move { files.watch(LOOK, shutdown).await });
        }
        if let (Some(path), Some(name)) = (&self.bundle, &self.trust_domain) {
            let domain: TrustDomain =
                name.parse().map_err(|error| Error::configuration("read authority.trust_domain").because(error))?;
            let wanted = SpiffeId::new(&domain, "/carnet/authority")
                .map_err(|error| Error::configuration("read authority.trust_domain").because(error))?;
            let clock = Arc::clone(&context.clock);
            let (files, path) = (Arc::clone(&context.files), path.clone());
            let read = move || -> Result<BundleMap, String> {
                let bytes = files.read(&path, MAX_BUNDLE).map_err(|error| error.to_string())?;
                let bytes = bytes.ok_or_else(|| format!("{} is not there", path.display()))?;
                let bundle = Bundle::parse(&domain, bytes.expose()).map_err(|error| error.to_string())?;
                Ok(BundleMap::from_iter([Arc::new(bundle)]))
            };
            read().map_err(|wrong| Error::configuration(format!("read the bundle of the authority: {wrong}")))?;
            tls = tls.verifier(Arc::new(move |chain| match verify_x509_svid(chain, &read()?, clock.now()) {
                Ok(id) if id == wanted => Ok(()),
                Ok(id) => Err(format!("the server is {id}, not {wanted}")),
                Err(error) => Err(error.to_string()),
            }));
        }
        Ok(tls)
    }
}
