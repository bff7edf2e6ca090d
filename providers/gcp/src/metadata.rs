//! The metadata server of Compute Engine, Cloud Run, GKE and the like.

use std::{sync::Arc, time::Duration};

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Destination, Error, Found, Kind, Kinds, Material, Mistake, Request,
    Response, Secret, Source, SourceConfig, Want, check_token, safe_text,
};
use carnet_jose::SubjectToken;
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{config::check_account, wire};

/// Where it always is ("VM metadata", cloud.google.com). By address, so that no name server is asked elsewhere.
const ADDRESS: &str = "169.254.169.254";
/// Google's own switches, in the order in which its libraries read them.
const HOST_VARIABLES: [&str; 2] = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT"];
const PING_VARIABLE: &str = "GCE_METADATA_IP";
const OFF_VARIABLE: &str = "NO_GCE_CHECK";
/// How long the probe waits. On a Google machine it answers within milliseconds; elsewhere nothing does, and every
/// `auto` route waits this long.
const PROBE: Duration = Duration::from_secs(1);
/// How long a token may take: the server may have to ask Google.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tokens are a few kilobytes.
const MAX_ANSWER: usize = 64 * 1024;
/// In every request and in every answer.
const FLAVOR: &str = "metadata-flavor";

/// The identity of a Google machine: an ID token, or an access token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpMetadata {
    /// `identity` (default): an ID token, a JWT that others can verify. `access`: an access token for Google's own APIs.
    #[serde(default)]
    pub token: MetadataToken,
    /// The audience of the ID token. By default what the next step needs.
    #[serde(default)]
    pub audience: Option<String>,
    /// The service account, by e-mail. By default the one that is attached.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Scopes of the access token. By default those of the machine.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Host, or host and port, of the metadata server. By default `GCE_METADATA_HOST`, else 169.254.169.254.
    #[serde(default)]
    pub host: Option<String>,
}

/// Which token the metadata server is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataToken {
    /// An access token for Google's APIs.
    Access,
    /// An ID token for an audience.
    #[default]
    Identity,
}

impl SourceConfig for GcpMetadata {
    const NAME: &'static str = "gcp-metadata";
    const ABOUT: &'static str = "the identity of a Google machine, from its metadata server";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if let Some(account) = self.service_account.as_deref().filter(|account| *account != "default") {
            mistakes.extend(check_account("service_account", account).err());
        }
        if self.audience.as_deref().is_some_and(str::is_empty) {
            mistakes
                .push(Mistake::new("audience", "is empty").hint("leave it out to ask for what the next step needs"));
        }
        match self.token {
            MetadataToken::Access if self.audience.is_some() => mistakes.push(
                Mistake::new("audience", "does not apply to access tokens")
                    .hint("set `token = \"identity\"`, or leave it out"),
            ),
            MetadataToken::Identity if !self.scopes.is_empty() => mistakes.push(
                Mistake::new("scopes", "does not apply to ID tokens").hint("set `token = \"access\"`, or leave it out"),
            ),
            _ => {}
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains([',', ' '])) {
            mistakes.push(
                Mistake::new("scopes", "holds an empty scope or several in one").hint("give one scope per element"),
            );
        }
        if let Some(host) = &self.host
            && base(host).is_none()
        {
            mistakes.push(Mistake::new("host", "is not a host name or address").hint("write HOST or HOST:PORT"));
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Source for GcpMetadata {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        match self.token {
            MetadataToken::Access => Kinds::of(&[Kind::AccessToken]),
            MetadataToken::Identity => Kinds::of(&[Kind::Jwt]),
        }
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let base = match self.place(context)? {
                Place::Named(base) => base,
                Place::Usual(base) => match probe(context, &base).await {
                    Ok(()) => base,
                    Err(reason) => return Ok(Found::not_here(reason)),
                },
                Place::Off => return Ok(Found::not_here(format!("{OFF_VARIABLE} is set"))),
            };
            match self.token {
                MetadataToken::Access => self.access(context, &base).await,
                MetadataToken::Identity => self.identity(context, &base, want).await,
            }
        })
    }
}

/// Where to look.
enum Place {
    /// Somebody named the host, so it is there.
    Named(Url),
    /// Nobody asked to look.
    Off,
    /// The usual address, where nothing answers on other machines.
    Usual(Url),
}

impl GcpMetadata {
    fn place(&self, context: &Context) -> Result<Place, Error> {
        if let Some(host) = &self.host {
            return named("host", host).map(Place::Named);
        }
        // Google's Python library takes any value but an empty one and these for "on".
        let off =
            context.env(OFF_VARIABLE).is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0"));
        if off {
            return Ok(Place::Off);
        }
        for variable in HOST_VARIABLES {
            if let Some(host) = context.env(variable) {
                return named(variable, &host).map(Place::Named);
            }
        }
        match context.env(PING_VARIABLE) {
            Some(host) => named(PING_VARIABLE, &host).map(Place::Usual),
            None => named("the usual address", ADDRESS).map(Place::Usual),
        }
    }

    fn account(&self) -> &str {
        self.service_account.as_deref().unwrap_or("default")
    }

