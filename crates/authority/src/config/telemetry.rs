//! Where traces go.

use carnet_core::Mistake;
use carnet_ops::TelemetrySettings;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// Where traces go (OTLP over HTTP, JSON).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetrySection {
    /// The collector with the path, for instance `http://127.0.0.1:4318/v1/traces`.
    endpoint: String,
    /// Of a hundred traces that begin here so many are kept.
    #[serde(default = "all")]
    percent: u8,
}

const fn all() -> u8 {
    100
}

impl TelemetrySection {
    pub(super) fn check(self) -> Result<TelemetrySettings, Vec<Mistake>> {
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
                Ok(TelemetrySettings { endpoint, service: "carnet-authority", ratio: f64::from(self.percent) / 100.0 })
            }
            _ => Err(mistakes),
        }
    }
}
