//! Building what is issued.

use carnet_core::{Error, Secret, safe_text};
use carnet_jose::Algorithm;
use carnet_store::{AuditRecord, Op, TokenRow};
use carnet_trust::Refusal;
use carnet_x509::der_to_pem;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Ready, Refused, TokenResponse, Work, origin::Origin};
use crate::{
    IssueType, Issuer, OAuthCode, OAuthError, X509SvidRequest,
    inbound::{Proof, STATED},
    mint::{later, whole_seconds},
    rule_set::Granted,
    svid::Draft,
};

/// Largest `csr` parameter, in bytes of base64url: a request with an RSA key takes 1,200.
const MAX_CSR: usize = 16 * 1024;

/// An access token before it is signed.
pub(super) struct AccessToken {
    pub(super) row: TokenRow,
    pub(super) algorithm: Algorithm,
    pub(super) client_id: String,
    /// The client that proved who it is; only it may renew the token.
    pub(super) client: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) act: Option<Value>,
    pub(super) custom: Map<String, Value>,
    /// Whether nothing is remembered of it.
    pub(super) stateless: bool,
    /// Where it comes from, in the form of [`Origin`].
    pub(super) origin: Value,
}

impl Issuer {
    pub(super) async fn build(
        &self,
        work: &Work<'_>,
        granted: &Granted,
        row: &mut AuditRecord,
    ) -> Result<Ready, Refused> {
        let carried = work.carried(granted.issue)?;
        if granted.issue == IssueType::X509Svid {
            return self.build_certificate(work, granted, row).await;
        }
        let algorithm = match granted.rule.algorithm {
            Some(algorithm) => algorithm,
            None => self.settings().algorithm_for(&granted.audiences).map_err(|(one, other)| {
                let seen = format!("{} and {}", safe_text(one), safe_text(other));
                let fix = "ask for a token for each, or name the algorithm in the rule";
                let refusal = Refusal::new("target", seen, "audiences that take one algorithm", "invalid_target", fix);
                Refused::denied(work.request.grant, Box::new(refusal))
            })?,
        };
        let custom = granted.rule.custom_claims(work.subject.claims()).map_err(|(name, missing)| {
            let fix = "let the issuer write the claim, or take it out of custom_claims";
            let refusal =
                Refusal::new("custom-claims", format!("no usable claim {missing:?}"), name, "access_denied", fix);
            Refused::denied(work.request.grant, Box::new(refusal))
        })?;
        let act = self.act(work)?;
        if granted.issue == IssueType::JwtSvid {
            return self.build_jwt_svid(work, granted, algorithm, with_act(custom, act), row).await;
        }
        let lifetime = self.bounded_lifetime(granted.rule.lifetime().unwrap_or(self.settings().access_token_lifetime));
        let issued_at = whole_seconds(work.now);
        let max_expires_at = granted.rule.max_lifetime().map(|most| later(issued_at, self.bounded_lifetime(most)));
        let expires_at = later(issued_at, lifetime);
        let token = AccessToken {
            row: TokenRow {
                id: self.context().random_hex::<16>(),
                subject: granted.identity.to_string(),
                actor: work.actor.map(|actor| actor.subject.clone()),
                rule: granted.rule.name().to_owned(),
                audiences: granted.audiences.clone(),
                issued_at,
                expires_at,
                max_expires_at: max_expires_at.unwrap_or(expires_at),
                uses_left: granted.rule.rule.uses,
                networks: work.within(&granted.rule.rule.networks, &carried)?,
                revoked_at: None,
                claims: Value::Null,
            },
            algorithm,
            // RFC 9068, 2.2: there is always one.
            client_id: work.client.unwrap_or(work.subject).subject.clone(),
            client: work.client.map(|client| client.subject.clone()),
            scope: (!granted.scopes.is_empty()).then(|| granted.scopes.join(" ")),
            act,
            custom,
            stateless: granted.rule.rule.stateless,
            origin: Origin::of(work, &granted.rule, carried, issued_at).to_value(),
        };
        self.build_access_token(token, work.now, row).await
    }

