//! A token that a URL answers with.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use ::url::Url;
use carnet_core::{
    BoxFuture, Context, Destination, Error, Found, Kinds, Mistake, Request, Secret, Source, SourceConfig, Want,
    is_near_by_name, may_carry_tokens,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::token::{Format, MAX_BYTES, Reader, TokenKind};

/// Headers that the client sets from the request itself; to set them apart from it is to smuggle.
const NOT_YOURS: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING, header::CONNECTION];

/// A token that `GET url` answers with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UrlSource {
    /// The URL: `https`, or `http` to this machine or the address of a metadata service. Redirects are not followed.
    pub url: String,
    /// Headers of the request. Write `${VAR}` where a variable of the environment belongs.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Headers whose value is in a file, which is read again at each use.
    #[serde(default)]
    pub header_files: BTreeMap<String, HeaderFile>,
    /// `text` (default): the answer is the token. `json`: a member of a JSON object is.
    #[serde(default)]
    pub format: Format,
    /// The member that holds the token, for `json`. Dots go into nested objects. By default `access_token`.
    #[serde(default)]
    pub field: Option<String>,
    /// `jwt` or `access-token`. By default what it looks like.
    #[serde(default)]
    pub kind: Option<TokenKind>,
    /// The query parameter that takes the audience which the next step needs, for instance `audience`. By default none.
    #[serde(default)]
    pub audience_parameter: Option<String>,
}

/// A header whose value is in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderFile {
    /// The file; blanks and newlines around the value are dropped.
    pub path: PathBuf,
    /// What goes before the value, for instance `Bearer ` with its blank.
    #[serde(default)]
    pub prefix: String,
}

impl SourceConfig for UrlSource {
    const NAME: &'static str = "url";
    const ABOUT: &'static str = "a token that a URL answers with";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let url = check_url(&self.url).map_err(|mistake| mistakes.push(mistake)).ok();
        let mut headers = Vec::new();
        for (name, value) in self.headers {
            let field = format!("headers.{name}");
            match (check_name(&name), HeaderValue::from_str(value.expose())) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                }
                (Err(message), _) => mistakes.push(Mistake::new(field, message)),
                (_, Err(_)) => mistakes.push(
                    Mistake::new(field, "has a value that is not one line of visible ASCII")
                        .hint("take line breaks and other characters out of it, or of the variable that it is from"),
                ),
            }
        }
        let mut header_files = Vec::new();
        for (name, file) in self.header_files {
            match check_name(&name) {
                Ok(name) if headers.iter().any(|(given, _)| *given == name) => mistakes
                    .push(Mistake::new(format!("header_files.{name}"), "is in `headers` too").hint("give it once")),
                Ok(name) => header_files.push((name, file)),
                Err(message) => mistakes.push(Mistake::new(format!("header_files.{name}"), message)),
            }
        }
        if self.audience_parameter.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("audience_parameter", "is empty").hint("leave it out to send no audience"));
        }
        let reader = Reader::check(self.format, self.field, self.kind, &mut mistakes);
        match url {
            Some(url) if mistakes.is_empty() => {
                Ok(Arc::new(Get { url, headers, header_files, audience_parameter: self.audience_parameter, reader }))
            }
            _ => Err(mistakes),
        }
    }
}

fn check_url(text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Mistake::new("url", "is not an http or https URL").hint("write it with its scheme and host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Mistake::new("url", "carries a user name or password").hint("send them in a header, from a file"));
    }
    if !may_carry_tokens(&url) && !is_near_by_name(&url) {
        return Err(Mistake::new("url", "is not https, and a token comes from there").hint(
            "use https; plain http is only for 127.0.0.1, ::1, localhost, metadata.google.internal and the addresses of \
             metadata services (169.254.0.0/16, fe80::/10, fd00::/8); the source `gcp-metadata` asks Google's by itself",
        ));
    }
    Ok(url)
}

/// What comes over plain http comes from where nobody is in between: past every proxy, and from an address that is near,
/// whatever the name in the URL resolves to.
fn destination(url: &Url) -> Destination {
    if url.scheme() == "http" { Destination::Metadata } else { Destination::Configured }
}

fn check_name(name: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::try_from(name).ok().ok_or("is not the name of a header")?;
    if NOT_YOURS.contains(&name) { Err("is set by the client itself") } else { Ok(name) }
}

struct Get {
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    header_files: Vec<(HeaderName, HeaderFile)>,
    audience_parameter: Option<String>,
    reader: Reader,
}

impl std::fmt::Debug for Get {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query may hold a key.
        write!(f, "Get({})", place(&self.url))
    }
}

/// The URL without its query.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

impl Source for Get {
    fn name(&self) -> &'static str {
        UrlSource::NAME
    }

    fn gives(&self) -> Kinds {
        self.reader.gives()
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let place = place(&self.url);
            let mut url = self.url.clone();
            if let (Some(name), Some(audience)) = (&self.audience_parameter, &want.audience) {
                url.query_pairs_mut().append_pair(name, audience);
            }
            let mut request = Request::get(url).max_response(MAX_BYTES).destination(destination(&self.url));
            for (name, value) in &self.headers {
                request = request.header(name.clone(), value.clone());
            }
            for (name, file) in &self.header_files {
                request = request.header(name.clone(), read_value(context, file)?);
            }
            let response = context.http.send(request).await?;
            let status = response.status;
            if !status.is_success() {
                return Err(refusal(status, &place));
            }
            let what = format!("the token that {place} answered with");
            self.reader.read(response.body.expose(), &what, context, want).map(Found::credential)
        })
    }
}

fn read_value(context: &Context, file: &HeaderFile) -> Result<HeaderValue, Error> {
    let path = file.path.display();
    let bytes = context.files.read(&file.path, MAX_BYTES)?.ok_or_else(|| {
        Error::configuration(format!("read the header value in {path}: there is no such file"))
            .hint("correct `header_files`")
    })?;
    let value = std::str::from_utf8(bytes.expose())
        .ok()
        .and_then(|text| HeaderValue::try_from(format!("{}{}", file.prefix, text.trim())).ok());
    let mut value = value.ok_or_else(|| {
        Error::configuration(format!("read the header value in {path}: it is not one line of visible ASCII"))
            .hint("put the value of the header there, and nothing else")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn refusal(status: StatusCode, place: &str) -> Error {
    let message = format!("get a token from {place}: HTTP {}", status.as_u16());
    let error = match status {
        _ if [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status)
            || status.is_server_error() =>
        {
            Error::unreachable(message).hint("the service is busy or broken; the same request may succeed later")
        }
        _ if status.is_redirection() => {
            Error::refused(message).hint("redirects are not followed; write the final URL, if you trust it")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Error::refused(message).hint("check `headers` and `header_files`")
        }
        _ => Error::refused(message).hint("check `url`"),
    };
    error.code(status.as_str())
}
