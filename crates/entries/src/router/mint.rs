//! SVIDs for workloads: only for entries of the agent that asks.

use std::{collections::BTreeSet, sync::Arc};

use axum::{body::Bytes, extract::State};
use carnet_attest::protocol::{
    IssuedJwt, IssuedX509, JwtAnswer, JwtRequest, MAX_AUDIENCE, MAX_AUDIENCES, MAX_BATCH, Refusal, RefusalCode,
    X509Answer, X509Request,
};
use carnet_core::{ErrorKind, safe_text};
use carnet_spiffe::{Entry, Selector};
use carnet_x509::CertificateRequest;
use futures_util::future::join_all;
use jiff::SignedDuration;

use super::{
    Api,
    answer::{Answer, json, parse},
    caller::Caller,
};
use crate::{
    Agent, By, MintJwt, MintX509, Minted, MintedJwt,
    by::refusal,
    nodes::{told, unavailable},
};

// What agents are let ask for is what the issuer signs.
const _: () = assert!(MAX_AUDIENCES == carnet_issuer::MAX_AUDIENCES && MAX_AUDIENCE == carnet_issuer::MAX_AUDIENCE);

pub(super) async fn x509(State(api): State<Arc<Api>>, caller: Caller, body: Bytes) -> Answer {
    let agent = api.agent(&caller).await?;
    let requests: Vec<X509Request> = parse(&body)?;
    check_count(requests.len())?;
    api.limits.agent(&agent, requests.len().max(1), api.parts.context.now())?;
    let by = caller.by(&api.parts.context, agent.id.as_str());
    let asked = requests.iter().map(|request| Asked::of(&request.entry_id, &[])).collect();
    let wanted = api.wanted(&agent, requests);
    api.note_refused("svid.x509", "csr", asked, &wanted, &by).await;
    Ok(json(&api.mint_all(wanted, &by).await))
}

pub(super) async fn jwt(State(api): State<Arc<Api>>, caller: Caller, body: Bytes) -> Answer {
    let agent = api.agent(&caller).await?;
    let requests: Vec<JwtRequest> = parse(&body)?;
    check_count(requests.len())?;
    api.limits.agent(&agent, requests.len().max(1), api.parts.context.now())?;
    let by = caller.by(&api.parts.context, agent.id.as_str());
    let asked = requests.iter().map(|request| Asked::of(&request.entry_id, &request.audiences)).collect();
    let wanted: Vec<_> = requests.into_iter().map(|request| api.wanted_jwt(&agent, request)).collect();
    api.note_refused("svid.jwt", "audience", asked, &wanted, &by).await;
    let good = wanted.iter().filter_map(|wanted| Some(wanted.as_ref().ok()?.mint.clone())).collect();
    let mut minted = api.parts.mint.jwt(good, by).await.into_iter();
    let mut issued = |wanted: Result<Wanted<MintJwt>, Refusal>| {
        let Wanted { revision, .. } = wanted?;
        let minted = minted.next().ok_or_else(unavailable)?;
        let minted = minted.map_err(|error| told(&error, RefusalCode::Invalid))?;
        let MintedJwt { token, issued_at, expires_at } = minted;
        Ok(IssuedJwt { token, issued_at, expires_at, revision })
    };
    let answer = |wanted| issued(wanted).map_or_else(JwtAnswer::Refused, JwtAnswer::Issued);
    Ok(json(&wanted.into_iter().map(answer).collect::<Vec<_>>()))
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if count <= MAX_BATCH {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Invalid, format!("there are {count} requests, more than {MAX_BATCH}")))
}

/// What may be issued, and the revision of the entry that says so.
struct Wanted<T> {
    mint: T,
    revision: u64,
}

/// What was asked for, cut where nothing good is longer.
struct Asked {
    entry: String,
    audiences: Vec<String>,
}

impl Asked {
    fn of(entry: &str, audiences: &[String]) -> Self {
        let cut = |text: &String| text.chars().take(MAX_AUDIENCE).collect();
        Self {
            entry: entry.chars().take(MAX_AUDIENCE).collect(),
            audiences: audiences.iter().take(MAX_AUDIENCES).map(cut).collect(),
        }
    }
}

impl Api {
    /// Writes down what is refused before the issuer is asked, as far as refusals of this caller are written. `invalid` is the clause of those that are
    /// no requests; that of the others is `entry`.
    async fn note_refused<T: Sync>(
        &self,
        action: &str,
        invalid: &str,
        asked: Vec<Asked>,
        wanted: &[Result<Wanted<T>, Refusal>],
        by: &By,
    ) {
        let now = self.parts.context.now();
        let refused = asked.into_iter().zip(wanted).filter_map(|(asked, wanted)| Some((asked, wanted.as_ref().err()?)));
        let written = refused.map(|(Asked { entry, audiences }, why)| {
            let clause = if why.code == RefusalCode::Invalid { invalid } else { "entry" };
            let mut record = refusal(&by.record(now, action, ""), clause, &why.message);
            record.audiences = audiences.iter().map(|audience| safe_text(audience)).collect();
            record.details.insert("entry".to_owned(), serde_json::json!(safe_text(&entry)));
            self.parts.mint.refused(record, Vec::new())
        });
        join_all(written).await;
    }