    /// Signs an access token (RFC 9068) and remembers it. Its end is that of its row, or of the key.
    pub(super) async fn build_access_token(
        &self,
        mut token: AccessToken,
        now: Timestamp,
        row: &mut AuditRecord,
    ) -> Result<Ready, Refused> {
        let signer = self.signer(token.algorithm, now).map_err(|error| Refused::here(&error))?;
        let remembered = &mut token.row;
        remembered.expires_at = signer.end(now, remembered.expires_at.duration_since(now));
        let mut claims = token.custom;
        // What renewing needs to know besides the row.
        remembered.claims = json!({
            "client_id": token.client_id, "client": token.client, "scope": token.scope, "act": token.act, "custom": claims,
            "origin": token.origin,
        });
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", json!(self.issuer_url()));
        set("sub", json!(remembered.subject));
        set("aud", json!(remembered.audiences));
        set("iat", json!(remembered.issued_at.as_second()));
        set("exp", json!(remembered.expires_at.as_second()));
        set("jti", json!(remembered.id));
        set("client_id", json!(token.client_id));
        if let Some(scope) = &token.scope {
            set("scope", json!(scope));
        }
        if let Some(act) = token.act {
            set("act", act);
        }
        if token.stateless {
            set(STATED, json!({ "rule": remembered.rule, "networks": remembered.networks }));
        }
        let header = Map::from_iter([("typ".to_owned(), json!(crate::inbound::ACCESS_TOKEN_TYPE))]);
        let access_token = signer.sign(header, claims).await.map_err(|error| Refused::here(&error))?;
        note(row, &remembered.id, remembered.expires_at, signer.kid());
        let response = TokenResponse {
            access_token,
            issued: IssueType::AccessToken,
            expires_in: remembered.expires_at.as_second().saturating_sub(now.as_second()),
            scope: token.scope,
        };
        let ops = if token.stateless { Vec::new() } else { vec![Op::InsertToken(token.row)] };
        Ok(Ready { response, ops, contested: None })
    }

    async fn build_jwt_svid(
        &self,
        work: &Work<'_>,
        granted: &Granted,
        algorithm: Algorithm,
        claims: Map<String, Value>,
        row: &mut AuditRecord,
    ) -> Result<Ready, Refused> {
        let (jti, own) = (self.context().random_hex::<16>(), self.trust_domain());
        let draft = Draft {
            subject: granted.identity.as_str(),
            audiences: &granted.audiences,
            algorithm,
            lifetime: work.svid_lifetime(granted.rule.lifetime().unwrap_or(self.settings().jwt_svid_lifetime), own)?,
            jti: Some(&jti),
        };
        let issued = self.sign_jwt_svid(&draft, claims, work.now).await.map_err(|error| Refused::here(&error))?;
        note(row, &jti, issued.expires_at, &issued.kid);
        Ok(Ready {
            response: TokenResponse {
                access_token: issued.token,
                issued: IssueType::JwtSvid,
                expires_in: issued.expires_at.as_second().saturating_sub(work.now.as_second()),
                scope: None,
            },
            ops: Vec::new(),
            contested: None,
        })
    }

    async fn build_certificate(
        &self,
        work: &Work<'_>,
        granted: &Granted,
        row: &mut AuditRecord,
    ) -> Result<Ready, Refused> {
        let usual = granted.rule.lifetime().unwrap_or(self.settings().x509_svid_lifetime);
        let asked = X509SvidRequest {
            spiffe_id: granted.identity.clone(),
            csr: decode_csr(work.request.csr.as_deref())?,
            dns_names: granted.rule.rule.dns_names.clone(),
            ttl: Some(work.svid_lifetime(usual, self.trust_domain())?),
            entry_id: None,
            actor: String::new(),
            caller: work.caller.clone(),
        };
        let issued = self.make_x509_svids(std::slice::from_ref(&asked), work.now).await;
        let issued =
            issued.and_then(|mut issued| issued.pop().ok_or_else(|| Error::internal("no certificate was issued")));
        let issued = issued.map_err(|error| match error.failed_clause() {
            Some("csr" | "csr-identity" | "csr-key") => bad_csr(&error),
            _ => Refused::here(&error),
        })?;
        row.token_id = Some(issued.serial.clone());
        row.expires_at = Some(issued.expires_at);
        let chain: String = issued.chain.iter().map(|der| der_to_pem(der)).collect();
        Ok(Ready {
            response: TokenResponse {
                access_token: Secret::new(chain),
                issued: IssueType::X509Svid,
                expires_in: issued.expires_at.as_second().saturating_sub(work.now.as_second()),
                scope: None,
            },
            ops: Vec::new(),
            contested: None,
        })
    }

