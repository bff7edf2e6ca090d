//! The token endpoint: from a request to an answer.

mod bound;
mod build;
mod origin;
mod refused;
mod renew;

use carnet_core::{Secret, safe_text};
use carnet_store::{AuditRecord, Committed, ConflictReason, Op};
use carnet_trust::Refusal;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::{
    Actor, Asked, Caller, Grant, IssueType, Issuer, OAuthError, Presented, RuleSet, ShownToken, SubjectType,
    TokenRequest,
    inbound::{Proof, Unproved},
    mint::later,
    refusals::record,
    rule_set::{Denial, Ground},
    svid::bounded,
};

use refused::note_refusal;

pub(crate) use refused::Refused;

/// What the token endpoint answers with when it answers yes.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The token; for an X509-SVID the chain in PEM, leaf first.
    pub access_token: Secret,
    /// What it is.
    pub issued: IssueType,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// Its scopes, joined by blanks; nothing when it has none.
    pub scope: Option<String>,
}

/// An issue that is ready, and not given away yet.
pub(crate) struct Ready {
    pub(crate) response: TokenResponse,
    pub(crate) ops: Vec<Op>,
    /// Why the first of `ops` conflicts when somebody else was faster; any other conflict is a surprise.
    pub(crate) contested: Option<ConflictReason>,
}

impl Issuer {
    /// Answers a request to the token endpoint. The outcome is in the audit when this returns.
    ///
    /// # Errors
    /// What the caller is told.
    pub async fn exchange(&self, request: TokenRequest, caller: Caller) -> Result<TokenResponse, OAuthError> {
        let now = self.context().now();
        let mut row = AuditRecord {
            audiences: bounded(&[request.audiences.as_slice(), request.resources.as_slice()].concat()),
            ..record(request.grant.action(), now, &caller)
        };
        match self.answer(&request, &caller, &mut row, now).await {
            Ok(ready) => self.give(ready, row).await,
            Err(refused) => Err(self.refuse(refused, row).await),
        }
    }

    /// Writes down that a request was not of the right form, and says what the caller is told.
    pub(crate) async fn refuse_form(&self, action: &str, told: OAuthError, caller: &Caller) -> OAuthError {
        let row = record(action, self.context().now(), caller);
        let what = told.description.clone();
        let refusal = Refusal::new(
            "request",
            what,
            "the form of RFC 6749, RFC 8693, RFC 7523",
            told.code.as_str(),
            "correct the request",
        );
        self.refuse(Refused::new(refusal, told), row).await
    }

    /// Writes a no down and says what the caller is told.
    pub(crate) async fn refuse(&self, refused: Refused, mut row: AuditRecord) -> OAuthError {
        note_refusal(&mut row, &refused);
        self.write_refusal(row).await;
        refused.told
    }

    async fn answer(
        &self,
        request: &TokenRequest,
        caller: &Caller,
        row: &mut AuditRecord,
        now: Timestamp,
    ) -> Result<Ready, Refused> {
        let rules = self.rules();
        let client = self.client(request, caller, &rules, now).await?;
        if let Some(client) = &client {
            row.actor.clone_from(&client.subject);
        }
        let subject = match (&request.subject, &client) {
            (None, Some(client)) => client.clone(),
            (None, None) => return Err(Refused::client(no_client())),
            (Some(shown), _) => {
                let proved = self.prove(shown, caller, &rules, now).await;
                proved.map_err(|unproved| {
                    note_subject(row, &unproved.issuer, &unproved.subject);
                    row.details.insert("proved".to_owned(), json!(false));
                    Refused::subject(request.grant, unproved)
                })?
            }
        };
        note_subject(row, &subject.issuer, &subject.subject);
        if row.actor.is_empty() {
            row.actor.clone_from(&row.subject);
        }
        row.details.insert("shown".to_owned(), json!(subject.kind.name()));
        let actor = match &request.actor {
            Some(shown) => Some(self.actor(shown, caller, &rules, row, now).await?),
            None => None,
        };
        let work = Work {
            request,
            caller,
            rules: &rules,
            client: client.as_ref(),
            subject: &subject,
            actor: actor.as_ref(),
            now,
        };
        match work.renews() {
            Some(old) => self.renew(&work, old, row).await,
            None => self.issue(&work, row).await,
        }
    }

