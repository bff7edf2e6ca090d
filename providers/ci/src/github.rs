//! GitHub Actions: a token on request.

use std::{sync::Arc, time::Duration};

use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Request, Response, Secret, Source,
    SourceConfig, Want,
};
use carnet_jose::SubjectToken;
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{ask, system, token::with_facts};

/// Set to `true` in every job ("Variables reference", docs.github.com).
const IN_ACTIONS: &str = "GITHUB_ACTIONS";
/// Where the token is asked for ("OpenID Connect reference", docs.github.com).
const REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
/// The bearer token of that request.
const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// Who sets both.
const OWNER: &str = "GitHub";
/// What a job lacks when it runs in Actions and the two variables above are not there.
const NO_PERMISSION: &str = "this is a GitHub Actions job, but it may not ask for an ID token: give the job \
    `permissions: { id-token: write, contents: read }` (a pull request from a fork never gets it)";
/// The endpoint answers in some 100 ms; it is asked again at the next renewal.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The ID token of a GitHub Actions job.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitHubActions {
    /// The audience to ask for. By default what the next step needs; when that is not known either, GitHub puts the
    /// URL of the repository's owner.
    #[serde(default)]
    pub audience: Option<String>,
}

impl SourceConfig for GitHubActions {
    const NAME: &'static str = "github-actions";
    const ABOUT: &'static str = "the ID token of a GitHub Actions job";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        if self.audience.as_deref().is_some_and(|audience| audience.trim().is_empty()) {
            return Err(vec![
                Mistake::new("audience", "is empty").hint("leave it out to ask for what the next step needs"),
            ]);
        }
        Ok(Arc::new(self))
    }
}

impl Source for GitHubActions {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let (Some(url), Some(token)) = (context.env(REQUEST_URL), context.environment.secret(REQUEST_TOKEN)) else {
                let in_actions = context.env(IN_ACTIONS).as_deref() == Some("true");
                return Ok(Found::not_here(if in_actions {
                    NO_PERMISSION.to_owned()
                } else {
                    format!("not a GitHub Actions job: {IN_ACTIONS} and {REQUEST_URL} are not set")
                }));
            };
            let audience = self.audience.as_deref().or(want.audience.as_deref());
            let url = request_url(&url, audience)?;
            let request = Request::get(url)
                .header(header::ACCEPT, HeaderValue::from_static("application/json; api-version=2.0"))
                .timeout(TIMEOUT);
            let request = ask::bearer(request, REQUEST_TOKEN, OWNER, &token)?;
            let response = context.http.send(request).await.map_err(|error| {
                Error::from(error).hint(
                    "the runner must reach GitHub's token endpoint; self-hosted runners need it in their proxy rules",
                )
            })?;
            let token = read_answer(&response)?;
            credential(token, audience, context).map(Found::credential)
        })
    }
}

/// Appends the audience to the URL that GitHub gave. It has a query already (`?api-version=2.0`), which stays as it is.
fn request_url(url: &str, audience: Option<&str>) -> Result<Url, Error> {
    let mut url = ask::request_url(REQUEST_URL, OWNER, url)?;
    if let Some(audience) = audience {
        url.query_pairs_mut().append_pair("audience", audience);
    }
    Ok(url)
}

fn read_answer(response: &Response) -> Result<Secret, Error> {
    if response.status == StatusCode::OK {
        return parse_token_answer(response.body.expose())
            .ok_or_else(|| ask::malformed(OWNER, "value", REQUEST_URL, response));
    }
    Err(ask::refusal(
        "ask GitHub for an ID token",
        response.status,
        &[
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN ends with the job; check that it belongs to this job and was not kept from another",
            "the job needs `permissions: { id-token: write }`",
        ],
        "check the audience, and that ACTIONS_ID_TOKEN_REQUEST_URL is as GitHub set it",
    ))
}

/// Takes the token out of `{"value":"eyJ…"}`. `None` when there is none.
pub fn parse_token_answer(body: &[u8]) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Answer {
        value: Secret,
    }
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.value).filter(|token| !token.is_empty())
}

fn credential(token: Secret, audience: Option<&str>, context: &Context) -> Result<Credential, Error> {
    const WHAT: &str = "the ID token from GitHub";
    let token = SubjectToken::parse(token)
        .map_err(|error| Error::unreachable(format!("read {WHAT}: it is not a JWT")).because(error))?;
    token.refuse_expired(WHAT, context.now())?;
    token.refuse_other_audience(WHAT, audience)?;
    Ok(with_facts(token, &system::GITHUB))
}

#[cfg(test)]
mod tests;
