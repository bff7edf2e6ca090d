//! Google Cloud Build: a token of the build's service account, from the metadata server that each step finds.

use std::{sync::Arc, time::Duration};

use carnet_core::{
    BoxFuture, Context, Destination, Error, Found, Kind, Kinds, Mistake, Request, Response, Source, SourceConfig, Want,
};
use carnet_jose::SubjectToken;
use http::{HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{
    system,
    token::{MAX_TOKEN, parse_plain_token, with_facts},
};

/// Where each step may leave its output; set in every step and nowhere else ("Build", REST reference of Cloud Build, `buildStepOutputs`).
const IN_BUILD: &str = "BUILDER_OUTPUT";
/// Where the metadata server is, for Google's own libraries as well.
const HOST_VARIABLE: &str = "GCE_METADATA_HOST";
/// Where it is otherwise ("VM metadata", cloud.google.com). By address, so that no name server is asked elsewhere.
const ADDRESS: &str = "169.254.169.254";
/// In every request and in every answer.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");
/// The server may have to ask Google.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The ID token of a build of Google Cloud Build: of the service account that the build runs as.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoogleCloudBuild {
    /// The audience to ask for. By default what the next step needs.
    #[serde(default)]
    pub audience: Option<String>,
}

impl SourceConfig for GoogleCloudBuild {
    const NAME: &'static str = "google-cloud-build";
    const ABOUT: &'static str = "the ID token of a build of Google Cloud Build";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        if self.audience.as_deref().is_some_and(|audience| audience.trim().is_empty()) {
            return Err(vec![
                Mistake::new("audience", "is empty").hint("leave it out to ask for what the next step needs"),
            ]);
        }
        Ok(Arc::new(self))
    }
}

impl Source for GoogleCloudBuild {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::Jwt])
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            const WHAT: &str = "the ID token from Cloud Build";
            if context.env(IN_BUILD).is_none() {
                return Ok(Found::not_here(format!("not a step of Google Cloud Build: {IN_BUILD} is not set")));
            }
            let Some(audience) = self.audience.as_deref().or(want.audience.as_deref()) else {
                return Err(Error::configuration("ask Cloud Build for an ID token: no audience is known")
                    .clause("audience")
                    .hint("set `audience`, or put an exchange after this source that needs one"));
            };
            let response = context.http.send(request(context, audience)?).await.map_err(|error| {
                Error::from(error).hint(
                    "a container that the step starts itself is not in the build's network: `--network=cloudbuild`",
                )
            })?;
            let body = read_answer(&response)?;
            let token = parse_plain_token(body).map_err(|wrong| {
                Error::unreachable(format!("read {WHAT} ({} bytes): {wrong}", response.body.len()))
                    .hint(format!("check {HOST_VARIABLE}, and what stands between here and there"))
            })?;
            let token = SubjectToken::parse(token)
                .map_err(|error| Error::unreachable(format!("read {WHAT}: it is not a JWT")).because(error))?;
            token.refuse_expired(WHAT, context.now())?;
            token.refuse_other_audience(WHAT, Some(audience))?;
            Ok(Found::credential(with_facts(token, &system::CLOUD_BUILD)))
        })
    }
}

/// `full` puts the account's address into the token ("Get an ID token from the metadata server", cloud.google.com).
fn request(context: &Context, audience: &str) -> Result<Request, Error> {
    let host = context.env(HOST_VARIABLE).unwrap_or_else(|| ADDRESS.to_owned());
    let place = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/identity");
    let not_a_host = || {
        Error::configuration(format!("read {HOST_VARIABLE}: it is not a host name or address"))
            .hint("write HOST or HOST:PORT")
    };
    if host.contains(['/', '@', '?', '#', '\\']) {
        return Err(not_a_host());
    }
    let mut url = Url::parse(&place).map_err(|error| not_a_host().because(error))?;
    url.query_pairs_mut().append_pair("audience", audience).append_pair("format", "full");
    Ok(Request::get(url)
        .header(HeaderName::from_static(FLAVOR.0), HeaderValue::from_static(FLAVOR.1))
        .destination(Destination::Metadata)
        .max_response(MAX_TOKEN)
        .timeout(TIMEOUT))
}

fn read_answer(response: &Response) -> Result<&[u8], Error> {
    let status = response.status;
    let failed = format!("ask Cloud Build for an ID token: HTTP {}", status.as_u16());
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Err(Error::unreachable(failed)
            .code(status.as_str())
            .hint("the service is busy or broken; the same request may succeed later"));
    }
    if response.header(FLAVOR.0) != Some(FLAVOR.1) {
        return Err(Error::unreachable(format!("{failed}, and not from Google's metadata server"))
            .hint(format!("check {HOST_VARIABLE}, and whether a proxy stands in between")));
    }
    match status {
        StatusCode::OK => Ok(response.body.expose()),
        // "Authorize service-to-service access", cloud.google.com/build.
        _ => Err(Error::refused(failed)
            .code(status.as_str())
            .hint("the build must name a service account of your own (`serviceAccount`): the default one gives no ID tokens")
            .hint("that account needs the role roles/iam.serviceAccountOpenIdTokenCreator on itself")),
    }
}

#[cfg(test)]
mod tests;
