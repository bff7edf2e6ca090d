//! Whether what is served is what was exported.

use carnet_core::{Context, Error, Request, Response, safe_text};
use http::header;
use serde_json::Value;
use url::Url;

use super::ExportFile;
use crate::{CONFIGURATION_PATH, CONTENT_TYPE};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The address is `https` and its certificate is believed.
    Tls,
    /// The server answers 200, without a redirect.
    Answer,
    /// `Content-Type` is `application/json`.
    ContentType,
    /// The bytes are those that were exported.
    Content,
    /// `issuer` in what is served is the address that was asked, byte for byte.
    Issuer,
}

impl Check {
    /// The word for people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Answer => "answer",
            Self::ContentType => "content-type",
            Self::Content => "content",
            Self::Issuer => "issuer",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Where.
    pub url: String,
    /// What.
    pub check: Check,
    /// What is wrong, and nothing when it is good. Safe to show.
    pub wrong: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads the files back as a relying party would, from `issuer` and below it, and compares. Redirects are not followed, because AWS
/// and others do not follow them. The key set is read at the `jwks_uri` that the served discovery document names.
///
/// # Errors
/// When `issuer` is not a URL.
pub async fn check(issuer: &str, files: &[ExportFile], context: &Context) -> Result<Vec<Finding>, Error> {
    let base = issuer.trim_end_matches('/');
    let mut findings = Vec::new();
    let mut keys_at = None;
    // The discovery document first: it says where the keys are.
    let (first, others): (Vec<&ExportFile>, Vec<&ExportFile>) =
        files.iter().partition(|file| format!("/{}", file.path) == CONFIGURATION_PATH);
    let keys = files.first().map(|file| file.path.as_str());
    for file in first.into_iter().chain(others) {
        let is_configuration = format!("/{}", file.path) == CONFIGURATION_PATH;
        let own = format!("{base}/{}", file.path);
        let url = if Some(file.path.as_str()) == keys { keys_at.clone().unwrap_or(own) } else { own };
        let parsed = Url::parse(&url)
            .map_err(|error| Error::configuration(format!("read {} back", safe_text(&url))).because(error))?;
        let mut found = Findings { url: safe_text(&url), all: &mut findings };
        let request = Request::get(parsed.clone()).max_response(super::MAX_FILE);
        let outcome = context.http.send(request).await.map_err(Error::from);
        found.tls(&parsed, outcome.is_ok());
        let Some(answer) = found.answered(outcome) else { continue };
        found.compare(&answer, file);
        if is_configuration {
            let served: Value = serde_json::from_slice(answer.body.expose()).unwrap_or_default();
            found.issuer(&served, issuer);
            keys_at = served.get("jwks_uri").and_then(Value::as_str).map(str::to_owned);
        }
    }
    Ok(findings)
}

struct Findings<'a> {
    url: String,
    all: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, check: Check, wrong: Option<String>, hint: &str) {
        let hint = wrong.is_some().then(|| hint.to_owned());
        self.all.push(Finding { url: self.url.clone(), check, wrong, hint });
    }

    /// Of a server that did not answer nothing is known; why it did not is told with [`Check::Answer`].
    fn tls(&mut self, url: &Url, answered: bool) {
        let wrong = (url.scheme() != "https").then(|| "the address is not https".to_owned());
        if wrong.is_none() && !answered {
            return;
        }
        self.add(Check::Tls, wrong, "serve it over TLS with a certificate that the public believes");
    }

    fn answered(&mut self, outcome: Result<Response, Error>) -> Option<Response> {
        match outcome {
            Err(error) => {
                let hint = error.hints().first().copied().unwrap_or_default().to_owned();
                self.add(Check::Answer, Some(safe_text(&carnet_core::chain(&error).join(": "))), &hint);
                None
            }
            Ok(answer) => {
                let status = answer.status.as_u16();
                let wrong = (status != 200).then(|| format!("the server answers {status}"));
                let hint = if (300..400).contains(&status) {
                    "relying parties follow no redirect: serve it at this very address"
                } else {
                    "upload the file to this path, and let everybody read it"
                };
                let good = wrong.is_none();
                self.add(Check::Answer, wrong, hint);
                good.then_some(answer)
            }
        }
    }

    fn compare(&mut self, answer: &Response, file: &ExportFile) {
        let seen = answer.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let essence = seen.split(';').next().unwrap_or_default().trim();
        let wrong = (!essence.eq_ignore_ascii_case(CONTENT_TYPE)).then(|| format!("it is `{}`", safe_text(seen)));
        self.add(Check::ContentType, wrong, "upload it with Content-Type: application/json");
        let same = answer.body.expose() == file.content;
        let wrong = (!same).then(|| {
            format!(
                "{} bytes are served, and they are others than the {} exported",
                answer.body.len(),
                file.content.len()
            )
        });
        self.add(Check::Content, wrong, "upload it again, and wait until caches have let go of the old one");
    }

    fn issuer(&mut self, served: &Value, issuer: &str) {
        let seen = served.get("issuer").and_then(Value::as_str).unwrap_or_default();
        let wrong =
            (seen != issuer).then(|| format!("it says `{}`, and `{}` was asked", safe_text(seen), safe_text(issuer)));
        self.add(Check::Issuer, wrong, "issuers are compared byte for byte: the slash at the end counts");
    }
}
