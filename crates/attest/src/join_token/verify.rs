//! The authority's half.

use carnet_core::{Error, hex};
use serde_json::Value;

use super::{PREFIX, Payload, hash};
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused},
};

/// Longest text that is looked at.
const MAX_LENGTH: usize = 256;

/// Which token it is. Whether there is such a token, and its selectors, is known when it is taken from the store.
///
/// # Errors
/// When it is not in the form of a token.
pub fn verify(evidence: &Value) -> Result<Attested, Error> {
    let Payload { token } = payload(Kind::JoinToken, evidence)?;
    if token.len() > MAX_LENGTH || !token.expose().starts_with(PREFIX) {
        return Err(refused(Kind::JoinToken, "form", "this is no join token")
            .hint("make one with `carnet authority join-token create`"));
    }
    let hash = hash(&token);
    Ok(Attested {
        kind: Kind::JoinToken,
        path: agent_path(&hash)?,
        selectors: std::collections::BTreeSet::new(),
        once: Once::JoinToken(hash),
    })
}

/// The path of the agent that shows the token with this SHA-256, unless the token says otherwise. Not the token itself
/// stands in it: an identity is no secret, and logs keep it.
///
/// # Errors
/// Never in practice: hexadecimal digits are a segment.
pub fn agent_path(hash: &[u8; 32]) -> Result<String, Error> {
    path(Kind::JoinToken, &[&hex(hash.get(..16).unwrap_or_default())])
}
