//! Signed requests as proofs: a principal signs a read that does nothing and shows it in place of sending it.
//!
//! What is checked without anybody's help is the business of the providers (`carnet_oci::trust::login`, `carnet_aws::trust::login`).
//! Here the request goes to whom it was made for, with exactly the headers that were signed; or, where a session token carries the
//! key, is believed by the keys of the auth service.

mod asking;
mod aws;
mod membership;
mod oci;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Destination, Error, Request, Response, Secret, safe_text};
use carnet_jose::{KeySet, sha256};
use carnet_oci::trust::signature::{Counted, ReplayCache, SeenTokens, SessionVerifier};
use carnet_trust::Refusal;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Proof, Shown, Unproved};
use crate::{Caller, Issuer, IssuerSettings, RuleSet, SubjectType, login::OCI_LOGIN_PATH, trusted::CheckedIssuer};
use asking::Asking;
use membership::OwnPrincipal;

/// Largest answer, in bytes: that of "get user" has some 2 KB.
const MAX_ANSWER: usize = 64 * 1024;
/// Most tenancies whose verifiers are kept.
const MAX_VERIFIERS: usize = 1000;

/// What is remembered of signed requests, and how our own login is called.
pub(crate) struct SignedRequests {
    /// Signatures that were proofs at this node. The store remembers those of all nodes for which something was issued.
    replay: ReplayCache,
    /// What was read of session tokens.
    tokens: SeenTokens,
    verifiers: Mutex<HashMap<String, KeptVerifier>>,
    asking: Asking,
    own_hosts: Vec<String>,
    own_path: String,
    /// Who asks Oracle, where the authority is a principal of OCI itself.
    own_principal: Option<OwnPrincipal>,
}

/// What verifies the session tokens of an issuer, and the keys that it has.
type KeptVerifier = (Arc<KeySet>, Arc<SessionVerifier>);

/// Who wants to be proved, and by whom.
struct Wish<'a> {
    caller: &'a Caller,
    trusted: &'a Arc<CheckedIssuer>,
}

/// What a proof is made of.
struct Proven {
    issuer: String,
    kind: SubjectType,
    claims: Map<String, Value>,
    until: Timestamp,
    rule: Option<String>,
}

impl SignedRequests {
    /// For an authority of this URL whose endpoints are below that base.
    pub(crate) fn new(issuer_url: &str, endpoint_base: &str, settings: &IssuerSettings) -> Self {
        let host = |url: &Url| {
            let host = url.host_str()?;
            Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        };
        let base = Url::parse(endpoint_base).ok();
        let mut own_hosts: Vec<String> =
            [Url::parse(issuer_url).ok(), base.clone()].iter().flatten().filter_map(host).collect();
        own_hosts.dedup();
        let path = base.map(|base| base.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        Self {
            replay: ReplayCache::with_capacity(settings.remembered_signatures),
            tokens: SeenTokens::default(),
            verifiers: Mutex::default(),
            asking: Asking::default(),
            own_hosts,
            own_path: format!("{path}{OCI_LOGIN_PATH}"),
            own_principal: settings.oci_principal.clone().map(OwnPrincipal::new),
        }
    }

    /// What verifies the session tokens of this issuer, and remembers those that were good.
    fn verifier(&self, issuer: &str, keys: &Arc<KeySet>) -> Arc<SessionVerifier> {
        let mut verifiers = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, verifier)) = verifiers.get(issuer)
            && Arc::ptr_eq(of, keys)
        {
            return Arc::clone(verifier);
        }
        if verifiers.len() >= MAX_VERIFIERS {
            verifiers.clear();
        }
        let verifier = Arc::new(SessionVerifier::new((**keys).clone()));
        verifiers.insert(issuer.to_owned(), (Arc::clone(keys), Arc::clone(&verifier)));
        verifier
    }
}

