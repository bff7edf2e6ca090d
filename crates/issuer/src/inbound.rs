//! Inbound proofs: whose token, or whose certificate, this is. A proof says who somebody is; what may be had for it is the rules' business.

mod agent;
mod cluster;
mod keys;
mod own;
mod signed;
mod stateless;

use carnet_core::{ErrorKind, Secret, safe_text};
use carnet_jose::{JwtClause, JwtError, Rules, UnverifiedJwt, VerifiedJwt, sha256, verify_jwt};
use carnet_spiffe::{JwtSvidRules, SvidError, verify_jwt_svid_with, verify_x509_svid};
use carnet_trust::Refusal;
use carnet_x509::Certificate;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

pub(crate) use cluster::Clusters;
pub(crate) use keys::KeySets;
pub(crate) use own::{ACCESS_TOKEN_TYPE, OwnToken};
pub(crate) use signed::SignedRequests;
pub use stateless::revocation_mark;
pub(crate) use stateless::{STATED, tombstone};

use crate::{Caller, Issuer, RuleSet, SubjectType, trusted::CheckedIssuer};

/// Longest subject, in bytes: that of a SPIFFE ID.
const MAX_SUBJECT: usize = 2048;

/// Somebody's identity, proved.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// `iss`, or `spiffe://DOMAIN`.
    pub(crate) issuer: String,
    /// `sub`.
    pub(crate) subject: String,
    pub(crate) kind: SubjectType,
    claims: Shown,
    pub(crate) expires_at: Option<Timestamp>,
    /// What is used up when it may be used once only; `None` for certificates.
    pub(crate) once: Option<[u8; 32]>,
    /// What is remembered of it, when it is an access token of ours.
    pub(crate) own: Option<Box<carnet_store::TokenRow>>,
    /// The one rule that it was made for.
    pub(crate) only_rule: Option<String>,
}

#[derive(Clone, Debug)]
enum Shown {
    Jwt(VerifiedJwt),
    Certificate(Map<String, Value>),
    Request(Map<String, Value>),
}

/// Why nothing is proved. Who it was said to be is unverified, and for the audit only.
#[derive(Debug)]
pub(crate) struct Unproved {
    pub(crate) refusal: Box<Refusal>,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// Whether the same token may be good later: what is needed could not be reached.
    pub(crate) later: bool,
}

impl Proof {
    pub(crate) fn claims(&self) -> &Map<String, Value> {
        match &self.claims {
            Shown::Jwt(jwt) => &jwt.claims().0,
            Shown::Certificate(claims) | Shown::Request(claims) => claims,
        }
    }

    /// Whether it was made for this audience. A certificate is for whoever it is shown to.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match &self.claims {
            Shown::Jwt(jwt) => jwt.claims().audiences().contains(&audience),
            Shown::Certificate(_) => true,
            Shown::Request(claims) => claims.get("aud").and_then(Value::as_str) == Some(audience),
        }
    }
}

impl Unproved {
    pub(crate) fn new(clause: &'static str, seen: impl Into<String>, wanted: impl Into<String>, fix: &str) -> Self {
        let refusal = Refusal::new(clause, safe_text(&seen.into()), wanted, "invalid_token", fix);
        Self { refusal: Box::new(refusal), issuer: String::new(), subject: String::new(), later: false }
    }

    fn of(mut self, token: &UnverifiedJwt) -> Self {
        self.issuer = safe_text(token.unverified_issuer().unwrap_or_default());
        self.subject = safe_text(token.unverified_claims().str("sub").unwrap_or_default());
        self
    }
}

