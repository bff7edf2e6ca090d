//! GitLab CI/CD: tokens in variables, with the audiences that the job's definition names.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want, is_variable_name,
    safe_text,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    system,
    token::{Advice, Held, best, credential},
};

/// Set to `true` in every job ("Predefined CI/CD variables reference", docs.gitlab.com).
const IN_GITLAB: &str = "GITLAB_CI";
/// The variable that the manual asks the user to name in `id_tokens`.
const OWN_VARIABLE: &str = "CARNET_ID_TOKEN";
/// Names that GitLab's own manual and the common templates use in `id_tokens`, asked after [`OWN_VARIABLE`]. Variables are
/// looked up by name, never listed, so a name that is not here must be given as `variable`.
const KNOWN_VARIABLES: [&str; 14] = [
    "ID_TOKEN",
    "OIDC_TOKEN",
    "GITLAB_OIDC_TOKEN",
    "OCI_ID_TOKEN",
    "GCP_ID_TOKEN",
    "GOOGLE_ID_TOKEN",
    "GITLAB_ID_TOKEN",
    "AWS_ID_TOKEN",
    "AZURE_ID_TOKEN",
    "VAULT_ID_TOKEN",
    "SIGSTORE_ID_TOKEN",
    "INFISICAL_ID_TOKEN",
    "FIRST_ID_TOKEN",
    "SECOND_ID_TOKEN",
];

/// The ID token of a GitLab job, from the variable that `id_tokens` in `.gitlab-ci.yml` names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitLabCi {
    /// The variable that holds the token: the key under `id_tokens` in `.gitlab-ci.yml`. By default `CARNET_ID_TOKEN`,
    /// and after it the usual names such as `GCP_ID_TOKEN`; the first whose audience is what the next step needs is
    /// taken.
    #[serde(default)]
    pub variable: Option<String>,
}

impl SourceConfig for GitLabCi {
    const NAME: &'static str = "gitlab-ci";
    const ABOUT: &'static str = "the ID token of a GitLab CI/CD job";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        if self.variable.as_deref().is_some_and(|name| !is_variable_name(name)) {
            return Err(vec![
                Mistake::new("variable", "is not the name of a variable")
                    .hint("give the name, for instance `CARNET_ID_TOKEN`; not its value and without `$`"),
            ]);
        }
        Ok(Arc::new(self))
    }
}

impl Source for GitLabCi {
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

impl GitLabCi {
    fn look(&self, context: &Context, wanted: Option<&str>) -> Result<Found, Error> {
        if context.env(IN_GITLAB).as_deref() != Some("true") {
            return Ok(Found::not_here(format!("not a GitLab job: {IN_GITLAB} is not set")));
        }
        if let Some(variable) = &self.variable {
            return match Held::in_variable(context, variable) {
                Some(Ok(held)) => usable(held, wanted, context).map(Found::credential),
                Some(Err(error)) => Err(not_a_token(variable, error)),
                None => Ok(Found::not_here(missing(variable, wanted))),
            };
        }
        let mut tokens = Vec::new();
        for variable in std::iter::once(OWN_VARIABLE).chain(KNOWN_VARIABLES) {
            match Held::in_variable(context, variable) {
                Some(Ok(held)) => tokens.push(held),
                // Somebody may use such a name for something else; our own name is only for a token.
                Some(Err(error)) if variable == OWN_VARIABLE => return Err(not_a_token(variable, error)),
                Some(Err(_)) | None => {}
            }
        }
        match best(tokens, wanted, context.now()) {
            Some(held) => usable(held, wanted, context).map(Found::credential),
            None => Ok(Found::not_here(missing(OWN_VARIABLE, wanted))),
        }
    }
}

/// The credential, unless it has ended or is for somebody else.
fn usable(held: Held, wanted: Option<&str>, context: &Context) -> Result<Credential, Error> {
    let advice = Advice {
        expired: "GitLab makes it when the job starts and it ends with the job's timeout: split the job, or raise `timeout`",
        audience: advice(&held.place, wanted),
    };
    credential(held, &system::GITLAB, wanted, context, advice)
}

fn not_a_token(variable: &str, error: carnet_jose::JwtError) -> Error {
    Error::configuration(format!("read the ID token in {variable}: it is not a JWT"))
        .because(error)
        .hint(advice(variable, None))
}

fn missing(variable: &str, wanted: Option<&str>) -> String {
    format!("this is a GitLab job, but {variable} is not set: {}", advice(variable, wanted))
}

/// GitLab fixes the audience in the job's definition, so that is where the fix goes.
fn advice(variable: &str, wanted: Option<&str>) -> String {
    let audience = wanted.map_or_else(|| "THE AUDIENCE".to_owned(), safe_text);
    format!("in .gitlab-ci.yml give the job `id_tokens: {{ {variable}: {{ aud: \"{audience}\" }} }}`")
}

#[cfg(test)]
mod tests;
