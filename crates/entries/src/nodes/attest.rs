//! Becoming an agent.

use carnet_attest::{
    Attested, Kind, Once,
    protocol::{AttestRequest, Refusal, RefusalCode, StartAnswer},
};
use carnet_core::hex;
use carnet_spiffe::SpiffeId;
use carnet_store::{AuditRecord, Commit, Committed, Conflict, NodeRow, Op, Outcome};
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

    /// Ends an attempt: believes the evidence, and in one commit uses the attempt, takes the join token if it is one, writes
    /// the node down, and issues the agent's SVID.
    ///
    /// # Errors
    /// Why not. Nothing was issued then, and a join token is as good as before.
    pub async fn finish(&self, request: AttestRequest, by: &By) -> Result<(Minted, NodeRow), Refusal> {
        let now = self.parts.context.now();
        let attempt = attempt::open(&self.attempt_key, &request.attempt, now);
        let attempt = attempt.filter(|attempt| attempt.kind == request.kind).ok_or_else(|| {
            Refusal::new(RefusalCode::NotAttested, "there is no such attempt, or its time is over").hint("begin again")
        })?;
        if !self.used_attempts.begin(&request.attempt, &attempt, now) {
            let refused = used_attempt();
            let record = refusal(&self.attest_record(by, request.kind, ""), "once", &refused.message);
            self.parts.mint.refused(record, Vec::new()).await;
            return Err(refused);
        }
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
        let token = if let Once::JoinToken(hash) = attested.once { Some(hash) } else { None };
        let attested = match token {
            Some(hash) => self.stands_for(hash, attested, &used, by).await?,
            None => attested,
        };
        let id = self.agent(&attested.path)?;
        let by = By { actor: id.to_string(), ..by.clone() };
        let mut record = self.attest_record(&by, attested.kind, id.as_str());
        note_token(&mut record, token);
        // Looked at before anything is signed; made sure of by the commit that issues.
        let known = self.store().node(id.to_string()).await.map_err(store_failed)?;
        let refused = match &known {
            Some(node) if node.banned => Some(banned()),
            Some(_) if attested.once == Once::FirstUse => Some(first_use()),
            _ => None,
        };
        if let Some(refused) = refused {
            self.note_used(used, refusal(&record, "known", &refused.message)).await;
            return Err(refused);
        }
        let (minted, issued) = match self.mint_agent(&id, request.csr.0, &by).await {
            Ok(minted) => minted,
            Err(refused) => {
                self.note_used(used, refusal(&record, "svid", &refused.message)).await;
                return Err(refused);
            }
        };
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
        record.details.insert("selectors".to_owned(), json!(node.selectors));
        record.details.insert("attempt_ends".to_owned(), json!(attempt.expires_at));
        let why = "banned, known already, or the attempt or the join token was used";
        let refused = Some(refusal(&record, "once", why));
        record.token_id = Some(minted.serial.clone());
        record.expires_at = Some(minted.expires_at);
        let mut ops = unless_banned(id.as_str()).to_vec();
        ops.push(used);
        if let Some(hash) = token {
            ops.push(Op::ConsumeJoinToken { hash, now: self.parts.context.now() });
            let mut used = self.record(&by, "join-token.use", id.as_str());
            note_token(&mut used, token);
            ops.push(Op::Audit(Box::new(used)));
        }
        let admitted = ops.len();
        ops.push(match attested.once {
            Once::FirstUse => Op::InsertNode(node.clone()),
            Once::Again | Once::JoinToken(_) => Op::PutNode(node.clone()),
        });
        ops.push(Op::Audit(Box::new(issued)));
        match self.store().commit(Commit { ops, audit: record, refused }).await.map_err(store_failed)? {
            Committed::Done { .. } => {
                self.known.forget();
                Ok((minted, node))
            }
            Committed::Conflict(Conflict { op, .. }) if op < BAN_OPS => Err(banned()),
            Committed::Conflict(Conflict { op: BAN_OPS, .. }) => Err(used_attempt()),
            Committed::Conflict(Conflict { op, .. }) if op < admitted => Err(no_such_token()),
            Committed::Conflict(_) => Err(first_use()),
        }
    }

    /// What the token stands for. It is not taken: the commit that issues does that.
    async fn stands_for(&self, hash: [u8; 32], attested: Attested, used: &Op, by: &By) -> Result<Attested, Refusal> {
        let row = self.store().join_token(hash, self.parts.context.now()).await.map_err(store_failed)?;
        let Some(row) = row else {
            let refused = no_such_token();
            let mut record = self.record(by, "join-token.use", "");
            note_token(&mut record, Some(hash));
            self.note_used(used.clone(), refusal(&record, "join-token", &refused.message)).await;
            return Err(refused);
        };
        let selectors = row.selectors.iter().map(|selector| selector.parse()).collect::<Result<_, _>>();
        let path = row.agent_path.map_or(attested.path, |path| format!("{}/{path}", Kind::JoinToken));
        Ok(Attested { path, selectors: selectors.map_err(|_corrupt| unavailable())?, ..attested })
    }

    /// Signs an agent's SVID. It is issued when the audit row that comes with it is durable.
    pub(super) async fn mint_agent(
        &self,
        id: &SpiffeId,
        csr: Vec<u8>,
        by: &By,
    ) -> Result<(Minted, AuditRecord), Refusal> {
        let ttl = self.parts.agent_ttl;
        let wanted = MintX509 { spiffe_id: id.clone(), csr, dns_names: Vec::new(), ttl, entry_id: None };
        self.parts.mint.sign_x509(wanted, by.clone()).await.map_err(|error| told(&error, RefusalCode::Invalid))
    }

    fn attest_record(&self, by: &By, kind: Kind, agent: &str) -> AuditRecord {
        let mut record = self.record(by, "node.attest", agent);
        record.details.insert("kind".to_owned(), json!(kind));
        record
    }

    /// Writes a refusal, and that the attempt is used; beyond the bound of written refusals only this authority knows that it is.
    async fn note_used(&self, used: Op, record: AuditRecord) {
        debug_assert_eq!(record.outcome, Outcome::Refused, "only refusals come here");
        self.parts.mint.refused(record, vec![used]).await;
    }
}

/// Which token it was, as lists of tokens show it.
pub(super) fn note_token(record: &mut AuditRecord, hash: Option<[u8; 32]>) {
    if let Some(hash) = hash {
        record.details.insert("hash".to_owned(), json!(hex(&hash)));
    }
}

fn no_such_token() -> Refusal {
    let message = "there is no such join token, or it was used, or its time is over";
    Refusal::new(RefusalCode::NotAttested, message).hint("a join token is good for one node; make another one")
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