impl Issuer {
    /// Proves by a token. Its issuer is looked up among those of the rules, by bytes; no other is asked for anything.
    pub(crate) async fn prove_token(
        &self,
        token: &Secret,
        kind: SubjectType,
        caller: &Caller,
        rules: &RuleSet,
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        match kind {
            SubjectType::JwtSvid => return self.prove_jwt_svid(token, rules, now),
            SubjectType::OciRequest => return self.prove_oci_request(token, caller, rules, now).await,
            SubjectType::AwsRequest => return self.prove_aws_request(token, caller, rules, now).await,
            SubjectType::Jwt | SubjectType::IdToken | SubjectType::AccessToken | SubjectType::X509Svid => {}
        }
        let parsed = UnverifiedJwt::parse(token.expose()).map_err(Unproved::from)?;
        let issuer = parsed.unverified_issuer().unwrap_or_default();
        if issuer == self.issuer_url() && kind == SubjectType::AccessToken {
            return self.prove_own_token(&parsed, caller, now).await.map_err(|unproved| unproved.of(&parsed));
        }
        // What we have issued ourselves is believed by our own keys, whatever a rule says of our URL.
        let of = rules.of_issuer(issuer).filter(|_| issuer != self.issuer_url());
        if let Some((of, cluster)) = of.zip(self.clusters().get(issuer)) {
            let proved = self.prove_pod(token, &parsed, kind, &cluster, &of.expected_audiences).await;
            return proved.map_err(|unproved| unproved.of(&parsed));
        }
        let trusted = of.and_then(|of| of.trusted.as_ref());
        // Of those who sign requests there are no tokens, whatever one says.
        let trusted = trusted.filter(|trusted| trusted.signs.is_none());
        if let Some(trusted) = trusted {
            let proved = self.prove_foreign(token, &parsed, kind, trusted, now).await;
            return proved.map_err(|unproved| unproved.of(&parsed));
        }
        let names_workload =
            parsed.unverified_claims().str("sub").is_some_and(|subject| subject.starts_with("spiffe://"));
        if kind == SubjectType::Jwt && names_workload {
            return self.prove_jwt_svid(token, rules, now);
        }
        let fix = "write a rule for this issuer, exactly as its tokens name it, with or without the slash at the end";
        Err(Unproved::new("issuer", issuer, "an issuer that a rule names", fix).of(&parsed))
    }

    async fn prove_foreign(
        &self,
        token: &Secret,
        parsed: &UnverifiedJwt,
        kind: SubjectType,
        trusted: &std::sync::Arc<CheckedIssuer>,
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        check_type(parsed, trusted)?;
        let keys = self.key_sets().keys(trusted, parsed.unverified_kid()).await.map_err(|error| no_keys(&error))?;
        let given: Vec<&str> = trusted.data.types.iter().map(String::as_str).collect();
        let types: &[&str] = match (given.is_empty(), kind) {
            (false, _) => &given,
            (true, SubjectType::AccessToken) => &["at+jwt", "JWT"],
            (true, _) => &["JWT"],
        };
        let rules = Rules {
            issuer: Some(&trusted.data.issuer),
            // The rules look at it, each for its own.
            audiences: None,
            algorithms: &trusted.algorithms,
            leeway: trusted.leeway,
            require_expiry: true,
            max_lifetime: Some(trusted.max_age),
            types,
        };
        let jwt = verify_jwt(parsed, &keys, &rules, now)?;
        Ok(Proof {
            issuer: trusted.data.issuer.clone(),
            subject: subject_of(&jwt)?,
            kind,
            expires_at: jwt.claims().time("exp"),
            once: Some(once(token.expose(), &trusted.data.issuer, jwt.claims().str("jti"))),
            claims: Shown::Jwt(jwt),
            own: None,
            only_rule: None,
        })
    }

    fn prove_jwt_svid(&self, token: &Secret, rules: &RuleSet, now: Timestamp) -> Result<Proof, Unproved> {
        let unverified = UnverifiedJwt::parse(token.expose()).map_err(Unproved::from)?;
        let name = unverified.unverified_claims().str("sub").and_then(|subject| {
            let name = subject.strip_prefix("spiffe://")?.split('/').next()?;
            Some(name.to_owned())
        });
        let expected = name
            .as_ref()
            .and_then(|name| rules.of_issuer(&format!("spiffe://{name}")))
            .map(|of| &of.expected_audiences);
        // Without a domain there is no bundle, and nothing is believed.
        let domain = name.and_then(|name| name.parse().ok());
        let max_age = domain.map_or(SignedDuration::ZERO, |domain| self.max_svid_age(&domain));
        let audiences: Vec<&str> =
            std::iter::once(self.issuer_url()).chain(expected.into_iter().flatten().map(String::as_str)).collect();
        let wanted = JwtSvidRules {
            audiences: &audiences,
            leeway: self.settings().leeway,
            strict_header: true,
            max_lifetime: Some(max_age),
        };
        let svid = verify_jwt_svid_with(token.expose(), &wanted, &self.bundle_map(), now)
            .map_err(|error| Unproved::from(error).of(&unverified))?;
        let issuer = svid.spiffe_id.trust_domain().id().to_string();
        Ok(Proof {
            once: Some(once(token.expose(), &issuer, svid.claims().str("jti"))),
            issuer,
            subject: svid.spiffe_id.to_string(),
            kind: SubjectType::JwtSvid,
            expires_at: svid.expires_at(),
            claims: Shown::Jwt(svid.jwt),
            own: None,
            only_rule: None,
        })
    }

