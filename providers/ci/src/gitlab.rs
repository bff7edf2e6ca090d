//! GitLab CI/CD: tokens in variables, with the audiences that the job's definition names.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Secret, Source, SourceConfig, Want,
    is_variable_name, safe_text,
};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

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
            return match context.environment.secret(variable) {
                Some(token) => one(variable, token, wanted, context).map(Found::credential),
                None => Ok(Found::not_here(missing(variable, wanted))),
            };
        }
        let mut tokens = Vec::new();
        for variable in std::iter::once(OWN_VARIABLE).chain(KNOWN_VARIABLES) {
            let Some(secret) = context.environment.secret(variable) else { continue };
            match SubjectToken::parse(secret) {
                Ok(token) => tokens.push((variable, token)),
                // Somebody may use such a name for something else; our own name is only for a token.
                Err(error) if variable == OWN_VARIABLE => return Err(not_a_token(variable, error)),
                Err(_) => {}
            }
        }
        let fits = |token: &SubjectToken| wanted.is_none_or(|wanted| token.names_audience(wanted));
        let best = tokens.iter().position(|(_, token)| fits(token)).unwrap_or(0);
        if tokens.is_empty() {
            return Ok(Found::not_here(missing(OWN_VARIABLE, wanted)));
        }
        let (variable, token) = tokens.swap_remove(best);
        credential(variable, token, wanted, context).map(Found::credential)
    }
}

fn one(variable: &str, token: Secret, wanted: Option<&str>, context: &Context) -> Result<Credential, Error> {
    let token = SubjectToken::parse(token).map_err(|error| not_a_token(variable, error))?;
    credential(variable, token, wanted, context)
}

fn credential(
    variable: &str,
    token: SubjectToken,
    wanted: Option<&str>,
    context: &Context,
) -> Result<Credential, Error> {
    let what = format!("the ID token in {variable}");
    token.refuse_expired(&what, context.now()).map_err(|error| {
        error.hint(
            "GitLab makes it when the job starts and it ends with the job's timeout: split the job, or raise `timeout`",
        )
    })?;
    token.refuse_other_audience(&what, wanted).map_err(|error| error.hint(advice(variable, wanted)))?;
    let claims = token.unverified_claims();
    let facts = ["project_path", "ref", "ref_type", "environment", "project_id", "namespace_id"]
        .map(|name| (name, claims.str(name).map(safe_text)));
    let mut credential = token.into_credential();
    credential.facts.extend(facts.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Ok(credential)
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
