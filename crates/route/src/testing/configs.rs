//! What the fakes are called in a file, and the fields that they have there.

use std::{collections::BTreeMap, sync::Arc};

use carnet_core::{
    Delivery, DeliveryConfig, Exchange, ExchangeConfig, Kind, Kinds, Mistake, Secret, Source, SourceConfig,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Behaviour, Fake, IntoArc};

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
