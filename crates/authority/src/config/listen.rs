//! Where the authority listens.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use carnet_core::Mistake;
use carnet_discovery::{
    CertificatePlan, FilesPlan,
    acme::{AcmeChallenge, AcmeSettings, ChallengeType, ExternalAccount, LETS_ENCRYPT, check_email, check_names},
    check_endpoint_url,
};
use carnet_net::TrustedProxies;
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
    /// Addresses and networks of these proxies, for instance `10.0.0.0/8`. What they say in `X-Forwarded-For` is the address of
    /// the caller, for `networks` of rules, the bound on written refusals and the audit. Nobody is believed who is not here.
    #[serde(default)]
    trusted_proxies: Vec<String>,
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

/// A certificate by ACME (RFC 8555).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcmeSection {
    /// The host names that the certificate is for.
    domains: Vec<String>,
    /// Whom the certificate authority writes to.
    email: String,
    /// Whether you agree to its terms of service. Must be `true`.
    tos_accepted: bool,
    /// How the names are proved: `http-01`, which is the default, or `tls-alpn-01`.
    #[serde(default)]
    challenge_type: Option<ChallengeType>,
    /// Where it looks for the proof with `http-01`: it comes to port 80 of each domain. By default `0.0.0.0:80`.
    #[serde(default)]
    challenge: Option<String>,
    /// The account there that the ACME account is bound to, where the certificate authority wants one.
    #[serde(default)]
    external_account: Option<ExternalAccount>,
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
    /// The certificate of `public`; plain HTTP without one.
    pub certificate: Option<CertificatePlan>,
    /// Who may speak for callers at `public`.
    pub trusted_proxies: TrustedProxies,
    /// Whether a proxy brings the callers that nobody told to believe: all have its address then.
    pub unnamed_callers: bool,
    /// For agents.
    pub nodes: Option<SocketAddr>,
    /// For bundles by `https_spiffe`.
    pub bundle: Option<SocketAddr>,
    /// For the admin API.
    pub admin: AdminAccess,
    /// For probes and Prometheus.
    pub diagnostics: Option<SocketAddr>,
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

/// Where proofs of `http-01` are served unless configured.
const CHALLENGE: &str = "0.0.0.0:80";

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
            trusted_proxies: Vec::new(),
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
        let certificate = match (self.tls, self.acme) {
            (Some(section), _) => Some(CertificatePlan::Files(FilesPlan {
                certificate: section.certificate,
                private_key: section.key,
                reload: Duration::from_secs(section.look_seconds.max(1).into()),
            })),
            (None, Some(section)) => section.check(&mut mistakes).map(CertificatePlan::Acme),
            (None, None) => None,
        };
        let trusted_proxies = proxies(&self.trusted_proxies, &mut mistakes);
        let unnamed_callers = self.behind_proxy && self.trusted_proxies.is_empty();
        let admin = AdminAccess { socket: self.admin, uids: self.admin_uids, ids };
        match public {
            Some(public) if mistakes.is_empty() => {
                Ok(Listen { public, certificate, trusted_proxies, unnamed_callers, nodes, bundle, admin, diagnostics })
            }
            _ => Err(mistakes),
        }
    }
}

impl AcmeSection {
    fn check(self, mistakes: &mut Vec<Mistake>) -> Option<AcmeSettings> {
        let domains = check_names("acme.domains", &self.domains).map_err(|wrong| mistakes.extend(wrong));
        mistakes.extend(check_email("acme.email", &self.email).err());
        if !self.tos_accepted {
            let mistake = Mistake::new("acme.tos_accepted", "there is no certificate without agreement");
            mistakes.push(mistake.hint("read the terms of service of the certificate authority and write true"));
        }
        let directory_url = self.directory_url.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        mistakes.extend(check_endpoint_url("acme.directory_url", &directory_url).err());
        if let Some(mistake) = self.external_account.as_ref().and_then(ExternalAccount::check) {
            mistakes.push(Mistake { field: format!("acme.external_account.{}", mistake.field), ..mistake });
        }
        let challenge = match self.challenge_type.unwrap_or(ChallengeType::Http01) {
            ChallengeType::Http01 => {
                let at = self.challenge.as_deref().unwrap_or(CHALLENGE);
                AcmeChallenge::Http01(address("acme.challenge", at, mistakes)?)
            }
            ChallengeType::TlsAlpn01 => {
                if self.challenge.is_some() {
                    let mistake = Mistake::new("acme.challenge", "`tls-alpn-01` is proved at `public`");
                    mistakes.push(mistake.hint("leave the address out: nothing listens there"));
                }
                AcmeChallenge::TlsAlpn01
            }
        };
        Some(AcmeSettings {
            directory_url,
            email: self.email,
            domains: domains.ok()?,
            challenge,
            external_account: self.external_account,
            cache_dir: self.folder,
            ca_file: self.ca_file,
        })
    }
}

fn proxies(texts: &[String], mistakes: &mut Vec<Mistake>) -> TrustedProxies {
    match TrustedProxies::parse(texts) {
        Ok(proxies) if !proxies.unix => return proxies,
        Ok(_) => mistakes.push(Mistake::new("trusted_proxies", "`public` is no Unix socket")),
        Err(wrong) => {
            let hint = "write addresses and networks of proxies, such as 10.0.0.7 or 2001:db8::/48";
            mistakes.push(Mistake::new("trusted_proxies", wrong).hint(hint));
        }
    }
    TrustedProxies::default()
}

fn address(field: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let mistake = Mistake::new(field, "it is not an address with a port");
        mistakes.push(mistake.hint("write 127.0.0.1:8080 or [::1]:8080; port 0 lets the system choose"));
    }
    parsed
}
