//! Asking a CI system for a token over HTTP.

use carnet_core::{Error, Request, Response, Secret, is_loopback};
use http::StatusCode;
use url::Url;

/// A URL that the system put into a variable. A request there carries a bearer token, so plain text is for this machine only,
/// where the sandbox is.
pub(crate) fn request_url(variable: &str, owner: &str, url: &str) -> Result<Url, Error> {
    let url = Url::parse(url)
        .map_err(|error| Error::configuration(format!("read {variable}: it is not a URL")).because(error))?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(Error::configuration(format!("read {variable}: it is not https"))
            .hint(format!("{owner} sets it; if something in the job overrides it, remove that")));
    }
    Ok(url)
}

/// The bearer token that the system put into a variable.
pub(crate) fn bearer(request: Request, variable: &str, owner: &str, token: &Secret) -> Result<Request, Error> {
    carnet_core::check_token(token).map_err(|wrong| {
        Error::configuration(format!("read {variable}: {wrong}"))
            .hint(format!("{owner} sets it as one line; if something in the job sets or changes it, remove that"))
    })?;
    request.bearer(token)
}

/// What is said of an answer that is no token: who refused, whether it is worth another attempt, and what to look at.
pub(crate) fn refusal(asked: &str, status: StatusCode, not_allowed: &[&str], otherwise: &str) -> Error {
    let asked = format!("{asked}: HTTP {}", status.as_u16());
    // Who is not known to Azure DevOps is sent to a page where people log in: a redirection, or 203 with the page itself.
    let sent_to_login = status.is_redirection() || status == StatusCode::NON_AUTHORITATIVE_INFORMATION;
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Error::unreachable(asked)
            .code(status.as_str())
            .hint("the service is busy or broken; the same request may succeed later");
    }
    let error = Error::refused(asked).code(status.as_str());
    if sent_to_login || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return not_allowed.iter().fold(error, |error, hint| error.hint(*hint));
    }
    error.hint(otherwise)
}

/// What is said of an answer that should be a token and is none.
pub(crate) fn malformed(owner: &str, member: &str, variable: &str, response: &Response) -> Error {
    Error::unreachable(format!(
        "read the ID token from {owner}: the answer (HTTP {}, {} bytes) has no text `{member}`",
        response.status.as_u16(),
        response.body.len()
    ))
    .hint(format!("check that {variable} is as {owner} set it, and that no proxy answers in {owner}'s place"))
}
