//! SVIDs for who has been decided about already: the workloads of registration entries.

use carnet_core::{Error, Secret};
use carnet_jose::Algorithm;
use carnet_spiffe::{ISSUERS_CLAIMS, SpiffeId, svid_profile};
use carnet_store::{AuditRecord, Outcome};
use carnet_x509::Certificate;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    Caller, Issuer,
    csr::key_of_request,
    mint::{later, sign_leaves, whole_seconds},
    refusals::record,
};

/// Most certificates of one call.
const MAX_BATCH: usize = 1000;
/// Signatures of one call that are made before others get their turn: 2 ms of RS256.
const IN_A_ROW: usize = 8;
/// Most audiences of one token.
pub const MAX_AUDIENCES: usize = 16;
/// Longest audience, in bytes: what Entra ID takes.
pub const MAX_AUDIENCE: usize = 600;

/// A JWT-SVID that somebody may have. Who asks has been authenticated and the entry been found by the caller of this crate.
#[derive(Clone, Debug)]
pub struct JwtSvidRequest {
    /// `sub`.
    pub spiffe_id: SpiffeId,
    /// `aud`, at least one, in this order.
    pub audiences: Vec<String>,
    /// How long it lives, at most; the default of the settings when absent.
    pub ttl: Option<SignedDuration>,
    /// Further claims. Those that the issuer writes itself are refused.
    pub claims: Map<String, Value>,
    /// Whether it gets a `jti`.
    pub include_jti: bool,
    /// The registration entry that allows it, for the audit.
    pub entry_id: Option<String>,
    /// Who asked, for the audit: the SPIFFE ID of the agent.
    pub actor: String,
    /// The connection.
    pub caller: Caller,
}

