//! The fields of `refresh`.

use std::time::Duration;

use carnet_core::Mistake;
use carnet_renew::Schedule;
use schemars::JsonSchema;
use serde::Deserialize;

/// When the credential of a route is renewed by whatever keeps it fresh. The defaults suit tokens of any life.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshSection {
    /// Renew after this percentage of the life that was left when it was fetched, 1 to 90.
    #[serde(default = "half")]
    at_percent: u8,
    /// Renew before the last so many seconds of its life, at most 43200.
    #[serde(default = "five_minutes")]
    margin_seconds: u32,
}

impl RefreshSection {
    pub(crate) fn build(self) -> Result<Schedule, Vec<Mistake>> {
        let Self { at_percent, margin_seconds } = self;
        let mut mistakes = Vec::new();
        if !(1..=90).contains(&at_percent) {
            let message = format!("{at_percent} is not between 1 and 90");
            mistakes.push(Mistake::new("at_percent", message).hint("50 renews at half of the life"));
        }
        if margin_seconds > 43_200 {
            let message = format!("{margin_seconds} is more than 43200, which is twelve hours");
            mistakes.push(Mistake::new("margin_seconds", message).hint("300 is five minutes"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Schedule::default().at_percent(at_percent).margin(Duration::from_secs(margin_seconds.into())))
    }
}

fn half() -> u8 {
    50
}

fn five_minutes() -> u32 {
    300
}
