//! Sources, exchanges and deliveries that need no cloud.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Exchange, ExchangeConfig,
    Found, Kind, Kinds, Material, Mistake, OciSession, Register, Secret, SecretBytes, Source, SourceConfig, Want,
};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Registry;

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::empty();
    registry.source::<NowhereConfig>();
    registry.source::<RobotConfig>();
    registry.source::<LetterConfig>();
    registry.source::<KeyringConfig>();
    registry.exchange::<SwapConfig>();
    registry.exchange::<UpgradeConfig>();
    registry.delivery::<PaperConfig>();
    registry.delivery::<NoteConfig>();
    registry
}

/// What a fake does, and what it was asked for.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) name: &'static str,
    pub(crate) takes: Kinds,
    pub(crate) gives: Kinds,
    pub(crate) behaves: Behaviour,
    pub(crate) audience: Option<String>,
    pub(crate) wants: Mutex<Vec<Want>>,
    /// Whether it was told to begin its slow local work.
    pub(crate) prepared: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Gives a credential of this kind that lives an hour, after so many milliseconds.
    Gives(Kind, u64),
    /// Gives a credential that has expired.
    Expired(Kind),
    Absent,
    Broken,
}

impl Fake {
    pub(crate) fn new(name: &'static str, takes: Kinds, gives: Kinds, behaves: Behaviour) -> Self {
        Self { name, takes, gives, behaves, audience: None, wants: Mutex::default(), prepared: AtomicBool::new(false) }
    }

    pub(crate) fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    pub(crate) fn wanted(&self) -> Vec<Option<String>> {
        self.wants.lock().unwrap().iter().map(|want| want.audience.clone()).collect()
    }

    async fn act(&self, context: &Context, want: &Want) -> Result<Found, Error> {
        self.wants.lock().unwrap().push(want.clone());
        match self.behaves {
            Behaviour::Gives(kind, delay) => {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                Ok(Found::credential(credential(kind, context, SignedDuration::from_hours(1), want)))
            }
            Behaviour::Expired(kind) => {
                Ok(Found::credential(credential(kind, context, SignedDuration::from_hours(-1), want)))
            }
            Behaviour::Absent => Ok(Found::not_here(format!("there is no {} in this place", self.name))),
            Behaviour::Broken => Err(Error::unreachable(format!("ask the {}", self.name)).hint("oil it")),
        }
    }
}

fn credential(kind: Kind, context: &Context, life: SignedDuration, want: &Want) -> Credential {
    let material = match kind {
        Kind::AccessToken => {
            Material::AccessToken(AccessToken { token: Secret::new("s3cr3t-access"), token_type: "Bearer".to_owned() })
        }
        Kind::OciSession => Material::OciSession(OciSession {
            token: Secret::new("s3cr3t-session"),
            private_key: SecretBytes::new(b"s3cr3t-key".to_vec()),
            region: None,
            tenancy: None,
        }),
        _ => Material::Jwt(Secret::new("s3cr3t-jwt")),
    };
    let credential = Credential::new(material).expires_at(context.now() + life).fact("principal", "robot");
    match &want.audience {
        Some(audience) => credential.fact("audience", audience.clone()),
        None => credential,
    }
}

impl Source for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn gives(&self) -> Kinds {
        self.gives
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(self.act(context, want))
    }
}

impl Exchange for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> Kinds {
        self.takes
    }

    fn gives(&self) -> Kinds {
        self.gives
    }

    fn audience(&self) -> Option<String> {
        self.audience.clone()
    }

    fn prepare(&self) {
        self.prepared.store(true, Ordering::Relaxed);
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        _credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            match self.act(context, want).await? {
                Found::Credential(credential) => Ok(*credential),
                Found::NotHere(reason) => Err(Error::refused(reason).code("invalid_grant").clause("audience")),
            }
        })
    }
}

impl Delivery for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> Kinds {
        self.takes
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            match self.behaves {
                Behaviour::Broken => Err(Error::configuration("write the note").hint("free some space")),
                _ => Ok(Delivered {
                    environment: vec![("KIND".to_owned(), Secret::new(credential.kind().name()))],
                    ..Delivered::default()
                }),
            }
        })
    }
}

const JWT: Kinds = Kinds::of(&[Kind::Jwt]);
const TOKEN: Kinds = Kinds::of(&[Kind::AccessToken]);
const SESSION: Kinds = Kinds::of(&[Kind::OciSession]);
const KEY: Kinds = Kinds::of(&[Kind::OciApiKey]);

