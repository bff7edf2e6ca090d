//! The signing keys.

use std::path::PathBuf;

use carnet_core::Mistake;
use carnet_jose::Algorithm;
use carnet_keys::{KeySettings, SecretSource, Upstream};
use carnet_spiffe::TrustDomain;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

/// The key file of an authority that says nothing else.
const DEFAULT_KEY_FILE: &str = "/var/lib/carnet/seal.key";

/// The signing keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySection {
    /// Tokens are signed with these: any of `RS256`, `ES256`, `ES384`, `EdDSA`.
    #[serde(default = "default_algorithms")]
    algorithms: Vec<String>,
    /// Certificates are signed with this: `ES256`, `ES384` or `RS256`.
    #[serde(default = "default_x509")]
    x509_algorithm: String,
    /// How long a key lives, in seconds. Nothing that is signed outlives its key.
    #[serde(default = "default_lifetime")]
    lifetime_seconds: u32,
    /// A key is published for so many seconds before it signs.
    #[serde(default)]
    propagation_seconds: Option<u32>,
    /// How often consumers of the bundle are told to look, in seconds.
    #[serde(default)]
    refresh_hint_seconds: Option<u32>,
    /// Most keys for tokens that are published at once, and most for certificates: at least three for each algorithm, at
    /// most 100. Some gateways take no more than ten. Default: 10, or four for each algorithm if those are more.
    #[serde(default)]
    max_published: Option<u8>,
    /// What private keys are encrypted with in the store.
    #[serde(default)]
    seal: SealSection,
    /// A PKCS #11 token in which the keys are made and stay. Without it they are in the store, encrypted.
    #[serde(default)]
    pkcs11: Option<Pkcs11Section>,
    /// An authority above this one, from files.
    #[serde(default)]
    upstream: Option<UpstreamSection>,
}

/// What private keys are encrypted with. One of the two.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SealSection {
    /// File with 32 random bytes. Made when it is missing and the store is new.
    #[serde(default)]
    key_file: Option<PathBuf>,
    /// File with a passphrase, which only its owner may read.
    #[serde(default)]
    passphrase_file: Option<PathBuf>,
    /// Name of the systemd credential with the passphrase.
    #[serde(default)]
    passphrase_credential: Option<String>,
}

/// A PKCS #11 token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pkcs11Section {
    /// The library of its maker, for instance `/usr/lib/softhsm/libsofthsm2.so`.
    module: PathBuf,
    /// The label of the token.
    token: String,
    /// File with its PIN, which only its owner may read.
    pin_file: PathBuf,
    /// Sessions that are open at once.
    #[serde(default = "default_sessions")]
    sessions: u32,
}

/// An authority above this one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamSection {
    /// PEM: the issuing certificate, then those above it.
    certificate: PathBuf,
    /// PEM: its private key.
    key: PathBuf,
    /// PEM: the root, when `certificate` does not end with it.
    #[serde(default)]
    root: Option<PathBuf>,
}

/// What private keys are encrypted with, checked.
#[derive(Clone, Debug)]
pub enum Seal {
    /// A file with 32 random bytes.
    KeyFile(PathBuf),
    /// A passphrase.
    Passphrase(SecretSource),
}

/// Where private keys are, checked.
#[derive(Clone, Debug)]
pub struct KeyPlace {
    /// How they are made and scheduled.
    pub settings: KeySettings,
    /// What they are encrypted with.
    pub seal: Seal,
    /// The token they are in, if they are.
    pub pkcs11: Option<TokenPlace>,
    /// The authority above.
    pub upstream: Option<Upstream>,
}

/// A PKCS #11 token, checked.
#[derive(Clone, Debug)]
pub struct TokenPlace {
    /// The library of its maker.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// Where its PIN is.
    pub pin: SecretSource,
    /// Sessions that are open at once.
    pub sessions: usize,
}

fn default_algorithms() -> Vec<String> {
    vec!["ES256".to_owned(), "RS256".to_owned()]
}

fn default_x509() -> String {
    "ES256".to_owned()
}

const fn default_lifetime() -> u32 {
    24 * 60 * 60
}

const fn default_sessions() -> u32 {
    4
}

impl Default for KeySection {
    fn default() -> Self {
        Self {
            algorithms: default_algorithms(),
            x509_algorithm: default_x509(),
            lifetime_seconds: default_lifetime(),
            propagation_seconds: None,
            refresh_hint_seconds: None,
            max_published: None,
            seal: SealSection::default(),
            pkcs11: None,
            upstream: None,
        }
    }
}

impl KeySection {
    pub(super) fn check(self, trust_domain: TrustDomain) -> Result<KeyPlace, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut algorithms = Vec::new();
        for (at, name) in self.algorithms.iter().enumerate() {
            algorithms.extend(algorithm(name, &format!("algorithms.{at}"), &mut mistakes));
        }
        let mut settings = KeySettings::new(trust_domain, algorithms);
        settings.x509_algorithm = algorithm(&self.x509_algorithm, "x509_algorithm", &mut mistakes);
        settings.lifetime = SignedDuration::from_secs(self.lifetime_seconds.into());
        // A short life cannot wait for the usual five hints.
        settings.propagation = match self.propagation_seconds {
            Some(seconds) => SignedDuration::from_secs(seconds.into()),
            None => settings.propagation.min(settings.lifetime / 6),
        };
        if let Some(seconds) = self.refresh_hint_seconds {
            settings.refresh_hint = SignedDuration::from_secs(seconds.into());
        }
        if let Some(most) = self.max_published {
            settings.max_published = most.into();
        }
        if mistakes.is_empty()
            && let Err(found) = settings.check()
        {
            mistakes.extend(found.into_iter().map(in_seconds));
        }
        let seal = self.seal.check(&mut mistakes);
        let pkcs11 = self.pkcs11.map(|section| TokenPlace {
            module: section.module,
            token: section.token,
            pin: SecretSource::File(section.pin_file),
            sessions: usize::try_from(section.sessions).unwrap_or(usize::MAX).max(1),
        });
        let upstream = self.upstream.map(|section| Upstream {
            certificate: section.certificate,
            key: section.key,
            root: section.root,
        });
        if mistakes.is_empty() { Ok(KeyPlace { settings, seal, pkcs11, upstream }) } else { Err(mistakes) }
    }
}

impl SealSection {
    fn check(self, mistakes: &mut Vec<Mistake>) -> Seal {
        let named = [
            self.key_file.map(Seal::KeyFile),
            self.passphrase_file.map(|path| Seal::Passphrase(SecretSource::File(path))),
            self.passphrase_credential.map(|name| Seal::Passphrase(SecretSource::Credential(name))),
        ];
        let mut named = named.into_iter().flatten();
        let first = named.next().unwrap_or_else(|| Seal::KeyFile(DEFAULT_KEY_FILE.into()));
        if named.next().is_some() {
            mistakes.push(Mistake::new("seal", "keys are encrypted with one thing, and several are named"));
        }
        first
    }
}

fn algorithm(name: &str, field: &str, mistakes: &mut Vec<Mistake>) -> Option<Algorithm> {
    let found = name.parse().ok();
    if found.is_none() {
        let mistake = Mistake::new(field, format!("`{}` is no algorithm", carnet_core::safe_text(name)));
        mistakes.push(mistake.hint("the algorithms are RS256, ES256, ES384 and EdDSA"));
    }
    found
}

/// The fields have their unit in their name here.
fn in_seconds(mut mistake: Mistake) -> Mistake {
    if ["lifetime", "propagation", "refresh_hint"].contains(&mistake.field.as_str()) {
        mistake.field.push_str("_seconds");
    }
    mistake
}
