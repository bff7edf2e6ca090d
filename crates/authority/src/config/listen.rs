//! Where the authority listens.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use carnet_core::Mistake;
use carnet_discovery::acme::{AcmeSettings, LETS_ENCRYPT};
use schemars::JsonSchema;
use serde::Deserialize;

/// The sockets. What is absent does not listen.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenSection {
    /// Address and port for relying parties and token exchange, for instance `0.0.0.0:443`.
    #[serde(default = "default_public")]
    public: String,
    /// The certificate of `public`. Without it plain HTTP, which must then be behind something that does TLS, or loopback.
    #[serde(default)]
    tls: Option<TlsSection>,
    /// The certificate of `public` by ACME (RFC 8555), in place of `tls`.
    #[serde(default)]
    acme: Option<AcmeSection>,
    /// Say yes when a proxy in front does TLS and `public` is not on loopback.
    #[serde(default)]
    behind_proxy: bool,
    /// Address and port for agents, always with TLS of the trust domain, for instance `0.0.0.0:8443`.
    #[serde(default)]
    nodes: Option<String>,
    /// Address and port for the SPIFFE bundle by `https_spiffe`.
    #[serde(default)]
    bundle: Option<String>,
    /// Unix socket of the admin API.
    #[serde(default = "default_admin")]
    admin: PathBuf,
    /// Users that may use that socket, by number, beside root and the one that runs the authority.
    #[serde(default)]
    admin_uids: Vec<u32>,
    /// SPIFFE IDs that may use the admin API over `nodes`, by their X509-SVID.
    #[serde(default)]
    admin_ids: Vec<String>,
    /// Address and port for `/livez`, `/readyz` and `/metrics`. Keep it where only the operator can reach it.
    #[serde(default)]
    diagnostics: Option<String>,
}

/// A certificate that somebody else keeps fresh.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSection {
    /// PEM: the certificate, then those above it.
    certificate: PathBuf,
    /// PEM: its private key.
    key: PathBuf,
    /// How often the files are looked at, in seconds.
    #[serde(default = "default_look")]
    look_seconds: u32,
}

/// A certificate by ACME (RFC 8555), proved by `http-01`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcmeSection {
    /// The host names that the certificate is for.
    domains: Vec<String>,
    /// Whom the certificate authority writes to.
    email: String,
    /// Whether you agree to its terms of service. Must be `true`.
    tos_accepted: bool,
    /// Where it looks for the proof: it comes to port 80 of each domain.
    #[serde(default = "default_challenge")]
    challenge: String,
    /// Its directory. That of Let's Encrypt unless this says otherwise.
    #[serde(default)]
    directory_url: Option<String>,
    /// Where account and certificate are kept, each file for its owner only.
    #[serde(default = "default_acme_folder")]
    folder: PathBuf,
    /// PEM certificates by which its own server is believed, in place of the system's.
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

/// Where it listens, checked.
#[derive(Clone, Debug)]
pub struct Listen {
    /// For relying parties and token exchange.
    pub public: SocketAddr,
    /// The certificate of `public`.
    pub tls: Option<PublicTls>,
    /// The certificate of `public` by ACME, and where the proof is served.
    pub acme: Option<(AcmeSettings, SocketAddr)>,
    /// For agents.
    pub nodes: Option<SocketAddr>,
    /// For bundles by `https_spiffe`.
    pub bundle: Option<SocketAddr>,
    /// For the admin API.
    pub admin: AdminAccess,
    /// For probes and Prometheus.
    pub diagnostics: Option<SocketAddr>,
}

/// The certificate of the public listener, checked.
#[derive(Clone, Debug)]
pub struct PublicTls {
    /// PEM: the certificate, then those above it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// How often the files are looked at.
    pub look: Duration,
}

/// Who may use the admin API.
#[derive(Clone, Debug)]
pub struct AdminAccess {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Users by number, beside root and the own one.
    pub uids: Vec<u32>,
    /// SPIFFE IDs.
    pub ids: Vec<carnet_spiffe::SpiffeId>,
}

