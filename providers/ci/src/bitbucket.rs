//! Bitbucket Pipelines: a token in a variable, with the audiences that the step's definition names.

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want, safe_text};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    system,
    token::{Advice, Held, credential},
};

/// Set in every step ("Variables and secrets", support.atlassian.com).
const IN_PIPELINE: &str = "BITBUCKET_BUILD_NUMBER";
/// The token of a step with `oidc: true` ("Integrate Pipelines with resource servers using OIDC", support.atlassian.com).
const TOKEN: &str = "BITBUCKET_STEP_OIDC_TOKEN";

/// The ID token of a step of Bitbucket Pipelines, which has `oidc` in its definition. Its audience is that of the workspace, or those
/// that the definition names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BitbucketPipelines {}

impl SourceConfig for BitbucketPipelines {
    const NAME: &'static str = "bitbucket-pipelines";
    const ABOUT: &'static str = "the ID token of a step of Bitbucket Pipelines";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Source for BitbucketPipelines {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move { look(context, want.audience.as_deref()) })
    }
}

fn look(context: &Context, wanted: Option<&str>) -> Result<Found, Error> {
    let held = match Held::in_variable(context, TOKEN) {
        Some(Ok(held)) => held,
        Some(Err(error)) => {
            return Err(Error::configuration(format!("read the ID token in {TOKEN}: it is not a JWT"))
                .because(error)
                .hint("Bitbucket sets it; if something in the step sets or changes it, remove that"));
        }
        None if context.env(IN_PIPELINE).is_some() => {
            return Ok(Found::not_here(format!(
                "this is a step of Bitbucket Pipelines, but {TOKEN} is not set: give the step `oidc: true`{}",
                wanted.map_or_else(String::new, |wanted| format!(", or {}", audiences(wanted)))
            )));
        }
        None => {
            return Ok(Found::not_here(format!(
                "not a step of Bitbucket Pipelines: {IN_PIPELINE} and {TOKEN} are not set"
            )));
        }
    };
    let advice = Advice {
        expired: "Bitbucket makes it when the step starts: split the step",
        audience: format!("in bitbucket-pipelines.yml give the step {}", audiences(wanted.unwrap_or("THE AUDIENCE"))),
    };
    credential(held, &system::BITBUCKET, wanted, context, advice).map(Found::credential)
}

/// At most ten of them, each of at most 150 characters ("Bitbucket Pipelines OIDC now supports multiple audiences", atlassian.com).
fn audiences(wanted: &str) -> String {
    format!("`oidc: {{ audiences: [\"{}\"] }}`", safe_text(wanted))
}

#[cfg(test)]
mod tests;
