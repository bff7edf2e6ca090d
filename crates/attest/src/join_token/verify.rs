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
            .hint("make one with: carnet authority token create"));
    }
    let hash = hash(&token);
    // Not the token itself: an identity is no secret, and logs would keep it.
    let name = hex(hash.get(..16).unwrap_or_default());
    Ok(Attested {
        kind: Kind::JoinToken,
        path: path(Kind::JoinToken, &[&name])?,
        selectors: std::collections::BTreeSet::new(),
        once: Once::JoinToken(hash),
    })
}
