//! Keeps the agent's own identity.

use std::{sync::Arc, time::Duration};

use carnet_attest::protocol::{AGENT_PREFIX, AgentSvid, RefusalCode};
use carnet_core::{Error, Result};
use carnet_renew::Schedule;
use carnet_spiffe::{Bundle, BundleMap, verify_x509_svid};
use carnet_x509::Certificate;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::{
    core::{Core, LONGEST_CALL, Own},
    hub::Phase,
    minter::{KeyPair, late, soon},
    state_file,
    tainted::Above,
    upstream::{AgentIdentity, UpstreamError},
};

/// After so long without being told to attest again, the last time is forgotten.
const SETTLED: Duration = Duration::from_mins(2);

/// What is to be done about the agent's identity.
enum Step {
    Attest,
    Renew,
    Wait(Timestamp),
}

/// Attests when there is no identity that counts, renews at half of its life, until the agent ends.
pub(crate) async fn run(core: Arc<Core>) {
    let mut must_attest = core.must_attest.subscribe();
    let mut nudges = core.hub.nudges();
    let mut snapshots = core.hub.watch();
    restore(&core);
    let mut renew_at = renewal(&core);
    let mut attest_again = false;
    let mut failures = 0_u32;
    // Whether the SVID stood below a tainted authority when it came: then only the clock says when to ask again.
    let mut born_tainted = false;
    // When the agent attested last because it was told to, and how often in a row.
    let mut told: Option<(Instant, u32)> = None;
    loop {
        if snapshots.borrow_and_update().phase == Phase::Banned {
            return;
        }
        if must_attest.has_changed().unwrap_or_default() {
            must_attest.borrow_and_update();
            attest_again = true;
        }
        nudges.borrow_and_update();
        if !born_tainted && is_tainted(&core) {
            tracing::warn!("the authority that signed the agent's SVID is tainted: asking for another");
            renew_at = Timestamp::MIN;
        }
        let step = step(&core, attest_again, renew_at);
        if let Step::Wait(moment) = step {
            tokio::select! {
                () = core.stop.cancelled() => return,
                () = core.wait_until(moment) => {}
                Ok(()) = must_attest.changed() => attest_again = true,
                Ok(()) = nudges.changed() => {}
                Ok(()) = snapshots.changed() => {}
            }
            continue;
        }
        let attesting = matches!(step, Step::Attest);
        if attest_again {
            let before = told.filter(|(at, _)| at.elapsed() < SETTLED).map_or(0, |(_, times)| times);
            if before > 0 {
                // An authority that is never content is not asked in a circle.
                tokio::select! {
                    () = core.stop.cancelled() => return,
                    () = core.pause(before) => {}
                }
            }
            told = Some((Instant::now(), before.saturating_add(1)));
        }
        let outcome = tokio::select! {
            () = core.stop.cancelled() => return,
            outcome = attest_or_renew(&core, attesting) => outcome,
        };
        match outcome {
            Ok(()) => {
                core.answered();
                failures = 0;
                // What was said before this SVID was made was about the last one.
                must_attest.borrow_and_update();
                attest_again = false;
                renew_at = renewal(&core);
                born_tainted = is_tainted(&core);
                if born_tainted {
                    renew_at = renew_at.min(soon(&core));
                }
            }
            Err(error) => {
                core.heed(if attesting { "attest this node" } else { "renew the agent's SVID" }, &error);
                failures = failures.saturating_add(1);
                tokio::select! {
                    () = core.stop.cancelled() => return,
                    () = core.pause(failures) => {}
                    Ok(()) = nudges.changed() => {}
                }
            }
        }
    }
}

fn step(core: &Core, attest_again: bool, renew_at: Timestamp) -> Step {
    let own = core.own.borrow();
    let now = core.context.now();
    match &*own {
        None => Step::Attest,
        Some(own) if attest_again || own.identity.expires_at <= now => Step::Attest,
        Some(_) if renew_at <= now => Step::Renew,
        Some(own) => Step::Wait(renew_at.min(own.identity.expires_at)),
    }
}

/// Whether the agent's SVID stands below an authority that is not to be relied on any more.
fn is_tainted(core: &Core) -> bool {
    let own = core.own.borrow();
    own.as_ref().is_some_and(|own| core.hub.now().tainted.concerns(&Above::of(&own.identity.chain)))
}

