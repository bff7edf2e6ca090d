//! Buildkite: a token on request, by the agent's program.

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{program::printed_token, system, token::with_facts};

/// Set to `true` in every job ("Environment variables", buildkite.com/docs).
const IN_JOB: &str = "BUILDKITE";
/// The program that every job finds in its path ("buildkite-agent oidc request-token", buildkite.com/docs).
const PROGRAM: &str = "buildkite-agent";
/// Claims that are left out unless somebody asks: the ids, which unlike the slugs nobody can take over.
const IDS: [&str; 2] = ["organization_id", "pipeline_id"];
/// Longest life that can be asked for here, in seconds: no job needs one for longer than a day.
const MAX_LIFETIME: u32 = 24 * 60 * 60;

/// The ID token of a Buildkite job, asked for with `buildkite-agent`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Buildkite {
    /// The audience to ask for. By default what the next step needs; when that is not known either, Buildkite puts the URL of the
    /// organization.
    #[serde(default)]
    pub audience: Option<String>,
    /// Claims to add. By default `organization_id` and `pipeline_id`: what is trusted should be ids, not names. An empty list for agents
    /// that do not know the option.
    #[serde(default)]
    pub claims: Option<Vec<String>>,
    /// How long the token is to live, in seconds. By default what Buildkite chooses, five minutes.
    #[serde(default)]
    pub lifetime: Option<u32>,
}

impl SourceConfig for Buildkite {
    const NAME: &'static str = "buildkite";
    const ABOUT: &'static str = "the ID token of a Buildkite job";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.audience.as_deref().is_some_and(|audience| audience.trim().is_empty()) {
            mistakes
                .push(Mistake::new("audience", "is empty").hint("leave it out to ask for what the next step needs"));
        }
        // The agent splits what it is given at commas.
        let is_claim =
            |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if self.claims.as_ref().is_some_and(|claims| !claims.iter().all(is_claim)) {
            mistakes.push(
                Mistake::new("claims", "holds what is no name of a claim")
                    .hint("for instance [\"organization_id\", \"pipeline_id\"]"),
            );
        }
        if self.lifetime.is_some_and(|seconds| seconds == 0 || seconds > MAX_LIFETIME) {
            mistakes.push(
                Mistake::new("lifetime", "is out of range").hint("give seconds, from 1 to 86400; shorter is better"),
            );
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Source for Buildkite {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            const WHAT: &str = "the ID token from Buildkite";
            if context.env(IN_JOB).as_deref() != Some("true") {
                return Ok(Found::not_here(format!("not a Buildkite job: {IN_JOB} is not set")));
            }
            let audience = self.audience.as_deref().or(want.audience.as_deref());
            let refused = "the agent asks with the job's own token: run this in the job itself, and look whether its agent may ask for this";
            let token = printed_token(context, self.argv(audience), refused).await?;
            let token = SubjectToken::parse(token)
                .map_err(|error| Error::unreachable(format!("read {WHAT}: it is not a JWT")).because(error))?;
            token.refuse_expired(WHAT, context.now())?;
            token.refuse_other_audience(WHAT, audience)?;
            Ok(Found::credential(with_facts(token, &system::BUILDKITE)))
        })
    }
}

impl Buildkite {
    fn argv(&self, audience: Option<&str>) -> Vec<String> {
        let mut argv: Vec<String> = [PROGRAM, "oidc", "request-token"].map(ToOwned::to_owned).into();
        let mut option = |name: &str, value: String| argv.extend([name.to_owned(), value]);
        if let Some(audience) = audience {
            option("--audience", audience.to_owned());
        }
        if let Some(seconds) = self.lifetime {
            option("--lifetime", seconds.to_string());
        }
        match &self.claims {
            Some(claims) => claims.iter().for_each(|claim| option("--claim", claim.clone())),
            None => IDS.iter().for_each(|claim| option("--claim", (*claim).to_owned())),
        }
        argv
    }
}

#[cfg(test)]
mod tests;