    /// One commit, and only then the answer.
    async fn give(&self, ready: Ready, row: AuditRecord) -> Result<TokenResponse, OAuthError> {
        let late = if ready.contested == Some(ConflictReason::Revoked) { revoked_meanwhile() } else { used_before() };
        let refused = (!ready.ops.is_empty()).then(|| {
            let mut refused = row.clone();
            (refused.token_id, refused.expires_at) = (None, None);
            note_refusal(&mut refused, &late);
            refused
        });
        let request_id = row.request_id.clone();
        match self.commit(ready.ops, row, refused).await {
            Ok(Committed::Done { .. }) => Ok(ready.response),
            Ok(Committed::Conflict(conflict)) => {
                if conflict.op != 0 || Some(conflict.reason) != ready.contested {
                    tracing::warn!(?conflict, request_id, "the store has a conflict: nothing is issued");
                }
                Err(late.told)
            }
            Err(_logged) => Err(Refused::unavailable("store", "it did not write").told),
        }
    }

    /// Who the client is, if it proves that. With `client_credentials` it must.
    async fn client(
        &self,
        request: &TokenRequest,
        caller: &Caller,
        rules: &RuleSet,
        now: Timestamp,
    ) -> Result<Option<Proof>, Refused> {
        let proved = match (&request.client, request.grant) {
            (Some(shown), _) => self.prove(shown, caller, rules, now).await,
            (None, Grant::ClientCredentials) if caller.certificates.is_some() => {
                self.prove(&ShownToken::certificate(), caller, rules, now).await
            }
            (None, _) => return Ok(None),
        };
        let client = proved.map_err(Refused::client)?;
        // What rules say of audiences is for subjects; an assertion is for us (RFC 7523, 3).
        if request.grant != Grant::ClientCredentials && !client.is_for(self.issuer_url()) {
            return Err(Refused::client(self.not_for_us()));
        }
        // RFC 7521, 4.2.
        if request.client_id.as_ref().is_some_and(|id| *id != client.subject) {
            let fix = "leave client_id out, or write the subject of the assertion";
            let seen = request.client_id.clone().unwrap_or_default();
            return Err(Refused::client(Unproved::new("client-id", seen, safe_text(&client.subject), fix)));
        }
        Ok(Some(client))
    }

    async fn actor(
        &self,
        shown: &ShownToken,
        caller: &Caller,
        rules: &RuleSet,
        row: &mut AuditRecord,
        now: Timestamp,
    ) -> Result<Proof, Refused> {
        let proved = self
            .prove(shown, caller, rules, now)
            .await
            .and_then(|actor| if actor.is_for(self.issuer_url()) { Ok(actor) } else { Err(self.not_for_us()) });
        let actor = proved.map_err(Refused::actor)?;
        row.actor.clone_from(&actor.subject);
        row.details.insert("actor_issuer".to_owned(), json!(actor.issuer));
        Ok(actor)
    }

    fn not_for_us(&self) -> Unproved {
        let fix = "get a token whose audience is the URL of this authority";
        Unproved::new("audience", "another audience", self.issuer_url(), fix)
    }

    pub(crate) async fn prove(
        &self,
        shown: &ShownToken,
        caller: &Caller,
        rules: &RuleSet,
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        let proof = match &shown.token {
            Some(token) => self.prove_token(token, shown.kind, caller, rules, now).await?,
            None => self.prove_certificate(caller, now)?,
        };
        self.check_agent(&proof).await?;
        Ok(proof)
    }