    /// RFC 8693, 4.1: the newest actor outermost, those before it inside. Of what the subject token says only names are kept.
    fn act(&self, work: &Work<'_>) -> Result<Option<Value>, Refused> {
        let most = self.settings().max_actors;
        let before = work.subject.claims().get("act");
        let kept = match before {
            None => None,
            Some(before) => Some(names_of(before, most).ok_or_else(|| too_many_actors(work, most))?),
        };
        let Some(actor) = work.actor else { return Ok(kept) };
        let depth = kept.as_ref().map_or(0, depth_of);
        if depth >= most {
            return Err(too_many_actors(work, most));
        }
        let mut act = named(actor);
        if let Some(kept) = kept {
            act.insert("act".to_owned(), kept);
        }
        Ok(Some(Value::Object(act)))
    }
}

fn named(actor: &Proof) -> Map<String, Value> {
    Map::from_iter([("iss".to_owned(), json!(actor.issuer)), ("sub".to_owned(), json!(actor.subject))])
}

fn with_act(mut claims: Map<String, Value>, act: Option<Value>) -> Map<String, Value> {
    if let Some(act) = act {
        claims.insert("act".to_owned(), act);
    }
    claims
}

/// `iss` and `sub` of actors in one another; nothing when there are more than `most`, or they are not of the right form.
fn names_of(act: &Value, most: usize) -> Option<Value> {
    let members = act.as_object()?;
    let most = most.checked_sub(1)?;
    let mut kept = Map::new();
    for name in ["iss", "sub"] {
        if let Some(text) = members.get(name) {
            kept.insert(name.to_owned(), json!(text.as_str()?));
        }
    }
    if let Some(inner) = members.get("act") {
        kept.insert("act".to_owned(), names_of(inner, most)?);
    }
    Some(Value::Object(kept))
}

fn depth_of(act: &Value) -> usize {
    let mut depth = 1_usize;
    let mut inner = act.get("act");
    while let Some(act) = inner {
        depth = depth.saturating_add(1);
        inner = act.get("act");
    }
    depth
}

fn too_many_actors(work: &Work<'_>, most: usize) -> Refused {
    let refusal = Refusal::new(
        "act",
        "more actors in one another, or not of the form of RFC 8693, 4.1",
        format!("at most {most}"),
        "access_denied",
        "exchange the token of the first subject",
    );
    Refused::denied(work.request.grant, Box::new(refusal))
}

fn note(row: &mut AuditRecord, id: &str, expires_at: Timestamp, kid: &str) {
    row.token_id = Some(id.to_owned());
    row.expires_at = Some(expires_at);
    row.details.insert("kid".to_owned(), json!(kid));
}

fn decode_csr(csr: Option<&str>) -> Result<Vec<u8>, Refused> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let csr = csr.filter(|csr| csr.len() <= MAX_CSR).and_then(|csr| URL_SAFE_NO_PAD.decode(csr).ok());
    csr.ok_or_else(|| bad_csr(&Error::refused("csr is not PKCS#10 in base64url without padding").clause("csr")))
}

fn bad_csr(error: &Error) -> Refused {
    let clause = match error.failed_clause() {
        Some("csr-identity") => "csr-identity",
        Some("csr-key") => "csr-key",
        _ => "csr",
    };
    let reasons = safe_text(&carnet_core::chain(error).join(": "));
    let refusal =
        Refusal::new(clause, reasons, "a request that may be signed", "invalid_request", "make a new request");
    Refused::new(refusal, OAuthError::new(OAuthCode::InvalidRequest, "the certificate request is not accepted"))
}
