//! Where Google's services are.

use carnet_core::{Context, Error, Mistake, is_loopback};
use url::Url;

use crate::resource::DEFAULT_UNIVERSE;

/// gcloud's own overrides of the two services ("gcloud config", property section `api_endpoint_overrides`).
const STS_OVERRIDE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STS";
const IAM_OVERRIDE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";

/// The addresses of the token service and of the service-account credentials service. Configuration wins over
/// gcloud's variables, those over what follows from the universe.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) universe: String,
    pub(crate) token_url: Option<Url>,
    pub(crate) iamcredentials_url: Option<Url>,
}

impl Endpoints {
    /// Checks the three fields, noting mistakes.
    pub(crate) fn check(
        universe: Option<&str>,
        token_url: Option<&str>,
        iamcredentials_url: Option<&str>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let universe = universe.unwrap_or(DEFAULT_UNIVERSE).to_owned();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        if !universe.contains('.') || !universe.chars().all(fits) {
            mistakes.push(
                Mistake::new("universe_domain", "is not a domain name").hint("leave it out for `googleapis.com`"),
            );
        }
        let mut url = |field: &str, text: Option<&str>| match text.map(|text| check_url(field, text)) {
            Some(Ok(url)) => Some(url),
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                None
            }
            None => None,
        };
        let token_url = url("token_url", token_url);
        let iamcredentials_url = url("iamcredentials_url", iamcredentials_url);
        Self { universe, token_url, iamcredentials_url }
    }

    /// The token endpoint of the Security Token Service; with a certificate, the one that asks for it.
    pub(crate) fn token(&self, context: &Context, mutual: bool) -> Result<Url, Error> {
        if let Some(url) = &self.token_url {
            return Ok(url.clone());
        }
        let base = overridden(context, STS_OVERRIDE)?;
        join(base.as_ref(), &format!("https://sts.{}{}", mutual_tls(mutual), self.universe), "v1/token")
    }

    /// A method of a service account.
    pub(crate) fn service_account(
        &self,
        context: &Context,
        account: &str,
        method: &str,
        mutual: bool,
    ) -> Result<Url, Error> {
        let overridden = match &self.iamcredentials_url {
            Some(url) => Some(url.clone()),
            None => overridden(context, IAM_OVERRIDE)?,
        };
        let base = format!("https://iamcredentials.{}{}", mutual_tls(mutual), self.universe);
        join(overridden.as_ref(), &base, &format!("v1/projects/-/serviceAccounts/{account}:{method}"))
    }
}

/// The part of a host name that asks for a certificate of the client ("Configure Workload Identity Federation with X.509
/// certificates"). For the service-account credentials UNCONFIRMED: a token that is bound to the certificate works only there.
const fn mutual_tls(mutual: bool) -> &'static str {
    if mutual { "mtls." } else { "" }
}

fn overridden(context: &Context, variable: &str) -> Result<Option<Url>, Error> {
    let Some(text) = context.env(variable) else { return Ok(None) };
    check_url(variable, &text).map(Some).map_err(|mistake| {
        Error::configuration(format!("read {variable}: it {}", mistake.message)).hint(mistake.hint.unwrap_or_default())
    })
}

fn join(base: Option<&Url>, default: &str, path: &str) -> Result<Url, Error> {
    let base = base.map_or(default, Url::as_str).trim_end_matches('/');
    Url::parse(&format!("{base}/{path}"))
        .map_err(|error| Error::configuration(format!("make a URL of {default} and {path}")).because(error))
}

/// A URL to which tokens may be sent: https, or http on this machine.
pub(crate) fn check_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text).ok().ok_or_else(|| {
        Mistake::new(field, "is not an absolute URL")
            .hint("write it with its scheme, for instance https://sts.googleapis.com/v1/token")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Mistake::new(field, "carries a user name or password").hint("leave what stands before `@` out"));
    }
    let plain_here = url.scheme() == "http" && is_loopback(&url);
    if url.scheme() != "https" && !plain_here {
        return Err(Mistake::new(field, "is not https, and tokens are sent there")
            .hint("use https; plain http is only for 127.0.0.1, ::1 and localhost"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Mistake::new(field, "has a query or a fragment").hint("end it before `?` and `#`"));
    }
    Ok(url)
}
