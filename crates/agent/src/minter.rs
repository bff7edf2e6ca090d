//! Keeps X509-SVIDs ready.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use carnet_attest::{
    Registration,
    protocol::{MAX_BATCH, X509Answer, X509Request},
};
use carnet_core::{Error, Result, Secret, SecretBytes};
use carnet_jose::{Algorithm, SigningKey};
use carnet_renew::{Backoff, Schedule};
use carnet_spiffe::SpiffeId;
use carnet_x509::{Certificate, RequestProfile};
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use crate::{
    core::{Core, LONGEST_CALL},
    hub::{MintKey, Minted, Phase, Rest, Snapshot, X509Svid},
    tainted::Above,
    upstream::UpstreamError,
};

/// How long a refusal for one entry holds, unless the entry changes before: short at first, because another authority may
/// not know of a new entry yet.
const REFUSED: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(1) };

/// How often in a row a refusal would have come before the pause after an SVID that was tainted already: some seconds.
const TAINTED_AGAIN: u32 = 4;

/// How far clocks may disagree: verifiers commonly bear a minute.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);

/// An SVID that is to be asked for.
struct Due {
    key: MintKey,
    entry: Arc<Registration>,
    spiffe_id: SpiffeId,
    /// Those that somebody waits for go first.
    rank: u8,
    /// Refusals in a row, for the entry as it is.
    refused: u32,
}

