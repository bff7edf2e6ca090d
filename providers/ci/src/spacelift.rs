//! Spacelift: a token in a variable and in a file, whose audience is the account.

use std::{path::Path, path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Error, Found, Kind, Kinds, Mistake, SecretBytes, Source, SourceConfig, Unnamed, Want, safe_text,
};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    system,
    token::{Advice, Held, MAX_TOKEN, best, credential, parse_plain_token},
};

/// The token, and the file that holds the same ("OpenID Connect (OIDC)", docs.spacelift.io).
const TOKEN: &str = "SPACELIFT_OIDC_TOKEN";
const FILE: &str = "/mnt/workspace/spacelift.oidc";

/// The ID token of a run of Spacelift. Its audience is the host name of the account, which nobody can choose.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spacelift {
    /// The file that holds the token. By default the variable `SPACELIFT_OIDC_TOKEN`, and after it `/mnt/workspace/spacelift.oidc`.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

impl SourceConfig for Spacelift {
    const NAME: &'static str = "spacelift";
    const ABOUT: &'static str = "the ID token of a run of Spacelift";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(vec![
                Mistake::new("path", "is empty").hint("leave it out for the places where Spacelift puts it"),
            ]);
        }
        Ok(Arc::new(self))
    }
}

impl Source for Spacelift {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move { self.look(context, want.audience.as_deref()) })
    }
}

impl Spacelift {
    fn look(&self, context: &Context, wanted: Option<&str>) -> Result<Found, Error> {
        let tokens = match &self.path {
            Some(path) => match context.files.read(path, MAX_TOKEN)? {
                Some(bytes) => vec![in_file(path, &bytes)?],
                None => return Ok(Found::not_here(format!("{} does not exist", path.display()))),
            },
            None => usual(context)?,
        };
        let Some(held) = best(tokens, wanted, context.now()) else {
            return Ok(Found::not_here(format!("not a run of Spacelift: {TOKEN} is not set, and there is no {FILE}")));
        };
        let audience = safe_text(&held.token.audience_text().unwrap_or_default());
        let advice = Advice {
            expired: "it lives for an hour from the run's beginning: split the run",
            audience: format!(
                "nobody can choose it: let the other side accept {audience}, the host name of the Spacelift account"
            ),
        };
        credential(held, &system::SPACELIFT, wanted, context, advice).map(Found::credential)
    }
}

/// What lies where Spacelift puts it: in the variable, and in the file that nobody named.
fn usual(context: &Context) -> Result<Vec<Held>, Error> {
    let mut tokens = Vec::new();
    match Held::in_variable(context, TOKEN) {
        Some(Ok(held)) => tokens.push(held),
        Some(Err(error)) => return Err(not_a_token(TOKEN).because(error)),
        None => {}
    }
    let path = Path::new(FILE);
    match context.files.read_unnamed(path, MAX_TOKEN)? {
        Some(Unnamed::Bytes(bytes)) => tokens.push(in_file(path, &bytes)?),
        // What another user has put there is no identity of this run.
        Some(Unnamed::OfAnotherUser) | None => {}
    }
    Ok(tokens)
}

fn in_file(path: &Path, bytes: &SecretBytes) -> Result<Held, Error> {
    let place = path.display().to_string();
    let secret = parse_plain_token(bytes.expose())
        .map_err(|wrong| Error::configuration(format!("read the ID token in {place}: {wrong}")).hint(WRITES))?;
    let token = SubjectToken::parse(secret).map_err(|error| not_a_token(&place).because(error))?;
    Ok(Held { place, token })
}

const WRITES: &str = "Spacelift writes it; if something in the run sets or changes it, remove that";

fn not_a_token(place: &str) -> Error {
    Error::configuration(format!("read the ID token in {place}: it is not a JWT")).hint(WRITES)
}

#[cfg(test)]
mod tests;