impl fmt::Debug for SignedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequests").field("own_hosts", &self.own_hosts).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Sends a request as it was signed, and gives back what is answered with 200.
    ///
    /// # Errors
    /// `later` when nobody answers, or with 429 or 5xx; otherwise the clause `signature` or `answer`.
    async fn ask(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: &'static str,
        for_whom: &Wish<'_>,
    ) -> Result<Response, Unproved> {
        let host = url.host_str().unwrap_or_default();
        let _asked = self.signed().asking.enter(for_whom.caller)?;
        let timeout = self.settings().fetch_timeout;
        let mut request = Request::new(method, url.clone()).destination(Destination::Configured);
        request = request.body(body).timeout(timeout).max_response(MAX_ANSWER);
        request.headers.clone_from(headers);
        request.ca_pem = for_whom.trusted.data.ca_pem.clone().map(|pem| pem.into_bytes().into());
        let wanted = format!("an answer of {host}");
        let answer = match tokio::time::timeout(timeout, self.context().http.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let error = Error::from(error);
                let reasons = carnet_core::chain(&error).join(": ");
                let fix = error.hints().first().map_or("look at the way there", |hint| *hint).to_owned();
                return Err(away(Unproved::new("answer", reasons, wanted, &fix)));
            }
            Err(_elapsed) => {
                let seen = format!("none within {} ms", timeout.as_millis());
                return Err(away(Unproved::new("answer", seen, wanted, "look at the way there")));
            }
        };
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                let seen = format!("{host} refuses it with {}", answer.status.as_u16());
                let fix = "sign anew, with a key that is registered and a clock that is right; for OCI with a user that may \
                           read itself";
                Err(Unproved::new("signature", seen, "a signature that it takes", fix))
            }
            StatusCode::TOO_MANY_REQUESTS => Err(away(refused_answer(host, answer.status))),
            status if status.is_server_error() => Err(away(refused_answer(host, status))),
            status => Err(refused_answer(host, status)),
        }
    }

    /// The proof, if the signature is none that was one before. Where there is no room to remember one more, or no more of this principal, it is a proof all
    /// the same: what is issued for it uses it up in the store, in the same commit. So nobody who signs without end keeps others out.
    fn proof(&self, proven: Proven, signature: &[u8], now: Timestamp) -> Result<Proof, Unproved> {
        let Proven { issuer, kind, mut claims, until, rule } = proven;
        claims.insert("iss".to_owned(), json!(issuer));
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        let principal = format!("{issuer}\0{subject}");
        if self.signed().replay.count(&principal, signature, now)? == Counted::NoRoom {
            tracing::debug!(%issuer, subject = safe_text(&subject), "signs more logins than this node remembers");
        }
        let used = [kind.name().as_bytes(), &[0], signature].concat();
        Ok(Proof {
            issuer,
            subject,
            kind,
            expires_at: Some(until),
            once: Some(sha256(&used)),
            claims: Shown::Request(claims),
            own: None,
            only_rule: rule,
        })
    }
}

impl From<Box<Refusal>> for Unproved {
    fn from(mut refusal: Box<Refusal>) -> Self {
        refusal.seen = safe_text(&refusal.seen);
        Self { refusal, issuer: String::new(), subject: String::new(), later: false }
    }
}

/// Who is trusted under this name, as `kind` has it.
fn trusted<'a>(rules: &'a RuleSet, issuer: &str) -> Result<&'a Arc<CheckedIssuer>, Unproved> {
    let found = rules.of_issuer(issuer).and_then(|of| of.trusted.as_ref()).filter(|trusted| trusted.signs.is_some());
    found.ok_or_else(|| {
        let fix = "write a rule for this tenancy or account, if its principals are to log in";
        Unproved::new("issuer", issuer, "an issuer that a rule names", fix)
    })
}

/// The login in a subject token.
fn decoded(token: &Secret) -> Result<Vec<u8>, Unproved> {
    URL_SAFE_NO_PAD.decode(token.expose()).map_err(|_ignored| {
        let fix = "send the login, in JSON, in base64url without padding";
        Unproved::new("request", "something else", "base64url without padding", fix)
    })
}

fn refused_answer(host: &str, status: StatusCode) -> Unproved {
    let fix = "look at what stands between here and there; redirects are not followed";
    Unproved::new("answer", format!("{host} answers {}", status.as_u16()), "200", fix)
}

fn away(unproved: Unproved) -> Unproved {
    Unproved { later: true, ..unproved }
}