/// Asks for X509-SVIDs of entries that have none, and for new ones at half of their life, until the agent ends.
pub(crate) async fn run(core: Arc<Core>) {
    let mut snapshots = core.hub.watch();
    let mut wishes = core.hub.wishes();
    let mut nudges = core.hub.nudges();
    let mut failures = 0_u32;
    loop {
        wishes.borrow_and_update();
        nudges.borrow_and_update();
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        if snapshot.phase == Phase::Banned {
            return;
        }
        let looked_at = core.context.now();
        let (due, next) = survey(&core, &snapshot);
        if due.is_empty() || snapshot.phase == Phase::Starting {
            tokio::select! {
                () = core.stop.cancelled() => return,
                () = core.wait_until(next) => core.hub.touch_if(snapshot.entries.next_end(looked_at), core.context.now()),
                Ok(()) = snapshots.changed() => {}
                Ok(()) = wishes.changed() => {}
                Ok(()) = nudges.changed() => {}
            }
            continue;
        }
        let outcome = tokio::select! {
            () = core.stop.cancelled() => return,
            outcome = mint(&core, due) => outcome,
        };
        match outcome {
            Ok(()) => failures = 0,
            Err(error) => {
                core.heed("get X509-SVIDs for workloads", &error);
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

/// What is to be asked for now, the most urgent first, and when to look again. Drops what nobody may have any more.
fn survey(core: &Core, snapshot: &Snapshot) -> (Vec<Due>, Timestamp) {
    let now = core.context.now();
    let settings = &core.settings;
    let mut wanted: HashMap<MintKey, (Arc<Registration>, SpiffeId, bool)> = HashMap::new();
    let ready = snapshot.entries.all(now).filter_map(|entry| Some((entry, entry.spiffe_id.fixed()?)));
    for (entry, spiffe_id) in ready.take(settings.prefetched) {
        let key = MintKey::new(&entry.id, BTreeSet::new());
        wanted.insert(key, (Arc::clone(entry), spiffe_id.clone(), false));
    }
    for (key, open) in core.hub.wanted(settings.prefetched) {
        let entry = snapshot.entries.get(key.entry_id(), now);
        let filled = entry.and_then(|entry| Some((entry, entry.spiffe_id.fill(key.selectors()).ok()?)));
        match filled {
            Some((entry, spiffe_id)) => {
                wanted.insert(key, (Arc::clone(entry), spiffe_id, open));
            }
            None => core.hub.forget(&key),
        }
    }
    let stale = |key: &MintKey, minted: &Minted| match (minted.svid(), wanted.get(key)) {
        (_, None) => true,
        (Some(svid), Some((_, spiffe_id, _))) => svid.spiffe_id != *spiffe_id || svid.expires_at <= now,
        (None, Some(_)) => false,
    };
    if snapshot.minted.iter().any(|(key, minted)| stale(key, minted)) {
        core.hub.change(|snapshot| {
            let minted = Arc::make_mut(&mut snapshot.minted);
            minted.retain(|key, minted| !stale(key, minted));
        });
    }
    let mut next = snapshot.entries.next_end(now).unwrap_or(Timestamp::MAX);
    let mut due = Vec::new();
    for (key, (entry, spiffe_id, open)) in &wanted {
        let minted = snapshot.minted.get(key).filter(|minted| !stale(key, minted));
        let rest = minted.and_then(|minted| minted.rest(entry.revision));
        let again_at = match minted {
            Some(Minted::Svid(svid)) if svid.revision == entry.revision && !svid.is_tainted(&snapshot.tainted) => {
                svid.renew_at
            }
            _ => rest.map_or(Timestamp::MIN, |rest| rest.again_at),
        };
        if again_at > now {
            next = next.min(again_at);
            continue;
        }
        let rank = match minted.and_then(Minted::svid) {
            Some(_) => 2,
            None => u8::from(!open),
        };
        let refused = rest.map_or(0, |rest| rest.times);
        due.push(Due { refused, key: key.clone(), entry: Arc::clone(entry), spiffe_id: spiffe_id.clone(), rank });
    }
    due.sort_by(|one, other| (one.rank, &one.key).cmp(&(other.rank, &other.key)));
    (due, next)
}

/// Asks for all of them, batch by batch; each batch is given out as soon as it is there.
async fn mint(core: &Core, mut due: Vec<Due>) -> Result<(), UpstreamError> {
    while !due.is_empty() {
        let rest = due.split_off(due.len().min(MAX_BATCH));
        let minted = mint_batch(core, std::mem::replace(&mut due, rest)).await?;
        core.hub.change(|snapshot| Arc::make_mut(&mut snapshot.minted).extend(minted));
    }
    Ok(())
}

#[tracing::instrument(name = "have X509-SVIDs signed", skip_all, fields(count = batch.len()))]
async fn mint_batch(core: &Core, batch: Vec<Due>) -> Result<Vec<(MintKey, Minted)>, UpstreamError> {
    let algorithm = core.settings.key_algorithm;
    let count = batch.len();
    let keys = tokio::task::spawn_blocking(move || (0..count).map(|_| KeyPair::new(algorithm)).collect());
    let keys: Result<Vec<KeyPair>> =
        keys.await.map_err(|error| Error::internal("make keys for workloads").because(error))?;
    let keys = keys?;
    let requests = batch.iter().zip(&keys).map(|(due, key)| X509Request {
        entry_id: due.entry.id.clone(),
        selectors: due.key.selectors().clone(),
        csr: key.csr.clone().into(),
    });
    let call = timeout(LONGEST_CALL, core.upstream.x509(requests.collect()));
    let answers = call.await.map_err(|_elapsed| late("sign X509-SVIDs"))??;
    if answers.len() != count {
        let message = format!("sign X509-SVIDs: {count} were asked for and {} answered", answers.len());
        return Err(Error::unreachable(message).into());
    }
    tracing::debug!(count, "X509-SVIDs were signed");
    let answered = batch.into_iter().zip(keys).zip(answers);
    Ok(answered.map(|((due, key), answer)| settle(core, due, key, answer)).collect())
}

/// An answer that cannot be believed counts as a refusal: asking at once for the same would bring the same. An SVID that is there
/// and counts is given up only for what the authority has decided, not for what it cannot do just now, nor for one of the future.
fn settle(core: &Core, due: Due, key: KeyPair, answer: X509Answer) -> (MintKey, Minted) {
    let (revision, now) = (due.entry.revision, core.context.now());
    let counts = |svid: &&Arc<X509Svid>| svid.spiffe_id == due.spiffe_id && svid.expires_at > now;
    let kept = core.hub.now().minted.get(&due.key).and_then(Minted::svid).filter(counts).cloned();
    let (problem, kept) = match answer {
        X509Answer::Issued(issued) => {
            let chain: Vec<Vec<u8>> = issued.svid.into_iter().map(|one| one.0).collect();
            match check(&chain, &key, &due.spiffe_id, now) {
                Ok((begins_at, _)) if kept.is_some() && is_of_the_future(begins_at, now) => {
                    ("the certificate is not valid yet: compare this machine's clock with the authority's".into(), kept)
                }
                Ok((begins_at, expires_at)) => {
                    let schedule = Schedule::default().margin(Duration::ZERO);
                    let renew_at = schedule.renew_at(now, Some(expires_at), core.roll());
                    let above = Above::of(&chain);
                    let born_tainted = core.hub.now().tainted.concerns(&above);
                    // Another authority may not know yet that this one is tainted, or that the entry has changed. Whose clock is
                    // wrong, the agent cannot know: with nothing else it gives what there is.
                    let behind = born_tainted || issued.revision < revision || is_of_the_future(begins_at, now);
                    let renew_at = if behind { renew_at.min(soon(core)) } else { renew_at };
                    let svid = X509Svid {
                        spiffe_id: due.spiffe_id,
                        chain: chain.concat(),
                        private_key: key.private_key,
                        expires_at,
                        renew_at,
                        revision,
                        above,
                        born_tainted,
                    };
                    return (due.key, Minted::Svid(Arc::new(svid)));
                }
                Err(problem) => (problem, kept),
            }
        }
        X509Answer::Refused(refusal) => (refusal.to_string(), kept.filter(|_| refusal.code.is_retryable())),
    };
    let problem = carnet_core::safe_text(&problem);
    tracing::warn!(entry = due.entry.id, problem, "the authority gives no X509-SVID for an entry");
    let times = due.refused.saturating_add(1);
    let again_at = now.saturating_add(REFUSED.delay(times, core.roll())).unwrap_or(Timestamp::MAX);
    let rest = Rest { revision, again_at, times };
    match kept {
        Some(svid) => (due.key, Minted::Kept { svid, rest }),
        None => (due.key, Minted::Refused(rest)),
    }
}

/// When to ask again for what was signed by an authority that is tainted, or that does not know the entry as it is now.
pub(crate) fn soon(core: &Core) -> Timestamp {
    core.context.now().saturating_add(REFUSED.delay(TAINTED_AGAIN, core.roll())).unwrap_or(Timestamp::MAX)
}

/// The leaf must be for the key that was made here and name the identity of the entry. From when to when it is valid.
fn check(
    chain: &[Vec<u8>],
    key: &KeyPair,
    spiffe_id: &SpiffeId,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), String> {
    let leaf = chain.first().ok_or("the answer holds no certificate")?;
    let leaf = Certificate::from_der(leaf).map_err(|error| error.0)?;
    if leaf.spki() != key.spki {
        return Err("the certificate is for another key".to_owned());
    }
    if leaf.uris() != [spiffe_id.as_str()] {
        return Err(format!("the certificate is not for {spiffe_id}"));
    }
    if leaf.not_after() <= now {
        return Err("the certificate has expired: compare this machine's clock with the authority's".to_owned());
    }
    Ok((leaf.not_before(), leaf.not_after()))
}

/// Whether what begins then would be refused by everybody whose clock is right: the authority's is ahead.
pub(crate) fn is_of_the_future(begin: Timestamp, now: Timestamp) -> bool {
    begin.duration_since(now) > CLOCKS
}

/// A new key and the request for its certificate.
pub(crate) struct KeyPair {
    pub(crate) private_key: SecretBytes,
    pub(crate) spki: Vec<u8>,
    /// PKCS#10 in DER. It asks for nothing: the authority knows what the certificate is to say.
    pub(crate) csr: Vec<u8>,
}

impl KeyPair {
    /// Takes up to 190 ms for RSA keys.
    pub(crate) fn new(algorithm: Algorithm) -> Result<Self> {
        let failed = || Error::internal("make a key");
        let key = Arc::new(SigningKey::generate(algorithm).map_err(|error| failed().because(error))?);
        let csr = RequestProfile::default().sign(&key).map_err(|error| failed().because(error))?;
        let private_key = key.to_pkcs8().map_err(|error| failed().because(error))?;
        Ok(Self { private_key, spki: key.public_spki(), csr })
    }
}

/// A key that [`KeyPair::new`] has made, as PEM.
pub(crate) fn pem(private_key: &SecretBytes) -> Result<Secret> {
    let kinds = [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256];
    let key = kinds.into_iter().find_map(|kind| SigningKey::from_pkcs8(kind, private_key).ok());
    let key = key.ok_or_else(|| Error::internal("write a key as PEM: it is of no kind that is made here"))?;
    key.to_pkcs8_pem().map_err(|error| Error::internal("write a key as PEM").because(error))
}

/// The authority took too long.
pub(crate) fn late(what: &str) -> UpstreamError {
    Error::unreachable(format!("{what}: the authority did not answer in time")).into()
}