/// A token that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// The key that signed it.
    pub kid: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`, if it has one.
    pub jti: Option<String>,
}

/// An X509-SVID that somebody may have.
#[derive(Clone, Debug)]
pub struct X509SvidRequest {
    /// The identity.
    pub spiffe_id: SpiffeId,
    /// PKCS#10 in DER. Only its key is used; it must not ask for another identity.
    pub csr: Vec<u8>,
    /// DNS names in it.
    pub dns_names: Vec<String>,
    /// How long it lives, at most; the default of the settings when absent.
    pub ttl: Option<SignedDuration>,
    /// The registration entry that allows it, for the audit.
    pub entry_id: Option<String>,
    /// Who asked, for the audit: the SPIFFE ID of the agent.
    pub actor: String,
    /// The connection.
    pub caller: Caller,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// DER, leaf first, the root left out.
    pub chain: Vec<Vec<u8>>,
    /// End of the leaf.
    pub expires_at: Timestamp,
    /// Serial number of the leaf, lower-case hexadecimal.
    pub serial: String,
}

impl Issuer {
    /// Issues a JWT-SVID, once its audit row is durable. The first audience that is known decides the algorithm.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Refused`] with a clause when the request asks for what is not issued (`trust-domain`, `audience`,
    /// `claims`); [`carnet_core::ErrorKind::Configuration`] (`key`) when no key signs; those of the store. Nothing is issued then.
    pub async fn jwt_svid(&self, request: JwtSvidRequest) -> Result<Issued, Error> {
        let (issued, row) = self.signed_jwt_svid(request).await?;
        self.commit_allowed(row).await?;
        Ok(issued)
    }

    /// Issues JWT-SVIDs, each as [`Self::jwt_svid`] does and whatever becomes of the others. They are signed first, so that the store
    /// makes all their audit rows durable at once.
    pub async fn jwt_svids(&self, requests: Vec<JwtSvidRequest>) -> Vec<Result<Issued, Error>> {
        let mut signed = Vec::with_capacity(requests.len());
        for (number, request) in requests.into_iter().enumerate() {
            if number % IN_A_ROW == IN_A_ROW - 1 {
                tokio::task::yield_now().await;
            }
            signed.push(self.signed_jwt_svid(request).await);
        }
        let settled = signed.into_iter().map(|signed| async move {
            let (issued, row) = signed?;
            self.commit_allowed(row).await?;
            Ok(issued)
        });
        join_all(settled).await
    }

    /// Signs a JWT-SVID, and says what must be durable before it is given away.
    async fn signed_jwt_svid(&self, request: JwtSvidRequest) -> Result<(Issued, AuditRecord), Error> {
        let now = self.context().now();
        let outcome = self.make_jwt_svid(&request, now).await;
        let mut row = AuditRecord {
            actor: request.actor,
            subject: request.spiffe_id.to_string(),
            principal: request.spiffe_id.to_string(),
            audiences: bounded(&request.audiences),
            ..record("svid.jwt", now, &request.caller)
        };
        note_entry(&mut row, request.entry_id);
        let issued = self.settle(outcome, &mut row).await?;
        row.token_id.clone_from(&issued.jti);
        row.expires_at = Some(issued.expires_at);
        row.details.insert("kid".to_owned(), json!(issued.kid));
        Ok((issued, row))
    }

    async fn make_jwt_svid(&self, request: &JwtSvidRequest, now: Timestamp) -> Result<Issued, Error> {
        self.check_identity(&request.spiffe_id)?;
        check_audiences(&request.audiences)?;
        check_claims(&request.claims)?;
        let algorithm = self.settings().algorithm_for(&request.audiences).map_err(|(one, other)| {
            Error::refused(format!("the audiences {one:?} and {other:?} take different algorithms"))
                .clause("audience")
                .hint("ask for a token for each")
        })?;
        let lifetime = request.ttl.unwrap_or(self.settings().jwt_svid_lifetime);
        let jti = request.include_jti.then(|| self.context().random_hex::<16>());
        let draft = Draft {
            subject: request.spiffe_id.as_str(),
            audiences: &request.audiences,
            algorithm,
            lifetime,
            jti: jti.as_deref(),
        };
        self.sign_jwt_svid(&draft, request.claims.clone(), now).await
    }

    /// Signs a JWT-SVID. What it says has been checked.
    pub(crate) async fn sign_jwt_svid(
        &self,
        draft: &Draft<'_>,
        mut claims: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let signer = self.signer(draft.algorithm, now)?;
        let (issued_at, expires_at) = (whole_seconds(now), signer.end(now, self.bounded_lifetime(draft.lifetime)));
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", json!(self.issuer_url()));
        set("sub", json!(draft.subject));
        set("aud", json!(draft.audiences));
        set("iat", json!(issued_at.as_second()));
        set("exp", json!(expires_at.as_second()));
        if let Some(jti) = draft.jti {
            set("jti", json!(jti));
        }
        let token = signer.sign(Map::new(), claims).await?;
        let jti = draft.jti.map(str::to_owned);
        Ok(Issued { token, kid: signer.kid().to_owned(), issued_at, expires_at, jti })
    }

    /// Issues an X509-SVID, once its audit row is durable.
    ///
    /// # Errors
    /// As [`Self::x509_svids`].
    pub async fn x509_svid(&self, request: X509SvidRequest) -> Result<IssuedCertificate, Error> {
        let mut issued = self.x509_svids(vec![request]).await?;
        issued.pop().ok_or_else(|| Error::internal("no certificate was issued"))
    }

    /// Issues several X509-SVIDs in one commit: all or none. One row of the audit tells of all of them; who asked is taken from the first.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Refused`] with a clause for the first request that cannot be granted (`trust-domain`, `csr`,
    /// `csr-identity`, `csr-key`, `dns`); [`carnet_core::ErrorKind::Configuration`] (`key`) when there is no certificate authority;
    /// those of the store. Nothing is issued then.
    pub async fn x509_svids(&self, requests: Vec<X509SvidRequest>) -> Result<Vec<IssuedCertificate>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let (issued, row) = self.signed_x509_svids(requests).await?;
        self.commit_allowed(row).await?;
        Ok(issued)
    }

    /// Signs an X509-SVID, and says what must be durable before it is given away: the caller commits that row together with
    /// what else depends on it.
    ///
    /// # Errors
    /// As [`Self::x509_svids`]; the refusal has been written then.
    pub async fn signed_x509_svid(&self, request: X509SvidRequest) -> Result<(IssuedCertificate, AuditRecord), Error> {
        let (mut issued, row) = self.signed_x509_svids(vec![request]).await?;
        issued.pop().map(|issued| (issued, row)).ok_or_else(|| Error::internal("no certificate was issued"))
    }

    async fn signed_x509_svids(
        &self,
        requests: Vec<X509SvidRequest>,
    ) -> Result<(Vec<IssuedCertificate>, AuditRecord), Error> {
        let Some(first) = requests.first() else { return Err(Error::internal("no certificate was asked for")) };
        let now = self.context().now();
        let mut row = AuditRecord { actor: first.actor.clone(), ..record("svid.x509", now, &first.caller) };
        let outcome = self.make_x509_svids(&requests, now).await;
        if let [only] = requests.as_slice() {
            row.subject = only.spiffe_id.to_string();
            row.principal = only.spiffe_id.to_string();
            note_entry(&mut row, only.entry_id.clone());
        }
        let issued = self.settle(outcome, &mut row).await?;
        if let [only] = issued.as_slice() {
            row.token_id = Some(only.serial.clone());
            row.expires_at = Some(only.expires_at);
        } else {
            let told = requests.iter().zip(&issued).map(|(request, issued)| {
                json!({
                    "spiffe_id": request.spiffe_id, "entry": request.entry_id, "serial": issued.serial,
                    "expires_at": issued.expires_at,
                })
            });
            row.details.insert("svids".to_owned(), told.collect());
        }
        Ok((issued, row))
    }

    pub(crate) async fn make_x509_svids(
        &self,
        requests: &[X509SvidRequest],
        now: Timestamp,
    ) -> Result<Vec<IssuedCertificate>, Error> {
        if requests.len() > MAX_BATCH {
            let what = format!("{} certificates were asked for at once, more than {MAX_BATCH}", requests.len());
            return Err(Error::refused(what).clause("count"));
        }
        let authority = self.x509_authority(now)?;
        let own = Certificate::from_der(authority.authority.certificate())?;
        let mut wanted = Vec::with_capacity(requests.len());
        for request in requests {
            self.check_identity(&request.spiffe_id)?;
            check_dns_names(&request.dns_names)?;
            let spki = key_of_request(&request.csr, &request.spiffe_id)?;
            let lifetime = self.bounded_lifetime(request.ttl.unwrap_or(self.settings().x509_svid_lifetime));
            let end = whole_seconds(later(now, lifetime).min(authority.not_after));
            // A leaf that begins before its authority would not verify with clocks that are late.
            let begin = later(now, -self.settings().backdate).max(own.not_before());
            wanted.push((svid_profile(&request.spiffe_id, &request.dns_names, whole_seconds(begin), end), spki));
        }
        let ends: Vec<Timestamp> = wanted.iter().map(|(profile, _)| profile.not_after).collect();
        let leaves = sign_leaves(&authority, wanted).await?;
        leaves
            .into_iter()
            .zip(ends)
            .map(|(leaf, expires_at)| {
                let serial = carnet_core::hex(Certificate::from_der(&leaf)?.serial());
                Ok(IssuedCertificate { chain: authority.chain_of(leaf), expires_at, serial })
            })
            .collect()
    }

    /// Nothing is issued for another trust domain, nor for the domain itself.
    pub(crate) fn check_identity(&self, id: &SpiffeId) -> Result<(), Error> {
        if id.is_of(self.trust_domain()) && !id.is_root() {
            return Ok(());
        }
        let what = format!("{id} is no identity of a workload in {}", self.trust_domain());
        Err(Error::refused(what).clause("trust-domain"))
    }

    pub(crate) fn bounded_lifetime(&self, wanted: SignedDuration) -> SignedDuration {
        wanted.clamp(SignedDuration::from_secs(1), self.settings().max_lifetime)
    }

    /// Writes down what was not issued.
    async fn settle<T>(&self, outcome: Result<T, Error>, record: &mut AuditRecord) -> Result<T, Error> {
        let error = match outcome {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let failed = error.kind() != carnet_core::ErrorKind::Refused;
        record.outcome = if failed { Outcome::Failed } else { Outcome::Refused };
        record.clause = error.failed_clause().map(str::to_owned);
        let reasons = carnet_core::chain(&error).join(": ");
        record.details.insert("message".to_owned(), json!(carnet_core::safe_text(&reasons)));
        self.write_refusal(record.clone()).await;
        Err(error)
    }
}