fn default_public() -> String {
    "127.0.0.1:8080".to_owned()
}

fn default_admin() -> PathBuf {
    PathBuf::from("/run/carnet/authority.sock")
}

fn default_challenge() -> String {
    "0.0.0.0:80".to_owned()
}

fn default_acme_folder() -> PathBuf {
    PathBuf::from("/var/lib/carnet/acme")
}

const fn default_look() -> u32 {
    60
}

impl Default for ListenSection {
    fn default() -> Self {
        Self {
            public: default_public(),
            tls: None,
            acme: None,
            behind_proxy: false,
            nodes: None,
            bundle: None,
            admin: default_admin(),
            admin_uids: Vec::new(),
            admin_ids: Vec::new(),
            diagnostics: None,
        }
    }
}

impl ListenSection {
    pub(super) fn check(self) -> Result<Listen, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let public = address("public", &self.public, &mut mistakes);
        let plain_to_the_world = public.is_some_and(|address| !address.ip().is_loopback());
        if plain_to_the_world && self.tls.is_none() && self.acme.is_none() && !self.behind_proxy {
            let mistake = Mistake::new("public", "tokens would cross the network without TLS");
            mistakes.push(
                mistake.hint("add tls = { certificate, key }, or behind_proxy = true when a proxy in front does TLS"),
            );
        }
        let optional = |field: &str, text: &Option<String>, mistakes: &mut Vec<Mistake>| {
            text.as_ref().and_then(|text| address(field, text, mistakes))
        };
        let nodes = optional("nodes", &self.nodes, &mut mistakes);
        let bundle = optional("bundle", &self.bundle, &mut mistakes);
        let diagnostics = optional("diagnostics", &self.diagnostics, &mut mistakes);
        let mut ids = Vec::new();
        for (at, text) in self.admin_ids.iter().enumerate() {
            match text.parse() {
                Ok(id) => ids.push(id),
                Err(error) => mistakes.push(Mistake::new(format!("admin_ids.{at}"), format!("{error}"))),
            }
        }
        if !ids.is_empty() && self.nodes.is_none() {
            mistakes.push(Mistake::new("admin_ids", "they are let in at `nodes`, which is not set"));
        }
        if self.tls.is_some() && self.acme.is_some() {
            mistakes.push(Mistake::new("acme", "there is one certificate: from files, or by ACME"));
        }
        let acme = self.acme.and_then(|section| section.check(&mut mistakes));
        let tls = self.tls.map(|section| PublicTls {
            certificate: section.certificate,
            key: section.key,
            look: Duration::from_secs(section.look_seconds.max(1).into()),
        });
        let admin = AdminAccess { socket: self.admin, uids: self.admin_uids, ids };
        match public {
            Some(public) if mistakes.is_empty() => Ok(Listen { public, tls, acme, nodes, bundle, admin, diagnostics }),
            _ => Err(mistakes),
        }
    }
}

impl AcmeSection {
    fn check(self, mistakes: &mut Vec<Mistake>) -> Option<(AcmeSettings, SocketAddr)> {
        if self.domains.is_empty() {
            mistakes.push(Mistake::new("acme.domains", "a certificate is for at least one name"));
        }
        if !self.tos_accepted {
            let mistake = Mistake::new("acme.tos_accepted", "there is no certificate without agreement");
            mistakes.push(mistake.hint("read the terms of service of the certificate authority and write true"));
        }
        let directory_url = self.directory_url.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        if !directory_url.starts_with("https://") {
            mistakes.push(Mistake::new("acme.directory_url", "it is not an https URL"));
        }
        let challenge = address("acme.challenge", &self.challenge, mistakes)?;
        let settings = AcmeSettings {
            directory_url,
            email: self.email,
            domains: self.domains,
            cache_dir: self.folder,
            ca_file: self.ca_file,
        };
        Some((settings, challenge))
    }
}

fn address(field: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let mistake = Mistake::new(field, "it is not an address with a port");
        mistakes.push(mistake.hint("write 127.0.0.1:8080 or [::1]:8080; port 0 lets the system choose"));
    }
    parsed
}
