//! GitHub Actions: a token on request.

use std::{sync::Arc, time::Duration};

use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Mistake, Request, Response, Secret, Source,
    SourceConfig, Want, check_token, is_loopback, safe_text,
};
use carnet_jose::SubjectToken;
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// Set to `true` in every job ("Variables reference", docs.github.com).
const IN_ACTIONS: &str = "GITHUB_ACTIONS";
/// Where the token is asked for ("OpenID Connect reference", docs.github.com).
const REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
/// The bearer token of that request.
const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
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
            check_token(&token).map_err(|wrong| {
                Error::configuration(format!("read {REQUEST_TOKEN}: {wrong}"))
                    .hint("GitHub sets it as one line; if something in the job sets or changes it, remove that")
            })?;
            let audience = self.audience.as_deref().or(want.audience.as_deref());
            let url = request_url(&url, audience)?;
            let request = Request::get(url)
                .header(header::ACCEPT, HeaderValue::from_static("application/json; api-version=2.0"))
                .bearer(&token)?
                .timeout(TIMEOUT);
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
    let mut url = Url::parse(url)
        .map_err(|error| Error::configuration(format!("read {REQUEST_URL}: it is not a URL")).because(error))?;
    // The request carries a bearer token; plain text is for the sandbox on this machine only.
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(Error::configuration(format!("read {REQUEST_URL}: it is not https"))
            .hint("GitHub sets it; if something in the job overrides it, remove that"));
    }
    if let Some(audience) = audience {
        url.query_pairs_mut().append_pair("audience", audience);
    }
    Ok(url)
}

fn read_answer(response: &Response) -> Result<Secret, Error> {
    let status = response.status;
    if status.is_success() {
        return parse_token_answer(response.body.expose()).ok_or_else(|| {
            Error::unreachable(format!(
                "read the ID token from GitHub: the answer (HTTP {}, {} bytes) has no text `value`",
                status.as_u16(),
                response.body.len()
            ))
            .hint(format!("check that {REQUEST_URL} is as GitHub set it, and that no proxy answers in GitHub's place"))
        });
    }
    let asked = format!("ask GitHub for an ID token: HTTP {}", status.as_u16());
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::refused(asked)
            .code(status.as_str())
            .hint(format!(
                "{REQUEST_TOKEN} ends with the job; check that it belongs to this job and was not kept from another"
            ))
            .hint("the job needs `permissions: { id-token: write }`"),
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => Error::unreachable(asked)
            .code(status.as_str())
            .hint("the service is busy or broken; the same request may succeed later"),
        _ => Error::refused(asked)
            .code(status.as_str())
            .hint(format!("check the audience, and that {REQUEST_URL} is as GitHub set it")),
    })
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
    let claims = token.unverified_claims();
    let facts = ["repository", "ref", "environment", "repository_id", "repository_owner_id"]
        .map(|name| (name, claims.str(name).map(safe_text)));
    let mut credential = token.into_credential();
    credential.facts.extend(facts.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Ok(credential)
}

#[cfg(test)]
mod tests;