/// A JWT-SVID before it is signed.
pub(crate) struct Draft<'a> {
    pub(crate) subject: &'a str,
    pub(crate) audiences: &'a [String],
    pub(crate) algorithm: Algorithm,
    pub(crate) lifetime: SignedDuration,
    pub(crate) jti: Option<&'a str>,
}

fn note_entry(record: &mut AuditRecord, entry: Option<String>) {
    if let Some(entry) = entry {
        record.details.insert("entry".to_owned(), json!(entry));
    }
}

/// Audiences as they may stand in an audit row before they were checked.
pub(crate) fn bounded(audiences: &[String]) -> Vec<String> {
    audiences.iter().take(MAX_AUDIENCES).map(|audience| carnet_core::safe_text(audience)).collect()
}

fn check_audiences(audiences: &[String]) -> Result<(), Error> {
    let refuse = |what: String| Err(Error::refused(what).clause("audience"));
    if audiences.is_empty() {
        return refuse("a JWT-SVID has at least one audience".to_owned());
    }
    if audiences.len() > MAX_AUDIENCES {
        return refuse(format!("there are {} audiences, more than {MAX_AUDIENCES}", audiences.len()));
    }
    if audiences.iter().any(|audience| audience.is_empty() || audience.len() > MAX_AUDIENCE) {
        return refuse(format!("an audience has between 1 and {MAX_AUDIENCE} bytes"));
    }
    Ok(())
}

fn check_claims(claims: &Map<String, Value>) -> Result<(), Error> {
    match claims.keys().find(|name| ISSUERS_CLAIMS.contains(&name.as_str())) {
        Some(name) => {
            Err(Error::refused(format!("claim {name:?} is written by the issuer and cannot be set")).clause("claims"))
        }
        None => Ok(()),
    }
}

/// RFC 1034, 3.5, with a leading `*` label, and underscores as in names of services.
fn check_dns_names(names: &[String]) -> Result<(), Error> {
    let label = |label: &str| {
        let end = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (1..=63).contains(&label.len())
            && label.chars().all(|c| end(c) || c == '-')
            && label.starts_with(end)
            && label.ends_with(end)
    };
    let name = |name: &&String| name.len() <= 253 && name.strip_prefix("*.").unwrap_or(name).split('.').all(label);
    match names.iter().find(|candidate| !name(candidate)) {
        Some(wrong) => {
            let what = format!("{:?} is no DNS name", carnet_core::safe_text(wrong));
            Err(Error::refused(what).clause("dns"))
        }
        None => Ok(()),
    }
}