/// Half of the whole life, counted from when it began, less a random part.
fn renewal(core: &Core) -> Timestamp {
    let own = core.own.borrow();
    let Some(own) = &*own else { return Timestamp::MIN };
    let schedule = Schedule::default().margin(Duration::ZERO);
    schedule.renew_at(own.identity.not_before, Some(own.identity.expires_at), core.roll())
}

/// Takes up the identity of the last run, if it counts still.
fn restore(core: &Core) {
    let Some(directory) = &core.settings.state_directory else { return };
    let read = state_file::read(core.context.files.as_ref(), directory, &core.settings.trust_domain);
    let restored = read.and_then(|own| match own {
        Some(own) if own.identity.expires_at > core.context.now() => core.assume(own).map(|()| true),
        _ => Ok(false),
    });
    match restored {
        Ok(true) => tracing::info!("the agent's identity was kept from the last run"),
        Ok(false) => {}
        Err(error) => {
            let error = carnet_core::chain(&error).join(": ");
            tracing::warn!(error, "the agent's identity of the last run cannot be used: attesting again");
        }
    }
}

/// Evidence that is good once is not of use again. So an agent of such a method, told to attest again, first sees whether its SVID
/// is good still: what was refused may have been a call for the one before it.
async fn attest_or_renew(core: &Core, attesting: bool) -> Result<(), UpstreamError> {
    let now = core.context.now();
    let good_once = |own: &Arc<Own>| !own.identity.reattestable && own.identity.expires_at > now;
    let renew_first = attesting && core.own.borrow().as_ref().is_some_and(good_once);
    if renew_first {
        match obtain(core, false).await {
            Err(error) if error.code() == Some(RefusalCode::MustAttest) => {}
            outcome => return outcome,
        }
    }
    obtain(core, attesting).await
}

async fn obtain(core: &Core, attesting: bool) -> Result<(), UpstreamError> {
    let algorithm = core.settings.key_algorithm;
    let key = tokio::task::spawn_blocking(move || KeyPair::new(algorithm)).await;
    let key = key.map_err(|error| Error::internal("make the agent's key").because(error))??;
    let csr = key.csr.clone();
    let call = if attesting { core.upstream.attest(csr) } else { core.upstream.renew(csr) };
    let answer = timeout(LONGEST_CALL, call).await.map_err(|_elapsed| late("get the agent's SVID"))??;
    let own = read(core, answer, key)?;
    let (id, expires_at) = (own.identity.spiffe_id.clone(), own.identity.expires_at);
    core.assume(own)?;
    save(core);
    tracing::info!(agent.id = %id, agent.expires_at = %expires_at, attesting, "the agent has a new SVID");
    Ok(())
}

/// Writes down who the agent is. Without it the agent works on, and attests again at its next start.
pub(crate) fn save(core: &Core) {
    let Some(directory) = &core.settings.state_directory else { return };
    let Some(own) = core.own.borrow().clone() else { return };
    if let Err(error) = state_file::write(core.context.files.as_ref(), directory, &own) {
        let error = carnet_core::chain(&error).join(": ");
        tracing::error!(error, "the agent's identity cannot be written down");
    }
}

/// The answer must name an agent of the domain, for the key that was made here, under the bundle that came with it.
fn read(core: &Core, answer: AgentSvid, key: KeyPair) -> Result<Own> {
    let failed = |why: &str| Error::unreachable(format!("use the agent's SVID: {why}"));
    let domain = &core.settings.trust_domain;
    let document = answer.bundle.to_string();
    let bundle = Bundle::parse(domain, document.as_bytes()).map_err(|error| failed("its bundle").because(error))?;
    let bundle = bundle.shared();
    let chain: Vec<Vec<u8>> = answer.svid.into_iter().map(|one| one.0).collect();
    let bundles: BundleMap = [Arc::clone(&bundle)].into_iter().collect();
    let spiffe_id = verify_x509_svid(&chain, &bundles, core.context.now()).map_err(Error::from)?;
    if !spiffe_id.is_of(domain) || !spiffe_id.path().starts_with(AGENT_PREFIX) {
        return Err(failed("it names no agent"));
    }
    let leaf = chain.first().map(|leaf| Certificate::from_der(leaf)).transpose();
    let leaf = leaf.ok().flatten().ok_or_else(|| failed("its leaf"))?;
    if leaf.spki() != key.spki {
        return Err(failed("it is for another key"));
    }
    let identity = AgentIdentity {
        spiffe_id,
        private_key: key.private_key,
        not_before: leaf.not_before().max(core.context.now()),
        expires_at: leaf.not_after(),
        reattestable: answer.reattestable,
        chain,
    };
    Ok(Own { identity, bundle })
}
