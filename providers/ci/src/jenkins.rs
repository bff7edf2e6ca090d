//! Jenkins with its plugin OpenID Connect Provider: a token in a variable, or in a file whose path is in one.

use std::{path::Path, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want, is_variable_name, safe_text,
};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    system,
    token::{Advice, Held, MAX_TOKEN, best, credential, parse_plain_token},
};

/// Set in every build ("Using environment variables", jenkins.io).
const IN_BUILD: &str = "JENKINS_URL";
/// The variables that the manual asks for in `withCredentials`: with the token itself, and with the path of its file.
const OWN_VARIABLE: &str = "CARNET_ID_TOKEN";
const OWN_FILE_VARIABLE: &str = "CARNET_ID_TOKEN_FILE";
/// Names that the plugin's own manual uses (README of jenkinsci/oidc-provider-plugin), asked after ours. Not the one of AWS: on an agent in
/// EKS it is the agent's identity, not the build's.
const KNOWN_VARIABLES: [&str; 2] = ["IDTOKEN", "ID_TOKEN"];
const KNOWN_FILE_VARIABLES: [&str; 1] = ["ID_TOKEN_FILE"];

/// The ID token of a Jenkins build, from a credential of the plugin OpenID Connect Provider that the build has bound.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jenkins {
    /// The variable that holds the token: `variable` of `string(…)` in `withCredentials`. By default `CARNET_ID_TOKEN`, and after it
    /// the usual names.
    #[serde(default)]
    pub variable: Option<String>,
    /// The variable that holds the path of the token's file: `variable` of `file(…)` in `withCredentials`. By default
    /// `CARNET_ID_TOKEN_FILE`, and after it the usual names.
    #[serde(default)]
    pub file_variable: Option<String>,
}

impl SourceConfig for Jenkins {
    const NAME: &'static str = "jenkins";
    const ABOUT: &'static str = "the ID token of a Jenkins build, by the plugin OpenID Connect Provider";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        for (field, name) in [("variable", &self.variable), ("file_variable", &self.file_variable)] {
            if name.as_deref().is_some_and(|name| !is_variable_name(name)) {
                mistakes.push(
                    Mistake::new(field, "is not the name of a variable")
                        .hint("give the name, for instance `CARNET_ID_TOKEN`; not its value and without `$`"),
                );
            }
        }
        if self.variable.is_some() && self.file_variable.is_some() {
            mistakes.push(
                Mistake::new("file_variable", "does not go with `variable`").hint("give the one that the build binds"),
            );
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Source for Jenkins {
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

impl Jenkins {
    fn look(&self, context: &Context, wanted: Option<&str>) -> Result<Found, Error> {
        if context.env(IN_BUILD).is_none() {
            return Ok(Found::not_here(format!("not a Jenkins build: {IN_BUILD} is not set")));
        }
        let (variables, files) = self.places();
        let mut tokens = Vec::new();
        for (at, variable) in variables.into_iter().enumerate() {
            match Held::in_variable(context, variable) {
                Some(Ok(held)) => tokens.push(held),
                // Somebody may use a usual name for something else; the first is only for a token.
                Some(Err(error)) if at == 0 => return Err(not_a_token(variable).because(error)),
                Some(Err(_)) | None => {}
            }
        }
        for (at, variable) in files.into_iter().enumerate() {
            match in_file(context, variable) {
                Ok(found) => tokens.extend(found),
                Err(error) if at == 0 => return Err(error),
                Err(_) => {}
            }
        }
        let Some(held) = best(tokens, wanted, context.now()) else {
            return Ok(Found::not_here(self.missing()));
        };
        let audience = wanted.map_or_else(|| "THE AUDIENCE".to_owned(), safe_text);
        let advice = Advice {
            expired: "Jenkins makes it when the credential is bound: bind it later in the build, or again",
            audience: format!(
                "in Jenkins give the credential the audience {audience}; one credential for each audience"
            ),
        };
        credential(held, &system::JENKINS, wanted, context, advice).map(Found::credential)
    }

    /// The variables to look at: with tokens, and with paths. The first of each list is only for a token.
    fn places(&self) -> (Vec<&str>, Vec<&str>) {
        match (&self.variable, &self.file_variable) {
            (None, None) => (
                std::iter::once(OWN_VARIABLE).chain(KNOWN_VARIABLES).collect(),
                std::iter::once(OWN_FILE_VARIABLE).chain(KNOWN_FILE_VARIABLES).collect(),
            ),
            (variable, file) => {
                (variable.iter().map(String::as_str).collect(), file.iter().map(String::as_str).collect())
            }
        }
    }

    fn missing(&self) -> String {
        let (kind, variable) = match (&self.variable, &self.file_variable) {
            (_, Some(file)) => ("file", file.as_str()),
            (Some(variable), None) => ("string", variable.as_str()),
            (None, None) => ("string", OWN_VARIABLE),
        };
        format!(
            "this is a Jenkins build, but {variable} is not set: wrap the step in \
             `withCredentials([{kind}(credentialsId: 'ID', variable: '{variable}')])`, where ID is an OpenID Connect id token"
        )
    }
}

fn in_file(context: &Context, variable: &str) -> Result<Option<Held>, Error> {
    let Some(path) = context.env(variable) else { return Ok(None) };
    let place = format!("the file of {variable}");
    let hint = "it lies there only while its `withCredentials` block runs";
    let Some(bytes) = context.files.read(Path::new(&path), MAX_TOKEN)? else {
        return Err(Error::configuration(format!("read {place}: it does not exist")).hint(hint));
    };
    let secret = parse_plain_token(bytes.expose())
        .map_err(|wrong| Error::configuration(format!("read the ID token in {place}: {wrong}")).hint(hint))?;
    let token = SubjectToken::parse(secret).map_err(|error| not_a_token(&place).because(error))?;
    Ok(Some(Held { place, token }))
}

fn not_a_token(place: &str) -> Error {
    Error::configuration(format!("read the ID token in {place}: it is not a JWT"))
        .hint("bind a credential of the kind `OpenID Connect id token` to it")
}

#[cfg(test)]
mod tests;