    /// Proves by the certificate of the connection.
    pub(crate) fn prove_certificate(&self, caller: &Caller, now: Timestamp) -> Result<Proof, Unproved> {
        let chain = caller.certificates.as_deref().unwrap_or_default();
        if chain.is_empty() {
            let fix = "connect with an X509-SVID, to a listener that asks for one";
            return Err(Unproved::new("certificate", "no certificate", "an X509-SVID by mutual TLS", fix));
        }
        let id = verify_x509_svid(chain, &self.bundle_map(), now)?;
        let leaf = chain.first().and_then(|der| Certificate::from_der(der).ok());
        let issuer = id.trust_domain().id().to_string();
        let claims = json!({
            "iss": issuer, "sub": id, "exp": leaf.as_ref().map(|leaf| leaf.not_after().as_second()),
            "serial": leaf.as_ref().map(|leaf| carnet_core::hex(leaf.serial())),
            "dns": leaf.as_ref().map(Certificate::dns_names),
        });
        let claims = match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        };
        Ok(Proof {
            issuer,
            subject: id.to_string(),
            kind: SubjectType::X509Svid,
            claims: Shown::Certificate(claims),
            expires_at: leaf.map(|leaf| leaf.not_after()),
            once: None,
            own: None,
            only_rule: None,
        })
    }
}

pub(crate) fn no_keys(error: &carnet_core::Error) -> Unproved {
    let reasons = carnet_core::chain(error).join(": ");
    let fix = error.hints().first().map_or("look at what the issuer publishes", |hint| *hint).to_owned();
    let unproved = Unproved::new("keys", reasons, "the keys of the issuer", &fix);
    // What is wrong on this side is not the caller's: with the same token he may come again.
    let later = matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Configuration);
    Unproved { later, ..unproved }
}

fn subject_of(jwt: &VerifiedJwt) -> Result<String, Unproved> {
    let subject = jwt.claims().str("sub").filter(|subject| !subject.is_empty() && subject.len() <= MAX_SUBJECT);
    subject.map(str::to_owned).ok_or_else(|| {
        let fix = "let the issuer name the subject in sub";
        Unproved::new("subject", "no usable claim \"sub\"", format!("a text of 1 to {MAX_SUBJECT} bytes"), fix)
    })
}

fn check_type(token: &UnverifiedJwt, trusted: &CheckedIssuer) -> Result<(), Unproved> {
    if trusted.data.require_type && !token.unverified_header().contains_key("typ") {
        let fix = "let the issuer write the type of its tokens, or take require_type away";
        return Err(Unproved::new("header", "no \"typ\"", trusted.data.types.join(", "), fix));
    }
    Ok(())
}

/// What is used up: the token's name among those of its issuer, or what was signed. Not the signature, of which one token may have several.
fn once(token: &str, issuer: &str, jti: Option<&str>) -> [u8; 32] {
    if let Some(jti) = jti.filter(|jti| !jti.is_empty()) {
        return sha256(format!("jti\0{issuer}\0{jti}").as_bytes());
    }
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    sha256(format!("token\0{signed}").as_bytes())
}

impl From<JwtError> for Unproved {
    fn from(error: JwtError) -> Self {
        let fix = match error.clause {
            JwtClause::Expired | JwtClause::NotYet => "get a new token, and compare the clocks",
            JwtClause::Key => "look at what the issuer publishes; a key is to be published before it signs",
            JwtClause::Header => "name the algorithm or the type with the issuer, if it is to be taken",
            _ => "get a new token from the issuer",
        };
        // Why it is not of the right form is the message; elsewhere the value says it.
        let seen = error.seen.unwrap_or(error.message);
        Self::new(error.clause.name(), seen, error.wanted.unwrap_or_default(), fix)
    }
}

impl From<SvidError> for Unproved {
    fn from(error: SvidError) -> Self {
        let fix = error.clause.fix();
        let seen = error.seen.unwrap_or(error.message);
        Self::new(error.clause.name(), seen, error.wanted.unwrap_or_default(), fix)
    }
}
