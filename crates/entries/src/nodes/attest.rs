//! Becoming an agent.

use carnet_attest::{
    Attested, Kind, Once,
    protocol::{AttestRequest, Refusal, RefusalCode, StartAnswer},
};
use carnet_spiffe::SpiffeId;
use carnet_store::{AuditRecord, Commit, Committed, Conflict, ConflictReason, JoinTokenRow, NodeRow, Op, Outcome};
use serde_json::json;

use super::{
    BAN_OPS, Nodes,
    attempt::{self, Attempt},
    banned, store_failed, told, unavailable, unless_banned,
};
use crate::{By, MintX509, Minted, by::refusal};

impl Nodes {
    /// Begins an attempt.
    ///
    /// # Errors
    /// [`RefusalCode::NotAttested`] when the method is not offered.
    pub fn start(&self, kind: Kind) -> Result<StartAnswer, Refusal> {
        if !self.attestors().offers(kind) {
            let message = format!("this authority does not attest nodes by {kind}");
            return Err(Refusal::new(RefusalCode::NotAttested, message));
        }
        let (attempt, nonce) = attempt::begin(&self.attempt_key, kind, &self.parts.context);
        Ok(StartAnswer { attempt, nonce: nonce.to_vec().into() })
    }

    /// Ends an attempt: believes the evidence, issues the agent's SVID, and writes the node down. Whatever comes of it, the
    /// attempt is used.
    ///
    /// # Errors
    /// Why not. Nothing was issued then.
    pub async fn finish(&self, request: AttestRequest, by: &By) -> Result<(Minted, NodeRow), Refusal> {
        let now = self.parts.context.now();
        let attempt = attempt::open(&self.attempt_key, &request.attempt, now);
        let attempt = attempt.filter(|attempt| attempt.kind == request.kind).ok_or_else(|| {
            Refusal::new(RefusalCode::NotAttested, "there is no such attempt, or its time is over").hint("begin again")
        })?;
        let used = attempt::use_once(&request.attempt, &attempt);
        let attested = match self.attestors().verify(request.kind, &request.payload, &attempt.nonce).await {
            Ok(attested) => attested,
            Err(error) => {
                let clause = error.failed_clause().unwrap_or("evidence").to_owned();
                let why = carnet_core::chain(&error).join(": ");
                let record = refusal(&self.attest_record(by, request.kind, ""), &clause, &why);
                self.note_used(used, record).await;
                return Err(told(&error, RefusalCode::NotAttested));
            }
        };
        self.admit(request, &attempt, used, attested, by).await
    }

    async fn admit(
        &self,
        request: AttestRequest,
        attempt: &Attempt,
        used: Op,
        attested: Attested,
        by: &By,
    ) -> Result<(Minted, NodeRow), Refusal> {
        let (attested, used) = match attested.once {
            Once::JoinToken(hash) => (self.take_token(hash, attested, used, by).await?, None),
            _ => (attested, Some(used)),
        };
        let id = self.agent(&attested.path)?;
        let by = By { actor: id.to_string(), ..by.clone() };
        // Looked at before anything is signed; made sure of when the node is written down.
        let known = self.store().node(id.to_string()).await.map_err(store_failed)?;
        let refused = match &known {
            Some(node) if node.banned => Some(banned()),
            Some(_) if attested.once == Once::FirstUse => Some(first_use()),
            _ => None,
        };
        if let Some(refused) = refused {
            let record = refusal(&self.attest_record(&by, attested.kind, id.as_str()), "known", &refused.message);
            match used {
                Some(used) => self.note_used(used, record).await,
                None => self.note(record).await,
            }
            return Err(refused);
        }
        let minted = self.mint_agent(&id, request.csr.0, &by).await?;
        let node = NodeRow {
            id: id.to_string(),
            kind: attested.kind.to_string(),
            selectors: attested.selectors.iter().map(ToString::to_string).collect(),
            serial: minted.serial.clone(),
            expires_at: minted.expires_at,
            banned: false,
            reattestable: attested.once.is_reattestable(),
            attested_at: self.parts.context.now(),
            revision: 0,
        };
        let write = match attested.once {
            Once::FirstUse => Op::InsertNode(node.clone()),
            Once::Again | Once::JoinToken(_) => Op::PutNode(node.clone()),
        };
        let mut record = self.attest_record(&by, attested.kind, id.as_str());
        record.token_id = Some(minted.serial.clone());
        record.expires_at = Some(minted.expires_at);
        record.details.insert("selectors".to_owned(), json!(node.selectors));
        record.details.insert("attempt_ends".to_owned(), json!(attempt.expires_at));
        let ops = unless_banned(id.as_str()).into_iter().chain([write]).chain(used).collect();
        let refused = Some(refusal(&record, "once", "banned, known already, or the attempt was used"));
        match self.store().commit(Commit { ops, audit: record, refused }).await.map_err(store_failed)? {
            Committed::Done { .. } => {
                self.known.forget();
                Ok((minted, node))
            }
            Committed::Conflict(Conflict { op, .. }) if op < BAN_OPS => Err(banned()),
            Committed::Conflict(Conflict { reason: ConflictReason::Used, .. }) => Err(used_attempt()),
            Committed::Conflict(_) => Err(first_use()),
        }
    }

