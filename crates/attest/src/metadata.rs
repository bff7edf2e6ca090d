//! Asking a metadata service.

use std::time::Duration;

use carnet_core::{Context, Destination, Error, Request, Response};
use url::Url;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest document, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Where metadata services of all clouds are, unless the configuration says otherwise.
pub(crate) const ADDRESS: &str = "http://169.254.169.254";

/// The base that the configuration names, or the usual one.
pub(crate) fn base(configured: Option<&Url>) -> Result<Url, Error> {
    match configured {
        Some(url) => Ok(url.clone()),
        None => Url::parse(ADDRESS).map_err(|error| Error::internal("the usual metadata address").because(error)),
    }
}

/// The document below `base`; `path` begins with a slash and may have a query.
pub(crate) fn document(base: &Url, path: &str) -> Result<Request, Error> {
    let text = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let url = Url::parse(&text).map_err(|error| Error::configuration("use the metadata URL").because(error))?;
    Ok(Request::get(url).destination(Destination::Metadata).timeout(TIMEOUT).max_response(MAX_DOCUMENT))
}

/// Sends it; anything but success is an error.
pub(crate) async fn send(context: &Context, request: Request, what: &str) -> Result<Response, Error> {
    let failed = || format!("read {what} from the metadata service");
    let response =
        context.http.send(request).await.map_err(|error| Error::unreachable(failed()).because(Error::from(error)))?;
    if response.status.is_success() {
        return Ok(response);
    }
    let status = response.status.as_u16();
    Err(Error::not_here(format!("{}: the answer was HTTP {status}", failed()))
        .hint("this machine may be of another cloud, or its metadata service may be switched off"))
}

/// The answer as text without white space around it.
pub(crate) fn text(response: &Response, what: &str) -> Result<String, Error> {
    let text = response.text().map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| Error::unreachable(format!("read {what}: the answer is empty or not text")))
}
