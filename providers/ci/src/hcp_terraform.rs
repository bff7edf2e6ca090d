//! HCP Terraform and Terraform Enterprise: tokens in variables, with the audiences that the workspace's variables name.

use std::sync::Arc;

use carnet_core::{BoxFuture, Context, Error, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want, safe_text};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    system,
    token::{Advice, Held, best, credential},
};

/// Set in every run ("Run environment", developer.hashicorp.com).
const IN_RUN: &str = "TFC_RUN_ID";
/// The token whose audience is in `TFC_WORKLOAD_IDENTITY_AUDIENCE`; with a tag, both names end in `_TAG` ("Manually generate workload
/// identity tokens", developer.hashicorp.com).
const TOKEN: &str = "TFC_WORKLOAD_IDENTITY_TOKEN";
const AUDIENCE: &str = "TFC_WORKLOAD_IDENTITY_AUDIENCE";
/// The tag that HashiCorp keeps for itself (same page).
const RESERVED: &str = "TYPE";
/// Tags that are looked at when none is configured. Variables are looked up by name, never listed, so another must be given as `tag`.
const KNOWN_TAGS: [&str; 7] = ["CARNET", "OCI", "GCP", "AWS", "AZURE", "VAULT", "INFISICAL"];

/// The workload identity token of a run of HCP Terraform or Terraform Enterprise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HcpTerraform {
    /// The tag of the token: what follows `TFC_WORKLOAD_IDENTITY_AUDIENCE_` in the name of the workspace's variable. By default the token
    /// without a tag, and after it the usual tags such as `OCI` and `GCP`; the first whose audience is what the next step needs is taken.
    #[serde(default)]
    pub tag: Option<String>,
}

impl SourceConfig for HcpTerraform {
    const NAME: &'static str = "hcp-terraform";
    const ABOUT: &'static str = "the workload identity token of a run of HCP Terraform";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let Some(tag) = &self.tag else { return Ok(Arc::new(self)) };
        let mistake = if tag == RESERVED {
            Mistake::new("tag", "is reserved by HCP Terraform").hint("choose another tag in the workspace's variables")
        } else if tag.is_empty() || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Mistake::new("tag", "is not a tag")
                .hint("give what follows `TFC_WORKLOAD_IDENTITY_AUDIENCE_`, for instance `OCI`")
        } else {
            return Ok(Arc::new(self));
        };
        Err(vec![mistake])
    }
}

impl Source for HcpTerraform {
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

impl HcpTerraform {
    fn look(&self, context: &Context, wanted: Option<&str>) -> Result<Found, Error> {
        let suffixes: Vec<Option<&str>> = match &self.tag {
            Some(tag) => vec![Some(tag)],
            None => std::iter::once(None).chain(KNOWN_TAGS.map(Some)).collect(),
        };
        let mut tokens = Vec::new();
        for suffix in suffixes {
            let variable = tagged(TOKEN, suffix);
            match Held::in_variable(context, &variable) {
                Some(Ok(held)) => tokens.push(held),
                Some(Err(error)) => return Err(not_a_token(&variable, error)),
                None => {}
            }
        }
        let Some(held) = best(tokens, wanted, context.now()) else {
            return Ok(Found::not_here(self.missing(context.env(IN_RUN).is_some(), wanted)));
        };
        let advice = Advice {
            expired: "it ends with the timeout of the run's phase, and each phase gets its own: do not keep it from plan to apply",
            audience: self.advice(wanted),
        };
        credential(held, &system::HCP_TERRAFORM, wanted, context, advice).map(Found::credential)
    }

    fn missing(&self, in_run: bool, wanted: Option<&str>) -> String {
        let token = tagged(TOKEN, self.tag.as_deref());
        if in_run {
            format!("this is a run of HCP Terraform, but {token} is not set: {}", self.advice(wanted))
        } else {
            format!("not a run of HCP Terraform: {IN_RUN} and {token} are not set")
        }
    }

    /// The workspace's variables fix the audience, so that is where the fix goes.
    fn advice(&self, wanted: Option<&str>) -> String {
        format!(
            "give the workspace the environment variable {} = \"{}\" (agents of one's own from 1.7.0 on, for tags from 1.12.0 on)",
            tagged(AUDIENCE, self.tag.as_deref()),
            wanted.map_or_else(|| "THE AUDIENCE".to_owned(), safe_text)
        )
    }
}

fn tagged(name: &str, tag: Option<&str>) -> String {
    tag.map_or_else(|| name.to_owned(), |tag| format!("{name}_{tag}"))
}

fn not_a_token(variable: &str, error: carnet_jose::JwtError) -> Error {
    Error::configuration(format!("read the ID token in {variable}: it is not a JWT"))
        .because(error)
        .hint("HCP Terraform sets it; if a variable of the workspace has the same name, remove that")
}

#[cfg(test)]
mod tests;
