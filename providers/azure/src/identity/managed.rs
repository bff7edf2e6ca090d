//! The metadata service of virtual machines, and the endpoint of App Service and Container Apps ("How managed identities for
//! Azure resources work with Azure virtual machines", "REST endpoint reference" of App Service).

use std::time::Duration;

use carnet_core::{Context, Destination, Error, Request, Response, Secret, safe_text, without_echo};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use url::Url;

use super::{Asked, ENDPOINT, HEADER};
use crate::{
    exchange::{malformed, send},
    wire::parse_managed_answer,
};

/// Where it always is. By address, so that no name server is asked elsewhere.
const IMDS: &str = "http://169.254.169.254";
/// Moves it, for Microsoft's Python library.
const IMDS_VARIABLE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
const IMDS_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";
/// How long the probe waits, as in Microsoft's libraries. Every `auto` route elsewhere waits this long.
const PROBE: Duration = Duration::from_secs(1);
/// How long a token may take: the service may have to ask Entra.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tokens are a few kilobytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest error code that is shown.
const MAX_CODE: usize = 64;

/// Asks the metadata service. Unless somebody said that it is there, a probe without the header `Metadata` comes first.
pub(super) async fn imds(context: &Context, resource: &str, client: Option<&str>, named: bool) -> Result<Asked, Error> {
    let moved = context.env(IMDS_VARIABLE);
    let base = endpoint(IMDS_VARIABLE, moved.as_deref().unwrap_or(IMDS))?;
    let mut url = base.clone();
    let path = format!("{}/metadata/identity/oauth2/token", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut().append_pair("api-version", IMDS_VERSION);
    if !named && moved.is_none() {
        let host = base.authority();
        match context.http.send(get(url.clone(), PROBE)).await {
            // Without the header the service refuses, and so shows that it is there.
            Ok(response) if response.status == StatusCode::BAD_REQUEST => {}
            Ok(_) => return Ok(Asked::NotHere(format!("what answers at {host} is not Azure's metadata service"))),
            Err(_) => return Ok(Asked::NotHere(format!("no metadata service answers at {host}"))),
        }
    }
    select(&mut url, resource, client);
    token(context, metadata(get(url, TIMEOUT)), "the metadata service", &[]).await
}

/// Asks the endpoint that App Service, Functions and Container Apps name in variables.
pub(super) async fn app_service(context: &Context, resource: &str, client: Option<&str>) -> Result<Asked, Error> {
    let (Some(address), Some(header)) = (context.env(ENDPOINT), context.environment.secret(HEADER)) else {
        return Ok(Asked::NotHere(format!("{ENDPOINT} and {HEADER} are not both set")));
    };
    let mut url = endpoint(ENDPOINT, &address)?;
    url.query_pairs_mut().append_pair("api-version", APP_SERVICE_VERSION);
    select(&mut url, resource, client);
    let mut value = HeaderValue::from_str(header.expose())
        .map_err(|_unprintable| Error::configuration(format!("read {HEADER}: a header cannot carry it")))?;
    value.set_sensitive(true);
    let request = get(url, TIMEOUT).header(HeaderName::from_static("x-identity-header"), value);
    token(context, request, "the identity endpoint", &[&header]).await
}

/// An address that the platform names: http by design, and only in reach of this machine.
pub(super) fn endpoint(variable: &str, text: &str) -> Result<Url, Error> {
    let fits = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    };
    Url::parse(text).ok().filter(fits).ok_or_else(|| {
        Error::configuration(format!("read {variable}: it is not an http URL"))
            .hint("the platform sets it; do not set it by hand, or set it to http://HOST:PORT/…")
    })
}

/// `GET` of a local endpoint.
pub(super) fn get(url: Url, timeout: Duration) -> Request {
    Request::get(url).destination(Destination::Metadata).max_response(MAX_ANSWER).timeout(timeout)
}

/// With the header that a request through a browser or a proxy would not have.
pub(super) fn metadata(request: Request) -> Request {
    request.header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"))
}

/// Says what is asked for, and as whom.
pub(super) fn select(url: &mut Url, resource: &str, client: Option<&str>) {
    let mut query = url.query_pairs_mut();
    query.append_pair("resource", resource);
    if let Some(client) = client {
        query.append_pair("client_id", client);
    }
}

/// How long a token may take.
pub(super) const fn timeout() -> Duration {
    TIMEOUT
}

/// Sends it and reads the token. What proves who asks (`sent`) is not shown when the other side repeats it.
pub(super) async fn token(context: &Context, request: Request, who: &str, sent: &[&Secret]) -> Result<Asked, Error> {
    let what = format!("ask {who} for a token");
    let now = context.now();
    let response = send(context, request, &what).await?;
    if !response.status.is_success() {
        return refused(&response, &what, sent);
    }
    let answer = parse_managed_answer(response.body.expose(), now).map_err(|wrong| malformed(who, &response, wrong))?;
    Ok(Asked::Token(answer))
}

fn refused(response: &Response, what: &str, sent: &[&Secret]) -> Result<Asked, Error> {
    let status = response.status;
    let body = serde_json::from_slice::<Value>(response.body.expose()).unwrap_or_default();
    let quotes = |text: &str| without_echo(text, sent) != text;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !quotes(text)).map(safe_text);
    let said = text("error_description").or_else(|| text("message")).unwrap_or_default();
    let failed = format!("{what}: HTTP {}", status.as_u16());
    // 410 while the service restarts; 404 happens for a moment on young machines.
    let later = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS);
    if later || status.is_server_error() {
        return Err(Error::unreachable(failed)
            .code(status.as_str())
            .hint("the service restarts, is throttled or broken; the same request may succeed later"));
    }
    // What stands between has forms of its own: Docker Desktop's proxy answers in a line of text (`azure/identity/_credentials/imds.py`
    // of azure-sdk-for-python).
    let anywhere = String::from_utf8_lossy(response.body.expose()).contains("unreachable");
    if status == StatusCode::FORBIDDEN && anywhere {
        return Ok(Asked::NotHere("what answers there is not Azure's metadata service".to_owned()));
    }
    let is_code =
        |code: &String| !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
    let code = text("error").filter(is_code).unwrap_or_else(|| status.as_str().to_owned());
    let (clause, fix) = meaning(status, &code, &said);
    let error = Error::refused(failed).code(code).clause(clause).hint(fix);
    Err(if said.is_empty() { error } else { error.because(Error::refused(said)) })
}

/// What a refusal is about. App Service has texts of its own.
fn meaning(status: StatusCode, code: &str, said: &str) -> (&'static str, &'static str) {
    if said.contains("Identity not found") || said.contains("No User Assigned") {
        return ("client", "assign a managed identity to this machine or app, or correct `client_id`");
    }
    if code == "invalid_resource" || said.contains("AADSTS500011") {
        return ("resource", "correct `resource`: the tenant has none of this name");
    }
    if status == StatusCode::UNAUTHORIZED {
        return ("identity-header", "read the environment anew: IDENTITY_HEADER changes when the app starts again");
    }
    ("request", "check `resource` and `client_id`; a request that went through a proxy is refused")
}
