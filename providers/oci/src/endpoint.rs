//! Endpoints that are named in configuration or environment instead of being computed from the region.

use carnet_core::{Context, Error, Mistake, is_loopback};
use url::Url;

use crate::regions::Region;

/// Reads the base URL of a service: `https`, or `http` on loopback; a host alone means `https`. A path is kept, a slash at
/// the end is not.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|error| format!("is not a URL: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("must be https: tokens are sent there".to_owned()),
        _ => return Err("must be an https URL".to_owned()),
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a query, a fragment or a user name".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Checks a configured URL.
pub(crate) fn configured(field: &str, text: Option<String>, mistakes: &mut Vec<Mistake>) -> Option<Url> {
    match parse(&text?) {
        Ok(url) => Some(url),
        Err(message) => {
            mistakes.push(Mistake::new(field, message));
            None
        }
    }
}

/// The URL in an environment variable.
pub(crate) fn variable(context: &Context, name: &str) -> Result<Option<Url>, Error> {
    let Some(text) = context.env(name) else { return Ok(None) };
    parse(&text).map(Some).map_err(|message| {
        Error::configuration(format!("use the environment variable {name}: it {message}"))
            .hint("write scheme and host, such as https://auth.us-ashburn-1.oraclecloud.com, or unset it")
    })
}

/// `base` with `path` behind its own; `path` begins with a slash.
pub(crate) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// The auth service: as configured, as `OCI_SDK_AUTH_CLIENT_REGION_URL` says (Oracle's Go SDK), or that of the region.
pub(crate) fn auth_service(context: &Context, configured: Option<&Url>, region: &Region) -> Result<Url, Error> {
    if let Some(url) = configured {
        return Ok(url.clone());
    }
    match variable(context, "OCI_SDK_AUTH_CLIENT_REGION_URL")? {
        Some(url) => Ok(url),
        None => region.endpoint("auth"),
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::test_context;

    use super::*;
    use crate::testing::with;

    #[test]
    fn a_host_alone_means_https_and_plain_http_is_for_loopback() {
        assert_eq!(parse("auth.example").unwrap().as_str(), "https://auth.example/");
        assert_eq!(
            join(&parse("http://127.0.0.1:9/opc/v2/").unwrap(), "/a/b").as_str(),
            "http://127.0.0.1:9/opc/v2/a/b"
        );
        for bad in ["http://auth.example", "ftp://a", "https://a?x", "https://u@a", "https://"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn configuration_goes_before_the_variable_and_that_before_the_region() {
        let region = Region::built_in("iad").unwrap();
        let name = "OCI_SDK_AUTH_CLIENT_REGION_URL";
        let context = with(test_context(), &[(name, "http://127.0.0.1:7")], &[]);
        let configured = Url::parse("https://b.example").unwrap();
        let host =
            |context, configured| auth_service(context, configured, &region).unwrap().host_str().unwrap().to_owned();
        assert_eq!(host(&context, Some(&configured)), "b.example");
        assert_eq!(host(&context, None), "127.0.0.1");
        assert_eq!(host(&test_context(), None), "auth.us-ashburn-1.oraclecloud.com");
        let bad = with(test_context(), &[(name, "http://b.example")], &[]);
        assert!(auth_service(&bad, None, &region).unwrap_err().to_string().contains(name));
    }
}