    fn wanted_jwt(&self, agent: &Agent, request: JwtRequest) -> Result<Wanted<MintJwt>, Refusal> {
        let JwtRequest { entry_id, selectors, audiences } = request;
        let length = |audience: &String| !audience.is_empty() && audience.len() <= MAX_AUDIENCE;
        if audiences.is_empty() || audiences.len() > MAX_AUDIENCES || !audiences.iter().all(length) {
            let message = format!("a JWT-SVID has 1 to {MAX_AUDIENCES} audiences of 1 to {MAX_AUDIENCE} bytes");
            return Err(Refusal::new(RefusalCode::Invalid, message));
        }
        let entry = self.parts.entries.authorized_entry(&agent.id, &agent.selectors, &entry_id);
        let entry = resolve(entry.as_deref(), &selectors)?;
        let mint = MintJwt {
            ttl: seconds(entry.jwt_ttl),
            spiffe_id: entry.spiffe_id,
            audiences,
            claims: entry.jwt_claims,
            include_jti: entry.include_jti,
            entry_id,
        };
        Ok(Wanted { mint, revision: entry.revision })
    }

    /// What may be issued of it, and why the rest may not.
    fn wanted(&self, agent: &Agent, requests: Vec<X509Request>) -> Vec<Result<Wanted<MintX509>, Refusal>> {
        let entries = self.parts.entries.authorized(&agent.id, &agent.selectors);
        let wanted = |request: X509Request| {
            // They come sorted by their ids.
            let at = entries.binary_search_by(|entry| entry.id.as_str().cmp(&request.entry_id));
            let entry = at.ok().and_then(|at| entries.get(at));
            let entry = resolve(entry.map(AsRef::as_ref), &request.selectors)?;
            CertificateRequest::from_der(&request.csr.0)
                .map_err(|error| Refusal::new(RefusalCode::Invalid, error.to_string()))?;
            let revision = entry.revision;
            let mint = MintX509 {
                ttl: seconds(entry.x509_ttl),
                spiffe_id: entry.spiffe_id,
                csr: request.csr.0,
                dns_names: entry.dns_names,
                entry_id: Some(entry.id),
            };
            Ok(Wanted { mint, revision })
        };
        requests.into_iter().map(wanted).collect()
    }

    /// One call of the issuer for all of them; when that is refused because of one, one for each.
    async fn mint_all(&self, wanted: Vec<Result<Wanted<MintX509>, Refusal>>, by: &By) -> Vec<X509Answer> {
        let good = wanted.iter().filter_map(|wanted| Some(wanted.as_ref().ok()?.mint.clone())).collect();
        let mut minted = self.mint_good(good, by).await.into_iter();
        let mut issued = |wanted: Result<Wanted<MintX509>, Refusal>| {
            let Wanted { revision, .. } = wanted?;
            let Minted { chain, expires_at, .. } = minted.next().unwrap_or_else(|| Err(unavailable()))?;
            Ok(IssuedX509 { svid: chain.into_iter().map(Into::into).collect(), expires_at, revision })
        };
        let answer = |wanted| issued(wanted).map_or_else(X509Answer::Refused, X509Answer::Issued);
        wanted.into_iter().map(answer).collect()
    }

    async fn mint_good(&self, good: Vec<MintX509>, by: &By) -> Vec<Result<Minted, Refusal>> {
        if good.is_empty() {
            return Vec::new();
        }
        let count = good.len();
        match self.parts.mint.x509(good.clone(), by.clone()).await {
            Ok(minted) => minted.into_iter().map(Ok).collect(),
            Err(error) if count > 1 && error.kind() == ErrorKind::Refused => {
                let mut each = Vec::with_capacity(count);
                for one in good {
                    let minted = self.parts.mint.x509(vec![one], by.clone()).await;
                    let minted = minted.map_err(|error| told(&error, RefusalCode::Invalid));
                    each.push(minted.and_then(|mut minted| minted.pop().ok_or_else(unavailable)));
                }
                each
            }
            Err(error) => vec![Err(told(&error, RefusalCode::Invalid)); count],
        }
    }
}

/// The entry for one workload.
fn resolve(entry: Option<&carnet_attest::Registration>, selectors: &BTreeSet<Selector>) -> Result<Entry, Refusal> {
    let entry = entry.ok_or_else(|| {
        Refusal::new(RefusalCode::NotAuthorized, "this entry is not one of this agent's")
            .hint("it may have been taken away; ask for updates")
    })?;
    entry.resolve(selectors).map_err(|error| Refusal::new(RefusalCode::NotAuthorized, error.to_string()))
}

fn seconds(ttl: Option<u32>) -> Option<SignedDuration> {
    ttl.map(|ttl| SignedDuration::from_secs(i64::from(ttl)))
}
