//! The clouds, their authorities, and addresses to which tokens may be sent.

use carnet_core::{Context, Error, Mistake, is_loopback};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// Moves the authority, as for Microsoft's own libraries.
pub(crate) const AUTHORITY_VARIABLE: &str = "AZURE_AUTHORITY_HOST";

/// Which of Microsoft's clouds ("National clouds": they share nothing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The public cloud.
    #[default]
    Public,
    /// Operated by 21Vianet in China.
    China,
    /// Of the government of the United States.
    UsGovernment,
}

impl Cloud {
    /// The authority: where tokens come from.
    pub const fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::China => "https://login.chinacloudapi.cn",
            Self::UsGovernment => "https://login.microsoftonline.us",
        }
    }

    /// The audience that Microsoft recommends for federated credentials. Those of the sovereign clouds are UNCONFIRMED.
    pub const fn audience(self) -> &'static str {
        match self {
            Self::Public => crate::trust::DEFAULT_AUDIENCE,
            Self::China => "api://AzureADTokenExchangeChina",
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
        }
    }
}

/// The token endpoint of a tenant: configuration wins over the variable, that over the cloud. The variable may be without
/// scheme, as the libraries allow.
pub(crate) fn token_endpoint(
    context: &Context,
    authority: Option<&Url>,
    cloud: Cloud,
    tenant: &str,
) -> Result<Url, Error> {
    let base = match (authority, context.env(AUTHORITY_VARIABLE)) {
        (Some(url), _) => url.as_str().to_owned(),
        (None, Some(text)) => {
            let text = if text.contains("://") { text } else { format!("https://{text}") };
            named(AUTHORITY_VARIABLE, &text)?.as_str().to_owned()
        }
        (None, None) => cloud.authority().to_owned(),
    };
    let text = format!("{}/{tenant}/oauth2/v2.0/token", base.trim_end_matches('/'));
    Url::parse(&text).map_err(|error| Error::configuration("make the URL of the token endpoint").because(error))
}

/// [`check_url`] for what a variable holds.
pub(crate) fn named(variable: &str, text: &str) -> Result<Url, Error> {
    check_url(variable, text).map_err(|mistake| {
        Error::configuration(format!("read {variable}: it {}", mistake.message)).hint(mistake.hint.unwrap_or_default())
    })
}

/// A URL to which tokens may be sent: https, or http on this machine.
pub(crate) fn check_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
        Mistake::new(field, "is not an absolute URL")
            .hint("write it with its scheme, for instance https://login.microsoftonline.com")
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
