//! Follows what the agent may serve.

use std::{sync::Arc, time::Duration};

use carnet_attest::protocol::{State, UpdatesQuery};
use carnet_core::{Error, Result};
use carnet_spiffe::BundleMap;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    bundles::Bundles,
    core::{Core, Own},
    entries::Entries,
    hub::Phase,
    keeper,
    minter::late,
    tainted::Tainted,
    upstream::UpstreamError,
};

/// How much longer than it was asked to wait the authority has for an answer.
const SLACK: Duration = Duration::from_secs(30);

/// An authority that answers "nothing new" sooner than this did not wait: it is not asked in a circle.
const SOONEST: Duration = Duration::from_secs(1);

/// Asks the authority what is new, again and again, until the agent ends. While it is away, what is known is served.
pub(crate) async fn run(core: Arc<Core>) {
    let mut own = core.own.subscribe();
    let mut nudges = core.hub.nudges();
    let mut revision = 0;
    let mut failures = 0_u32;
    loop {
        if core.hub.now().phase == Phase::Banned {
            return;
        }
        nudges.borrow_and_update();
        let ready = tokio::select! {
            () = core.stop.cancelled() => return,
            ready = own.wait_for(Option::is_some) => ready.is_ok(),
        };
        if !ready {
            return;
        }
        own.borrow_and_update();
        let outcome = tokio::select! {
            () = core.stop.cancelled() => return,
            outcome = ask(&core, revision) => outcome,
            // A call that is held stands for the SVID it was made with. Once the authority above that is revoked the answer would be
            // that the agent must attest again, although it has another.
            Ok(()) = own.changed() => continue,
        };
        match outcome {
            Ok(next) => {
                core.answered();
                failures = 0;
                revision = next;
            }
            Err(error) => {
                core.heed("follow what this agent may serve", &error);
                failures = failures.saturating_add(1);
                tokio::select! {
                    () = core.stop.cancelled() => return,
                    () = core.pause(failures) => {}
                    // A new SVID may be what was missing.
                    Ok(()) = own.changed() => {}
                    Ok(()) = nudges.changed() => {}
                }
            }
        }
    }
}

/// One question; the revision of the answer.
#[tracing::instrument(name = "ask the authority what is new", skip_all)]
async fn ask(core: &Core, revision: u64) -> Result<u64, UpstreamError> {
    let wait = core.settings.updates_wait;
    let asked = Instant::now();
    let call = core.upstream.updates(UpdatesQuery { revision, wait });
    let longest = Duration::from_secs(u64::from(wait)) + SLACK;
    let updates = timeout(longest, call).await.map_err(|_elapsed| late("ask what is new"))??;
    match updates.state {
        Some(state) => apply(core, state)?,
        None if updates.revision != revision => {
            return Err(Error::unreachable("ask what is new: the answer names a new revision and holds nothing").into());
        }
        None if wait > 0 && asked.elapsed() < SOONEST => sleep(SOONEST).await,
        None => {}
    }
    Ok(updates.revision)
}

/// Takes the new state in place of the old, all of it or nothing.
fn apply(core: &Core, state: State) -> Result<()> {
    let failed = |why: &str| Error::unreachable(format!("take over what the authority gives: {why}"));
    let domain = &core.settings.trust_domain;
    let map =
        BundleMap::parse(state.bundles.to_string().as_bytes()).map_err(|error| failed("its bundles").because(error))?;
    let own_bundle = map.get(domain).cloned().ok_or_else(|| failed("the bundle of the own trust domain is missing"))?;
    let bundles = Arc::new(Bundles::new(map).map_err(|error| failed("its bundles").because(error))?);
    let mut entries = state.entries;
    entries.retain(|entry| {
        let ours = entry.spiffe_id.trust_domain() == *domain;
        if !ours {
            tracing::warn!(entry = entry.id, "an entry is of another trust domain and is left out");
        }
        ours
    });
    let entries = Arc::new(Entries::new(entries));
    let tainted = Arc::new(Tainted::new(state.tainted));
    tracing::debug!(entries = entries.len(), "the authority has told what is new");
    core.hub.change(|snapshot| {
        snapshot.phase = Phase::Serving;
        snapshot.entries = entries;
        snapshot.bundles = bundles;
        snapshot.tainted = tainted;
    });
    // What a key has signed that is in the bundle no more verifies nowhere. What comes after this is held against the new bundle.
    core.jwt.keep_signed_by(&own_bundle);
    let changed = core.own.borrow().as_ref().filter(|own| own.bundle != own_bundle).map(|own| own.identity.clone());
    if let Some(identity) = changed {
        core.assume(Own { identity, bundle: own_bundle })?;
        keeper::save(core);
    }
    Ok(())
}
