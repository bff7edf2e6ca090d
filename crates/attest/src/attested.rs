//! What verified evidence says of a node.

use std::collections::BTreeSet;

use carnet_core::Error;
use carnet_spiffe::Selector;

use crate::Kind;

/// A node whose evidence was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Its method.
    pub kind: Kind,
    /// The agent's path below [`crate::protocol::AGENT_PREFIX`], which begins with the name of the method.
    pub path: String,
    /// What is known of the node.
    pub selectors: BTreeSet<Selector>,
    /// What keeps the evidence from being used by somebody else.
    pub once: Once,
}

/// What keeps evidence from being used twice, or by somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// The join token with this SHA-256 must be there and is taken away. [`Attested::path`] is what the agent gets unless
    /// the token's row says otherwise.
    JoinToken([u8; 32]),
    /// The evidence can be had by more than the agent, so only the first who brings it is believed.
    FirstUse,
    /// The evidence answers this attempt's nonce, or is short-lived and the agent's own: it may come again.
    Again,
}

impl Once {
    /// Whether the agent may attest again when it has lost its SVID.
    pub const fn is_reattestable(self) -> bool {
        matches!(self, Self::Again)
    }
}

/// Evidence that is not believed: the clause says which check failed. The message holds no token.
pub(crate) fn refused(kind: Kind, clause: &'static str, message: impl std::fmt::Display) -> Error {
    Error::policy(format!("attest the node by {kind}: {message}")).clause(clause)
}

/// Evidence that is not in the method's form.
pub(crate) fn payload<T: serde::de::DeserializeOwned>(kind: Kind, payload: &serde_json::Value) -> Result<T, Error> {
    use serde::de::IntoDeserializer as _;
    // serde's message may quote a value, and the value may be a token.
    T::deserialize(payload.clone().into_deserializer())
        .map_err(|_quoting: serde_json::Error| refused(kind, "form", "the evidence is not in this method's form"))
}

/// Selectors of this method.
pub(crate) fn selectors<'a>(
    kind: Kind,
    facts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BTreeSet<Selector>, Error> {
    let selector = |(name, value): (&str, &str)| {
        let value = format!("{name}:{value}");
        Selector::new(kind.as_str(), &value)
            .map_err(|error| refused(kind, "form", format!("{name} makes no selector: {error}")))
    };
    facts.into_iter().filter(|(_, value)| !value.is_empty()).map(selector).collect()
}

/// A path of these segments, each of which must be one of a SPIFFE ID (SPIFFE-ID, 2.2).
pub(crate) fn path(kind: Kind, segments: &[&str]) -> Result<String, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let good = |segment: &&str| {
        (1..=255).contains(&segment.len()) && *segment != "." && *segment != ".." && segment.bytes().all(plain)
    };
    match segments.iter().find(|segment| !good(segment)) {
        None => Ok(format!("{kind}/{}", segments.join("/"))),
        Some(bad) => {
            let shown = carnet_core::safe_text(&bad.chars().take(64).collect::<String>());
            Err(refused(kind, "form", format!("{shown:?} cannot stand in an agent's identity")))
        }
    }
}
