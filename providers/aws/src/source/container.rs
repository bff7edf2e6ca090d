//! The container credential endpoint: ECS, Fargate, EKS pod identity ("Container credential provider", SDKs and tools guide).

use std::{path::Path, time::Duration};

use carnet_core::{Context, Destination, Error, Found, Request, Secret, is_loopback};
use http::{HeaderValue, header};
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
    if let Some(token) = token(context)? {
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
        let said = error::parse_error(response.body.expose());
        let message = said.message.unwrap_or_else(|| "no description".to_owned());
        let failed = format!("{what}: HTTP {}: {message}", response.status.as_u16());
        return Err(if response.status.is_server_error() {
            Error::unreachable(failed)
        } else {
            Error::refused(failed)
        }
        .code(said.code.unwrap_or_else(|| response.status.as_str().to_owned()))
        .hint("check the task's role or the pod identity association, and that the authorization token is fresh"));
    }
    let keys =
        wire::parse_json_keys(response.body.expose()).map_err(|wrong| error::malformed(what, &response, wrong))?;
    Ok(Found::credential(keys.into_credential()))
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
