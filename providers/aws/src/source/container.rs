//! The container credential endpoint: ECS, Fargate, EKS pod identity ("Container credential provider", SDKs and tools guide).

use std::{path::Path, time::Duration};

use carnet_core::{Context, Destination, Error, ErrorKind, Found, Request, Response, Secret, is_loopback, safe_text};
use http::{HeaderValue, StatusCode, header};
use url::{Host, Url};

use crate::{error, wire};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Where ECS is; and, for plain http besides loopback, EKS pod identity.
const ECS: &str = "http://169.254.170.2";
const PLAIN: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_TOKEN: usize = 64 * 1024;
/// Longest text of a refusal that is shown.
const MAX_LINE: usize = 500;

pub(super) async fn find(context: &Context) -> Result<Found, Error> {
    let (variable, text) = match (context.env(RELATIVE), context.env(FULL)) {
        (Some(path), _) => (RELATIVE, format!("{ECS}{path}")),
        (None, Some(url)) => (FULL, url),
        (None, None) => return Ok(Found::not_here(format!("neither {RELATIVE} nor {FULL} is set"))),
    };
    let url =
        Url::parse(&text).map_err(|error| Error::configuration(format!("read {variable}: no URL")).because(error))?;
    let plain = url.scheme() == "http" && (is_loopback(&url) || is_endpoint(&url));
    if !plain && url.scheme() != "https" {
        return Err(Error::configuration(format!("read {variable}: plain http to a host that is not this machine's"))
            .hint("use https, loopback, or the addresses of ECS and EKS"));
    }
    let destination = if plain { Destination::Metadata } else { Destination::Configured };
    let mut request = Request::get(url)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .destination(destination)
        .timeout(TIMEOUT)
        .max_response(MAX_TOKEN);
    let token = token(context)?;
    if let Some(token) = &token {
        let mut value = HeaderValue::from_str(token.expose()).map_err(|_unprintable| {
            Error::configuration("send the container's authorization: it is not one line of visible ASCII")
                .hint("write the token file without a newline at its end")
        })?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let what = "ask the container endpoint for keys";
    let response = error::send(context, request, what).await?;
    if !response.status.is_success() {
        return Err(refused(what, &response, token.as_ref()));
    }
    let keys =
        wire::parse_json_keys(response.body.expose()).map_err(|wrong| error::malformed(what, &response, wrong))?;
    Ok(Found::credential(keys.into_credential()))
}

/// Why it gives no keys: JSON of ECS, or one line of the agent of EKS, which passes on what the service behind it says as
/// `(CODE): TEXT, fault: client`.
fn refused(what: &str, response: &Response, token: Option<&Secret>) -> Error {
    let body = response.body.expose();
    let sent: Vec<&Secret> = token.into_iter().collect();
    let said = error::parse_without(body, &sent);
    let line =
        std::str::from_utf8(body).ok().map(str::trim).filter(|line| is_line(line) && !error::quotes(line, &sent));
    let passed_on = line.and_then(|line| line.strip_prefix('(')?.split_once(')'));
    let passed_on = passed_on.and_then(|(code, _)| error::code_of(code, &sent));
    let message = said.message.or_else(|| line.map(safe_text));
    let message = message.unwrap_or_else(|| "no description".to_owned());
    let code = said.code.or(passed_on).unwrap_or_else(|| response.status.as_str().to_owned());
    let (kind, clause, fix) = meaning(response.status, &code, &message);
    let failed = format!("{what}: HTTP {}: {message}", response.status.as_u16());
    Error::new(kind, failed).clause(clause).code(code).hint(fix)
}

/// Whether a body is a line for people, and no document.
fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_LINE && !text.starts_with(['{', '[', '"', '<']) && !text.contains('\n')
}

fn meaning(status: StatusCode, code: &str, message: &str) -> (ErrorKind, &'static str, &'static str) {
    let says = |word: &str| code.contains(word) || message.contains(word);
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return (
            ErrorKind::Unreachable,
            "unavailable",
            "the endpoint is busy or broken; the same request may succeed later",
        );
    }
    if says("ExpiredToken") || says("expired") {
        return (
            ErrorKind::Expired,
            "expired",
            "the authorization token is over: let the kubelet or the agent renew its file",
        );
    }
    if code.starts_with("ResourceNotFound") {
        return (
            ErrorKind::Refused,
            "association",
            "create a pod identity association for this cluster, namespace and service account",
        );
    }
    if code.starts_with("AccessDenied") {
        let fix = "let the role's trust policy allow its service (pods.eks.amazonaws.com, ecs-tasks.amazonaws.com) sts:AssumeRole, \
                   and for pods sts:TagSession";
        return (ErrorKind::Policy, "policy", fix);
    }
    if says("oken") || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let fix = "give the content of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; for pods a token for the audience pods.eks.amazonaws.com";
        return (ErrorKind::Refused, "authorization", fix);
    }
    (
        ErrorKind::Refused,
        "request",
        "check the address in the variable, and the task's role or the pod identity association",
    )
}

fn is_endpoint(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => PLAIN.contains(&address.to_string().as_str()),
        Some(Host::Ipv6(address)) => PLAIN.contains(&address.to_string().as_str()),
        _ => false,
    }
}

/// The file is preferred, and read each time; its content is sent as it is.
fn token(context: &Context) -> Result<Option<Secret>, Error> {
    let Some(path) = context.env(TOKEN_FILE) else { return Ok(context.environment.secret(TOKEN)) };
    let missing = || Error::configuration(format!("read {TOKEN_FILE}: the file is not there, or no text"));
    let bytes = context.files.read(Path::new(&path), MAX_TOKEN)?.ok_or_else(missing)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|error| missing().because(error))?;
    Ok(Some(Secret::new(text)))
}
