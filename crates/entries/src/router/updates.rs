//! What an agent serves, as soon as it changes.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use axum::extract::{Query, State as From, rejection::QueryRejection};
use carnet_attest::protocol::{MAX_WAIT, Refusal, RefusalCode, State, Updates, UpdatesQuery};
use carnet_jose::sha256;
use carnet_spiffe::BundleMap;
use tokio::time::Instant;

use super::{
    Api,
    answer::{Answer, json},
    caller::Caller,
};
use crate::{Agent, nodes::unavailable};

/// Answers at once when the agent's state is not the one that it has, else as soon as it changes, else when the time is over.
pub(super) async fn updates(
    From(api): From<Arc<Api>>,
    caller: Caller,
    query: Result<Query<UpdatesQuery>, QueryRejection>,
) -> Answer {
    // Before it is looked at, so that no ban is lost in between.
    let mut turned_away = api.parts.nodes.turned_away();
    let agent = api.agent(&caller).await?;
    api.limits.agent(&agent, 1, api.parts.context.now())?;
    let Query(UpdatesQuery { revision, wait }) = query
        .map_err(|_quoting| Refusal::new(RefusalCode::Invalid, "the query is revision and wait, both whole numbers"))?;
    let end = Instant::now() + Duration::from_secs(u64::from(wait.min(MAX_WAIT)));
    // Subscribed before the first look, so that no change is lost in between.
    let mut entries = api.parts.entries.watch();
    let (mut keys, mut bundles) = (api.parts.keys.clone(), api.parts.bundles.clone());
    entries.mark_unchanged();
    keys.mark_unchanged();
    bundles.mark_unchanged();
    let mut agent = agent;
    loop {
        let (current, state) = api.state_of(&agent)?;
        if current != revision {
            return Ok(json(&Updates { revision: current, state: Some(state) }));
        }
        drop(state);
        let over = tokio::select! {
            () = tokio::time::sleep_until(end) => true,
            () = api.parts.shutdown.cancelled() => true,
            told = entries.changed() => told.is_err(),
            told = keys.changed() => told.is_err(),
            told = bundles.changed() => told.is_err(),
            open = api.parts.nodes.until_turned_away(&mut turned_away) => !open,
        };
        // It may have been banned, or its SVID may have expired.
        agent = api.agent(&caller).await?;
        if over {
            return Ok(json(&Updates { revision, state: None }));
        }
    }
}

impl Api {
    /// What the agent serves, and a number that is the same as long as that is the same, at every authority.
    fn state_of(&self, agent: &Agent) -> Result<(u64, State), Refusal> {
        let entries = self.parts.entries.authorized(&agent.id, &agent.selectors);
        let ring = Arc::clone(&self.parts.keys.borrow());
        let (own, tainted) = (ring.bundle(self.parts.nodes.trust_domain()), ring.tainted_key_ids());
        let foreign = Arc::clone(&self.parts.bundles.borrow());
        let mut bundles: BundleMap = entries
            .iter()
            .flat_map(|entry| &entry.federates_with)
            .filter_map(|domain| foreign.get(domain))
            .map(Arc::clone)
            .collect();
        bundles.insert(own);
        let bundles = bundles.to_json().map_err(|error| {
            tracing::error!(%error, "the bundles cannot be written");
            unavailable()
        })?;
        let mut text = bundles.to_string();
        for authority in &tainted {
            let _ = write!(text, "\ntainted {authority}"); // As below.
        }
        for entry in entries.iter() {
            let _ = write!(text, "\n{} {}", entry.id, entry.revision); // Writing to a String does not fail.
        }
        let entries = entries.iter().map(|entry| entry.as_ref().clone()).collect();
        Ok((number(text.as_bytes()), State { entries, bundles, tainted }))
    }
}

/// 53 bits of a digest, so that every reader of JSON reads it whole (RFC 8259, 6); never 0, which means "none".
fn number(text: &[u8]) -> u64 {
    let first = sha256(text).iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (first >> 11).max(1)
}
