//! The instance metadata service, version 2.
//!
//! Oracle, "Getting Instance Metadata" (docs.oracle.com, Compute/Tasks/gettingmetadata.htm). The IPv6 address is not
//! tried: the service answers on both, and a second probe would double the time until "not here".

use std::time::Duration;

use carnet_core::{Context, Destination, Error, HttpError, Request, Response};
use http::{HeaderValue, header};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{endpoint, regions::Region, regions::RegionMetadata};

/// Where the service is.
const DEFAULT_BASE: &str = "http://169.254.169.254/opc/v2";
/// The variable that Oracle's Go and Python SDKs read for another place.
const BASE_VARIABLE: &str = "OCI_METADATA_BASE_URL";
/// How long the first request may take where nobody said that there is a metadata service. Elsewhere the address
/// swallows packets, and this is what a laptop waits for "not here"; on an instance the answer takes milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request may take once it is known that the service is there.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest document that is read, in bytes. Certificates and keys take some kilobytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// The metadata service at one address.
#[derive(Clone, Debug)]
pub(crate) struct Imds {
    base: Url,
    expected: bool,
}

impl Imds {
    /// The service as configured, as the variable says, or at its usual address.
    pub(crate) fn locate(context: &Context, configured: Option<&Url>) -> Result<Self, Error> {
        let named = match configured {
            Some(url) => Some(url.clone()),
            None => variable(context)?,
        };
        let expected = named.is_some();
        let base = match named {
            Some(url) => url,
            None => Url::parse(DEFAULT_BASE).map_err(|error| Error::internal("read a constant URL").because(error))?,
        };
        Ok(Self { base, expected })
    }

    /// Whether somebody said that there is one.
    pub(crate) fn is_expected(&self) -> bool {
        self.expected
    }

    /// Where it is, for people.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str()
    }

    /// The first request: given up on fast where nobody expects an answer.
    pub(crate) async fn probe(&self, context: &Context, path: &str) -> Result<Response, HttpError> {
        self.request(context, path, if self.expected { TIMEOUT } else { PROBE_TIMEOUT }).await
    }

    /// A document as text.
    pub(crate) async fn text(&self, context: &Context, path: &str) -> Result<String, Error> {
        let response = self.get(context, path).await?;
        let text = response.text().map(str::trim).filter(|text| !text.is_empty());
        text.map(str::to_owned)
            .ok_or_else(|| Error::unreachable(format!("read {path}: the answer is empty or not text")))
    }

    /// A document.
    pub(crate) async fn get(&self, context: &Context, path: &str) -> Result<Response, Error> {
        let what = format!("read {path} from the metadata service at {}", self.base);
        let response =
            self.request(context, path, TIMEOUT).await.map_err(|error| Error::unreachable(&what).because(error))?;
        if response.status.is_success() {
            return Ok(response);
        }
        Err(Error::unreachable(format!("{what}: the answer was HTTP {}", response.status.as_u16())))
    }

    async fn json<T: DeserializeOwned>(&self, context: &Context, path: &str) -> Result<T, Error> {
        self.get(context, path).await?.json(path)
    }

    /// The region that `text` from `instance/region` means. One that the table does not know is described by the
    /// service itself.
    pub(crate) async fn region(&self, context: &Context, text: &str) -> Result<Region, Error> {
        if let Some(region) = Region::built_in(text) {
            return Ok(region);
        }
        let nonsense = |path: &str, error| {
            let base = self.base.as_str().trim_end_matches('/');
            Error::unreachable(format!("read the region from the metadata service at {base}/{path}"))
                .because(error)
                .hint("something else may answer at that address: look at what it says")
        };
        // Before anything else is asked: whoever answers with a web page is no metadata service.
        Region::plausible(text).map_err(|error| nonsense("instance/region", error))?;
        match self.json::<RegionMetadata>(context, "instance/regionInfo").await {
            Ok(metadata) => Region::from_metadata(&metadata).map_err(|error| nonsense("instance/regionInfo", error)),
            Err(_) => Region::resolve(context, text),
        }
    }

    async fn request(&self, context: &Context, path: &str, timeout: Duration) -> Result<Response, HttpError> {
        // The header is what keeps a server-side request forgery from reading keys; version 2 insists on it.
        let request = Request::get(endpoint::join(&self.base, &format!("/{path}")))
            .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer Oracle"))
            .destination(Destination::Metadata)
            .timeout(timeout)
            .max_response(MAX_DOCUMENT);
        context.http.send(request).await
    }
}

/// Plain http is the rule here, and the guard sees to it that the address is a local one.
pub(crate) fn parse_base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("must be an http URL such as http://169.254.169.254/opc/v2".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("must not hold a query, a fragment or a user name".to_owned());
    }
    Ok(url)
}

fn variable(context: &Context) -> Result<Option<Url>, Error> {
    let Some(text) = context.env(BASE_VARIABLE) else { return Ok(None) };
    parse_base(&text).map(Some).map_err(|message| {
        Error::configuration(format!("use the environment variable {BASE_VARIABLE}: it {message}"))
            .hint("write the whole base, such as http://169.254.169.254/opc/v2, or unset it")
    })
}
