//! Where AWS's services are.

use carnet_core::{Context, Error, Mistake, is_loopback};
use url::Url;

use crate::config::is_region;

/// In the order of AWS's SDKs; botocore reads only the second, the others the first.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Endpoints of one service and of all ("Service-specific endpoints", SDKs and tools reference guide).
const ANY_ENDPOINT: &str = "AWS_ENDPOINT_URL";
const IGNORE_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// A service, its region and an address in its place.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) service: &'static str,
    pub(crate) region: Option<String>,
    pub(crate) url: Option<Url>,
}

impl Endpoint {
    pub(crate) fn check(
        service: &'static str,
        region: Option<String>,
        url: Option<&str>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        crate::config::check_region(region.as_deref(), mistakes);
        let url = url.and_then(|text| check_url("endpoint_url", text).map_err(|mistake| mistakes.push(mistake)).ok());
        Self { service, region, url }
    }

    /// The region: of the configuration, else of the environment.
    pub(crate) fn region(&self, context: &Context) -> Result<String, Error> {
        let found = self.region.clone().or_else(|| REGION_VARIABLES.iter().find_map(|name| context.env(name)));
        match found {
            Some(region) if is_region(&region) => Ok(region),
            Some(_) => Err(Error::configuration("read the region from the environment: it is not a region")
                .hint("set AWS_REGION, for instance to eu-central-1")),
            None => Err(Error::configuration(format!("find the region for {}", self.service))
                .hint("set `region`, or AWS_REGION in the environment")),
        }
    }

    /// The address: of the configuration, else of the environment, else the region's own.
    pub(crate) fn url(&self, context: &Context, region: &str) -> Result<Url, Error> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let ignored = context.env(IGNORE_ENDPOINTS).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let own = format!("{ANY_ENDPOINT}_{}", self.service.to_ascii_uppercase());
        let named = [own.as_str(), ANY_ENDPOINT].into_iter().filter(|_| !ignored);
        for name in named {
            let Some(text) = context.env(name) else { continue };
            return check_url(name, &text).map_err(|mistake| {
                Error::configuration(format!("read {name}: it {}", mistake.message))
                    .hint(mistake.hint.unwrap_or_default())
            });
        }
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let text = format!("https://{}.{region}.{suffix}/", self.service);
        Url::parse(&text).map_err(|error| Error::configuration(format!("make a URL of {text}")).because(error))
    }
}

/// A URL to which tokens may be sent: https, or http on this machine.
pub(crate) fn check_url(field: &str, text: &str) -> Result<Url, Mistake> {
    let url = Url::parse(text).ok().ok_or_else(|| {
        Mistake::new(field, "is not an absolute URL")
            .hint("write it with its scheme, for instance https://sts.eu-central-1.amazonaws.com")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Mistake::new(field, "carries a user name or password").hint("leave what stands before `@` out"));
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(Mistake::new(field, "is not https, and tokens are sent there")
            .hint("use https; plain http is only for 127.0.0.1, ::1 and localhost"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Mistake::new(field, "has a query or a fragment").hint("end it before `?` and `#`"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use carnet_core::ScriptedHttp;

    use super::*;
    use crate::testing::world;

    fn sts() -> Endpoint {
        Endpoint { service: "sts", region: None, url: None }
    }

    #[test]
    fn the_environment_names_region_and_address() {
        let world = world(ScriptedHttp::default(), &[("AWS_REGION", "cn-north-1")]);
        let region = sts().region(&world.context).unwrap();
        assert_eq!(sts().url(&world.context, &region).unwrap().as_str(), "https://sts.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn the_services_own_variable_wins_unless_ignored() {
        let variables = [("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:7"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:8")];
        let url = sts().url(&world(ScriptedHttp::default(), &variables).context, "eu-west-1").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:7/");
        let ignored = [variables[0], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        let url = sts().url(&world(ScriptedHttp::default(), &ignored).context, "eu-west-1").unwrap();
        assert_eq!(url.as_str(), "https://sts.eu-west-1.amazonaws.com/");
    }

    #[test]
    fn rejects_addresses_for_tokens() {
        for text in ["sts", "http://sts.example", "https://u:p@sts.example", "https://sts.example/?a=b"] {
            assert!(check_url("endpoint_url", text).is_err(), "{text}");
        }
    }

    #[test]
    fn rejects_missing_region() {
        let error = sts().region(&world(ScriptedHttp::default(), &[]).context).unwrap_err();
        assert!(error.hints()[0].contains("AWS_REGION"));
    }
}