    async fn identity(&self, context: &Context, base: &Url, want: &Want) -> Result<Found, Error> {
        let Some(audience) = self.audience.as_deref().or(want.audience.as_deref()) else {
            return Err(Error::configuration("ask the metadata server for an ID token: no audience is known")
                .clause("audience")
                .hint("set `audience`, or put an exchange after this source that needs one"));
        };
        let mut url = self.url(base, "identity")?;
        // `full` adds the facts about the machine.
        url.query_pairs_mut().append_pair("audience", audience).append_pair("format", "full");
        let response = match ask(context, url, "an ID token", self.account()).await? {
            Ok(response) => response,
            Err(reason) => return Ok(Found::not_here(reason)),
        };
        let token = parse_identity(response.body.expose()).map_err(|wrong| malformed(&response, wrong))?;
        let token = SubjectToken::parse(token).map_err(|error| {
            Error::unreachable("read the ID token from the metadata server: it is not a JWT").because(error)
        })?;
        token.refuse_expired("the ID token from the metadata server", context.now())?;
        token.refuse_other_audience("the ID token from the metadata server", Some(audience))?;
        let claims = token.unverified_claims();
        let machine = claims.get("google").and_then(|google| google.get("compute_engine"));
        let text = |name: &str| machine.and_then(|machine| machine.get(name)).and_then(serde_json::Value::as_str);
        let facts = [
            ("principal", claims.str("email")),
            ("project", text("project_id")),
            ("zone", text("zone")),
            ("instance", text("instance_id")),
        ]
        .map(|(name, value)| (name, value.map(safe_text)));
        let mut credential = token.into_credential();
        credential.facts.extend(facts.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(Found::credential(credential))
    }

    async fn access(&self, context: &Context, base: &Url) -> Result<Found, Error> {
        let mut url = self.url(base, "token")?;
        if !self.scopes.is_empty() {
            url.query_pairs_mut().append_pair("scopes", &self.scopes.join(","));
        }
        let now = context.now();
        let response = match ask(context, url, "an access token", self.account()).await? {
            Ok(response) => response,
            Err(reason) => return Ok(Found::not_here(reason)),
        };
        let answer = wire::parse_token_answer(response.body.expose()).map_err(|wrong| malformed(&response, wrong))?;
        let material = AccessToken { token: answer.access_token, token_type: "Bearer".to_owned() };
        let mut credential = Credential::new(Material::AccessToken(material));
        credential.expires_at =
            answer.expires_in.and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
        if let Some(account) = self.service_account.as_deref().filter(|account| *account != "default") {
            credential = credential.fact("principal", account);
        }
        Ok(Found::credential(credential))
    }

    fn url(&self, base: &Url, what: &str) -> Result<Url, Error> {
        base.join(&format!("computeMetadata/v1/instance/service-accounts/{}/{what}", self.account()))
            .map_err(|error| Error::configuration("make a URL of the metadata server").because(error))
    }
}

/// `http://HOST[:PORT]/` from what the variables hold: host, perhaps with port, perhaps with `http://` (Node).
fn base(host: &str) -> Option<Url> {
    let host = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/');
    let url = Url::parse(&format!("http://{host}/")).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
    (plain && url.fragment().is_none() && url.has_host()).then_some(url)
}

fn named(field: &str, host: &str) -> Result<Url, Error> {
    base(host).ok_or_else(|| {
        Error::configuration(format!("read {field}: it is not a host name or address")).hint("write HOST or HOST:PORT")
    })
}

fn get(url: Url, timeout: Duration) -> Request {
    Request::get(url)
        .header(HeaderName::from_static(FLAVOR), HeaderValue::from_static("Google"))
        .destination(Destination::Metadata)
        .max_response(MAX_ANSWER)
        .timeout(timeout)
}

/// Whether the answer says that it is Google's. Clouds share the address, so others may answer there.
fn is_google(response: &Response) -> bool {
    response.header(FLAVOR).is_some_and(|flavor| flavor == "Google")
}

/// Asks whether a metadata server is there; the reason when not.
async fn probe(context: &Context, base: &Url) -> Result<(), String> {
    let host = base.authority();
    match context.http.send(get(base.clone(), PROBE)).await {
        Ok(response) if is_google(&response) => Ok(()),
        Ok(_) => Err(format!("what answers at {host} is not Google's metadata server")),
        Err(_) => Err(format!("no metadata server answers at {host}")),
    }
}

/// Asks for a token. The inner error is the reason why this machine has none.
async fn ask(context: &Context, url: Url, token: &str, account: &str) -> Result<Result<Response, String>, Error> {
    let what = format!("ask the metadata server for {token}");
    let response = crate::exchange::send(context, get(url, TIMEOUT), &what).await?;
    let status = response.status;
    let failed = format!("{what}: HTTP {}", status.as_u16());
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Err(Error::unreachable(failed).code(status.as_str()));
    }
    if !is_google(&response) {
        return Err(Error::unreachable(format!("{failed}, and not from Google's metadata server"))
            .hint("check GCE_METADATA_HOST, and whether a proxy stands in between"));
    }
    match status {
        status if status.is_success() => Ok(Ok(response)),
        StatusCode::NOT_FOUND => Ok(Err(format!("this machine has no service account `{account}`"))),
        StatusCode::FORBIDDEN => Err(Error::refused(failed)
            .code(status.as_str())
            .hint("a request that went through a proxy is refused (X-Forwarded-For); on GKE, check the binding of the Kubernetes service account")),
        _ => Err(Error::refused(failed).code(status.as_str()).hint("check the audience and the service account")),
    }
}

/// Reads the answer to `identity`: the token as text.
///
/// # Errors
/// What is wrong with it, without any of its text.
pub fn parse_identity(body: &[u8]) -> Result<Secret, &'static str> {
    let text = std::str::from_utf8(body).ok().ok_or("it is not text")?.trim();
    let token = Secret::new(text);
    check_token(&token).map_err(|_wrong| "it is not a token")?;
    Ok(token)
}

fn malformed(response: &Response, wrong: &'static str) -> Error {
    Error::unreachable(format!(
        "read the answer of the metadata server (HTTP {}, {} bytes): {wrong}",
        response.status.as_u16(),
        response.body.len()
    ))
}

#[cfg(test)]
mod tests;
