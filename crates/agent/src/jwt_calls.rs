//! Calls of the authority for JWT-SVIDs: what is wanted while others are under way goes together.
//!
//! A call costs both sides a request over TLS, and the authority a commit. Nobody waits for company: who comes alone is sent
//! alone, and the calls under way are the time in which others gather.

use std::sync::Arc;

use carnet_attest::protocol::{IssuedJwt, JwtAnswer, JwtRequest};
use carnet_core::{Error, chain, safe_text};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{core::Core, minter::late, upstream::UpstreamError};

/// Most calls at once: one on its way while the authority signs for the other.
const AT_ONCE: usize = 2;
/// Most JWT-SVIDs of one call: 15 ms of RS256 signatures, since none of them is answered before all are.
const MOST: usize = 64;
/// Where a call ends that has long audiences, in bytes: below what the authority takes, however they are written in JSON.
const ENOUGH: usize = 256 << 10;
/// Callers that wait for a call to take them, before others wait to be counted.
const WAITING: usize = 1024;

type Outcome = Result<IssuedJwt, UpstreamError>;

/// One JWT-SVID that somebody waits for.
#[derive(Debug)]
pub(crate) struct Wanted {
    request: JwtRequest,
    reply: oneshot::Sender<Outcome>,
}

/// Where JWT-SVIDs are asked for.
#[derive(Debug)]
pub(crate) struct JwtCalls(mpsc::Sender<Wanted>);

/// Where to ask, and what [`run`] takes.
pub(crate) fn channel() -> (JwtCalls, mpsc::Receiver<Wanted>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (JwtCalls(sender), receiver)
}

impl JwtCalls {
    /// A JWT-SVID. Dropping the future takes the wish back, unless it is on its way already.
    ///
    /// # Errors
    /// When the authority gives none, or the agent ends.
    pub(crate) async fn ask(&self, request: JwtRequest) -> Outcome {
        let ends = || UpstreamError::from(Error::unreachable("ask the authority: the agent is shutting down"));
        let (reply, answer) = oneshot::channel();
        self.0.send(Wanted { request, reply }).await.map_err(|_closed| ends())?;
        answer.await.unwrap_or_else(|_dropped| Err(ends()))
    }
}

/// Makes the calls, until the agent ends.
pub(crate) async fn run(core: Arc<Core>, mut queue: mpsc::Receiver<Wanted>) {
    let mut calls = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            Some(()) = calls.next() => {}
            Some(first) = queue.recv(), if calls.len() < AT_ONCE => {
                // Those whose requests have come with it are let ask first.
                tokio::task::yield_now().await;
                calls.push(call(&core, gather(first, &mut queue)));
            }
        }
    }
}

/// The first, and what waits behind it, as far as it goes into one call.
fn gather(first: Wanted, queue: &mut mpsc::Receiver<Wanted>) -> Vec<Wanted> {
    let mut size = weight(&first.request);
    let mut all = vec![first];
    while all.len() < MOST && size < ENOUGH {
        let Ok(next) = queue.try_recv() else { break };
        size = size.saturating_add(weight(&next.request));
        all.push(next);
    }
    all
}

fn weight(request: &JwtRequest) -> usize {
    request.audiences.iter().map(String::len).fold(0, usize::saturating_add)
}

/// One call, and everybody's answer.
async fn call(core: &Core, mut wanted: Vec<Wanted>) {
    // Who has lost patience wants nothing any more.
    wanted.retain(|wanted| !wanted.reply.is_closed());
    if wanted.is_empty() {
        return;
    }
    let answers = sign(core, wanted.iter().map(|wanted| wanted.request.clone()).collect()).await;
    let outcomes: Vec<Outcome> = match answers {
        Ok(answers) => answers.into_iter().map(settle).collect(),
        Err(error) => wanted.iter().map(|_| Err(copy(&error))).collect(),
    };
    for (wanted, outcome) in wanted.into_iter().zip(outcomes) {
        let _ = wanted.reply.send(outcome); // It may have lost patience meanwhile.
    }
}

/// As many answers as requests.
#[tracing::instrument(name = "have JWT-SVIDs signed", skip_all, fields(count = requests.len()))]
async fn sign(core: &Core, requests: Vec<JwtRequest>) -> Result<Vec<JwtAnswer>, UpstreamError> {
    let count = requests.len();
    let call = timeout(core.settings.jwt_patience, core.upstream.jwt(requests));
    let answers = call.await.map_err(|_elapsed| late("sign JWT-SVIDs"))??;
    if answers.len() != count {
        let message = format!("sign JWT-SVIDs: {count} were asked for and {} answered", answers.len());
        return Err(Error::unreachable(message).into());
    }
    Ok(answers)
}

fn settle(answer: JwtAnswer) -> Outcome {
    match answer {
        JwtAnswer::Issued(issued) => Ok(issued),
        JwtAnswer::Refused(refusal) => Err(UpstreamError::Refused(refusal.made_safe())),
    }
}

/// What went wrong for several, for one of them.
pub(crate) fn copy(error: &UpstreamError) -> UpstreamError {
    match error {
        UpstreamError::Refused(refusal) => UpstreamError::Refused(refusal.clone()),
        UpstreamError::Failed(error) => Error::new(error.kind(), safe_text(&chain(error).join(": "))).into(),
    }
}
