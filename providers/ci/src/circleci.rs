//! CircleCI: tokens in two variables, with the organization as their audience; for another audience the program makes one.

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    program::printed_token,
    system,
    token::{Advice, Held, credential, with_facts},
};

/// Set to `true` in every job ("Project values and variables", circleci.com/docs).
const IN_JOB: &str = "CIRCLECI";
/// Tokens of the job, with one and with another form of the subject ("Using OpenID Connect tokens in jobs", circleci.com/docs).
const TOKEN_V1: &str = "CIRCLE_OIDC_TOKEN";
const TOKEN_V2: &str = "CIRCLE_OIDC_TOKEN_V2";
/// The program in every job ("OIDC tokens with custom claims", circleci.com/docs).
const PROGRAM: &str = "circleci";

/// The ID token of a CircleCI job: the one in `CIRCLE_OIDC_TOKEN_V2`, or, for another audience than the organization, one that
/// `circleci run oidc get` makes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircleCi {
    /// The audience to ask for. By default what the next step needs; when that is not known either, it is the organization's id.
    #[serde(default)]
    pub audience: Option<String>,
    /// The form of the subject: `v2` (default) names the repository and the branch as well, `v1` only organization, project and user.
    /// `v1` is only in the token for the organization.
    #[serde(default)]
    pub subject: CircleSubject,
    /// Ask for a token whose issuer is `https://oidc.circleci.com`, the same for all organizations, in place of the organization's own.
    /// Only for those who insist on it (PyPI): the other side must then compare the organization.
    #[serde(default)]
    pub root_issuer: bool,
}

/// The form of the subject in CircleCI's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CircleSubject {
    /// `org/…/project/…/user/…`.
    V1,
    /// The same, with `/vcs-origin/…/vcs-ref/…` behind it.
    #[default]
    V2,
}

impl SourceConfig for CircleCi {
    const NAME: &'static str = "circleci";
    const ABOUT: &'static str = "the ID token of a CircleCI job";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.audience.as_deref().is_some_and(|audience| audience.trim().is_empty()) {
            mistakes
                .push(Mistake::new("audience", "is empty").hint("leave it out to ask for what the next step needs"));
        }
        if self.subject == CircleSubject::V1 && self.root_issuer {
            mistakes.push(
                Mistake::new("root_issuer", "does not go with `subject = \"v1\"`")
                    .hint("that form is only in the token that the job finds, whose issuer is the organization's"),
            );
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Source for CircleCi {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            if context.env(IN_JOB).as_deref() != Some("true") {
                return Ok(Found::not_here(format!("not a CircleCI job: {IN_JOB} is not set")));
            }
            let variable = match self.subject {
                CircleSubject::V1 => TOKEN_V1,
                CircleSubject::V2 => TOKEN_V2,
            };
            let held = match Held::in_variable(context, variable) {
                Some(Ok(held)) => held,
                Some(Err(error)) => return Err(not_a_token(variable, error)),
                // Where the job has none, the program has none either.
                None => return Ok(Found::not_here(missing(variable))),
            };
            let audience = self.audience.as_deref().or(want.audience.as_deref());
            let found = if self.subject == CircleSubject::V1 || self.is_enough(&held, audience, context) {
                Self::found(held, audience, context)
            } else {
                self.ask(context, audience).await
            };
            found.map(Found::credential)
        })
    }
}

impl CircleCi {
    /// Whether the token that the job found is the one that is wanted.
    fn is_enough(&self, held: &Held, audience: Option<&str>, context: &Context) -> bool {
        let fits = audience.is_none_or(|audience| held.token.names_audience(audience));
        fits && !self.root_issuer && held.token.refuse_expired("", context.now()).is_ok()
    }

    fn found(held: Held, audience: Option<&str>, context: &Context) -> Result<Credential, Error> {
        let advice = Advice {
            expired: "it lives for an hour from the job's beginning: leave `subject` out, so that a new one is asked for",
            audience:
                "leave `subject` out, so that one for this audience is asked for: its subject has the second form"
                    .to_owned(),
        };
        credential(held, &system::CIRCLECI, audience, context, advice)
    }

    async fn ask(&self, context: &Context, audience: Option<&str>) -> Result<Credential, Error> {
        const WHAT: &str = "the ID token from CircleCI";
        let mut argv: Vec<String> = [PROGRAM, "run", "oidc", "get"].map(ToOwned::to_owned).into();
        if let Some(audience) = audience {
            argv.extend(["--claims".to_owned(), json!({ "aud": audience }).to_string()]);
        }
        if self.root_issuer {
            argv.push("--root-issuer".to_owned());
        }
        let refused =
            "it works in a job of CircleCI only, and in builds of forks only where the project passes secrets to them";
        let token = printed_token(context, argv, refused).await?;
        let token = SubjectToken::parse(token)
            .map_err(|error| Error::unreachable(format!("read {WHAT}: it is not a JWT")).because(error))?;
        token.refuse_expired(WHAT, context.now())?;
        token.refuse_other_audience(WHAT, audience)?;
        Ok(with_facts(token, &system::CIRCLECI))
    }
}

fn not_a_token(variable: &str, error: carnet_jose::JwtError) -> Error {
    Error::configuration(format!("read the ID token in {variable}: it is not a JWT"))
        .because(error)
        .hint("CircleCI sets it; if something in the job or a context sets or changes it, remove that")
}

fn missing(variable: &str) -> String {
    format!(
        "this is a CircleCI job, but {variable} is not set: builds of forks get no token unless the project passes secrets to them, \
         and CircleCI server gives tokens from version 4.4 on"
    )
}

#[cfg(test)]
mod tests;