fn fake<T>(name: &'static str, takes: Kinds, gives: Kinds, kind: Kind) -> Arc<T>
where
    T: ?Sized,
    Arc<Fake>: IntoArc<T>,
{
    Arc::new(Fake::new(name, takes, gives, Behaviour::Gives(kind, 1))).into_arc()
}

pub(crate) trait IntoArc<T: ?Sized> {
    fn into_arc(self) -> Arc<T>;
}

impl IntoArc<dyn Source> for Arc<Fake> {
    fn into_arc(self) -> Arc<dyn Source> {
        self
    }
}

impl IntoArc<dyn Exchange> for Arc<Fake> {
    fn into_arc(self) -> Arc<dyn Exchange> {
        self
    }
}

impl IntoArc<dyn Delivery> for Arc<Fake> {
    fn into_arc(self) -> Arc<dyn Delivery> {
        self
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NowhereConfig {}

impl SourceConfig for NowhereConfig {
    const NAME: &'static str = "nowhere";
    const ABOUT: &'static str = "Is never here.";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        Ok(Arc::new(Fake::new("nowhere", Kinds::ANY, JWT, Behaviour::Absent)))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RobotConfig {
    /// How loud it is.
    #[serde(default = "loud")]
    #[expect(dead_code, reason = "only its default is looked at")]
    volume: u8,
}

fn loud() -> u8 {
    11
}

impl SourceConfig for RobotConfig {
    const NAME: &'static str = "robot";
    const ABOUT: &'static str = "The robot that stands here.";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        Ok(fake("robot", Kinds::ANY, JWT, Kind::Jwt))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetterConfig {
    /// The file that the letter is in.
    #[expect(dead_code, reason = "only its presence is looked at")]
    path: String,
}

impl SourceConfig for LetterConfig {
    const NAME: &'static str = "letter";
    const ABOUT: &'static str = "A letter.";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        Ok(fake("letter", Kinds::ANY, JWT, Kind::Jwt))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyringConfig {}

impl SourceConfig for KeyringConfig {
    const NAME: &'static str = "keyring";
    const ABOUT: &'static str = "A key.";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        Ok(fake("keyring", Kinds::ANY, KEY, Kind::OciApiKey))
    }
}

/// How the swap is done.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    #[default]
    Gentle,
    Rough,
}

/// Who calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    /// Where the caller lives.
    region: String,
}

/// Who vouches.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Voucher {
    Priest(Caller),
    Notary(Caller),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwapConfig {
    /// Where the swap is made: an https URL.
    pub(crate) url: String,
    /// Life of the token in seconds, at most 3600.
    pub(crate) lifetime: Option<u32>,
    /// What the token is for.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// The secret of the client.
    pub(crate) client_secret: Option<Secret>,
    /// The file that the secret of the client is in.
    pub(crate) client_secret_file: Option<String>,
    /// What is sent along.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Secret>,
    /// How it is done.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// Who calls.
    pub(crate) caller: Option<Caller>,
    /// Who vouches.
    pub(crate) voucher: Option<Voucher>,
}

impl ExchangeConfig for SwapConfig {
    const NAME: &'static str = "swap";
    const ABOUT: &'static str = "Swaps a JWT for a token.";
    const TAKES: Kinds = JWT;
    const GIVES: Kinds = TOKEN;

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if !self.url.starts_with("https://") {
            mistakes
                .push(Mistake::new("url", format!("`{}` is not an https URL", self.url)).hint("begin with https://"));
        }
        if self.lifetime.is_some_and(|seconds| seconds > 3600) {
            mistakes.push(Mistake::new("lifetime", "more than an hour").hint("3600 is the most"));
        }
        if self.scopes.iter().any(String::is_empty) {
            mistakes.push(Mistake::new("scopes[1]", "a scope is empty"));
        }
        if self.caller.is_some_and(|caller| caller.region == "moon") {
            mistakes.push(Mistake::new("caller.region", "nobody lives there").hint("choose another"));
        }
        if let Some(Voucher::Priest(caller) | Voucher::Notary(caller)) = &self.voucher
            && caller.region.is_empty()
        {
            mistakes.push(Mistake::new("voucher", "lives nowhere"));
        }
        if self.client_secret.is_some() && self.client_secret_file.is_some() {
            mistakes.push(Mistake::new("", "both client_secret and client_secret_file are given").hint("give one"));
        }
        let _ = (self.mode, self.headers);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let swap = Fake::new("swap", Self::TAKES, Self::GIVES, Behaviour::Gives(Kind::AccessToken, 1));
        Ok(Arc::new(swap.audience(&self.url)))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeConfig {}

impl ExchangeConfig for UpgradeConfig {
    const NAME: &'static str = "upgrade";
    const ABOUT: &'static str = "Upgrades a token to a session.";
    const TAKES: Kinds = TOKEN;
    const GIVES: Kinds = SESSION;

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(fake("upgrade", Self::TAKES, Self::GIVES, Kind::OciSession))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaperConfig {
    /// Where it is written.
    #[expect(dead_code, reason = "only its presence is looked at")]
    path: String,
}

impl DeliveryConfig for PaperConfig {
    const NAME: &'static str = "paper";
    const ABOUT: &'static str = "Writes a session on paper.";
    const TAKES: Kinds = SESSION;

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(fake("paper", Self::TAKES, Kinds::ANY, Kind::OciSession))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteConfig {}

impl DeliveryConfig for NoteConfig {
    const NAME: &'static str = "note";
    const ABOUT: &'static str = "Notes down anything.";
    const TAKES: Kinds = Kinds::ANY;

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(fake("note", Self::TAKES, Kinds::ANY, Kind::Jwt))
    }
}
