//! Where traces go, as it stands in a configuration.

use carnet_core::Mistake;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::TelemetrySettings;

/// Where traces go (OTLP over HTTP, JSON).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySection {
    /// The collector with the path, for instance `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Of a hundred traces that begin here so many are kept.
    #[serde(default = "all")]
    pub percent: u8,
}

const fn all() -> u8 {
    100
}

impl TelemetrySection {
    /// The traces of the service with this name.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self, service: &'static str) -> Result<TelemetrySettings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let endpoint = Url::parse(&self.endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if endpoint.is_none() {
            mistakes.push(Mistake::new("endpoint", "it is not an http or https URL"));
        }
        if self.percent > 100 {
            mistakes.push(Mistake::new("percent", "it is more than 100"));
        }
        match endpoint {
            Some(endpoint) if mistakes.is_empty() => {
                Ok(TelemetrySettings { endpoint, service, ratio: f64::from(self.percent) / 100.0 })
            }
            _ => Err(mistakes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_is_no_collector_and_more_than_all() {
        let section = |endpoint: &str, percent| TelemetrySection { endpoint: endpoint.to_owned(), percent };
        let good = section("http://127.0.0.1:4318/v1/traces", 25).check("carnet-test").unwrap();
        assert_eq!((good.service, good.ratio.to_string()), ("carnet-test", "0.25".to_owned()));
        let fields = |section: TelemetrySection| {
            section.check("carnet-test").unwrap_err().into_iter().map(|mistake| mistake.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(section("ftp://127.0.0.1/", 100)), ["endpoint"]);
        assert_eq!(fields(section("no URL", 101)), ["endpoint", "percent"]);
    }
}