    async fn issue(&self, work: &Work<'_>, row: &mut AuditRecord) -> Result<Ready, Refused> {
        let presented = Presented {
            issuer: &work.subject.issuer,
            subject: &work.subject.subject,
            kind: work.subject.kind,
            claims: work.subject.claims(),
            address: work.caller.address(),
        };
        let scopes: Vec<&str> =
            work.request.scope.as_deref().unwrap_or_default().split(' ').filter(|s| !s.is_empty()).collect();
        let issue = work.request.requested.or_else(|| work.request.csr.is_some().then_some(IssueType::X509Svid));
        let asked = Asked {
            issue,
            audiences: &work.request.audiences,
            resources: &work.request.resources,
            scopes: &scopes,
            actor: work.actor.map(|actor| Actor {
                issuer: &actor.issuer,
                subject: &actor.subject,
                claims: actor.claims(),
            }),
            rule: work.subject.only_rule.as_deref(),
        };
        let ground = Ground { issuer_url: self.issuer_url(), trust_domain: self.trust_domain() };
        let granted = work.rules.decide(ground, &presented, &asked).map_err(|Denial { rule, refusal }| {
            row.rule = rule;
            Refused::denied(work.request.grant, refusal)
        })?;
        row.rule = Some(granted.rule.name().to_owned());
        row.principal = granted.identity.to_string();
        row.audiences = bounded(&granted.audiences);
        row.details.insert("issued".to_owned(), json!(granted.issue.name()));
        let mut ready = self.build(work, &granted, row).await?;
        // A request that was signed is a proof of its moment, and no token.
        if granted.rule.rule.single_use || work.subject.kind.is_signed_request() {
            let once = work.subject.once.zip(work.subject.expires_at).ok_or_else(|| {
                let fix = "show a token, or take single_use out of the rule";
                Refused::denied(
                    work.request.grant,
                    Box::new(Refusal::new("single-use", work.subject.kind.name(), "a token", "access_denied", fix)),
                )
            })?;
            // Longer than any clock that verifies it may be late.
            let until = later(once.1, jiff::SignedDuration::from_mins(10));
            ready.contested = Some(ConflictReason::Used);
            ready.ops.insert(0, Op::UseOnce { key: once.0, until });
        }
        Ok(ready)
    }
}

/// Everything that is known when it is decided.
pub(crate) struct Work<'a> {
    pub(crate) request: &'a TokenRequest,
    pub(crate) caller: &'a Caller,
    pub(crate) rules: &'a RuleSet,
    pub(crate) client: Option<&'a Proof>,
    pub(crate) subject: &'a Proof,
    pub(crate) actor: Option<&'a Proof>,
    pub(crate) now: Timestamp,
}

fn no_client() -> Unproved {
    let fix = "send client_assertion, or connect with an X509-SVID";
    Unproved::new("client", "no proof of the client", "client_assertion or a certificate", fix)
}

/// What the store's conflict comes to.
fn used_before() -> Refused {
    let refusal = Refusal::new(
        "single-use",
        "a token that was used before",
        "a token that was not",
        "invalid_request",
        "get a new token for each exchange; if this one was not used by its owner, it was stolen",
    );
    Refused::new(refusal, OAuthError::request("the subject token is not accepted"))
}

/// The same of a renewal: the token was good when it was looked at.
fn revoked_meanwhile() -> Refused {
    let refusal = Refusal::new(
        "revoked",
        "it was revoked or renewed while this was on its way",
        "a token that is not",
        "invalid_request",
        "use the token that took its place, or exchange the subject's own token again",
    );
    Refused::new(refusal, OAuthError::request("the subject token is not accepted"))
}

/// Who it is about, or is said to be: that it is proved, and so whoever asks may be named by it, is for the caller to know.
fn note_subject(row: &mut AuditRecord, issuer: &str, subject: &str) {
    row.subject = safe_text(subject);
    row.details.insert("issuer".to_owned(), json!(safe_text(issuer)));
}

impl TokenResponse {
    /// The body of the answer (RFC 8693, 2.2.1).
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            access_token: &'a str,
            expires_in: i64,
            issued_token_type: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'a str>,
            token_type: &'static str,
        }
        let body = Body {
            access_token: self.access_token.expose(),
            expires_in: self.expires_in,
            issued_token_type: self.issued.urn(),
            scope: self.scope.as_deref(),
            token_type: self.issued.token_type(),
        };
        // Texts and a number: there is nothing in it that cannot be written.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl SubjectType {
    /// Whether a subject of this type can be renewed.
    fn is_renewable(self) -> bool {
        self == Self::AccessToken
    }
}
