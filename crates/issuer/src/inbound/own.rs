//! Our own access tokens, when they come back.

use std::net::IpAddr;

use carnet_core::safe_text;
use carnet_jose::{Algorithm, KeySet, Rules, UnverifiedJwt, VerifiedJwt, sha256, verify_jwt};
use carnet_store::{StoreError, TokenRow};
use jiff::Timestamp;

use super::{Proof, STATED, Shown, Unproved};
use crate::{Caller, IssueType, Issuer, SubjectType, networks};

/// `typ` of access tokens (RFC 9068, 2.1). No other token of ours has it, so that none can be taken for one.
pub(crate) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

/// An access token of ours: verified, remembered, not revoked, not expired.
#[derive(Clone, Debug)]
pub(crate) struct OwnToken {
    pub(crate) jwt: VerifiedJwt,
    pub(crate) row: TokenRow,
    /// Whether nothing is remembered of it: the row is what it says itself.
    pub(crate) stateless: bool,
}

impl OwnToken {
    /// A token that is bound to networks is good for whoever shows it from there, and for nobody else. `seen` is how the address was said.
    ///
    /// # Errors
    /// Clause `network`.
    pub(crate) fn check_network(&self, address: Option<IpAddr>, seen: &str, fix: &str) -> Result<(), Unproved> {
        if networks::admit(&self.row.networks, address) {
            return Ok(());
        }
        Err(Unproved::new("network", seen, self.row.networks.join(", "), fix))
    }
}

impl Issuer {
    /// Verifies the signature and the times of an access token of ours.
    pub(crate) fn verify_own(&self, parsed: &UnverifiedJwt, now: Timestamp) -> Result<VerifiedJwt, Unproved> {
        let typ = parsed.unverified_header().get("typ").and_then(|typ| typ.as_str());
        if typ != Some(ACCESS_TOKEN_TYPE) {
            let fix = "send an access token that this authority has issued";
            return Err(Unproved::new("header", typ.unwrap_or("no \"typ\""), ACCESS_TOKEN_TYPE, fix));
        }
        let bundles = self.bundle_map();
        let own = bundles.get(self.trust_domain());
        let key = parsed.unverified_kid().and_then(|kid| own?.jwt_authority(kid));
        let keys = key.map_or_else(KeySet::default, |key| KeySet::of(key.clone()));
        let rules = Rules {
            issuer: Some(self.issuer_url()),
            audiences: None,
            algorithms: &ALGORITHMS,
            // Ours and by our clock.
            leeway: jiff::SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &[ACCESS_TOKEN_TYPE],
        };
        Ok(verify_jwt(parsed, &keys, &rules, now)?)
    }

    /// An access token of ours that is good now.
    pub(crate) async fn own_token(&self, parsed: &UnverifiedJwt, now: Timestamp) -> Result<OwnToken, Unproved> {
        let jwt = self.verify_own(parsed, now)?;
        if jwt.claims().get(STATED).is_some() {
            return self.stateless_token(jwt).await;
        }
        let jti = jwt.claims().str("jti").unwrap_or_default().to_owned();
        let row = self.store().token(jti).await.map_err(|error| unreadable(&error))?;
        let fix = "get a new token";
        let rules = self.rules();
        match row {
            None => Err(Unproved::new("revoked", "it is not known", "a token that is remembered", fix)),
            Some(row) => match row.revoked_at {
                Some(at) => {
                    Err(Unproved::new("revoked", format!("it was revoked at {at}"), "a token that is not", fix))
                }
                // As with a token that stands by itself: nobody vouches for it any more.
                None if !rules
                    .compiled(&row.rule)
                    .is_some_and(|rule| rule.rule.issue.contains(&IssueType::AccessToken)) =>
                {
                    Err(Unproved::new("revoked", "its rule is gone", "a rule that gives access tokens", fix))
                }
                None => Ok(OwnToken { jwt, row, stateless: false }),
            },
        }
    }

    pub(super) async fn prove_own_token(
        &self,
        parsed: &UnverifiedJwt,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        let token = self.own_token(parsed, now).await?;
        token.check_network(caller.address(), &caller.peer, "show the token from where it may be used")?;
        let OwnToken { jwt, row, .. } = token;
        if row.uses_left.is_some() {
            let fix = "exchange the token that this one was made from, or take uses out of the rule";
            return Err(Unproved::new("uses", "its uses are counted", "a token without uses", fix));
        }
        Ok(Proof {
            issuer: self.issuer_url().to_owned(),
            subject: safe_text(&row.subject),
            kind: SubjectType::AccessToken,
            expires_at: jwt.claims().time("exp"),
            once: Some(sha256(format!("jti\0{}\0{}", self.issuer_url(), row.id).as_bytes())),
            claims: Shown::Jwt(jwt),
            own: Some(Box::new(row)),
            only_rule: None,
        })
    }
}

pub(super) fn unreadable(error: &StoreError) -> Unproved {
    tracing::error!(%error, "the store cannot be read: the token is not believed");
    let fix = error.hint().unwrap_or("see to the store").to_owned();
    Unproved { later: true, ..Unproved::new("store", error.to_string(), "what is remembered of the token", &fix) }
}
