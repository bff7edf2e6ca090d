//! The instance metadata service, version 2 only ("Use IMDSv2", EC2 user guide): version 1 answers anybody who can make a
//! program on the machine fetch a URL.

use std::time::Duration;

use carnet_core::{Context, Destination, Error, ErrorKind, Found, Request, Response, Secret};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use crate::{error, wire};

const ADDRESS: &str = "http://169.254.169.254";
const ADDRESS_V6: &str = "http://[fd00:ec2::254]";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";
/// The session token is used for two requests.
const TTL: &str = "60";
/// On EC2 it answers within milliseconds; elsewhere nothing does, and every `auto` route waits this long.
const PROBE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 64 * 1024;

pub(super) async fn find(context: &Context) -> Result<Found, Error> {
    if context.env("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(Found::not_here("AWS_EC2_METADATA_DISABLED is set"));
    }
    let base = base(context)?;
    let put = request(Method::PUT, join(&base, "latest/api/token")?, PROBE)
        .header(HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), HeaderValue::from_static(TTL));
    let token = match context.http.send(put).await {
        Ok(response) if response.status.is_success() => response,
        Ok(response) if is_out_of_order(response.status) => return Err(out_of_order(response.status)),
        // Other clouds have theirs at the same address: Azure's answers 400, Google's 403, OCI's 404.
        Ok(_) => return Ok(Found::not_here("what answers at the metadata address is not AWS's, or gives no tokens")),
        Err(_) => return Ok(Found::not_here("no instance metadata service answers")),
    };
    let what = "ask the instance metadata service for keys";
    let sent = Secret::new(token.text().unwrap_or_default().trim());
    let roles = get(context, join(&base, ROLES)?, &token, what).await?;
    if roles.status == StatusCode::NOT_FOUND {
        return Ok(Found::not_here("this instance has no role"));
    }
    let role = roles.text().and_then(|text| text.lines().next()).map(str::trim).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !roles.status.is_success() || role.is_empty() || !role.chars().all(fits) {
        return Err(error::malformed(what, &roles, "it is not the name of a role"));
    }
    let keys = get(context, join(&base, &format!("{ROLES}{role}"))?, &token, what).await?;
    if !keys.status.is_success() {
        return Err(error::malformed(what, &keys, "it gives no keys"));
    }
    if let Some(error) = denied(what, &keys, &sent) {
        return Err(error);
    }
    let session = wire::parse_json_keys(keys.body.expose()).map_err(|wrong| error::malformed(what, &keys, wrong))?;
    Ok(Found::credential(session.into_credential().fact("role", role)))
}

fn is_out_of_order(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// It is there, but does not answer now: the caller must not go on as if there were no identity.
fn out_of_order(status: StatusCode) -> Error {
    let failed = format!("ask the instance metadata service for a session token: HTTP {}", status.as_u16());
    Error::unreachable(failed)
        .clause("unavailable")
        .code(status.as_str())
        .hint("the service is throttled or out of order; the same request may succeed later")
}

/// What the service says instead of keys, with status 200: that EC2 may not assume the role, for instance.
fn denied(what: &str, response: &Response, sent: &Secret) -> Option<Error> {
    let said = error::parse_without(response.body.expose(), &[sent]);
    let code = said.code.filter(|code| code != "Success")?;
    let message = said.message.unwrap_or_else(|| "no description".to_owned());
    let kind = if code.starts_with("AssumeRole") { ErrorKind::Policy } else { ErrorKind::Refused };
    let fix = "let the role's trust policy allow ec2.amazonaws.com sts:AssumeRole, and look whether the role is still there; the \
               instance sees a change after some minutes";
    Some(Error::new(kind, format!("{what}: {code}: {message}")).clause("policy").code(code).hint(fix))
}

fn base(context: &Context) -> Result<Url, Error> {
    let v6 =
        context.env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    let usual = if v6 { ADDRESS_V6 } else { ADDRESS };
    let text = context.env("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| usual.to_owned());
    Url::parse(&format!("{}/", text.trim_end_matches('/')))
        .map_err(|error| Error::configuration("read AWS_EC2_METADATA_SERVICE_ENDPOINT: no URL").because(error))
}

fn join(base: &Url, path: &str) -> Result<Url, Error> {
    base.join(path).map_err(|error| Error::configuration("make a URL of the metadata service").because(error))
}

fn request(method: Method, url: Url, timeout: Duration) -> Request {
    Request::new(method, url).destination(Destination::Metadata).max_response(MAX_ANSWER).timeout(timeout)
}

async fn get(context: &Context, url: Url, token: &Response, what: &str) -> Result<Response, Error> {
    let text = token.text().unwrap_or_default().trim();
    let mut value = HeaderValue::from_str(text)
        .map_err(|_unprintable| error::malformed(what, token, "the session token is not one line of visible ASCII"))?;
    value.set_sensitive(true);
    let request = request(Method::GET, url, TIMEOUT).header(HeaderName::from_static("x-aws-ec2-metadata-token"), value);
    error::send(context, request, what).await
}