    /// Takes the token away, once. What it stands for is known only then.
    async fn take_token(&self, hash: [u8; 32], attested: Attested, used: Op, by: &By) -> Result<Attested, Refusal> {
        let record = self.record(by, "join-token.use", "");
        let message = "there is no such join token, or it was used, or its time is over";
        let refused = refusal(&record, "join-token", message);
        let ops = vec![used.clone(), Op::ConsumeJoinToken { hash, now: self.parts.context.now() }];
        let commit = Commit { ops, audit: record, refused: None };
        let row = match self.store().commit(commit).await.map_err(store_failed)? {
            Committed::Done { returned, .. } => returned.into_iter().next(),
            Committed::Conflict(Conflict { op, .. }) => {
                self.note_used(used, refused).await;
                if op == 0 {
                    return Err(used_attempt());
                }
                return Err(Refusal::new(RefusalCode::NotAttested, message)
                    .hint("a join token is good for one node; make another one"));
            }
        };
        let row = row.and_then(|row| serde_json::from_value::<JoinTokenRow>(row).ok()).ok_or_else(unavailable)?;
        let selectors = row.selectors.iter().map(|selector| selector.parse()).collect::<Result<_, _>>();
        let path = row.agent_path.map_or(attested.path, |path| format!("{}/{path}", Kind::JoinToken));
        Ok(Attested { path, selectors: selectors.map_err(|_corrupt| unavailable())?, ..attested })
    }

    pub(super) async fn mint_agent(&self, id: &SpiffeId, csr: Vec<u8>, by: &By) -> Result<Minted, Refusal> {
        let ttl = self.parts.agent_ttl;
        let wanted = MintX509 { spiffe_id: id.clone(), csr, dns_names: Vec::new(), ttl, entry_id: None };
        let minted = self.parts.mint.x509(vec![wanted], by.clone()).await;
        let mut minted = minted.map_err(|error| told(&error, RefusalCode::Invalid))?;
        minted.pop().ok_or_else(unavailable)
    }

    fn attest_record(&self, by: &By, kind: Kind, agent: &str) -> AuditRecord {
        let mut record = self.record(by, "node.attest", agent);
        record.details.insert("kind".to_owned(), json!(kind));
        record
    }

    /// Writes a refusal, and that the attempt is used.
    async fn note_used(&self, used: Op, record: AuditRecord) {
        debug_assert_eq!(record.outcome, Outcome::Refused, "only refusals come here");
        let refused = Some(record.clone());
        if let Err(error) = self.store().commit(Commit { ops: vec![used], audit: record, refused }).await {
            tracing::error!(%error, "a refusal could not be written to the audit log");
        }
    }
}

fn first_use() -> Refusal {
    Refusal::new(
        RefusalCode::NotAttested,
        "this node has been attested already, and its evidence is good for once only",
    )
    .hint("if the node has lost its SVID, an operator can delete it; then it may come again")
}

fn used_attempt() -> Refusal {
    Refusal::new(RefusalCode::NotAttested, "this attempt was used").hint("begin again")
}
