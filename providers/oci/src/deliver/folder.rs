//! What the deliveries that write a session have in common.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{Context, Credential, Error, Material, Mistake, OciSession};
use carnet_jose::SigningKey;

use crate::{signer::parse_key, source::profile::expand};

/// The session in a credential, with its key parsed.
pub(super) fn session(credential: &Credential) -> Result<(&OciSession, Arc<SigningKey>), Error> {
    let Material::OciSession(session) = &credential.material else {
        return Err(Error::internal(format!("write a credential of kind {} as an OCI session", credential.kind())));
    };
    Ok((session, parse_key(&session.private_key)?))
}

/// Checks a path: consumers run elsewhere, so a relative one would mean something else to them.
pub(super) fn check_path(field: &str, path: &str, mistakes: &mut Vec<Mistake>) {
    if !path.starts_with('/') && !path.starts_with("~/") {
        mistakes.push(
            Mistake::new(field, "must be an absolute path")
                .hint("begin it with / or ~/: the tools that read the files run in other folders"),
        );
    } else if path.contains(|c: char| c.is_control()) || path.contains(" #") || path.contains(" ;") {
        mistakes
            .push(Mistake::new(field, "holds a control character or what a configuration file takes for a comment"));
    }
}

/// The path that was checked, with the home folder filled in.
pub(super) fn path(context: &Context, text: &str) -> Result<PathBuf, Error> {
    expand(context, text)
}

/// A fact that the form cannot do without.
pub(super) fn needed(value: Option<&String>, form: &str, name: &str, hint: &str) -> Result<String, Error> {
    value.cloned().ok_or_else(|| Error::configuration(format!("write {form}: the {name} is not known")).hint(hint))
}

/// What to do when nobody knows the region.
pub(super) const REGION_HINT: &str = "set region in the exchange, or the variable OCI_REGION";
/// What to do when nobody knows the tenancy.
pub(super) const TENANCY_HINT: &str = "the token names no tenancy: set tenancy in the delivery";
